//! One series: its open chunk, its closed ones, and what a query may see of them.

mod restore;

use std::sync::Arc;

use chunk::Encoding;
use model::sample::Value;
use model::staleness::is_stale;
use model::{Metadata, Timestamp};
use smallvec::SmallVec;
use storage::AppendError;

use super::chunks::{ChunkBytes, ClosedChunk, MappedChunk, any_reaches};
use super::extract::Extract;
use super::floats::OpenFloats;
use super::histograms::{HistogramOutcome, LastHistogram, OpenHistograms};
use super::late::LateSamples;
use crate::FloatEncoding;
use crate::head::visibility::{SETTLED, Snapshot};
use crate::head_chunks::{ChunkRef, HeadChunks};

/// A chunk of floats with more bytes than this is closed before the next sample.
const FLOAT_CHUNK_BYTES_MAX: usize = 1005;

/// When chunks are closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkRules {
    /// Milliseconds; a chunk never crosses a multiple of it.
    pub(crate) range_ms: i64,
    /// Samples aimed at.
    pub(crate) samples: u16,
    pub(crate) encodings: ChunkEncodings,
}

/// How new chunks are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChunkEncodings {
    /// Chunks of floats.
    pub(crate) floats: FloatEncoding,
    /// Whether chunks of histograms hold start timestamps.
    pub(crate) histogram_starts: bool,
    /// Whether start timestamps are logged, and a chunk of floats ends where the encoding changes.
    pub(crate) store_starts: bool,
}

impl ChunkEncodings {
    /// Whether a chunk begun for such a sample holds start timestamps.
    pub(crate) fn holds_starts(self, value: &Value) -> bool {
        match value {
            Value::Float(_) => self.floats == FloatEncoding::Xor2,
            Value::Histogram(_) | Value::FloatHistogram(_) => self.histogram_starts,
        }
    }
}

/// What few series need, or need for a short time.
#[derive(Debug, Default)]
struct Cold {
    /// Commit and time of samples before the newest that somebody may not see, oldest first.
    unsettled: Vec<(u64, Timestamp)>,
    /// Closed chunks that are in no file yet, oldest first.
    closed: Vec<ClosedChunk>,
    /// Open chunk of histograms; while there is one, the float chunk is empty.
    histograms: Option<Box<OpenHistograms>>,
    metadata: Option<Arc<Metadata>>,
    late: Option<Box<LateSamples>>,
}

impl Cold {
    fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
            && self.closed.is_empty()
            && self.histograms.is_none()
            && self.metadata.is_none()
            && self.late.is_none()
    }
}

/// Where a sample fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Behind the newest sample.
    New,
    /// Before it, but in the window for late samples.
    Late,
    /// It is the newest sample, once more.
    Repeated,
}

/// What came of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The sample is in.
    Taken,
    /// The sample is in, and a chunk was begun for it; `true` if another one was closed.
    Begun(bool),
    /// The sample does not lie behind the newest one.
    Refused,
}

/// One series.
#[derive(Debug)]
pub(crate) struct SeriesState {
    /// What the log calls it; 0 in a slot without a series.
    pub(crate) series_ref: u64,
    /// Commit of the newest sample.
    sequence: u64,
    /// First time of the open float chunk.
    first_time: Timestamp,
    /// Planned end of the open float chunk: its first time to come.
    next_at: Timestamp,
    open: OpenFloats,
    bytes: Vec<u8>,
    /// Closed chunks in files, oldest first; all of them before those of `cold`.
    mapped: Vec<MappedChunk>,
    cold: Option<Box<Cold>>,
    /// Transactions that will add to it: while there are any, it is not removed.
    pub(crate) pins: u32,
    /// Whether the log holds its labels.
    pub(crate) logged: bool,
}

impl SeriesState {
    pub(crate) fn new(series_ref: u64) -> Self {
        Self {
            series_ref,
            sequence: 0,
            first_time: 0,
            next_at: 0,
            open: OpenFloats::empty(),
            bytes: Vec::new(),
            mapped: Vec::new(),
            cold: None,
            pins: 0,
            logged: false,
        }
    }

    /// What stands in a slot without a series.
    pub(crate) fn vacant() -> Self {
        Self::new(0)
    }

    fn open_histograms(&self) -> Option<&OpenHistograms> {
        self.cold.as_ref()?.histograms.as_deref()
    }

    fn unwritten(&self) -> &[ClosedChunk] {
        self.cold.as_ref().map_or(&[], |cold| &cold.closed)
    }

    fn cold_mut(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    fn tidy_cold(&mut self) {
        if self.cold.as_ref().is_some_and(|cold| cold.is_empty()) {
            self.cold = None;
        }
    }

    /// First and last time of the open chunk, if there is one.
    fn open_range(&self) -> Option<(Timestamp, Timestamp)> {
        if self.open.count() > 0 {
            return Some((self.first_time, self.open.timestamp()));
        }
        self.open_histograms()
            .map(|open| (open.first_time(), open.last_time()))
    }

    /// Newest time, if there is a sample.
    pub(crate) fn last_time(&self) -> Option<Timestamp> {
        let closed = || self.unwritten().last().map(|chunk| chunk.maxt);
        let mapped = || self.mapped.last().map(|chunk| chunk.maxt);
        self.open_range()
            .map(|(_, last)| last)
            .or_else(closed)
            .or_else(mapped)
    }

    /// Oldest time, if there is a sample.
    pub(crate) fn first_sample_time(&self, files: &HeadChunks) -> Option<Timestamp> {
        let open = || self.open_range().map(|(first, _)| first);
        self.mapped
            .first()
            .map(|chunk| chunk.mint(files))
            .or_else(|| self.unwritten().first().map(|chunk| chunk.mint))
            .or_else(open)
    }

    /// Chunks, the open one included.
    pub(crate) fn chunk_count(&self) -> usize {
        self.mapped.len() + self.unwritten().len() + usize::from(self.open_range().is_some())
    }

    /// Whether the newest sample is a histogram, and of which kind.
    pub(crate) fn last_histogram(&self) -> Option<LastHistogram<'_>> {
        self.open_histograms().map(OpenHistograms::last)
    }

    /// Metadata of the series' family.
    pub(crate) fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.cold.as_ref()?.metadata.as_ref()
    }

    /// Remembers metadata; `false` if it is what was known.
    pub(crate) fn set_metadata(&mut self, metadata: Arc<Metadata>) -> bool {
        let changed = self.metadata().is_none_or(|known| **known != *metadata);
        if changed {
            self.cold_mut().metadata = Some(metadata);
        }
        changed
    }

    /// Late samples, if there are any.
    pub(crate) fn late(&self) -> Option<&LateSamples> {
        self.cold.as_ref()?.late.as_deref()
    }

    /// Late samples, made if need be.
    pub(crate) fn late_mut(&mut self) -> &mut LateSamples {
        self.cold_mut().late.get_or_insert_default()
    }

    /// Gives back what late samples needed, if there are none any more.
    pub(crate) fn tidy_late(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.late.take_if(|late| late.is_empty());
        }
        self.tidy_cold();
    }

    /// Whether a sample would be taken, by the reference's rules. `late_from` is the oldest time a
    /// late sample may have, if there is a window for them.
    pub(crate) fn fit(
        &self,
        timestamp: Timestamp,
        value: &Value,
        min_valid: Timestamp,
        late_from: Option<Timestamp>,
    ) -> Result<Fit, AppendError> {
        // Without an open chunk (after a restart) the reference finds out at the commit.
        let last = self.open_range().map(|(_, last)| last);
        if timestamp >= min_valid {
            match last {
                Some(last) if timestamp < last => {}
                Some(last) if timestamp == last && self.is_last_value(value) => {
                    return Ok(Fit::Repeated);
                }
                Some(last) if timestamp == last => {
                    return Err(self.duplicate(timestamp, value));
                }
                _ => return Ok(Fit::New),
            }
        }
        match late_from {
            Some(oldest) if timestamp >= oldest => Ok(Fit::Late),
            Some(_) => Err(AppendError::TooOld),
            None if timestamp < min_valid => Err(AppendError::OutOfBounds),
            None => Err(AppendError::OutOfOrder),
        }
    }

    fn duplicate(&self, timestamp: Timestamp, value: &Value) -> AppendError {
        let &Value::Float(new) = value else {
            return AppendError::DuplicateTimestamp;
        };
        let existing = self.last_histogram().is_none().then(|| self.open.value());
        AppendError::duplicate_float(timestamp, existing, new)
    }

    fn is_last_value(&self, value: &Value) -> bool {
        match (value, self.last_histogram()) {
            (Value::Float(number), None) => number.to_bits() == self.open.value().to_bits(),
            (Value::Float(_), Some(_)) | (_, None) => false,
            (value, Some(last)) => same_histogram(value, last),
        }
    }

    /// Adds a sample of commit `sequence`; needs it to lie behind the newest one. Numbers of
    /// commits below `low_watermark` are forgotten. `start` is its start timestamp, 0 for none.
    pub(crate) fn append(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: Value,
        sequence: u64,
        low_watermark: u64,
        rules: ChunkRules,
    ) -> Appended {
        let last = self.last_time();
        if last.is_some_and(|last| timestamp <= last) {
            return Appended::Refused;
        }
        self.settle(low_watermark);
        if let Some(last) = last.filter(|_| self.sequence >= low_watermark) {
            let sequence = self.sequence;
            self.cold_mut().unsettled.push((sequence, last));
        }
        self.sequence = sequence;
        match value {
            Value::Float(number) => self.append_float((timestamp, start), number, rules),
            histogram => self.append_histogram((timestamp, start), &histogram, rules),
        }
    }

    /// Adds a float that everybody sees to an open chunk that goes on: the quick way of
    /// [`append`](Self::append) for nearly all that a log has. `false` if it is anything else, and
    /// nothing is done.
    #[inline]
    pub(crate) fn append_plain(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: f64,
        rules: ChunkRules,
    ) -> bool {
        let count = self.open.count();
        let goes_on = count > 0
            && count != rules.samples / 4
            && count < rules.samples.saturating_mul(2)
            && timestamp > self.open.timestamp()
            && timestamp < self.next_at
            && self.bytes.len() <= FLOAT_CHUNK_BYTES_MAX
            && !self
                .open
                .must_change(rules.encodings.floats, rules.encodings.store_starts)
            && self.cold.is_none();
        if goes_on {
            self.sequence = SETTLED;
            self.open.append(&mut self.bytes, (timestamp, start), value);
        }
        goes_on
    }

    fn append_float(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: f64,
        rules: ChunkRules,
    ) -> Appended {
        let encodings = rules.encodings;
        if self.open.count() == rules.samples / 4 && self.open.count() > 0 {
            self.next_at = planned_end(self.first_time, self.open.timestamp(), self.next_at, 4.0);
        }
        let begin = self.open.count() == 0
            || self.bytes.len() > FLOAT_CHUNK_BYTES_MAX
            || self
                .open
                .must_change(encodings.floats, encodings.store_starts)
            || timestamp >= self.next_at
            || self.open.count() >= rules.samples.saturating_mul(2);
        let mut outcome = Appended::Taken;
        if begin {
            outcome = Appended::Begun(self.close_open());
            self.open = OpenFloats::new(encodings.floats);
            self.first_time = timestamp;
            self.next_at = range_end(timestamp, rules);
        }
        self.open.append(&mut self.bytes, (timestamp, start), value);
        outcome
    }

    fn append_histogram(
        &mut self,
        times: (Timestamp, Timestamp),
        value: &Value,
        rules: ChunkRules,
    ) -> Appended {
        let outcome = match self.cold_mut().histograms.as_mut() {
            Some(open) => open.append(times, value, rules),
            None => OpenHistograms::start(times, value, rules)
                .map_or(HistogramOutcome::Refused, |open| {
                    HistogramOutcome::Begun(Box::new(open))
                }),
        };
        match outcome {
            HistogramOutcome::Appended => Appended::Taken,
            HistogramOutcome::Begun(open) => {
                let closed = self.close_open();
                self.cold_mut().histograms = Some(open);
                Appended::Begun(closed)
            }
            HistogramOutcome::Refused => Appended::Refused,
        }
    }

    /// Closes the open chunk; `false` if there is none.
    fn close_open(&mut self) -> bool {
        let closed = if self.open.count() > 0 {
            let chunk = ClosedChunk {
                mint: self.first_time,
                maxt: self.open.timestamp(),
                encoding: self.open.encoding(),
                data: self.bytes.as_slice().into(),
            };
            // Given back, not kept: the next chunk starts small, and most stay smaller than this one.
            self.bytes = Vec::new();
            self.open = OpenFloats::empty();
            chunk
        } else {
            let Some(open) = self.cold.as_mut().and_then(|cold| cold.histograms.take()) else {
                return false;
            };
            ClosedChunk {
                mint: open.first_time(),
                maxt: open.last_time(),
                encoding: open.encoding(),
                data: open.bytes().into(),
            }
        };
        self.cold_mut().closed.push(closed);
        true
    }

    /// Closed chunks that are in no file yet.
    pub(crate) fn unwritten_chunks(&self) -> impl Iterator<Item = &ClosedChunk> {
        self.unwritten().iter()
    }

    /// Says that the oldest closed chunk outside of files, which ends at `maxt`, lies at
    /// `chunk_ref` now. Ignored if it is gone.
    pub(crate) fn written(&mut self, maxt: Timestamp, chunk_ref: ChunkRef) {
        let Some(cold) = &mut self.cold else { return };
        if cold.closed.first().is_none_or(|chunk| chunk.maxt != maxt) {
            return;
        }
        cold.closed.remove(0);
        if cold.closed.is_empty() {
            cold.closed = Vec::new();
        }
        self.attach(maxt, chunk_ref);
        self.tidy_cold();
    }

    /// Adds a chunk in a file behind those that are there.
    pub(crate) fn attach(&mut self, maxt: Timestamp, chunk_ref: ChunkRef) {
        self.mapped.reserve_exact(1);
        self.mapped.push(MappedChunk { maxt, chunk_ref });
    }

    /// Adds a chunk in a file where its time is, unless it overlaps with what is there. A series
    /// that changed its reference has chunks under both, and they are not found in order.
    pub(crate) fn attach_between(
        &mut self,
        mint: Timestamp,
        maxt: Timestamp,
        chunk_ref: ChunkRef,
        files: &HeadChunks,
    ) -> bool {
        let at = self.mapped.partition_point(|chunk| chunk.maxt < mint);
        let behind = match self.mapped.get(at) {
            Some(next) => Some(next.mint(files)),
            None => self.open_range().map(|(first, _)| first),
        };
        let fits = behind.is_none_or(|first| maxt < first) && self.unwritten().is_empty();
        if fits {
            self.mapped.reserve_exact(1);
            self.mapped.insert(at, MappedChunk { maxt, chunk_ref });
        }
        fits
    }

    /// Number of the oldest head chunk file that it needs.
    pub(crate) fn first_file(&self) -> Option<u32> {
        let mapped = self.mapped.iter().map(|chunk| chunk.chunk_ref.file);
        let late = self.late().and_then(LateSamples::first_file);
        mapped.chain(late).min()
    }

    /// Whether it has no samples and nobody is about to add some.
    pub(crate) fn is_removable(&self) -> bool {
        self.pins == 0 && self.last_time().is_none() && self.late().is_none()
    }

    /// Drops chunks whose samples are all before `mint`; returns how many.
    pub(crate) fn truncate(&mut self, mint: Timestamp) -> usize {
        let before = self.chunk_count();
        let old = self.mapped.partition_point(|chunk| chunk.maxt < mint);
        if old > 0 {
            self.mapped.drain(..old);
            self.mapped.shrink_to_fit();
        }
        if let Some(cold) = &mut self.cold {
            cold.closed.retain(|chunk| chunk.maxt >= mint);
            if cold
                .histograms
                .as_ref()
                .is_some_and(|open| open.last_time() < mint)
            {
                cold.histograms = None;
            }
        }
        if self.open.count() > 0 && self.open.timestamp() < mint {
            self.open = OpenFloats::empty();
            self.bytes = Vec::new();
        }
        self.tidy_cold();
        before - self.chunk_count()
    }

    /// Forgets commit numbers everybody sees.
    fn settle(&mut self, low_watermark: u64) {
        let Some(cold) = &mut self.cold else { return };
        cold.unsettled
            .retain(|(sequence, _)| *sequence >= low_watermark);
        if cold.is_empty() {
            self.cold = None;
        }
    }

    /// Samples that `snapshot` does not see, by time.
    fn hidden(&self, snapshot: &Snapshot) -> SmallVec<[Timestamp; 4]> {
        let mut hidden = SmallVec::new();
        if let Some(cold) = &self.cold {
            let unseen = cold
                .unsettled
                .iter()
                .filter(|(sequence, _)| !snapshot.sees(*sequence));
            hidden.extend(unseen.map(|(_, timestamp)| *timestamp));
        }
        if !snapshot.sees(self.sequence) {
            hidden.extend(self.last_time());
        }
        hidden
    }

    /// Whether `snapshot` may see samples in the range: no sample is overlooked, but chunks with a
    /// gap there are not opened to find out.
    pub(crate) fn may_have(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        snapshot: &Snapshot,
        files: &HeadChunks,
    ) -> bool {
        let Some(last) = self.last_time() else {
            return false;
        };
        let hidden = self.hidden(snapshot);
        let maxt = match hidden.as_slice() {
            [] => maxt,
            // Hidden samples are the newest ones, except where two commits overtook each other.
            [oldest, ..] if hidden.len() == 1 && *oldest == last => maxt.min(oldest - 1),
            [oldest, ..] => {
                let unsettled = self.cold.iter().flat_map(|cold| &cold.unsettled);
                let seen = unsettled.map(|(_, timestamp)| *timestamp).chain([last]);
                let any =
                    |time: &Timestamp| mint <= *time && *time <= maxt && !hidden.contains(time);
                if seen.into_iter().any(|time| any(&time)) {
                    return true;
                }
                maxt.min(oldest - 1)
            }
        };
        self.reaches(mint, maxt, files)
    }

    /// Whether a chunk reaches into the range.
    pub(crate) fn reaches(&self, mint: Timestamp, maxt: Timestamp, files: &HeadChunks) -> bool {
        let overlaps = |from: Timestamp, to: Timestamp| from <= maxt && to >= mint;
        self.open_range()
            .is_some_and(|(from, to)| overlaps(from, to))
            || self
                .unwritten()
                .iter()
                .any(|chunk| overlaps(chunk.mint, chunk.maxt))
            || any_reaches(&self.mapped, mint, maxt, |chunk| chunk.mint(files))
    }

    /// Time, start timestamp (0 for none) and value of the newest sample, if it is a float, in the
    /// range and `snapshot` sees it: no decoding.
    pub(crate) fn last_float(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        snapshot: &Snapshot,
    ) -> Option<(Timestamp, Timestamp, f64)> {
        let timestamp = self.open.timestamp();
        let fits = self.open.count() > 0
            && (mint..=maxt).contains(&timestamp)
            && snapshot.sees(self.sequence);
        fits.then(|| (timestamp, self.open.start_timestamp(), self.open.value()))
    }

    /// Copies out what is needed to read a range without holding the lock.
    pub(crate) fn extract(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        snapshot: &Snapshot,
        files: &HeadChunks,
    ) -> Extract {
        let mut extract = Extract {
            hidden: self.hidden(snapshot),
            ..Extract::default()
        };
        let from = self.mapped.partition_point(|chunk| chunk.maxt < mint);
        for chunk in self.mapped.get(from..).unwrap_or_default() {
            extract.closed.push(ChunkBytes::at(chunk.chunk_ref, files));
            if chunk.maxt >= maxt {
                // Later ones begin behind it.
                break;
            }
        }
        let unwritten = self.unwritten().iter();
        extract.closed.extend(
            unwritten
                .filter(|chunk| chunk.mint <= maxt && chunk.maxt >= mint)
                .map(|chunk| ChunkBytes::Memory(chunk.encoding, chunk.data.clone())),
        );
        if self
            .open_range()
            .is_some_and(|(first, last)| first <= maxt && last >= mint)
        {
            let (encoding, bytes) = self.open_bytes();
            extract.open.extend_from_slice(bytes);
            extract.open_encoding = Some(encoding);
        }
        extract
    }

    fn open_bytes(&self) -> (Encoding, &[u8]) {
        self.open_histograms()
            .map_or((self.open.encoding(), &*self.bytes), |open| {
                (open.encoding(), open.bytes())
            })
    }

    /// Hands the chunks that reach into a range to `each`: first time, last time, bytes.
    pub(crate) fn for_each_chunk(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        files: &HeadChunks,
        mut each: impl FnMut(Timestamp, Timestamp, Encoding, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        for chunk in &self.mapped {
            let first = chunk.mint(files);
            if chunk.maxt >= mint && first <= maxt {
                let bytes = ChunkBytes::at(chunk.chunk_ref, files);
                let (encoding, data) = bytes.read()?;
                each(first, chunk.maxt, encoding, data)?;
            }
        }
        for chunk in self.unwritten() {
            if chunk.maxt >= mint && chunk.mint <= maxt {
                each(chunk.mint, chunk.maxt, chunk.encoding, &chunk.data)?;
            }
        }
        if let Some((first, last)) = self.open_range()
            && last >= mint
            && first <= maxt
        {
            let (encoding, data) = self.open_bytes();
            each(first, last, encoding, data)?;
        }
        Ok(())
    }

    /// Heap bytes, by purpose: rare state, open chunk, closed chunks.
    pub(crate) fn heap_bytes(&self) -> [usize; 3] {
        let closed: usize = self
            .unwritten()
            .iter()
            .map(|chunk| chunk.data.len() + 16)
            .sum();
        let rare = self.cold.as_ref().map_or(0, |cold| {
            size_of::<Cold>()
                + cold.unsettled.capacity() * 16
                + cold.closed.capacity() * size_of::<ClosedChunk>()
                + cold.late.as_ref().map_or(0, |late| late.heap_bytes())
        });
        [
            rare + self.mapped.capacity() * size_of::<MappedChunk>(),
            self.bytes.capacity()
                + self.open.heap_bytes()
                + self.open_histograms().map_or(0, OpenHistograms::heap_bytes),
            closed,
        ]
    }
}

/// Whether a histogram holds the observations of the newest one; a stale one equals a stale one.
fn same_histogram(value: &Value, last: LastHistogram<'_>) -> bool {
    match (value, last) {
        (Value::Histogram(one), LastHistogram::Integer(other)) => {
            (is_stale(one.sum) && is_stale(other.sum)) || one.same_data(other)
        }
        (Value::FloatHistogram(one), LastHistogram::Float(other)) => {
            (is_stale(one.sum) && is_stale(other.sum)) || one.same_data(other)
        }
        _ => false,
    }
}

/// The border that a chunk with a sample at `timestamp` does not cross.
pub(super) fn range_end(timestamp: Timestamp, rules: ChunkRules) -> Timestamp {
    (timestamp / rules.range_ms)
        .wrapping_mul(rules.range_ms)
        .saturating_add(rules.range_ms)
}

/// Where a chunk that began at `first` and is at `newest` after a part `1/ratio` of its samples
/// should end so that all chunks up to `end` get the same size.
pub(super) fn planned_end(
    first: Timestamp,
    newest: Timestamp,
    end: Timestamp,
    ratio: f64,
) -> Timestamp {
    let length = end.saturating_sub(first) as f64;
    let chunks = length / (newest.saturating_sub(first).saturating_add(1) as f64 * ratio);
    if chunks <= 1.0 {
        return end;
    }
    (first as f64 + length / chunks.floor()) as Timestamp
}

#[cfg(test)]
mod tests;
