//! Any bytes as a body: parses or refuses, takes every series text apart, and reads the same whether
//! lines are known or not.
#![no_main]

use exposition::{Format, check_body, check_known};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_body(Format::Text, data);
    check_known(Format::Text, data, data);
    let (learned, body) = data.split_at(data.len() / 2);
    check_known(Format::Text, learned, body);
});
