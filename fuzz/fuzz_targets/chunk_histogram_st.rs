//! Bytes of histogram chunks with start timestamps decode or fail, and reopen for appending. The
//! first byte chooses between integer and float counts.
#![no_main]

use chunk::Encoding;
use chunk::histogram::{FloatHistogramAppender, HistogramAppender};
use libfuzzer_sys::fuzz_target;
use model::sample::SampleColumns;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let mut columns = SampleColumns::default();
    if choice & 1 == 0 {
        let encoding = Encoding::HistogramSt;
        let _ = chunk::decode(encoding, data, i64::MIN, i64::MAX, &mut columns);
        let _ = HistogramAppender::reopen_with_start_timestamps(data);
    } else {
        let encoding = Encoding::FloatHistogramSt;
        let _ = chunk::decode(encoding, data, i64::MIN, i64::MAX, &mut columns);
        let _ = FloatHistogramAppender::reopen_with_start_timestamps(data);
    }
});
