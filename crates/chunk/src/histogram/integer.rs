//! Integer histograms to bits: differences of differences.

use std::sync::Arc;

use model::histogram::CounterResetHint;
use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{Histogram, Span, Timestamp};

use super::append::sealed::Encode;
use super::decode::decode_integer;
use super::layout::Layout;
use crate::bitstream::BitWriter;
use crate::varbit::{write_signed, write_unsigned};
use crate::xor::{NO_WINDOW, write_value};
use crate::{DecodeError, Encoding};

/// Last differences of all fields, and the window of the sum.
#[derive(Debug, Clone)]
pub struct IntegerState {
    timestamp: Timestamp,
    timestamp_delta: i64,
    count_delta: i64,
    zero_count_delta: i64,
    /// Positive buckets, then negative ones.
    bucket_deltas: Vec<i64>,
    leading: u8,
    trailing: u8,
}

impl Default for IntegerState {
    fn default() -> Self {
        Self {
            timestamp: 0,
            timestamp_delta: 0,
            count_delta: 0,
            zero_count_delta: 0,
            bucket_deltas: Vec::new(),
            leading: NO_WINDOW,
            trailing: 0,
        }
    }
}

/// Writes how much the difference between `now` and `before` changed.
fn write_dod(writer: &mut BitWriter<'_>, before: i64, now: i64, last_delta: &mut i64) {
    let delta = now.wrapping_sub(before);
    write_signed(writer, delta.wrapping_sub(*last_delta));
    *last_delta = delta;
}

impl Encode for Histogram {
    type Count = i64;
    type State = IntegerState;
    const IS_INTEGER: bool = true;

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

    fn totals(&self) -> [i64; 2] {
        // Counts beyond 2^63, which nobody reaches, compare as the largest.
        [self.count, self.zero_count].map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn buckets(&self) -> [Vec<i64>; 2] {
        [&self.positive_buckets, &self.negative_buckets].map(|deltas| {
            let mut count = 0_i64;
            let absolute = deltas.iter().map(|delta| {
                count = count.wrapping_add(*delta);
                count
            });
            absolute.collect()
        })
    }

    fn bucket_counts(&self) -> [usize; 2] {
        [self.positive_buckets.len(), self.negative_buckets.len()]
    }

    fn with_buckets(&self, spans: [Vec<Span>; 2], counts: [Vec<i64>; 2]) -> Self {
        let [positive_spans, negative_spans] = spans;
        let [positive_buckets, negative_buckets] = counts.map(|mut counts| {
            let mut before = 0_i64;
            for count in &mut counts {
                let delta = count.wrapping_sub(before);
                before = *count;
                *count = delta;
            }
            counts
        });
        Self {
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            ..self.clone()
        }
    }

    fn write_first(&self, writer: &mut BitWriter<'_>, t: Timestamp, state: &mut IntegerState) {
        state.timestamp = t;
        write_signed(writer, t);
        let stale = is_stale(self.sum);
        write_unsigned(writer, if stale { 0 } else { self.count });
        write_unsigned(writer, if stale { 0 } else { self.zero_count });
        writer.write_bits(self.sum.to_bits(), 64);
        if stale {
            return;
        }
        let buckets = self.positive_buckets.iter().chain(&self.negative_buckets);
        for bucket in buckets {
            write_signed(writer, *bucket);
            state.bucket_deltas.push(0);
        }
    }

    fn write_next(
        &self,
        last: &Self,
        writer: &mut BitWriter<'_>,
        t: Timestamp,
        state: &mut IntegerState,
    ) {
        write_dod(writer, state.timestamp, t, &mut state.timestamp_delta);
        state.timestamp = t;
        let stale = is_stale(self.sum);
        if stale {
            write_signed(writer, 0);
            write_signed(writer, 0);
        } else {
            let counts = (last.count as i64, self.count as i64);
            write_dod(writer, counts.0, counts.1, &mut state.count_delta);
            let zeros = (last.zero_count as i64, self.zero_count as i64);
            write_dod(writer, zeros.0, zeros.1, &mut state.zero_count_delta);
        }
        let (leading, trailing) = (&mut state.leading, &mut state.trailing);
        write_value(writer, last.sum, self.sum, leading, trailing);
        if stale {
            return;
        }
        let before = last.positive_buckets.iter().chain(&last.negative_buckets);
        let now = self.positive_buckets.iter().chain(&self.negative_buckets);
        for ((before, now), delta) in before.zip(now).zip(&mut state.bucket_deltas) {
            write_dod(writer, *before, *now, delta);
        }
    }

    fn encoding(with_starts: bool) -> Encoding {
        if with_starts {
            Encoding::HistogramSt
        } else {
            Encoding::Histogram
        }
    }

    fn decode(
        encoding: Encoding,
        bytes: &[u8],
        columns: &mut SampleColumns,
    ) -> Result<(), DecodeError> {
        decode_integer(encoding, bytes, Timestamp::MIN, Timestamp::MAX, columns)
    }

    fn from_value(value: &Value) -> Option<&Self> {
        match value {
            Value::Histogram(histogram) => Some(histogram),
            Value::Float(_) | Value::FloatHistogram(_) => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Histogram(Arc::new(self))
    }
}
