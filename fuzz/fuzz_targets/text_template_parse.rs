//! Any text as a template: read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use text_template::{Options, parse};

fuzz_target!(|data: &[u8]| {
    let options = Options {
        name: "t",
        functions: &["f"],
        variables: &["$v"],
    };
    let _ = parse(&String::from_utf8_lossy(data), &options);
});
