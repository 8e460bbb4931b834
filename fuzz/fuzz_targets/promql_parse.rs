//! Any bytes as an expression, selector, series or series notation; what is accepted prints the
//! same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| promql_parser::check_text(data));
