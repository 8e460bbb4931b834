//! Answers as chunks: a series' samples, encoded as storage encodes them, in frames of bounded
//! size. Frame: size as uvarint, CRC-32C, big endian, message.

use chunk::Encoding;
use chunk::histogram::{AppendOutcome, Appender, CounterResetHeader, Sample};
use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, Labels, Timestamp};
use storage::SeriesSet;

use super::ReadError;
use super::request::Query;
use super::respond::Writer;

/// Samples of a chunk, as storage aims at.
const CHUNK_SAMPLES: u16 = 120;

/// A finished chunk.
struct Chunk {
    mint: Timestamp,
    maxt: Timestamp,
    encoding: Encoding,
    bytes: Vec<u8>,
}

/// Sends a series; `false` if nobody wants more.
pub(super) fn frames(
    set: &dyn SeriesSet,
    index: usize,
    query: &Query,
    labels: &Labels,
    query_number: u64,
    frame_bytes: usize,
    sink: &mut super::FrameSink<'_>,
) -> Result<bool, ReadError> {
    let mut columns = SampleColumns::default();
    set.read(index, query.start, query.end, &mut columns)?;
    let mut head = Writer::default();
    head.labels(1, labels);
    let room = frame_bytes.saturating_sub(head.bytes().len());
    let mut pending: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    let mut chunks = encode(&columns)?.into_iter().peekable();
    while let Some(chunk) = chunks.next() {
        bytes += chunk.bytes.len();
        pending.push(chunk);
        if bytes < room && chunks.peek().is_some() {
            continue;
        }
        if !sink(frame(labels, &pending, query_number)) {
            return Ok(false);
        }
        pending.clear();
        bytes = 0;
    }
    Ok(true)
}

fn frame(labels: &Labels, chunks: &[Chunk], query_number: u64) -> Vec<u8> {
    let mut series = Writer::default();
    series.labels(1, labels);
    for chunk in chunks {
        let mut message = Writer::default();
        message.varint(1, chunk.mint as u64);
        message.varint(2, chunk.maxt as u64);
        message.varint(3, chunk.encoding as u64);
        message.data(4, &chunk.bytes);
        series.message(2, &message);
    }
    let mut response = Writer::default();
    response.message(1, &series);
    response.varint(2, query_number);
    let message = response.bytes();
    let mut frame = Writer::default();
    frame.raw_varint(message.len() as u64);
    let mut out = frame.bytes().to_vec();
    out.extend_from_slice(&crc32c::crc32c(message).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// An open chunk.
enum Open {
    Floats(chunk::xor::Appender),
    Integers(Appender<model::Histogram>),
    FloatHistograms(Appender<model::FloatHistogram>),
}

impl Open {
    fn encoding(&self) -> Encoding {
        match self {
            Self::Floats(_) => Encoding::Xor,
            Self::Integers(_) => Encoding::Histogram,
            Self::FloatHistograms(_) => Encoding::FloatHistogram,
        }
    }
}

/// Chunks being made.
#[derive(Default)]
struct Encoder {
    done: Vec<Chunk>,
    open: Option<Open>,
    bytes: Vec<u8>,
    mint: Timestamp,
    maxt: Timestamp,
    count: u16,
}

impl Encoder {
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.done.push(Chunk {
                mint: self.mint,
                maxt: self.maxt,
                encoding: open.encoding(),
                bytes: std::mem::take(&mut self.bytes),
            });
        }
        self.count = 0;
    }

    fn take(&mut self, time: Timestamp) {
        if self.count == 0 {
            self.mint = time;
        }
        self.maxt = time;
        self.count += 1;
    }

    fn float(&mut self, time: Timestamp, value: f64) {
        let fits = matches!(self.open, Some(Open::Floats(_))) && self.count < CHUNK_SAMPLES;
        if !fits {
            self.close();
            self.open = Some(Open::Floats(chunk::xor::Appender::new()));
        }
        if let Some(Open::Floats(appender)) = &mut self.open {
            appender.append(&mut self.bytes, time, value);
        }
        self.take(time);
    }

    /// Adds a histogram; `open` is the chunk at hand if it is of its kind.
    fn histogram<S: Sample>(
        &mut self,
        time: Timestamp,
        sample: &S,
        hint: CounterResetHint,
        open: Option<Appender<S>>,
        wrap: fn(Appender<S>) -> Open,
    ) -> Result<(), ReadError> {
        let mut header = header(hint);
        if let Some(mut appender) = open {
            let outcome = if self.count < CHUNK_SAMPLES {
                appender.append(&mut self.bytes, time, sample)
            } else {
                Ok(AppendOutcome::NewChunk(appender.next_header(sample)))
            };
            let outcome = outcome.map_err(ReadError::internal)?;
            self.open = Some(wrap(appender));
            match outcome {
                AppendOutcome::NewChunk(next) => header = next,
                _ => {
                    self.take(time);
                    return Ok(());
                }
            }
        }
        self.close();
        let started = Appender::start(header, &mut self.bytes, time, sample);
        self.open = Some(wrap(started.map_err(ReadError::internal)?));
        self.take(time);
        Ok(())
    }
}

fn header(hint: CounterResetHint) -> CounterResetHeader {
    match hint {
        CounterResetHint::Unknown => CounterResetHeader::Unknown,
        CounterResetHint::CounterReset => CounterResetHeader::CounterReset,
        CounterResetHint::NotCounterReset => CounterResetHeader::NotCounterReset,
        CounterResetHint::Gauge => CounterResetHeader::Gauge,
    }
}

fn encode(columns: &SampleColumns) -> Result<Vec<Chunk>, ReadError> {
    let mut encoder = Encoder::default();
    let mut histograms = columns.histograms.iter().peekable();
    for (at, (time, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
        match histograms.next_if(|(position, _)| *position as usize == at) {
            Some((_, Value::Histogram(sample))) => {
                let open = match encoder.open.take() {
                    Some(Open::Integers(appender)) => Some(appender),
                    other => {
                        encoder.open = other;
                        None
                    }
                };
                let hint = sample.counter_reset_hint;
                encoder.histogram(*time, &**sample, hint, open, Open::Integers)?;
            }
            Some((_, Value::FloatHistogram(sample))) => {
                let open = match encoder.open.take() {
                    Some(Open::FloatHistograms(appender)) => Some(appender),
                    other => {
                        encoder.open = other;
                        None
                    }
                };
                let hint = sample.counter_reset_hint;
                encoder.histogram(*time, &**sample, hint, open, Open::FloatHistograms)?;
            }
            _ => encoder.float(*time, *value),
        }
    }
    encoder.close();
    Ok(encoder.done)
}
