//! Any text as a number: refused, or a number whose text reads back.
#![no_main]

use gocompat::float;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(value) = float::parse(&text) {
        for text in [float::format_g(value), float::format_e(value), float::format_json(value)] {
            let back = float::parse(&text).map(f64::to_bits);
            assert!(value.is_nan() || back == Ok(value.to_bits()), "{text}");
        }
    }
});
