//! Records of the write-ahead log: any bytes decode or fail; samples come back when encoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsdb::wal::record::{Record, decode, encode_samples};

fuzz_target!(|data: &[u8]| {
    if let Ok(Record::Samples(samples)) = decode(data) {
        let Ok(Record::Samples(again)) = decode(&encode_samples(&samples)) else {
            panic!("own record decodes");
        };
        assert_eq!(samples.len(), again.len());
    }
});
