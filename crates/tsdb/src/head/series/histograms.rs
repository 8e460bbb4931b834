//! The open chunk of a series of native histograms.

use chunk::histogram::{
    AppendOutcome, Appender, CounterResetHeader, FloatHistogramAppender, HistogramAppender, Sample,
};
use chunk::{DecodeError, Encoding};
use model::histogram::CounterResetHint;
use model::sample::Value;
use model::{FloatHistogram, Histogram, Timestamp};

use super::state::{ChunkRules, planned_end, range_end};

/// Bytes aimed at in a chunk.
const CHUNK_BYTES: usize = 1024;
/// A chunk with fewer samples is not closed for its size.
const CHUNK_SAMPLES_MIN: u16 = 10;

#[derive(Debug)]
enum Kind {
    Integer(HistogramAppender),
    Float(FloatHistogramAppender),
}

/// An open chunk and what closes it.
#[derive(Debug)]
pub(crate) struct OpenHistograms {
    kind: Kind,
    bytes: Vec<u8>,
    first_time: Timestamp,
    next_at: Timestamp,
    has_planned_end: bool,
}

/// What an append did to the open chunk.
#[derive(Debug)]
pub(crate) enum HistogramOutcome {
    /// The sample is in it.
    Appended,
    /// The sample is in a new chunk; the one before is closed.
    Begun(Box<OpenHistograms>),
    /// The histogram contradicts itself and cannot be encoded.
    Refused,
}

impl OpenHistograms {
    /// Starts a chunk with `value`; its time and start timestamp (0 for none) are given.
    pub(crate) fn start(
        times: (Timestamp, Timestamp),
        value: &Value,
        rules: ChunkRules,
    ) -> Option<Self> {
        let header = |hint| match hint {
            CounterResetHint::Gauge => CounterResetHeader::Gauge,
            CounterResetHint::CounterReset => CounterResetHeader::CounterReset,
            _ => CounterResetHeader::Unknown,
        };
        let header = match value {
            Value::Histogram(histogram) => header(histogram.counter_reset_hint),
            Value::FloatHistogram(histogram) => header(histogram.counter_reset_hint),
            Value::Float(_) => return None,
        };
        Self::start_with(header, times, value, rules)
    }

    fn start_with(
        header: CounterResetHeader,
        times: (Timestamp, Timestamp),
        value: &Value,
        rules: ChunkRules,
    ) -> Option<Self> {
        let mut bytes = Vec::new();
        let kind = match value {
            Value::Histogram(histogram) => {
                Kind::Integer(begin(header, &mut bytes, times, &**histogram, rules)?)
            }
            Value::FloatHistogram(histogram) => {
                Kind::Float(begin(header, &mut bytes, times, &**histogram, rules)?)
            }
            Value::Float(_) => return None,
        };
        Some(Self {
            kind,
            bytes,
            first_time: times.0,
            next_at: range_end(times.0, rules),
            has_planned_end: false,
        })
    }

    /// Takes up a complete chunk of either kind.
    pub(crate) fn resume(
        encoding: Encoding,
        data: &[u8],
        first_time: Timestamp,
        rules: ChunkRules,
    ) -> Result<Self, DecodeError> {
        let (kind, bytes) = match encoding {
            Encoding::Histogram => {
                let (open, bytes) = HistogramAppender::reopen(data)?;
                (Kind::Integer(open), bytes)
            }
            Encoding::FloatHistogram => {
                let (open, bytes) = FloatHistogramAppender::reopen(data)?;
                (Kind::Float(open), bytes)
            }
            Encoding::HistogramSt => {
                let (open, bytes) = HistogramAppender::reopen_with_start_timestamps(data)?;
                (Kind::Integer(open), bytes)
            }
            Encoding::FloatHistogramSt => {
                let (open, bytes) = FloatHistogramAppender::reopen_with_start_timestamps(data)?;
                (Kind::Float(open), bytes)
            }
            other => return Err(DecodeError::UnsupportedEncoding(other as u8)),
        };
        Ok(Self {
            kind,
            bytes,
            first_time,
            // If it was planned before, it is planned again, from more samples.
            next_at: range_end(first_time, rules),
            has_planned_end: false,
        })
    }

    /// Adds a histogram that lies behind the newest one.
    pub(crate) fn append(
        &mut self,
        times: (Timestamp, Timestamp),
        value: &Value,
        rules: ChunkRules,
    ) -> HistogramOutcome {
        let begun = match (&mut self.kind, value) {
            (Kind::Integer(_), Value::Histogram(_))
            | (Kind::Float(_), Value::FloatHistogram(_)) => {
                if self.is_full(times.0, rules) {
                    let header = self.next_header(value);
                    Self::start_with(header, times, value, rules)
                } else {
                    match self.append_here(times, value) {
                        Some(AppendOutcome::NewChunk(header)) => {
                            Self::start_with(header, times, value, rules)
                        }
                        Some(_) => return HistogramOutcome::Appended,
                        None => None,
                    }
                }
            }
            // Another encoding.
            _ => Self::start(times, value, rules),
        };
        begun.map_or(HistogramOutcome::Refused, |open| {
            HistogramOutcome::Begun(Box::new(open))
        })
    }

    fn append_here(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: &Value,
    ) -> Option<AppendOutcome> {
        match (&mut self.kind, value) {
            (Kind::Integer(open), Value::Histogram(histogram)) => {
                let bytes = &mut self.bytes;
                open.append_with_start_timestamp(bytes, timestamp, start, histogram)
                    .ok()
            }
            (Kind::Float(open), Value::FloatHistogram(histogram)) => {
                let bytes = &mut self.bytes;
                open.append_with_start_timestamp(bytes, timestamp, start, histogram)
                    .ok()
            }
            _ => None,
        }
    }

    /// Whether the chunk is closed for size or time before a sample at `timestamp`.
    fn is_full(&mut self, timestamp: Timestamp, rules: ChunkRules) -> bool {
        if !self.has_planned_end && self.bytes.len() >= CHUNK_BYTES / 4 {
            let ratio = CHUNK_BYTES as f64 / self.bytes.len() as f64;
            self.next_at = planned_end(self.first_time, self.last_time(), self.next_at, ratio);
            self.has_planned_end = true;
        }
        let due = timestamp >= self.next_at || self.bytes.len() >= CHUNK_BYTES * 2;
        let may = self.sample_count() >= CHUNK_SAMPLES_MIN
            || timestamp >= range_end(self.first_time, rules);
        due && may
    }

    fn next_header(&self, value: &Value) -> CounterResetHeader {
        match (&self.kind, value) {
            (Kind::Integer(open), Value::Histogram(histogram)) => open.next_header(histogram),
            (Kind::Float(open), Value::FloatHistogram(histogram)) => open.next_header(histogram),
            _ => CounterResetHeader::Unknown,
        }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match &self.kind {
            Kind::Integer(open) => open.encoding(),
            Kind::Float(open) => open.encoding(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + size_of::<Self>()
    }

    pub(crate) fn first_time(&self) -> Timestamp {
        self.first_time
    }

    pub(crate) fn last_time(&self) -> Timestamp {
        match &self.kind {
            Kind::Integer(open) => open.timestamp(),
            Kind::Float(open) => open.timestamp(),
        }
    }

    fn sample_count(&self) -> u16 {
        match &self.kind {
            Kind::Integer(open) => open.count(),
            Kind::Float(open) => open.count(),
        }
    }

    /// The newest histogram, laid out as the chunk is.
    pub(crate) fn last(&self) -> LastHistogram<'_> {
        match &self.kind {
            Kind::Integer(open) => LastHistogram::Integer(open.last()),
            Kind::Float(open) => LastHistogram::Float(open.last()),
        }
    }
}

/// Starts a chunk in `bytes`.
fn begin<S: Sample>(
    header: CounterResetHeader,
    bytes: &mut Vec<u8>,
    (timestamp, start): (Timestamp, Timestamp),
    histogram: &S,
    rules: ChunkRules,
) -> Option<Appender<S>> {
    let begun = if rules.encodings.histogram_starts {
        Appender::start_with_start_timestamps(header, bytes, timestamp, start, histogram)
    } else {
        Appender::start(header, bytes, timestamp, histogram)
    };
    begun.ok()
}

/// The newest sample of a series of histograms.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LastHistogram<'a> {
    Integer(&'a Histogram),
    Float(&'a FloatHistogram),
}
