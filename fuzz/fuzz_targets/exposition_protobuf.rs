//! Any bytes as a protobuf body, histograms in each mode: parses or refuses, and takes every series
//! and exemplar apart.
#![no_main]

use exposition::{Format, check_body, check_known};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_body(Format::Protobuf, data);
    check_known(Format::Protobuf, data, data);
});
