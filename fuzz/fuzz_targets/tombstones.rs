//! The tombstone file of a block.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = tsdb::block::tombstones::Tombstones::parse(data);
});
