//! Bits to histograms.

use std::sync::Arc;

use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{CounterResetHint, FloatHistogram, Histogram, Span, Timestamp};

use super::append::CounterResetHeader;
use super::layout::{Header, Layout, bucket_count};
use crate::bitstream::BitReader;
use crate::varbit::{read_signed, read_unsigned};
use crate::xor::{Window, read_value};
use crate::{DecodeError, Encoding};

fn hint(is_gauge: bool, index: u16) -> CounterResetHint {
    match (is_gauge, index) {
        (true, _) => CounterResetHint::Gauge,
        (false, 0) => CounterResetHint::Unknown,
        (false, _) => CounterResetHint::NotCounterReset,
    }
}

/// Appends the samples of an integer histogram chunk with `mint <= t <= maxt`. `encoding` says
/// whether there are start timestamps.
pub fn decode_integer(
    encoding: Encoding,
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let Header {
        count,
        flags,
        mut starts,
        mut reader,
    } = Header::read(bytes, encoding)?;
    let is_gauge = CounterResetHeader::from_flags(flags) == CounterResetHeader::Gauge;
    if count == 0 {
        return Ok(());
    }
    let layout = Layout::read(&mut reader)?;
    let mut state = IntegerState::first(&mut reader, &layout)?;
    let mut start = match &mut starts {
        Some(starts) => starts.first(&mut reader, state.timestamp)?,
        None => 0,
    };
    for index in 0..count {
        if index > 0 {
            let before = state.timestamp;
            state.next(&mut reader, index)?;
            if let Some(starts) = &mut starts {
                start = starts.next(&mut reader, index, before)?;
            }
        }
        if state.timestamp > maxt {
            return Ok(());
        }
        if state.timestamp >= mint {
            let histogram = state.histogram(&layout, hint(is_gauge, index));
            columns.push(state.timestamp, Value::Histogram(Arc::new(histogram)));
            if start != 0 {
                columns.set_last_start_timestamp(start);
            }
        }
    }
    Ok(())
}

/// Values and their last differences while decoding integer histograms.
struct IntegerState {
    timestamp: Timestamp,
    timestamp_delta: i64,
    count: u64,
    count_delta: i64,
    zero_count: u64,
    zero_count_delta: i64,
    sum: f64,
    window: Window,
    positive: Vec<i64>,
    positive_deltas: Vec<i64>,
    negative: Vec<i64>,
    negative_deltas: Vec<i64>,
}

impl IntegerState {
    fn first(reader: &mut BitReader<'_>, layout: &Layout) -> Result<Self, DecodeError> {
        let timestamp = read_signed(reader)?;
        let count = read_unsigned(reader)?;
        let zero_count = read_unsigned(reader)?;
        let sum = f64::from_bits(reader.read_bits(64)?);
        let mut read = |spans: &[Span]| -> Result<Vec<i64>, DecodeError> {
            (0..bucket_count(spans))
                .map(|_| read_signed(reader))
                .collect()
        };
        let positive = read(&layout.spans[0])?;
        let negative = read(&layout.spans[1])?;
        Ok(Self {
            timestamp,
            timestamp_delta: 0,
            count,
            count_delta: 0,
            zero_count,
            zero_count_delta: 0,
            sum,
            window: Window::NONE,
            positive_deltas: vec![0; positive.len()],
            negative_deltas: vec![0; negative.len()],
            positive,
            negative,
        })
    }

    fn next(&mut self, reader: &mut BitReader<'_>, index: u16) -> Result<(), DecodeError> {
        // Sample 1 stores plain differences, which is the same: the differences before are 0.
        debug_assert!(index > 0, "the first sample has its own form");
        self.timestamp_delta = self.timestamp_delta.wrapping_add(read_signed(reader)?);
        self.timestamp = self.timestamp.wrapping_add(self.timestamp_delta);
        self.count_delta = self.count_delta.wrapping_add(read_signed(reader)?);
        self.count = self.count.wrapping_add_signed(self.count_delta);
        self.zero_count_delta = self.zero_count_delta.wrapping_add(read_signed(reader)?);
        self.zero_count = self.zero_count.wrapping_add_signed(self.zero_count_delta);
        self.sum = f64::from_bits(read_value(reader, self.sum.to_bits(), &mut self.window)?);
        if is_stale(self.sum) {
            return Ok(());
        }
        let buckets = self.positive.iter_mut().zip(&mut self.positive_deltas);
        for (bucket, delta) in
            buckets.chain(self.negative.iter_mut().zip(&mut self.negative_deltas))
        {
            *delta = delta.wrapping_add(read_signed(reader)?);
            *bucket = bucket.wrapping_add(*delta);
        }
        Ok(())
    }

    fn histogram(&self, layout: &Layout, counter_reset_hint: CounterResetHint) -> Histogram {
        if is_stale(self.sum) {
            return Histogram {
                sum: self.sum,
                ..Histogram::default()
            };
        }
        Histogram {
            counter_reset_hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive_spans: layout.spans[0].clone(),
            negative_spans: layout.spans[1].clone(),
            positive_buckets: self.positive.clone(),
            negative_buckets: self.negative.clone(),
            custom_values: layout.custom_values.clone(),
        }
    }
}

/// A float that is stored against its own predecessor.
#[derive(Debug, Clone, Copy)]
struct XorField {
    bits: u64,
    window: Window,
}

impl XorField {
    fn first(reader: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            bits: reader.read_bits(64)?,
            window: Window::NONE,
        })
    }

    fn next(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        self.bits = read_value(reader, self.bits, &mut self.window)?;
        Ok(())
    }

    fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// Appends the samples of a float histogram chunk with `mint <= t <= maxt`. `encoding` says whether
/// there are start timestamps.
pub fn decode_float(
    encoding: Encoding,
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let Header {
        count: samples,
        flags,
        mut starts,
        mut reader,
    } = Header::read(bytes, encoding)?;
    let is_gauge = CounterResetHeader::from_flags(flags) == CounterResetHeader::Gauge;
    if samples == 0 {
        return Ok(());
    }
    let layout = Layout::read(&mut reader)?;
    let mut timestamp = read_signed(&mut reader)?;
    let mut delta = 0_i64;
    let [mut count, mut zero_count, mut sum] = [
        XorField::first(&mut reader)?,
        XorField::first(&mut reader)?,
        XorField::first(&mut reader)?,
    ];
    let mut read = |spans: &[Span]| -> Result<Vec<XorField>, DecodeError> {
        (0..bucket_count(spans))
            .map(|_| XorField::first(&mut reader))
            .collect()
    };
    let mut positive = read(&layout.spans[0])?;
    let mut negative = read(&layout.spans[1])?;
    let mut start = match &mut starts {
        Some(starts) => starts.first(&mut reader, timestamp)?,
        None => 0,
    };
    for index in 0..samples {
        if index > 0 {
            let before = timestamp;
            delta = delta.wrapping_add(read_signed(&mut reader)?);
            timestamp = timestamp.wrapping_add(delta);
            for field in [&mut count, &mut zero_count, &mut sum] {
                field.next(&mut reader)?;
            }
            if !is_stale(sum.value()) {
                for bucket in positive.iter_mut().chain(&mut negative) {
                    bucket.next(&mut reader)?;
                }
            }
            if let Some(starts) = &mut starts {
                start = starts.next(&mut reader, index, before)?;
            }
        }
        if timestamp > maxt {
            return Ok(());
        }
        if timestamp < mint {
            continue;
        }
        let histogram = if is_stale(sum.value()) {
            FloatHistogram {
                sum: sum.value(),
                ..FloatHistogram::default()
            }
        } else {
            FloatHistogram {
                counter_reset_hint: hint(is_gauge, index),
                schema: layout.schema,
                zero_threshold: layout.zero_threshold,
                zero_count: zero_count.value(),
                count: count.value(),
                sum: sum.value(),
                positive_spans: layout.spans[0].clone(),
                negative_spans: layout.spans[1].clone(),
                positive_buckets: positive.iter().map(XorField::value).collect(),
                negative_buckets: negative.iter().map(XorField::value).collect(),
                custom_values: layout.custom_values.clone(),
            }
        };
        columns.push(timestamp, Value::FloatHistogram(Arc::new(histogram)));
        if start != 0 {
            columns.set_last_start_timestamp(start);
        }
    }
    Ok(())
}
