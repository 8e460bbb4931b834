//! Adding samples to an open chunk: when it goes on, when it is encoded anew, when a new one starts.

use model::histogram::CounterResetHint;
use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{FloatHistogram, Histogram, Span, Timestamp};

use super::layout::{HEADER_LEN, Header, Layout, bucket_count, header_bytes};
use super::merge::{spread, union};
use crate::bitstream::BitWriter;
use crate::start_timestamp::StartWriter;
use crate::{DecodeError, EncodeError, Encoding};

/// What a chunk's flags say about a counter reset before its first sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CounterResetHeader {
    /// Nothing known.
    Unknown = 0b00 << 6,
    /// There was none.
    NotCounterReset = 0b01 << 6,
    /// There was one.
    CounterReset = 0b10 << 6,
    /// The chunk holds gauge histograms.
    Gauge = 0b11 << 6,
}

impl CounterResetHeader {
    /// What a chunk's third byte says.
    pub fn from_flags(flags: u8) -> Self {
        match flags >> 6 {
            0b01 => Self::NotCounterReset,
            0b10 => Self::CounterReset,
            0b11 => Self::Gauge,
            _ => Self::Unknown,
        }
    }
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is in the chunk.
    Appended,
    /// It is in the chunk, all of whose bytes changed.
    Recoded,
    /// It is not in the chunk: it must start a new one, with this header.
    NewChunk(CounterResetHeader),
}

/// The two kinds of native histogram.
pub trait Sample: Clone + sealed::Encode {}
impl Sample for Histogram {}
impl Sample for FloatHistogram {}

/// Appends integer histograms.
pub type HistogramAppender = Appender<Histogram>;
/// Appends float histograms.
pub type FloatHistogramAppender = Appender<FloatHistogram>;

pub(super) mod sealed {
    use super::{BitWriter, CounterResetHint, Layout, SampleColumns, Span, Timestamp, Value};
    use crate::{DecodeError, Encoding};

    /// What encoding needs to know of a histogram.
    pub trait Encode: Sized {
        /// An absolute count.
        type Count: Copy + PartialOrd + Default;
        /// What is kept of the samples so far, beside the last one.
        type State: Clone + std::fmt::Debug + Default;
        /// Whether all header flags are used.
        const IS_INTEGER: bool;
        #[expect(private_interfaces, reason = "the trait is sealed")]
        fn layout(&self) -> Layout;
        fn hint(&self) -> CounterResetHint;
        fn sum(&self) -> f64;
        /// Count, zero count, as something that can be compared.
        fn totals(&self) -> [Self::Count; 2];
        /// Absolute counts of the positive and the negative side.
        fn buckets(&self) -> [Vec<Self::Count>; 2];
        /// Numbers of buckets of the two sides.
        fn bucket_counts(&self) -> [usize; 2];
        /// The same histogram with other spans and absolute counts.
        fn with_buckets(&self, spans: [Vec<Span>; 2], counts: [Vec<Self::Count>; 2]) -> Self;
        fn write_first(&self, writer: &mut BitWriter<'_>, t: Timestamp, state: &mut Self::State);
        fn write_next(
            &self,
            last: &Self,
            writer: &mut BitWriter<'_>,
            t: Timestamp,
            state: &mut Self::State,
        );
        fn encoding(with_starts: bool) -> Encoding;
        fn decode(
            encoding: Encoding,
            bytes: &[u8],
            columns: &mut SampleColumns,
        ) -> Result<(), DecodeError>;
        fn from_value(value: &Value) -> Option<&Self>;
        fn into_value(self) -> Value;
    }
}

/// An open chunk, without its bytes.
#[derive(Debug, Clone)]
pub struct Appender<S: Sample> {
    header: CounterResetHeader,
    count: u16,
    free: u8,
    timestamp: Timestamp,
    layout: Layout,
    /// The newest sample, with the chunk's layout.
    last: S,
    state: S::State,
    /// Writes start timestamps, in a chunk that can have some.
    starts: Option<StartWriter>,
}

impl<S: Sample> Appender<S> {
    /// Starts a chunk in `bytes`, which is emptied.
    pub fn start(
        header: CounterResetHeader,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        sample: &S,
    ) -> Result<Self, EncodeError> {
        check(sample)?;
        Ok(Self::begin(header, bytes, timestamp, None, sample))
    }

    /// Starts a chunk whose samples can have start timestamps; `start` 0 is none.
    pub fn start_with_start_timestamps(
        header: CounterResetHeader,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        start: Timestamp,
        sample: &S,
    ) -> Result<Self, EncodeError> {
        check(sample)?;
        Ok(Self::begin(header, bytes, timestamp, Some(start), sample))
    }

    fn begin(
        header: CounterResetHeader,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        start: Option<Timestamp>,
        sample: &S,
    ) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&[0; HEADER_LEN]);
        let layout = if is_stale(sample.sum()) {
            Layout::default()
        } else {
            sample.layout()
        };
        let mut writer = BitWriter::new(bytes, 0);
        layout.write(&mut writer);
        let mut state = S::State::default();
        sample.write_first(&mut writer, timestamp, &mut state);
        let starts = start.map(|start| {
            let mut starts = StartWriter::default();
            starts.first(&mut writer, timestamp, start);
            starts
        });
        let appender = Self {
            header,
            count: 1,
            free: writer.free(),
            timestamp,
            layout,
            last: sample.clone(),
            state,
            starts,
        };
        appender.write_header(bytes);
        appender
    }

    /// Takes up a chunk again: an equal one, encoded anew, and its state.
    pub fn reopen(bytes: &[u8]) -> Result<(Self, Vec<u8>), DecodeError> {
        Self::reopen_encoded(S::encoding(false), bytes)
    }

    /// The same for a chunk whose samples can have start timestamps.
    pub fn reopen_with_start_timestamps(bytes: &[u8]) -> Result<(Self, Vec<u8>), DecodeError> {
        Self::reopen_encoded(S::encoding(true), bytes)
    }

    fn reopen_encoded(encoding: Encoding, bytes: &[u8]) -> Result<(Self, Vec<u8>), DecodeError> {
        let flags = Header::read(bytes, encoding)?.flags;
        let mut columns = SampleColumns::default();
        S::decode(encoding, bytes, &mut columns)?;
        let mut copy = Vec::with_capacity(bytes.len());
        let header = CounterResetHeader::from_flags(flags);
        let with_starts = encoding.has_start_timestamps();
        let appender = Self::encode_all(header, &columns, with_starts, &mut copy)
            .ok_or(DecodeError::InvalidLayout)?;
        Ok((appender, copy))
    }

    /// How the chunk is encoded.
    pub fn encoding(&self) -> Encoding {
        S::encoding(self.starts.is_some())
    }

    /// Time of the newest sample.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Samples so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// What the chunk's flags say.
    pub fn header(&self) -> CounterResetHeader {
        self.header
    }

    /// The newest sample, with the chunk's layout.
    pub fn last(&self) -> &S {
        &self.last
    }

    /// Adds a sample to the chunk in `bytes`, unless it must start a new one. A chunk holds at most
    /// 65,535 samples, or 16,383 with start timestamps; callers close it long before that.
    pub fn append(
        &mut self,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        sample: &S,
    ) -> Result<AppendOutcome, EncodeError> {
        self.append_with_start_timestamp(bytes, timestamp, 0, sample)
    }

    /// The same with a start timestamp, which goes nowhere if the chunk cannot have some.
    pub fn append_with_start_timestamp(
        &mut self,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        start: Timestamp,
        sample: &S,
    ) -> Result<AppendOutcome, EncodeError> {
        check(sample)?;
        let spans = match self.fit(sample) {
            Fit::Appends => None,
            Fit::Spans { spans, recode } => Some((spans, recode)),
            Fit::NewChunk(header)
                if S::IS_INTEGER || header == CounterResetHeader::CounterReset =>
            {
                return Ok(AppendOutcome::NewChunk(header));
            }
            Fit::NewChunk(CounterResetHeader::Gauge) => {
                return Ok(AppendOutcome::NewChunk(CounterResetHeader::Gauge));
            }
            Fit::NewChunk(_) => return Ok(AppendOutcome::NewChunk(CounterResetHeader::Unknown)),
        };
        let Some((spans, recode)) = spans else {
            self.write(bytes, timestamp, start, sample);
            return Ok(AppendOutcome::Appended);
        };
        let sample = relaid(sample, &sample.layout().spans, &spans);
        if !recode {
            self.write(bytes, timestamp, start, &sample);
            return Ok(AppendOutcome::Appended);
        }
        // The chunk is our own: bytes that cannot be read would be a defect here, and the sample
        // is kept by starting anew.
        let Some((mut appender, mut copy)) = self.recode(bytes, &spans) else {
            return Ok(AppendOutcome::NewChunk(CounterResetHeader::Unknown));
        };
        appender.write(&mut copy, timestamp, start, &sample);
        (*self, *bytes) = (appender, copy);
        Ok(AppendOutcome::Recoded)
    }

    /// The header of the next chunk if it starts with `sample` for reasons of size or time.
    pub fn next_header(&self, sample: &S) -> CounterResetHeader {
        match (sample.hint(), self.fit(sample)) {
            (CounterResetHint::Gauge, _) => CounterResetHeader::Gauge,
            (CounterResetHint::CounterReset, _) => CounterResetHeader::CounterReset,
            (_, Fit::NewChunk(header)) if S::IS_INTEGER => header,
            (_, Fit::NewChunk(CounterResetHeader::CounterReset)) => {
                CounterResetHeader::CounterReset
            }
            _ => CounterResetHeader::NotCounterReset,
        }
    }

    /// How `sample` goes with the chunk; the first test that applies decides.
    fn fit(&self, sample: &S) -> Fit {
        use CounterResetHeader::{CounterReset, Gauge, NotCounterReset, Unknown};
        let is_counter = sample.hint() != CounterResetHint::Gauge;
        let is_gauge_chunk = self.header == Gauge;
        // What a change of layout means.
        let changed = if is_counter { Unknown } else { Gauge };
        match (is_counter, is_gauge_chunk) {
            (true, true) => return Fit::NewChunk(NotCounterReset),
            (false, false) => return Fit::NewChunk(Gauge),
            _ => {}
        }
        if sample.hint() == CounterResetHint::CounterReset {
            return Fit::NewChunk(CounterReset);
        }
        if is_stale(sample.sum()) {
            return Fit::Appends;
        }
        if is_stale(self.last.sum()) {
            return Fit::NewChunk(changed);
        }
        let [count, zero_count] = sample.totals();
        let [last_count, last_zero_count] = self.last.totals();
        if is_counter && count < last_count {
            return Fit::NewChunk(CounterReset);
        }
        let layout = sample.layout();
        if layout.schema != self.layout.schema
            || layout.zero_threshold != self.layout.zero_threshold
        {
            return Fit::NewChunk(changed);
        }
        if layout.custom_values.as_deref().unwrap_or_default()
            != self.layout.custom_values.as_deref().unwrap_or_default()
        {
            return Fit::NewChunk(if is_counter { CounterReset } else { Gauge });
        }
        if is_counter && zero_count < last_zero_count {
            return Fit::NewChunk(CounterReset);
        }
        self.fit_buckets(sample, layout, is_counter)
    }

    fn fit_buckets(&self, sample: &S, layout: Layout, is_counter: bool) -> Fit {
        let (old, new) = (self.last.buckets(), sample.buckets());
        let mut unions = Vec::with_capacity(2);
        for side in 0..2 {
            let chunk = (&*self.layout.spans[side], &*old[side]);
            match union(chunk, (&*layout.spans[side], &*new[side]), is_counter) {
                Some(union) => unions.push(union),
                None => return Fit::NewChunk(CounterResetHeader::CounterReset),
            }
        }
        let chunk_lacks = unions.iter().any(|union| union.chunk_lacks);
        let sample_lacks = unions.iter().any(|union| union.sample_lacks);
        match (chunk_lacks, sample_lacks) {
            // The same buckets, though perhaps in other spans.
            (false, false) => Fit::Appends,
            (false, true) => Fit::Spans {
                spans: self.layout.spans.clone(),
                recode: false,
            },
            (true, false) => Fit::Spans {
                spans: layout.spans,
                recode: true,
            },
            (true, true) => {
                let mut spans = unions.into_iter().map(|union| union.spans);
                let mut side = || spans.next().unwrap_or_default();
                Fit::Spans {
                    spans: [side(), side()],
                    recode: true,
                }
            }
        }
    }

    fn write(&mut self, bytes: &mut Vec<u8>, timestamp: Timestamp, start: Timestamp, sample: &S) {
        debug_assert!(self.count < u16::MAX, "a full chunk is not appended to");
        let mut writer = BitWriter::new(bytes, self.free);
        sample.write_next(&self.last, &mut writer, timestamp, &mut self.state);
        if let Some(starts) = &mut self.starts {
            starts.next(&mut writer, self.count, self.timestamp, start);
        }
        self.free = writer.free();
        self.timestamp = timestamp;
        self.last = sample.clone();
        self.count = self.count.saturating_add(1);
        self.write_header(bytes);
    }

    fn write_header(&self, bytes: &mut [u8]) {
        if let Some(header) = bytes.first_chunk_mut::<HEADER_LEN>() {
            *header = header_bytes(self.count, self.header as u8, self.starts.as_ref());
        }
    }

    /// The chunk with other spans.
    fn recode(&self, bytes: &[u8], spans: &[Vec<Span>; 2]) -> Option<(Self, Vec<u8>)> {
        let mut columns = SampleColumns::default();
        S::decode(self.encoding(), bytes, &mut columns).ok()?;
        for (_, value) in &mut columns.histograms {
            let sample = S::from_value(value)?;
            *value = relaid(sample, &self.layout.spans, spans).into_value();
        }
        let mut copy = Vec::with_capacity(bytes.len() + 64);
        let with_starts = self.starts.is_some();
        let appender = Self::encode_all(self.header, &columns, with_starts, &mut copy)?;
        Some((appender, copy))
    }

    fn encode_all(
        header: CounterResetHeader,
        columns: &SampleColumns,
        with_starts: bool,
        bytes: &mut Vec<u8>,
    ) -> Option<Self> {
        let start_of = |index: usize| columns.start_timestamps.get(index).copied().unwrap_or(0);
        let mut samples = columns.timestamps.iter().zip(&columns.histograms);
        let (timestamp, (_, value)) = samples.next()?;
        let first = S::from_value(value)?;
        check(first).ok()?;
        let start = with_starts.then(|| start_of(0));
        let mut appender = Self::begin(header, bytes, *timestamp, start, first);
        for (index, (timestamp, (_, value))) in samples.enumerate() {
            let start = start_of(index + 1);
            appender.write(bytes, *timestamp, start, S::from_value(value)?);
        }
        Some(appender)
    }
}

/// How a sample goes with a chunk.
#[derive(Debug)]
enum Fit {
    /// As it is.
    Appends,
    /// With these spans, which the chunk has, or has after being encoded anew.
    Spans { spans: [Vec<Span>; 2], recode: bool },
    /// Not at all.
    NewChunk(CounterResetHeader),
}

/// A histogram laid out by `to`, which have all buckets of `from`, its own spans.
fn relaid<S: Sample>(sample: &S, from: &[Vec<Span>; 2], to: &[Vec<Span>; 2]) -> S {
    if is_stale(sample.sum()) {
        return sample.clone();
    }
    let [positive, negative] = sample.buckets();
    let counts = [
        spread((&from[0], &positive), &to[0]),
        spread((&from[1], &negative), &to[1]),
    ];
    sample.with_buckets(to.clone(), counts)
}

/// Refuses a histogram whose spans do not fit its buckets.
fn check<S: Sample>(sample: &S) -> Result<(), EncodeError> {
    let spans = sample.layout().spans;
    let counts = sample.bucket_counts();
    let fits = spans
        .iter()
        .zip(counts)
        .all(|(spans, count)| bucket_count(spans) == count as u64);
    if fits || is_stale(sample.sum()) {
        Ok(())
    } else {
        Err(EncodeError::SpansMismatch)
    }
}
