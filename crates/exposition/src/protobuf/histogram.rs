//! The native histogram of a metric.

use std::sync::Arc;

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, ClassicHistogram};
use model::sample::Value as Sample;
use model::{CounterResetHint, FloatHistogram, Histogram, MetricType, Span};

use super::metric::{self, HISTOGRAM, Metric};
use super::wire::{Fields, Nested, Value, signed_32};
use crate::ParseError;
use crate::entry::RawExemplar;

const BUCKETS: u32 = 3;
const EXEMPLARS: u32 = 16;

/// The message as it stands: which of the two kinds it is shows only at its end.
#[derive(Debug, Default)]
struct Raw {
    count: u64,
    count_float: f64,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    negative_spans: Vec<Span>,
    negative_deltas: Vec<i64>,
    negative_counts: Vec<f64>,
    positive_spans: Vec<Span>,
    positive_deltas: Vec<i64>,
    positive_counts: Vec<f64>,
}

/// Reads the native histogram of a checked metric. `name` is its family's, for errors.
pub(super) fn read(
    metric: &[u8],
    metric_type: MetricType,
    name: &[u8],
) -> Result<Sample, ParseError> {
    let mut raw = Raw::default();
    for (number, value) in Nested::new(metric, HISTOGRAM) {
        match number {
            1 => raw.count = value.varint(),
            2 => raw.sum = value.double(),
            4 => raw.count_float = value.double(),
            5 => raw.schema = signed_32(value),
            6 => raw.zero_threshold = value.double(),
            7 => raw.zero_count = value.varint(),
            8 => raw.zero_count_float = value.double(),
            9 => raw.negative_spans.push(span(value)),
            10 => value.push_signed(&mut raw.negative_deltas),
            11 => value.push_doubles(&mut raw.negative_counts),
            12 => raw.positive_spans.push(span(value)),
            13 => value.push_signed(&mut raw.positive_deltas),
            14 => value.push_doubles(&mut raw.positive_counts),
            _ => {}
        }
    }
    let refused = |reason: String| {
        let name = crate::quoted::quoted(name);
        ParseError(format!("histogram {name}: {reason}"))
    };
    let counter_reset_hint = if metric_type == MetricType::GaugeHistogram {
        CounterResetHint::Gauge
    } else {
        CounterResetHint::Unknown
    };
    // The format has no place for the bounds: there are none, and the store says what it thinks.
    let custom_values = (raw.schema == CUSTOM_BUCKETS_SCHEMA).then(|| Arc::from([]));
    if raw.count_float > 0.0 || raw.zero_count_float > 0.0 {
        check_side("positive", &raw.positive_spans, raw.positive_counts.len()).map_err(refused)?;
        check_side("negative", &raw.negative_spans, raw.negative_counts.len()).map_err(refused)?;
        let mut histogram = FloatHistogram {
            counter_reset_hint,
            schema: raw.schema,
            zero_threshold: raw.zero_threshold,
            zero_count: raw.zero_count_float,
            count: raw.count_float,
            sum: raw.sum,
            positive_spans: raw.positive_spans,
            negative_spans: raw.negative_spans,
            positive_buckets: raw.positive_counts,
            negative_buckets: raw.negative_counts,
            custom_values,
        };
        histogram.compact(0);
        return Ok(Sample::FloatHistogram(Arc::new(histogram)));
    }
    check_side("positive", &raw.positive_spans, raw.positive_deltas.len()).map_err(refused)?;
    check_side("negative", &raw.negative_spans, raw.negative_deltas.len()).map_err(refused)?;
    let mut histogram = Histogram {
        counter_reset_hint,
        schema: raw.schema,
        zero_threshold: raw.zero_threshold,
        zero_count: raw.zero_count,
        count: raw.count,
        sum: raw.sum,
        positive_spans: raw.positive_spans,
        negative_spans: raw.negative_spans,
        positive_buckets: raw.positive_deltas,
        negative_buckets: raw.negative_deltas,
        custom_values,
    };
    histogram.compact(0);
    Ok(Sample::Histogram(Arc::new(histogram)))
}

/// Makes a native histogram of the classic one of a metric, of which nothing was read.
pub(super) fn converted(
    metric: &mut Metric<'_>,
    metric_type: MetricType,
    classic: &mut ClassicHistogram,
) -> Result<Sample, ParseError> {
    classic.set_count(metric.count);
    classic.set_sum(metric.sum);
    metric.rewind();
    while let Some(bucket) = metric.next_bucket() {
        classic.add_bucket(bucket.upper_bound, bucket.count);
    }
    let mut converted = classic
        .convert()
        .map_err(|err| ParseError(err.to_string()))?;
    if metric_type == MetricType::GaugeHistogram {
        let hint = CounterResetHint::Gauge;
        match &mut converted {
            Sample::Histogram(histogram) => Arc::make_mut(histogram).counter_reset_hint = hint,
            Sample::FloatHistogram(histogram) => {
                Arc::make_mut(histogram).counter_reset_hint = hint;
            }
            Sample::Float(_) => {}
        }
    }
    Ok(converted)
}

/// Spans must name as many buckets as there are.
fn check_side(side: &str, spans: &[Span], have: usize) -> Result<(), String> {
    let need: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if need == have as u64 {
        return Ok(());
    }
    Err(format!(
        "{side} side: spans require {need} buckets, have {have}"
    ))
}

fn span(value: Value<'_>) -> Span {
    let mut span = Span::default();
    for (number, value) in Fields::new(value.bytes()) {
        match number {
            1 => span.offset = signed_32(value),
            2 => span.length = value.varint() as u32,
            _ => {}
        }
    }
    span
}

/// The exemplars of a native histogram that have a time: its own, or if it has none of its own those
/// of its classic buckets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageExemplars<'a> {
    fields: Nested<'a>,
    /// Number of the fields they are in.
    number: u32,
}

impl<'a> MessageExemplars<'a> {
    /// Those of a checked metric.
    pub(super) fn new(metric: &'a [u8]) -> Self {
        let fields = Nested::new(metric, HISTOGRAM);
        let has_own = { fields }.any(|(number, _)| number == EXEMPLARS);
        Self {
            fields,
            number: if has_own { EXEMPLARS } else { BUCKETS },
        }
    }
}

impl<'a> Iterator for MessageExemplars<'a> {
    type Item = RawExemplar<'a>;

    fn next(&mut self) -> Option<RawExemplar<'a>> {
        loop {
            let (_, value) = self.fields.find(|(number, _)| *number == self.number)?;
            let found = if self.number == EXEMPLARS {
                Some(metric::exemplar(value.bytes()))
            } else {
                let mut exemplars = Fields::new(value.bytes()).filter(|(number, _)| *number == 3);
                exemplars
                    .next()
                    .map(|(_, value)| metric::exemplar(value.bytes()))
            };
            if let Some(exemplar) = found.filter(|exemplar| exemplar.timestamp.is_some()) {
                return Some(exemplar);
            }
        }
    }
}
