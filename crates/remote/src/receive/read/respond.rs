//! Answers as messages: series with their samples.

use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, FloatHistogram, Histogram, Labels, Span, Timestamp};
use storage::SeriesSet;

use super::ReadError;
use super::request::Query;

/// A protobuf message being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn raw_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// An integer; 0 is not written.
    pub(super) fn varint(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.oneof_varint(field, number);
        }
    }

    /// An integer that is written even if it is 0.
    fn oneof_varint(&mut self, field: u64, number: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(number);
    }

    /// A float; 0 is not written, whatever its sign, as in the reference.
    pub(super) fn double(&mut self, field: u64, number: f64) {
        if number != 0.0 {
            self.oneof_double(field, number);
        }
    }

    fn oneof_double(&mut self, field: u64, number: f64) {
        self.raw_varint(field << 3 | 1);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn data(&mut self, field: u64, bytes: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn message(&mut self, field: u64, message: &Self) {
        self.data(field, &message.bytes);
    }

    fn zigzags(&mut self, field: u64, numbers: &[i64]) {
        if numbers.is_empty() {
            return;
        }
        let mut packed = Self::default();
        for number in numbers {
            packed.raw_varint(zigzag(*number));
        }
        self.message(field, &packed);
    }

    fn doubles(&mut self, field: u64, numbers: &[f64]) {
        if numbers.is_empty() {
            return;
        }
        let packed: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.data(field, &packed);
    }

    pub(super) fn labels(&mut self, field: u64, labels: &Labels) {
        for (name, value) in labels {
            let mut label = Self::default();
            label.data(1, name.as_bytes());
            label.data(2, value.as_bytes());
            self.message(field, &label);
        }
    }

    fn spans(&mut self, field: u64, spans: &[Span]) {
        for span in spans {
            let mut message = Self::default();
            message.varint(1, zigzag(span.offset.into()));
            message.varint(2, span.length.into());
            self.message(field, &message);
        }
    }
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

/// How many samples a query may still send.
#[derive(Debug)]
pub(super) struct Room {
    left: u64,
    max: u64,
}

impl Room {
    /// Room for `max` samples; 0 for any number.
    pub(super) fn new(max: u64) -> Self {
        let left = if max == 0 { u64::MAX } else { max };
        Self { left, max }
    }

    fn take(&mut self, samples: usize) -> Result<(), ReadError> {
        let left = self.left.checked_sub(samples as u64);
        self.left = left.ok_or_else(|| {
            ReadError::bad_request(format!("exceeded sample limit ({})", self.max))
        })?;
        Ok(())
    }
}

/// A series with its samples; `None` if it has none in the query's range.
pub(super) fn samples(
    set: &dyn SeriesSet,
    index: usize,
    query: &Query,
    labels: &Labels,
    room: &mut Room,
) -> Result<Option<Writer>, ReadError> {
    let mut columns = SampleColumns::default();
    set.read(index, query.start, query.end, &mut columns)?;
    if columns.is_empty() {
        return Ok(None);
    }
    room.take(columns.len())?;
    let mut series = Writer::default();
    series.labels(1, labels);
    let mut histograms = columns.histograms.iter().peekable();
    for (at, (time, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
        match histograms.next_if(|(position, _)| *position as usize == at) {
            Some((_, Value::Histogram(value))) => series.message(4, &integer(value, *time)),
            Some((_, Value::FloatHistogram(value))) => series.message(4, &float(value, *time)),
            _ => {
                let mut sample = Writer::default();
                sample.double(1, *value);
                sample.varint(2, *time as u64);
                series.message(2, &sample);
            }
        }
    }
    Ok(Some(series))
}

// Custom bounds are left out of both kinds, as in the reference: who wants them reads chunks.

fn hint(hint: CounterResetHint) -> u64 {
    hint as u64
}

fn integer(histogram: &Histogram, time: Timestamp) -> Writer {
    let mut message = Writer::default();
    message.oneof_varint(1, histogram.count);
    message.double(3, histogram.sum);
    message.varint(4, zigzag(histogram.schema.into()));
    message.double(5, histogram.zero_threshold);
    message.oneof_varint(6, histogram.zero_count);
    message.spans(8, &histogram.negative_spans);
    message.zigzags(9, &histogram.negative_buckets);
    message.spans(11, &histogram.positive_spans);
    message.zigzags(12, &histogram.positive_buckets);
    message.varint(14, hint(histogram.counter_reset_hint));
    message.varint(15, time as u64);
    message
}

fn float(histogram: &FloatHistogram, time: Timestamp) -> Writer {
    let mut message = Writer::default();
    message.oneof_double(2, histogram.count);
    message.double(3, histogram.sum);
    message.varint(4, zigzag(histogram.schema.into()));
    message.double(5, histogram.zero_threshold);
    message.oneof_double(7, histogram.zero_count);
    message.spans(8, &histogram.negative_spans);
    message.doubles(10, &histogram.negative_buckets);
    message.spans(11, &histogram.positive_spans);
    message.doubles(13, &histogram.positive_buckets);
    message.varint(14, hint(histogram.counter_reset_hint));
    message.varint(15, time as u64);
    message
}
