//! Samples: a time and a value, which is a float or a native histogram.

use std::sync::Arc;

use crate::histogram::HistogramError;
use crate::{FloatHistogram, Histogram, Timestamp};

/// What a stored sample can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A plain number.
    Float(f64),
    /// A native histogram with integer counts.
    Histogram(Arc<Histogram>),
    /// A native histogram with float counts.
    FloatHistogram(Arc<FloatHistogram>),
}

impl Value {
    /// Whether a histogram contradicts itself; a plain number does not.
    pub fn validate(&self) -> Result<(), HistogramError> {
        match self {
            Self::Float(_) => Ok(()),
            Self::Histogram(histogram) => histogram.validate(),
            Self::FloatHistogram(histogram) => histogram.validate(),
        }
    }
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When.
    pub timestamp: Timestamp,
    /// What.
    pub value: Value,
}

/// Samples of one series in columns, oldest first. The caller owns and reuses it, so that reading
/// a series allocates only while the buffer grows to its working size.
#[derive(Debug, Clone, Default)]
pub struct SampleColumns {
    /// Times, strictly increasing.
    pub timestamps: Vec<Timestamp>,
    /// Values, as long as `timestamps`. Where the sample is a histogram this is its `sum`, so that
    /// staleness markers (a histogram whose sum is the stale NaN) are seen in this column alone.
    pub values: Vec<f64>,
    /// The histograms: position in the columns, histogram. Sorted by position; empty for series
    /// of floats. Integer histograms keep their form; [`Value::Float`] does not occur here.
    pub histograms: Vec<(u32, Value)>,
    /// Start timestamps (0: none), as long as `timestamps`, or empty where no sample has one.
    pub start_timestamps: Vec<Timestamp>,
}

impl SampleColumns {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Empties the columns and keeps their memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps.clear();
    }

    /// Appends a float sample without a start timestamp.
    pub fn push_float(&mut self, timestamp: Timestamp, value: f64) {
        if !self.start_timestamps.is_empty() {
            self.start_timestamps.push(0);
        }
        self.timestamps.push(timestamp);
        self.values.push(value);
    }

    /// Appends a sample of any kind without a start timestamp.
    pub fn push(&mut self, timestamp: Timestamp, value: Value) {
        let number = match &value {
            Value::Float(number) => *number,
            Value::Histogram(histogram) => histogram.sum,
            Value::FloatHistogram(histogram) => histogram.sum,
        };
        let position = self.timestamps.len() as u32;
        self.push_float(timestamp, number);
        if !matches!(value, Value::Float(_)) {
            self.histograms.push((position, value));
        }
    }

    /// Sets the start timestamp of the last sample.
    pub fn set_last_start_timestamp(&mut self, start: Timestamp) {
        self.start_timestamps.resize(self.timestamps.len(), 0);
        if let Some(last) = self.start_timestamps.last_mut() {
            *last = start;
        }
    }

    /// Appends the samples of `more`, which are all newer.
    pub fn extend(&mut self, more: &Self) {
        let before = self.len();
        let offset = before as u32;
        self.timestamps.extend_from_slice(&more.timestamps);
        self.values.extend_from_slice(&more.values);
        let histograms = more.histograms.iter();
        self.histograms
            .extend(histograms.map(|(at, value)| (at + offset, value.clone())));
        if !more.start_timestamps.is_empty() {
            self.start_timestamps.resize(before, 0);
            self.start_timestamps
                .extend_from_slice(&more.start_timestamps);
        } else if !self.start_timestamps.is_empty() {
            self.start_timestamps.resize(self.timestamps.len(), 0);
        }
    }

    /// Removes all samples but the last.
    pub fn keep_last(&mut self) {
        let drop_before = self.len().saturating_sub(1);
        if drop_before == 0 {
            return;
        }
        self.timestamps.drain(..drop_before);
        self.values.drain(..drop_before);
        if !self.start_timestamps.is_empty() {
            self.start_timestamps.drain(..drop_before);
        }
        self.histograms.retain_mut(|(position, _)| {
            let keep = *position as usize >= drop_before;
            *position = position.saturating_sub(drop_before as u32);
            keep
        });
    }

    /// The histogram at position `index`, if that sample is one.
    pub fn histogram_at(&self, index: usize) -> Option<&Value> {
        let position = u32::try_from(index).ok()?;
        let found = self
            .histograms
            .binary_search_by_key(&position, |(at, _)| *at)
            .ok()?;
        self.histograms.get(found).map(|(_, value)| value)
    }
}
