//! The file of running queries that a run before left.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = promql::parse_active_queries(data);
});
