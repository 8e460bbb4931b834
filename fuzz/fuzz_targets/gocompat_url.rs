//! Any text as a URL and as an address: refused, or with a host that reads back.
#![no_main]

use gocompat::url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(parsed) = url::parse(&text) {
        let mut origin = String::new();
        url::push_origin(&mut origin, &parsed.scheme, &parsed.host);
        assert_eq!(url::parse(&origin).map(|read| read.host), Ok(parsed.host));
    }
    let _ = url::split_host_port(&text);
});
