//! Samples to chunks, by the rules the reference has for chunks that are encoded anew.

use chunk::histogram::{
    AppendOutcome, Appender, CounterResetHeader, FloatHistogramAppender, HistogramAppender, Sample,
};
use chunk::{DecodeError, EncodeError, Encoding, xor};
use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, Timestamp};

use crate::compact::source::SourceChunk;

/// An open chunk.
#[derive(Debug)]
enum Open {
    Float(xor::Appender),
    Histogram(HistogramAppender),
    FloatHistogram(FloatHistogramAppender),
}

impl Open {
    fn count(&self) -> u16 {
        match self {
            Self::Float(appender) => appender.count(),
            Self::Histogram(appender) => appender.count(),
            Self::FloatHistogram(appender) => appender.count(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Float(_) => Encoding::Xor,
            Self::Histogram(_) => Encoding::Histogram,
            Self::FloatHistogram(_) => Encoding::FloatHistogram,
        }
    }
}

/// Takes samples in order of time and gives chunks. A chunk ends where the kind of sample changes,
/// where a histogram cannot go on in it, and at a number of samples.
#[derive(Debug)]
pub(crate) struct Encoder {
    samples_max: u16,
    open: Option<Open>,
    bytes: Vec<u8>,
    mint: Timestamp,
    maxt: Timestamp,
}

impl Encoder {
    /// Chunks have at most `samples_max` samples.
    pub(crate) fn new(samples_max: u16) -> Self {
        Self {
            samples_max: samples_max.max(1),
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
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.count() >= self.samples_max)
        {
            self.finish(chunks, data);
        }
        let added = match columns.histogram_at(index) {
            None | Some(Value::Float(_)) => self.add_float(timestamp, number, chunks, data),
            Some(Value::Histogram(histogram)) => {
                self.add_histogram(timestamp, &**histogram, chunks, data)
            }
            Some(Value::FloatHistogram(histogram)) => {
                self.add_histogram(timestamp, &**histogram, chunks, data)
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
        timestamp: Timestamp,
        value: f64,
        chunks: &mut Vec<SourceChunk>,
        data: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if let Some(Open::Float(appender)) = &mut self.open {
            appender.append(&mut self.bytes, timestamp, value);
            return Ok(());
        }
        self.finish(chunks, data);
        let mut appender = xor::Appender::new();
        appender.append(&mut self.bytes, timestamp, value);
        self.open = Some(Open::Float(appender));
        self.mint = timestamp;
        Ok(())
    }

    fn add_histogram<S: OpenHistogram>(
        &mut self,
        timestamp: Timestamp,
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
            match appender.append(&mut self.bytes, timestamp, histogram)? {
                AppendOutcome::Appended | AppendOutcome::Recoded => return Ok(()),
                AppendOutcome::NewChunk(reason) => header = reason,
            }
        }
        self.finish(chunks, data);
        let appender = Appender::start(header, &mut self.bytes, timestamp, histogram)?;
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
            Open::Float(_) | Open::FloatHistogram(_) => None,
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
            Open::Float(_) | Open::Histogram(_) => None,
        }
    }

    fn open(appender: Appender<Self>) -> Open {
        Open::FloatHistogram(appender)
    }
}
