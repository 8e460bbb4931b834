//! Native histograms of a request.

use std::sync::Arc;

use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_RESERVED_MAX,
};
use model::sample::Value as Sample;
use model::{CounterResetHint, FloatHistogram, Histogram, Span, Timestamp};
use storage::AppendError;

use super::wire::{Fields, Value, Varints, push_doubles, zigzag};

/// A histogram with its times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) value: Sample,
    pub(super) timestamp: Timestamp,
    pub(super) start_timestamp: Timestamp,
    /// Bytes of its lists: what keeping it costs.
    pub(super) bytes: usize,
}

/// The message as it stands: which of the two kinds it is shows only at its end.
#[derive(Debug, Default)]
struct Raw {
    count_int: u64,
    /// The kind: of the two counts the last one given decides.
    count_float: Option<f64>,
    zero_count_int: u64,
    zero_count_float: f64,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    negative_spans: Vec<Span>,
    negative_deltas: Vec<i64>,
    negative_counts: Vec<f64>,
    positive_spans: Vec<Span>,
    positive_deltas: Vec<i64>,
    positive_counts: Vec<f64>,
    reset_hint: u64,
    timestamp: Timestamp,
    start_timestamp: Timestamp,
    custom_values: Vec<f64>,
}

impl Raw {
    fn read(message: &[u8]) -> Self {
        let mut raw = Self::default();
        for (number, value) in Fields::new(message) {
            match number {
                1 => (raw.count_int, raw.count_float) = (value.varint(), None),
                2 => (raw.count_int, raw.count_float) = (0, Some(value.double())),
                3 => raw.sum = value.double(),
                4 => raw.schema = zigzag(u64::from(value.varint() as u32)) as i32,
                5 => raw.zero_threshold = value.double(),
                6 => (raw.zero_count_int, raw.zero_count_float) = (value.varint(), 0.0),
                7 => (raw.zero_count_int, raw.zero_count_float) = (0, value.double()),
                8 => raw.negative_spans.push(span(value.bytes())),
                9 => push_deltas(&mut raw.negative_deltas, value),
                10 => push_doubles(&mut raw.negative_counts, value),
                11 => raw.positive_spans.push(span(value.bytes())),
                12 => push_deltas(&mut raw.positive_deltas, value),
                13 => push_doubles(&mut raw.positive_counts, value),
                14 => raw.reset_hint = value.varint(),
                15 => raw.timestamp = value.varint() as i64,
                16 => push_doubles(&mut raw.custom_values, value),
                17 => raw.start_timestamp = value.varint() as i64,
                _ => {}
            }
        }
        raw
    }

    fn bytes(&self) -> usize {
        let spans = self.negative_spans.len() + self.positive_spans.len();
        let counts = self.negative_deltas.len()
            + self.positive_deltas.len()
            + self.negative_counts.len()
            + self.positive_counts.len()
            + self.custom_values.len();
        (spans + counts) * 8 + size_of::<Histogram>()
    }
}

/// Reads a checked message. Schemas finer than those kept are reduced.
pub(super) fn read(message: &[u8]) -> Point {
    let raw = Raw::read(message);
    let bytes = raw.bytes();
    let (timestamp, start_timestamp) = (raw.timestamp, raw.start_timestamp);
    let counter_reset_hint = match raw.reset_hint {
        1 => CounterResetHint::CounterReset,
        2 => CounterResetHint::NotCounterReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    };
    let has_bounds = raw.schema == CUSTOM_BUCKETS_SCHEMA || !raw.custom_values.is_empty();
    let custom_values: Option<Arc<[f64]>> = has_bounds.then(|| raw.custom_values.into());
    let value = match raw.count_float {
        Some(count) => {
            let histogram = FloatHistogram {
                counter_reset_hint,
                schema: raw.schema,
                zero_threshold: raw.zero_threshold,
                zero_count: raw.zero_count_float,
                count,
                sum: raw.sum,
                positive_spans: raw.positive_spans,
                negative_spans: raw.negative_spans,
                positive_buckets: raw.positive_counts,
                negative_buckets: raw.negative_counts,
                custom_values,
            };
            Sample::FloatHistogram(Arc::new(if too_fine(histogram.schema) {
                histogram.copy_to_schema(EXPONENTIAL_SCHEMA_MAX)
            } else {
                histogram
            }))
        }
        None => {
            let histogram = Histogram {
                counter_reset_hint,
                schema: raw.schema,
                zero_threshold: raw.zero_threshold,
                zero_count: raw.zero_count_int,
                count: raw.count_int,
                sum: raw.sum,
                positive_spans: raw.positive_spans,
                negative_spans: raw.negative_spans,
                positive_buckets: raw.positive_deltas,
                negative_buckets: raw.negative_deltas,
                custom_values,
            };
            Sample::Histogram(Arc::new(if too_fine(histogram.schema) {
                histogram.copy_to_schema(EXPONENTIAL_SCHEMA_MAX)
            } else {
                histogram
            }))
        }
    };
    Point {
        value,
        timestamp,
        start_timestamp,
        bytes,
    }
}

/// Refuses a histogram that contradicts itself; what the store would say too, but only once it has
/// the series.
pub(super) fn validate(value: &Sample) -> Result<(), AppendError> {
    value
        .validate()
        .map_err(|err| AppendError::InvalidHistogram(err.to_string()))
}

fn too_fine(schema: i32) -> bool {
    (EXPONENTIAL_SCHEMA_MAX + 1..=EXPONENTIAL_SCHEMA_RESERVED_MAX).contains(&schema)
}

fn push_deltas(out: &mut Vec<i64>, value: Value<'_>) {
    out.extend(Varints::new(value).map(zigzag));
}

fn span(message: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, value) in Fields::new(message) {
        match number {
            1 => span.offset = zigzag(u64::from(value.varint() as u32)) as i32,
            2 => span.length = value.varint() as u32,
            _ => {}
        }
    }
    span
}
