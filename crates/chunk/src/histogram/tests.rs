//! Histograms to chunks and back, and what starts a new chunk.

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};
use model::sample::{SampleColumns, Value};
use model::staleness::STALE_NAN;
use model::{FloatHistogram, Histogram, Span, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{EncodeError, Encoding, decode};

fn histogram(offset: i32, counts: &[i64]) -> Histogram {
    let mut before = 0;
    let deltas = counts.iter().map(|count| {
        let delta = count - before;
        before = *count;
        delta
    });
    let length = counts.len() as u32;
    // A span without buckets does not come back.
    let spans = if length == 0 {
        vec![]
    } else {
        vec![Span { offset, length }]
    };
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 2,
        count: 2 + counts.iter().sum::<i64>() as u64,
        sum: 1.5 * counts.iter().sum::<i64>() as f64,
        positive_spans: spans,
        positive_buckets: deltas.collect(),
        ..Histogram::default()
    }
}

fn stale() -> Histogram {
    Histogram {
        sum: STALE_NAN,
        ..Histogram::default()
    }
}

fn gauge(histogram: Histogram) -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Gauge,
        ..histogram
    }
}

/// Decodes a chunk.
fn samples(encoding: Encoding, bytes: &[u8]) -> Vec<(Timestamp, FloatHistogram)> {
    let mut columns = SampleColumns::default();
    decode(
        encoding,
        bytes,
        Timestamp::MIN,
        Timestamp::MAX,
        &mut columns,
    )
    .unwrap();
    let histograms = columns.histograms.iter().map(|(_, value)| match value {
        Value::Histogram(histogram) => histogram.to_float(),
        Value::FloatHistogram(histogram) => FloatHistogram::clone(histogram),
        Value::Float(_) => panic!("no float was written"),
    });
    columns.timestamps.iter().copied().zip(histograms).collect()
}

/// Appends `second` behind `first`, as integers and as floats; the expectation for the latter may
/// differ.
fn check_floats(
    first: &Histogram,
    second: &Histogram,
    integer: AppendOutcome,
    float: AppendOutcome,
) {
    let header = |gauge| {
        if gauge {
            CounterResetHeader::Gauge
        } else {
            CounterResetHeader::Unknown
        }
    };
    let header = header(first.counter_reset_hint == CounterResetHint::Gauge);
    let mut bytes = Vec::new();
    let mut appender = HistogramAppender::start(header, &mut bytes, 1000, first).unwrap();
    assert_eq!(appender.append(&mut bytes, 2000, second), Ok(integer));
    let decoded = samples(Encoding::Histogram, &bytes);
    let (first, second) = (first.to_float(), second.to_float());
    let mut float_bytes = Vec::new();
    let mut appender =
        FloatHistogramAppender::start(header, &mut float_bytes, 1000, &first).unwrap();
    assert_eq!(appender.append(&mut float_bytes, 2000, &second), Ok(float));
    let compact = |samples: Vec<(Timestamp, FloatHistogram)>| -> Vec<_> {
        let compact = samples.into_iter().map(|(time, mut sample)| {
            sample.compact(0);
            (time, sample)
        });
        // Stale markers are unequal to themselves.
        compact.map(|sample| format!("{sample:?}")).collect()
    };
    let float_decoded = compact(samples(Encoding::FloatHistogram, &float_bytes));
    assert_eq!(compact(decoded), float_decoded);
    let kept = if matches!(integer, AppendOutcome::NewChunk(_)) {
        1
    } else {
        2
    };
    assert_eq!(float_decoded.len(), kept);
}

fn check(first: &Histogram, second: &Histogram, expected: AppendOutcome) {
    check_floats(first, second, expected, expected);
}

#[test]
fn growing_counts_append() {
    check(
        &histogram(0, &[1, 2]),
        &histogram(0, &[1, 3]),
        AppendOutcome::Appended,
    );
    check(
        &histogram(0, &[1, 0]),
        &histogram(0, &[1]),
        AppendOutcome::Appended,
    );
    check(&histogram(0, &[1, 2]), &stale(), AppendOutcome::Appended);
    check(&stale(), &stale(), AppendOutcome::Appended);
}

#[test]
fn new_buckets_recode() {
    check(
        &histogram(0, &[1, 2]),
        &histogram(0, &[1, 3, 4]),
        AppendOutcome::Recoded,
    );
    check(
        &histogram(0, &[0, 2]),
        &histogram(1, &[3, 4]),
        AppendOutcome::Recoded,
    );
    check(
        &histogram(5, &[1]),
        &histogram(-5, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]),
        AppendOutcome::Recoded,
    );
}

#[test]
fn resets_start_chunks() {
    let reset = AppendOutcome::NewChunk(CounterResetHeader::CounterReset);
    check(&histogram(0, &[5, 2]), &histogram(0, &[1, 2]), reset);
    check(&histogram(0, &[1, 2]), &histogram(0, &[9, 1]), reset);
    check(&histogram(0, &[1, 2]), &histogram(1, &[9]), reset);
    let hinted = Histogram {
        counter_reset_hint: CounterResetHint::CounterReset,
        ..histogram(0, &[9, 9])
    };
    check(&histogram(0, &[1, 2]), &hinted, reset);
    let fewer_zeros = Histogram {
        zero_count: 1,
        ..histogram(0, &[9])
    };
    check(&histogram(0, &[1]), &fewer_zeros, reset);
    let custom = |bounds: &[f64]| Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_values: Some(bounds.into()),
        ..histogram(0, &[1])
    };
    check(&custom(&[1.0]), &custom(&[2.0]), reset);
    check(&custom(&[1.0]), &custom(&[1.0]), AppendOutcome::Appended);
}

#[test]
fn other_layouts_start_chunks() {
    let unknown = AppendOutcome::NewChunk(CounterResetHeader::Unknown);
    let first = histogram(0, &[1]);
    check(
        &first,
        &Histogram {
            schema: 0,
            ..histogram(0, &[1])
        },
        unknown,
    );
    check(
        &first,
        &Histogram {
            zero_threshold: 0.1,
            ..histogram(0, &[1])
        },
        unknown,
    );
    check(&stale(), &first, unknown);
}

#[test]
fn gauges_and_counters_have_their_own_chunks() {
    let gauge_chunk = AppendOutcome::NewChunk(CounterResetHeader::Gauge);
    let (low, high) = (histogram(0, &[1]), histogram(0, &[9, 2]));
    check(&low, &gauge(high.clone()), gauge_chunk);
    check_floats(
        &gauge(low.clone()),
        &high,
        AppendOutcome::NewChunk(CounterResetHeader::NotCounterReset),
        AppendOutcome::NewChunk(CounterResetHeader::Unknown),
    );
    check(
        &gauge(high.clone()),
        &gauge(low.clone()),
        AppendOutcome::Appended,
    );
    check(&gauge(low.clone()), &gauge(high), AppendOutcome::Recoded);
    check(
        &gauge(low.clone()),
        &gauge(Histogram { schema: 0, ..low }),
        gauge_chunk,
    );
}

#[test]
fn a_chunk_cut_for_size_says_what_is_known() {
    let mut bytes = Vec::new();
    let first = histogram(0, &[5]);
    let appender =
        HistogramAppender::start(CounterResetHeader::Unknown, &mut bytes, 0, &first).unwrap();
    let header = |sample: &Histogram| appender.next_header(sample);
    assert_eq!(
        header(&histogram(0, &[6])),
        CounterResetHeader::NotCounterReset
    );
    assert_eq!(
        header(&histogram(0, &[1])),
        CounterResetHeader::CounterReset
    );
    assert_eq!(
        header(&gauge(histogram(0, &[1]))),
        CounterResetHeader::Gauge
    );
    assert_eq!(
        header(&Histogram { schema: 0, ..first }),
        CounterResetHeader::Unknown
    );
}

#[test]
fn spans_that_do_not_fit_are_refused() {
    let mut bytes = Vec::new();
    let wrong = Histogram {
        positive_buckets: vec![],
        ..histogram(0, &[1])
    };
    let started = HistogramAppender::start(CounterResetHeader::Unknown, &mut bytes, 0, &wrong);
    assert_eq!(started.err(), Some(EncodeError::SpansMismatch));
}

#[test]
fn the_layout_has_its_short_forms() {
    let mut bytes = Vec::new();
    let custom = Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_values: Some([0.005, 1.0, 1.0 / 3.0].as_slice().into()),
        zero_threshold: 0.0,
        zero_count: 0,
        ..histogram(0, &[1])
    };
    HistogramAppender::start(CounterResetHeader::Unknown, &mut bytes, 0, &custom).unwrap();
    let decoded = samples(Encoding::Histogram, &bytes);
    assert_eq!(decoded[0].1, custom.to_float());
    // Zero threshold 2^-128 is the byte 116, 0.001 takes nine.
    for (threshold, byte) in [(2_f64.powi(-128), 116), (2_f64.powi(10), 254), (0.001, 255)] {
        let sample = Histogram {
            zero_threshold: threshold,
            ..histogram(0, &[1])
        };
        HistogramAppender::start(CounterResetHeader::Unknown, &mut bytes, 0, &sample).unwrap();
        assert_eq!(bytes[3], byte);
        assert_eq!(
            samples(Encoding::Histogram, &bytes)[0].1.zero_threshold,
            threshold
        );
    }
}

prop_compose! {
    fn any_sample()(
        offset in -9..9_i32,
        counts in prop::collection::vec(0..40_i64, 0..12),
        negative in prop::collection::vec(0..9_i64, 0..5),
        zero_count in 0..5_u64,
        is_stale in prop::bool::weighted(0.1),
        hint in prop::sample::select(vec![CounterResetHint::Unknown, CounterResetHint::Gauge]),
        schema in 0..2_i32,
    ) -> Histogram {
        if is_stale {
            return stale();
        }
        let other = histogram(offset, &negative);
        Histogram {
            schema,
            zero_count,
            count: zero_count + counts.iter().chain(&negative).sum::<i64>() as u64,
            counter_reset_hint: hint,
            negative_spans: other.positive_spans,
            negative_buckets: other.positive_buckets,
            ..histogram(offset, &counts)
        }
    }
}

/// Writes all samples into as many chunks as it takes and reads them back.
fn round_trip<S: Sample + std::fmt::Debug>(
    encoding: Encoding,
    written: &[(Timestamp, S)],
) -> Vec<(Timestamp, FloatHistogram)> {
    let mut read = Vec::new();
    let mut open: Option<(Appender<S>, Vec<u8>)> = None;
    for (timestamp, sample) in written {
        let header = match &mut open {
            Some((appender, bytes)) => match appender.append(bytes, *timestamp, sample).unwrap() {
                AppendOutcome::Appended | AppendOutcome::Recoded => continue,
                AppendOutcome::NewChunk(header) => {
                    let (again, copy) = Appender::<S>::reopen(bytes).unwrap();
                    assert_eq!((&copy, again.count()), (&*bytes, appender.count()));
                    read.extend(samples(encoding, bytes));
                    header
                }
            },
            None => CounterResetHeader::Unknown,
        };
        let mut bytes = Vec::new();
        let appender = Appender::start(header, &mut bytes, *timestamp, sample).unwrap();
        open = Some((appender, bytes));
    }
    if let Some((_, bytes)) = open {
        read.extend(samples(encoding, &bytes));
    }
    read
}

fn comparable(samples: Vec<(Timestamp, FloatHistogram)>) -> Vec<String> {
    let texts = samples.into_iter().map(|(time, mut sample)| {
        sample.counter_reset_hint = CounterResetHint::Unknown;
        sample.compact(0);
        format!("{time} {sample:?}")
    });
    texts.collect()
}

/// An open chunk of each of the two encodings, with the same samples.
struct Both<S: Sample> {
    plain: Appender<S>,
    bytes: Vec<u8>,
    with: Appender<S>,
    bytes_with: Vec<u8>,
    starts: Vec<Timestamp>,
}

impl<S: Sample + std::fmt::Debug> Both<S> {
    fn start(header: CounterResetHeader, time: Timestamp, start: Timestamp, sample: &S) -> Self {
        let (mut bytes, mut bytes_with) = (Vec::new(), Vec::new());
        let plain = Appender::start(header, &mut bytes, time, sample).unwrap();
        let with =
            Appender::start_with_start_timestamps(header, &mut bytes_with, time, start, sample);
        Self {
            plain,
            bytes,
            with: with.unwrap(),
            bytes_with,
            starts: vec![start],
        }
    }

    fn append(&mut self, time: Timestamp, start: Timestamp, sample: &S) -> AppendOutcome {
        let outcome = self.plain.append(&mut self.bytes, time, sample).unwrap();
        let (with, bytes) = (&mut self.with, &mut self.bytes_with);
        let same = with.append_with_start_timestamp(bytes, time, start, sample);
        assert_eq!(same, Ok(outcome));
        if !matches!(outcome, AppendOutcome::NewChunk(_)) {
            self.starts.push(start);
        }
        outcome
    }
}

/// Chunks of both encodings of the same samples.
fn with_starts<S: Sample + std::fmt::Debug>(written: &[(Timestamp, Timestamp, S)]) -> Vec<Both<S>> {
    let mut chunks: Vec<Both<S>> = Vec::new();
    for (time, start, sample) in written {
        let outcome = chunks
            .last_mut()
            .map(|open| open.append(*time, *start, sample));
        match outcome {
            None => {
                let header = CounterResetHeader::Unknown;
                chunks.push(Both::start(header, *time, *start, sample));
            }
            Some(AppendOutcome::NewChunk(header)) => {
                chunks.push(Both::start(header, *time, *start, sample));
            }
            Some(AppendOutcome::Appended | AppendOutcome::Recoded) => {}
        }
    }
    chunks
}

fn check_starts<S: Sample + std::fmt::Debug>(
    plain: Encoding,
    with: Encoding,
    written: &[(Timestamp, Timestamp, S)],
) {
    for both in with_starts(written) {
        let Both {
            bytes,
            bytes_with,
            starts,
            ..
        } = both;
        assert_eq!(
            comparable(samples(with, &bytes_with)),
            comparable(samples(plain, &bytes))
        );
        let mut columns = SampleColumns::default();
        decode(
            with,
            &bytes_with,
            Timestamp::MIN,
            Timestamp::MAX,
            &mut columns,
        )
        .unwrap();
        if columns.start_timestamps.is_empty() {
            assert!(starts.iter().all(|start| *start == 0));
        } else {
            assert_eq!(columns.start_timestamps, starts);
        }
        let count = crate::sample_count(with, &bytes_with);
        assert_eq!(count, crate::sample_count(plain, &bytes));
        let (appender, copy) = Appender::<S>::reopen_with_start_timestamps(&bytes_with).unwrap();
        assert_eq!(appender.encoding(), with);
        assert_eq!(copy, bytes_with);
        // Without start timestamps the samples' bits are those of the other encoding.
        if starts.iter().all(|start| *start == 0) && starts.len() < 127 {
            assert_eq!(bytes_with[3..], bytes[3..]);
            assert_eq!(bytes_with[0] & 0xc0, bytes[2]);
        }
    }
}

#[test]
fn the_header_of_a_chunk_with_start_timestamps_shares_a_field_with_the_count() {
    let sample = histogram(0, &[1, 2, 3]);
    let mut bytes = Vec::new();
    let mut appender = HistogramAppender::start_with_start_timestamps(
        CounterResetHeader::CounterReset,
        &mut bytes,
        1000,
        900,
        &sample,
    )
    .unwrap();
    assert_eq!(bytes[..3], [0x80, 1, 0x80]);
    for step in 1..300 {
        let start = if step < 5 { 900 } else { 950 };
        let time = 1000 + step * 15;
        let outcome = appender.append_with_start_timestamp(&mut bytes, time, start, &sample);
        assert_eq!(outcome, Ok(AppendOutcome::Appended));
    }
    assert_eq!(bytes[..3], [0x81, 0x2c, 0x85]);
    assert_eq!(crate::sample_count(Encoding::HistogramSt, &bytes), Ok(300));
}

fn any_start() -> impl Strategy<Value = Timestamp> {
    prop_oneof![4 => Just(0_i64), 4 => Just(77), 1 => any::<i64>()]
}

proptest! {
    #[test]
    fn start_timestamps_come_back_beside_the_same_samples(
        input in prop::collection::vec((any::<i32>(), any_start(), any_sample()), 1..40),
    ) {
        let integers: Vec<_> = input
            .into_iter()
            .map(|(time, start, sample)| (i64::from(time), start, sample))
            .collect();
        let floats: Vec<_> = integers
            .iter()
            .map(|(time, start, sample)| (*time, *start, sample.to_float()))
            .collect();
        check_starts(Encoding::Histogram, Encoding::HistogramSt, &integers);
        check_starts(Encoding::FloatHistogram, Encoding::FloatHistogramSt, &floats);
    }

    #[test]
    fn histograms_come_back(input in prop::collection::vec((any::<i32>(), any_sample()), 1..60)) {
        let integers: Vec<_> =
            input.into_iter().map(|(time, sample)| (i64::from(time), sample)).collect();
        let floats: Vec<_> =
            integers.iter().map(|(time, sample)| (*time, sample.to_float())).collect();
        let expected = comparable(floats.clone());
        prop_assert_eq!(&comparable(round_trip(Encoding::Histogram, &integers)), &expected);
        prop_assert_eq!(&comparable(round_trip(Encoding::FloatHistogram, &floats)), &expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_anything(&bytes);
    }
}

/// As the fuzz targets do.
fn decode_anything(bytes: &[u8]) {
    for encoding in [
        Encoding::Histogram,
        Encoding::FloatHistogram,
        Encoding::HistogramSt,
        Encoding::FloatHistogramSt,
    ] {
        let mut columns = SampleColumns::default();
        let _ = decode(
            encoding,
            bytes,
            Timestamp::MIN,
            Timestamp::MAX,
            &mut columns,
        );
    }
    let _ = HistogramAppender::reopen(bytes);
    let _ = FloatHistogramAppender::reopen(bytes);
    let _ = HistogramAppender::reopen_with_start_timestamps(bytes);
    let _ = FloatHistogramAppender::reopen_with_start_timestamps(bytes);
}

#[test]
fn damaged_chunks_are_errors_or_other_samples() {
    let mut bytes = Vec::new();
    let first = histogram(0, &[1, 2, 3]);
    let mut appender =
        HistogramAppender::start(CounterResetHeader::Unknown, &mut bytes, 0, &first).unwrap();
    for step in 1..9 {
        let sample = histogram(0, &[step, 2 * step, 3 * step]);
        appender.append(&mut bytes, step * 15_000, &sample).unwrap();
    }
    for at in 0..bytes.len() {
        decode_anything(&bytes[..at]);
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            decode_anything(&damaged);
        }
    }
}

/// Chunks of the reference: encoded anew they are the same bytes.
#[test]
fn chunks_of_the_reference_are_encoded_as_there() {
    let text = include_str!("../../testdata/histogram_chunks.txt");
    let mut chunks = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (encoding, hex) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let copy = match encoding {
            "2" => HistogramAppender::reopen(&bytes).unwrap().1,
            _ => FloatHistogramAppender::reopen(&bytes).unwrap().1,
        };
        assert_eq!(copy, bytes);
        chunks += 1;
    }
    assert!(chunks > 3);
}
