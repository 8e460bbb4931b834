//! Records of snapshots of the head's memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = tsdb::memory_snapshot::decode(data);
});
