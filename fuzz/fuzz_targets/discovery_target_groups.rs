//! Any bytes as the JSON answer of a discovery server.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::check_json(data));
