//! Records to bytes.

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::sample::Value;
use model::{FloatHistogram, Histogram, Labels, Metadata, MetricType, Span};

use super::{ExemplarEntry, HistogramEntry, SampleEntry, TombstoneEntry, kind, start_marker};

/// A series record.
pub fn encode_series<'a>(series: impl IntoIterator<Item = (u64, &'a Labels)>) -> Vec<u8> {
    let mut out = vec![kind::SERIES];
    for (series_ref, labels) in series {
        out.extend_from_slice(&series_ref.to_be_bytes());
        put_labels(&mut out, labels);
    }
    out
}

/// A samples record, of the first version: without start timestamps.
pub fn encode_samples<'a>(samples: impl ExactSizeIterator<Item = &'a SampleEntry>) -> Vec<u8> {
    let mut out = Vec::with_capacity(17 + samples.len() * 12);
    out.push(kind::SAMPLES);
    let mut samples = samples.peekable();
    let Some(&first) = samples.peek() else {
        return out;
    };
    put_base(&mut out, first.series_ref, first.timestamp);
    for sample in samples {
        put_varint(
            &mut out,
            sample.series_ref.wrapping_sub(first.series_ref) as i64,
        );
        put_varint(&mut out, sample.timestamp.wrapping_sub(first.timestamp));
        put_f64(&mut out, sample.value);
    }
    out
}

/// A samples record of the second version, with start timestamps.
pub fn encode_samples_v2<'a>(samples: impl ExactSizeIterator<Item = &'a SampleEntry>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + samples.len() * 14);
    out.push(kind::SAMPLES_V2);
    let mut framing = FramingV2::default();
    for sample in samples {
        framing.put(&mut out, sample.series_ref, sample.timestamp, sample.start);
        put_f64(&mut out, sample.value);
    }
    out
}

/// References, times and start timestamps of the second version.
#[derive(Default)]
struct FramingV2 {
    /// Time and start timestamp of the first entry.
    first: Option<(i64, i64)>,
    previous_ref: u64,
    previous_start: i64,
}

impl FramingV2 {
    fn put(&mut self, out: &mut Vec<u8>, series_ref: u64, timestamp: i64, start: i64) {
        put_varint(out, series_ref.wrapping_sub(self.previous_ref) as i64);
        match self.first {
            None => {
                put_varint(out, timestamp);
                put_varint(out, start);
                self.first = Some((timestamp, start));
            }
            Some((first_time, first_start)) => {
                put_varint(out, timestamp.wrapping_sub(first_time));
                if start == 0 {
                    out.push(start_marker::NONE);
                } else if start == self.previous_start {
                    out.push(start_marker::SAME);
                } else {
                    out.push(start_marker::GIVEN);
                    put_varint(out, start.wrapping_sub(first_start));
                }
            }
        }
        self.previous_ref = series_ref;
        self.previous_start = start;
    }
}

/// A tombstones record.
pub fn encode_tombstones(tombstones: &[TombstoneEntry]) -> Vec<u8> {
    let mut out = vec![kind::TOMBSTONES];
    for tombstone in tombstones {
        out.extend_from_slice(&tombstone.series_ref.to_be_bytes());
        put_varint(&mut out, tombstone.mint);
        put_varint(&mut out, tombstone.maxt);
    }
    out
}

/// A record of series and the head chunks that hold what the log said of them so far.
pub fn encode_mmap_markers(markers: &[(u64, u64)]) -> Vec<u8> {
    let mut out = vec![kind::MMAP_MARKERS];
    for (series_ref, chunk_ref) in markers {
        out.extend_from_slice(&series_ref.to_be_bytes());
        out.extend_from_slice(&chunk_ref.to_be_bytes());
    }
    out
}

/// An exemplars record.
pub fn encode_exemplars(exemplars: &[ExemplarEntry]) -> Vec<u8> {
    let mut out = vec![kind::EXEMPLARS];
    let Some(first) = exemplars.first() else {
        return out;
    };
    put_base(&mut out, first.series_ref, first.timestamp);
    for exemplar in exemplars {
        put_varint(
            &mut out,
            exemplar.series_ref.wrapping_sub(first.series_ref) as i64,
        );
        put_varint(&mut out, exemplar.timestamp.wrapping_sub(first.timestamp));
        put_f64(&mut out, exemplar.value);
        put_labels(&mut out, &exemplar.labels);
    }
    out
}

/// A metadata record.
pub fn encode_metadata<'a>(entries: impl IntoIterator<Item = (u64, &'a Metadata)>) -> Vec<u8> {
    let mut out = vec![kind::METADATA];
    for (series_ref, metadata) in entries {
        put_uvarint(&mut out, series_ref);
        out.push(metric_type_byte(metadata.metric_type));
        put_uvarint(&mut out, 2);
        put_text(&mut out, "UNIT");
        put_text(&mut out, &metadata.unit);
        put_text(&mut out, "HELP");
        put_text(&mut out, &metadata.help);
    }
    out
}

/// Histogram records of the first version, without start timestamps: up to four, as integer and float histograms with exponential and with custom
/// buckets go to records of their own. In the reference's order.
pub fn encode_histograms(histograms: &[HistogramEntry]) -> Vec<Vec<u8>> {
    let of_kind = |float: bool, custom: bool| {
        histograms.iter().filter(move |entry| match &entry.value {
            Value::Histogram(histogram) => {
                !float && (histogram.schema == CUSTOM_BUCKETS_SCHEMA) == custom
            }
            Value::FloatHistogram(histogram) => {
                float && (histogram.schema == CUSTOM_BUCKETS_SCHEMA) == custom
            }
            Value::Float(_) => false,
        })
    };
    [
        (kind::HISTOGRAMS, false, false),
        (kind::CUSTOM_HISTOGRAMS, false, true),
        (kind::FLOAT_HISTOGRAMS, true, false),
        (kind::CUSTOM_FLOAT_HISTOGRAMS, true, true),
    ]
    .into_iter()
    .filter_map(|(kind, float, custom)| {
        let mut entries = of_kind(float, custom).peekable();
        let (base_ref, base_time) = entries
            .peek()
            .map(|first| (first.series_ref, first.timestamp))?;
        let mut out = vec![kind];
        put_base(&mut out, base_ref, base_time);
        for entry in entries {
            put_varint(&mut out, entry.series_ref.wrapping_sub(base_ref) as i64);
            put_varint(&mut out, entry.timestamp.wrapping_sub(base_time));
            put_histogram_value(&mut out, &entry.value);
        }
        Some(out)
    })
    .collect()
}

/// Histogram records of the second version, with start timestamps: one of integer and one of float
/// histograms, if there are any.
pub fn encode_histograms_v2(histograms: &[HistogramEntry]) -> Vec<Vec<u8>> {
    let is_float = |entry: &HistogramEntry| matches!(entry.value, Value::FloatHistogram(_));
    [
        (kind::HISTOGRAMS_V2, false),
        (kind::FLOAT_HISTOGRAMS_V2, true),
    ]
    .into_iter()
    .filter_map(|(kind, float)| {
        let mut out = vec![kind];
        let mut framing = FramingV2::default();
        for entry in histograms.iter().filter(|entry| is_float(entry) == float) {
            framing.put(&mut out, entry.series_ref, entry.timestamp, entry.start);
            put_histogram_value(&mut out, &entry.value);
        }
        (out.len() > 1).then_some(out)
    })
    .collect()
}

pub(crate) fn put_histogram_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Histogram(histogram) => put_histogram(out, histogram),
        Value::FloatHistogram(histogram) => put_float_histogram(out, histogram),
        Value::Float(_) => {}
    }
}

fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    out.push(histogram.counter_reset_hint as u8);
    put_varint(out, i64::from(histogram.schema));
    put_f64(out, histogram.zero_threshold);
    put_uvarint(out, histogram.zero_count);
    put_uvarint(out, histogram.count);
    put_f64(out, histogram.sum);
    put_spans(out, &histogram.positive_spans);
    put_spans(out, &histogram.negative_spans);
    for buckets in [&histogram.positive_buckets, &histogram.negative_buckets] {
        put_uvarint(out, buckets.len() as u64);
        for delta in buckets {
            put_varint(out, *delta);
        }
    }
    put_custom_values(out, histogram.schema, histogram.custom_values.as_deref());
}

fn put_float_histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.push(histogram.counter_reset_hint as u8);
    put_varint(out, i64::from(histogram.schema));
    put_f64(out, histogram.zero_threshold);
    put_f64(out, histogram.zero_count);
    put_f64(out, histogram.count);
    put_f64(out, histogram.sum);
    put_spans(out, &histogram.positive_spans);
    put_spans(out, &histogram.negative_spans);
    for buckets in [&histogram.positive_buckets, &histogram.negative_buckets] {
        put_uvarint(out, buckets.len() as u64);
        for count in buckets {
            put_f64(out, *count);
        }
    }
    put_custom_values(out, histogram.schema, histogram.custom_values.as_deref());
}

fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    put_uvarint(out, spans.len() as u64);
    for span in spans {
        put_varint(out, i64::from(span.offset));
        put_uvarint(out, u64::from(span.length));
    }
}

fn put_custom_values(out: &mut Vec<u8>, schema: i32, bounds: Option<&[f64]>) {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        let bounds = bounds.unwrap_or_default();
        put_uvarint(out, bounds.len() as u64);
        for bound in bounds {
            put_f64(out, *bound);
        }
    }
}

fn metric_type_byte(metric_type: MetricType) -> u8 {
    match metric_type {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

fn put_base(out: &mut Vec<u8>, series_ref: u64, timestamp: i64) {
    out.extend_from_slice(&series_ref.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
}

pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels.byte_pairs() {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_be_bytes());
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends an unsigned LEB128 integer.
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
