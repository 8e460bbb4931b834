//! Remote write messages behind a good snappy block, so that the mutations reach the decoders.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for answer in remote::receive::receive_any(&remote::receive::pack(data)) {
        assert!(matches!(answer.status, 204 | 400), "{answer:?}");
    }
});
