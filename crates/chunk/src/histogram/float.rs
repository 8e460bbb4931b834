//! Float histograms to bits: every number xor-ed with the one before.

use std::sync::Arc;

use model::histogram::CounterResetHint;
use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{FloatHistogram, Span, Timestamp};

use super::append::sealed::Encode;
use super::decode::decode_float;
use super::layout::Layout;
use crate::bitstream::BitWriter;
use crate::varbit::write_signed;
use crate::xor::{NO_WINDOW, write_value};
use crate::{DecodeError, Encoding};

/// A field's window of significant bits.
#[derive(Debug, Clone, Copy)]
struct Window {
    leading: u8,
    trailing: u8,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            leading: NO_WINDOW,
            trailing: 0,
        }
    }
}

impl Window {
    fn write(&mut self, writer: &mut BitWriter<'_>, before: f64, now: f64) {
        write_value(writer, before, now, &mut self.leading, &mut self.trailing);
    }
}

/// Time and windows of all fields.
#[derive(Debug, Clone, Default)]
pub struct FloatState {
    timestamp: Timestamp,
    timestamp_delta: i64,
    count: Window,
    zero_count: Window,
    sum: Window,
    /// Positive buckets, then negative ones.
    buckets: Vec<Window>,
}

impl Encode for FloatHistogram {
    type Count = f64;
    type State = FloatState;
    const IS_INTEGER: bool = false;

    #[expect(private_interfaces, reason = "the trait is sealed")]
    fn layout(&self) -> Layout {
        Layout {
            zero_threshold: self.zero_threshold,
            schema: self.schema,
            spans: [self.positive_spans.clone(), self.negative_spans.clone()],
            custom_values: self.custom_values.clone(),
        }
    }

    fn hint(&self) -> CounterResetHint {
        self.counter_reset_hint
    }

    fn sum(&self) -> f64 {
        self.sum
    }

    fn totals(&self) -> [f64; 2] {
        [self.count, self.zero_count]
    }

    fn buckets(&self) -> [Vec<f64>; 2] {
        [self.positive_buckets.clone(), self.negative_buckets.clone()]
    }

    fn bucket_counts(&self) -> [usize; 2] {
        [self.positive_buckets.len(), self.negative_buckets.len()]
    }

    fn with_buckets(&self, spans: [Vec<Span>; 2], counts: [Vec<f64>; 2]) -> Self {
        let [positive_spans, negative_spans] = spans;
        let [positive_buckets, negative_buckets] = counts;
        Self {
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            ..self.clone()
        }
    }

    fn write_first(&self, writer: &mut BitWriter<'_>, t: Timestamp, state: &mut FloatState) {
        state.timestamp = t;
        write_signed(writer, t);
        let stale = is_stale(self.sum);
        let number = |value: f64| if stale { 0 } else { value.to_bits() };
        writer.write_bits(number(self.count), 64);
        writer.write_bits(number(self.zero_count), 64);
        writer.write_bits(self.sum.to_bits(), 64);
        if stale {
            return;
        }
        let buckets = self.positive_buckets.iter().chain(&self.negative_buckets);
        for bucket in buckets {
            writer.write_bits(bucket.to_bits(), 64);
            state.buckets.push(Window::default());
        }
    }

    fn write_next(
        &self,
        last: &Self,
        writer: &mut BitWriter<'_>,
        t: Timestamp,
        state: &mut FloatState,
    ) {
        let delta = t.wrapping_sub(state.timestamp);
        write_signed(writer, delta.wrapping_sub(state.timestamp_delta));
        (state.timestamp, state.timestamp_delta) = (t, delta);
        // A stale sample has the counts of an empty histogram, whatever it brings along.
        let stale = is_stale(self.sum);
        let count =
            |histogram: &Self, value: f64| if is_stale(histogram.sum) { 0.0 } else { value };
        let counts = (count(last, last.count), count(self, self.count));
        state.count.write(writer, counts.0, counts.1);
        let zeros = (count(last, last.zero_count), count(self, self.zero_count));
        state.zero_count.write(writer, zeros.0, zeros.1);
        state.sum.write(writer, last.sum, self.sum);
        if stale {
            return;
        }
        let before = last.positive_buckets.iter().chain(&last.negative_buckets);
        let now = self.positive_buckets.iter().chain(&self.negative_buckets);
        for ((before, now), window) in before.zip(now).zip(&mut state.buckets) {
            window.write(writer, *before, *now);
        }
    }

    fn encoding(with_starts: bool) -> Encoding {
        if with_starts {
            Encoding::FloatHistogramSt
        } else {
            Encoding::FloatHistogram
        }
    }

    fn decode(
        encoding: Encoding,
        bytes: &[u8],
        columns: &mut SampleColumns,
    ) -> Result<(), DecodeError> {
        decode_float(encoding, bytes, Timestamp::MIN, Timestamp::MAX, columns)
    }

    fn from_value(value: &Value) -> Option<&Self> {
        match value {
            Value::FloatHistogram(histogram) => Some(histogram),
            Value::Float(_) | Value::Histogram(_) => None,
        }
    }

    fn into_value(self) -> Value {
        Value::FloatHistogram(Arc::new(self))
    }
}
