//! Records of the write-ahead log: any bytes decode or fail; samples come back when encoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsdb::wal::record::{Record, decode, encode_samples_v2};

fuzz_target!(|data: &[u8]| {
    if let Ok(Record::Samples(samples)) = decode(data) {
        let Ok(Record::Samples(again)) = decode(&encode_samples_v2(samples.iter())) else {
            panic!("own record decodes");
        };
        let parts = |entry: &tsdb::wal::record::SampleEntry| {
            let bits = entry.value.to_bits();
            (entry.series_ref, entry.timestamp, entry.start, bits)
        };
        assert!(samples.iter().map(parts).eq(again.iter().map(parts)));
    }
});
