//! Samples to chunks, by the rules the reference has for chunks that are encoded anew.

use chunk::histogram::{
    AppendOutcome, Appender, CounterResetHeader, FloatHistogramAppender, HistogramAppender, Sample,
};
use chunk::{DecodeError, EncodeError, Encoding, xor, xor2};
use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, Timestamp};

use crate::FloatEncoding;
use crate::compact::source::SourceChunk;
use crate::head::series::ChunkEncodings;

/// How the encoding of a chunk is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// That of the chunk that is encoded anew.
    Same(Encoding),
    /// As the head encodes new chunks, whether there are start timestamps or not.
    Head(ChunkEncodings),
    /// Floats as configured; whatever holds start timestamps where there are some.
    Floats(Encoding),
}

impl Choice {
    /// Whether a start timestamp begins a chunk that can hold it, rather than getting lost.
    fn gives_way(self) -> bool {
        !matches!(self, Self::Head(_))
    }

    /// Whether a new chunk for such a sample is to hold start timestamps.
    fn holds_starts(self, is_float: bool, start: Timestamp) -> bool {
        match self {
            Self::Same(encoding) => encoding.has_start_timestamps(),
            Self::Head(encodings) if is_float => encodings.floats == FloatEncoding::Xor2,
            Self::Head(encodings) => encodings.histogram_starts,
            Self::Floats(encoding) => start != 0 || (is_float && encoding.has_start_timestamps()),
        }
    }
}

/// An open chunk.
#[derive(Debug)]
enum Open {
    Float(xor::Appender),
    FloatWithStarts(xor2::Appender),
    Histogram(HistogramAppender),
    FloatHistogram(FloatHistogramAppender),
}

impl Open {
    fn count(&self) -> u16 {
        match self {
            Self::Float(appender) => appender.count(),
            Self::FloatWithStarts(appender) => appender.count(),
            Self::Histogram(appender) => appender.count(),
            Self::FloatHistogram(appender) => appender.count(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Float(_) => Encoding::Xor,
            Self::FloatWithStarts(_) => Encoding::Xor2,
            Self::Histogram(appender) => appender.encoding(),
            Self::FloatHistogram(appender) => appender.encoding(),
        }
    }
}

/// Takes samples in order of time and gives chunks. A chunk ends where the kind of sample changes,
/// where a histogram cannot go on in it, before a start timestamp that it cannot hold, and at a
/// number of samples.
#[derive(Debug)]
pub(crate) struct Encoder {
    samples_max: u16,
    choice: Choice,
    open: Option<Open>,
    bytes: Vec<u8>,
    mint: Timestamp,
    maxt: Timestamp,
}

impl Encoder {
    /// Chunks have at most `samples_max` samples.
    pub(crate) fn new(samples_max: u16, choice: Choice) -> Self {
        Self {
            samples_max: samples_max.max(1),
            choice,
            open: None,
            bytes: Vec::new(),
            mint: 0,
            maxt: 0,
        }
    }

    /// Adds the sample at `index` of `columns`. Chunks that it completes go to `chunks`, their
    /// bytes to the end of `data`.
    pub(crate) fn add(
        &mut self,
        columns: &SampleColumns,
        index: usize,
        chunks: &mut Vec<SourceChunk>,
        data: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let (Some(&timestamp), Some(&number)) =
            (columns.timestamps.get(index), columns.values.get(index))
        else {
            return Ok(());
        };
        let start = columns.start_timestamps.get(index).copied().unwrap_or(0);
        let times = (timestamp, start);
        if self.open.as_ref().is_some_and(|open| {
            open.count() >= self.samples_max
                || (start != 0
                    && self.choice.gives_way()
                    && !open.encoding().has_start_timestamps())
        }) {
            self.finish(chunks, data);
        }
        let added = match columns.histogram_at(index) {
            None | Some(Value::Float(_)) => {
                self.add_float(times, number, chunks, data);
                Ok(())
            }
            Some(Value::Histogram(histogram)) => {
                self.add_histogram(times, &**histogram, chunks, data)
            }
            Some(Value::FloatHistogram(histogram)) => {
                self.add_histogram(times, &**histogram, chunks, data)
            }
        };
        // Histograms come out of chunks, whose spans were checked.
        added.map_err(|_| DecodeError::InvalidLayout)?;
        self.maxt = timestamp;
        Ok(())
    }

    /// Completes the open chunk.
    pub(crate) fn finish(&mut self, chunks: &mut Vec<SourceChunk>, data: &mut Vec<u8>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let start = data.len();
        data.extend_from_slice(&self.bytes);
        chunks.push(SourceChunk {
            mint: self.mint,
            maxt: self.maxt,
            encoding: open.encoding(),
            start,
            end: data.len(),
        });
    }

    fn add_float(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: f64,
        chunks: &mut Vec<SourceChunk>,
        data: &mut Vec<u8>,
    ) {
        match &mut self.open {
            Some(Open::Float(appender)) => {
                return appender.append(&mut self.bytes, timestamp, value);
            }
            Some(Open::FloatWithStarts(appender)) => {
                return appender.append(&mut self.bytes, timestamp, start, value);
            }
            Some(Open::Histogram(_) | Open::FloatHistogram(_)) | None => {}
        }
        self.finish(chunks, data);
        self.open = Some(if self.choice.holds_starts(true, start) {
            let mut appender = xor2::Appender::new();
            appender.append(&mut self.bytes, timestamp, start, value);
            Open::FloatWithStarts(appender)
        } else {
            let mut appender = xor::Appender::new();
            appender.append(&mut self.bytes, timestamp, value);
            Open::Float(appender)
        });
        self.mint = timestamp;
    }

    fn add_histogram<S: OpenHistogram>(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        histogram: &S,
        chunks: &mut Vec<SourceChunk>,
        data: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let mut header = match histogram.hint() {
            CounterResetHint::Gauge => CounterResetHeader::Gauge,
            CounterResetHint::CounterReset => CounterResetHeader::CounterReset,
            CounterResetHint::Unknown | CounterResetHint::NotCounterReset => {
                CounterResetHeader::Unknown
            }
        };
        if let Some(appender) = self.open.as_mut().and_then(S::appender) {
            let bytes = &mut self.bytes;
            match appender.append_with_start_timestamp(bytes, timestamp, start, histogram)? {
                AppendOutcome::Appended | AppendOutcome::Recoded => return Ok(()),
                AppendOutcome::NewChunk(reason) => header = reason,
            }
        }
        self.finish(chunks, data);
        let bytes = &mut self.bytes;
        let appender = if self.choice.holds_starts(false, start) {
            Appender::start_with_start_timestamps(header, bytes, timestamp, start, histogram)?
        } else {
            Appender::start(header, bytes, timestamp, histogram)?
        };
        self.open = Some(S::open(appender));
        self.mint = timestamp;
        Ok(())
    }
}

/// The two kinds of histogram, as [`Open`] has them.
trait OpenHistogram: Sample {
    fn appender(open: &mut Open) -> Option<&mut Appender<Self>>;
    fn open(appender: Appender<Self>) -> Open;
}

impl OpenHistogram for model::Histogram {
    fn appender(open: &mut Open) -> Option<&mut Appender<Self>> {
        match open {
            Open::Histogram(appender) => Some(appender),
            Open::Float(_) | Open::FloatWithStarts(_) | Open::FloatHistogram(_) => None,
        }
    }

    fn open(appender: Appender<Self>) -> Open {
        Open::Histogram(appender)
    }
}

impl OpenHistogram for model::FloatHistogram {
    fn appender(open: &mut Open) -> Option<&mut Appender<Self>> {
        match open {
            Open::FloatHistogram(appender) => Some(appender),
            Open::Float(_) | Open::FloatWithStarts(_) | Open::Histogram(_) => None,
        }
    }

    fn open(appender: Appender<Self>) -> Open {
        Open::FloatHistogram(appender)
    }
}

#[cfg(test)]
mod tests;
