//! Any bytes as requests whose first lines are escaped.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| web::request_line::check(data));
