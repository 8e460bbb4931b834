//! Any bytes as the answer of a DNS server.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::dns::check_answer(data));
