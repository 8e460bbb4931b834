//! Any bytes as a body: parses or refuses, and takes every series text apart.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| exposition::check_body(exposition::Format::OpenMetrics, data));
