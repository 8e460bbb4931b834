//! Any text as a quoted string, and quoted and read back.
#![no_main]

use gocompat::quote::{quote, quote_bytes, unquote, unquote_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = unquote(&text);
    assert_eq!(unquote(&quote(&text)).as_deref(), Ok(&*text));
    assert_eq!(unquote_bytes(&quote_bytes(data)).as_deref(), Ok(data));
});
