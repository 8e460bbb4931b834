//! Segments of the write-ahead log: any bytes give records and an end or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsdb::wal::{Records, record};

fuzz_target!(|data: &[u8]| {
    let mut records = Records::new(data);
    while let Ok(Some(found)) = records.next_record() {
        let _ = record::decode(found);
    }
    assert!(records.record_start() <= records.offset());
});
