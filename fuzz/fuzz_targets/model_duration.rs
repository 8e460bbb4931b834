//! Any text as a duration of either kind: refused, or read back from its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::duration;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(ms) = duration::parse(&text) {
        assert_eq!(duration::parse(&duration::format(ms)), Ok(ms));
    }
    if let Ok(nanos) = gocompat::duration::parse(&text) {
        assert_eq!(gocompat::duration::parse(&gocompat::duration::format(nanos)), Ok(nanos));
    }
});
