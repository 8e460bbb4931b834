//! Bytes of native histogram chunks (chunk::histogram) decode or fail, and reopen for appending.
#![no_main]

use chunk::Encoding;
use chunk::histogram::HistogramAppender;
use libfuzzer_sys::fuzz_target;
use model::sample::SampleColumns;

fuzz_target!(|data: &[u8]| {
    let mut columns = SampleColumns::default();
    let _ = chunk::decode(Encoding::Histogram, data, i64::MIN, i64::MAX, &mut columns);
    let _ = HistogramAppender::reopen(data);
});
