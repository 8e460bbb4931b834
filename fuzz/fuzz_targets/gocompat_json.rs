//! Any text as a JSON object of strings: read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gocompat::json::string_map(&String::from_utf8_lossy(data));
});
