//! Bodies of remote write requests as they come off the network: any bytes are taken or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for answer in remote::receive::receive_any(data) {
        assert!(matches!(answer.status, 204 | 400), "{answer:?}");
    }
});
