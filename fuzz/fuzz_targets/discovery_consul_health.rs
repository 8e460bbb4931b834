//! Any bytes as Consul's answer about the health of a service.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::consul::check_entries(data));
