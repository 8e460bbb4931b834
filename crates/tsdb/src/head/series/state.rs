//! One series: its open chunk, its closed ones, and what a query may see of them.

use std::sync::Arc;

use chunk::xor;
use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{Metadata, Timestamp};
use smallvec::SmallVec;
use storage::AppendError;

use crate::head::visibility::Snapshot;

/// An XOR chunk with more bytes than this is closed before the next sample.
const XOR_CHUNK_BYTES_MAX: usize = 1005;

/// When chunks are closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkRules {
    /// Milliseconds; a chunk never crosses a multiple of it.
    pub(crate) range_ms: i64,
    /// Samples aimed at.
    pub(crate) samples: u16,
}

/// A chunk that takes no more samples.
#[derive(Debug, Clone)]
pub(crate) struct ClosedChunk {
    pub(crate) mint: Timestamp,
    pub(crate) maxt: Timestamp,
    pub(crate) data: ChunkData,
}

/// Samples of a closed chunk.
#[derive(Debug, Clone)]
pub(crate) enum ChunkData {
    /// XOR encoded.
    Xor(Arc<[u8]>),
    /// Histograms as values; they get their encodings with the head chunk files.
    Histograms(Arc<[(Timestamp, Value)]>),
}

/// What few series need, or need for a short time.
#[derive(Debug, Default)]
struct Cold {
    /// Commit and time of samples before the newest that somebody may not see, oldest first.
    unsettled: Vec<(u64, Timestamp)>,
    /// Open chunk of histograms; while it has any, the float chunk is empty.
    histograms: Vec<(Timestamp, Value)>,
    metadata: Option<Arc<Metadata>>,
}

/// Where a sample fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Behind the newest sample.
    New,
    /// It is the newest sample, once more.
    Repeated,
}

/// What came of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The sample is in; `true` if a chunk was begun for it.
    Taken(bool),
    /// The sample does not lie behind the newest one.
    Refused,
}

/// One series.
#[derive(Debug)]
pub(crate) struct SeriesState {
    /// What the log calls it.
    pub(crate) series_ref: u64,
    /// Whether the log holds its labels.
    pub(crate) logged: bool,
    /// Commit of the newest sample.
    sequence: u64,
    /// First time of the open chunk.
    first_time: Timestamp,
    /// Planned end of the open chunk: its first time to come.
    next_at: Timestamp,
    open: xor::Appender,
    bytes: Vec<u8>,
    closed: Vec<ClosedChunk>,
    cold: Option<Box<Cold>>,
}

impl SeriesState {
    pub(crate) fn new(series_ref: u64) -> Self {
        Self {
            series_ref,
            logged: false,
            sequence: 0,
            first_time: 0,
            next_at: 0,
            open: xor::Appender::new(),
            bytes: Vec::new(),
            closed: Vec::new(),
            cold: None,
        }
    }

    fn open_histograms(&self) -> &[(Timestamp, Value)] {
        self.cold.as_ref().map_or(&[], |cold| &cold.histograms)
    }

    fn cold_mut(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// Newest time, if there is a sample.
    pub(crate) fn last_time(&self) -> Option<Timestamp> {
        if self.open.count() > 0 {
            return Some(self.open.timestamp());
        }
        self.open_histograms()
            .last()
            .map(|(timestamp, _)| *timestamp)
    }

    /// Chunks, the open one included.
    pub(crate) fn chunk_count(&self) -> usize {
        self.closed.len() + usize::from(self.last_time().is_some())
    }

    /// Whether the newest sample is a histogram, and of which kind.
    pub(crate) fn last_histogram(&self) -> Option<&Value> {
        self.open_histograms().last().map(|(_, value)| value)
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

    /// Whether a sample would be taken, by the reference's rules for an in-order head.
    pub(crate) fn fit(
        &self,
        timestamp: Timestamp,
        value: &Value,
        min_valid: Timestamp,
    ) -> Result<Fit, AppendError> {
        let last = self.last_time();
        if timestamp < min_valid {
            return Err(AppendError::OutOfBounds);
        }
        match last {
            Some(last) if timestamp < last => Err(AppendError::OutOfOrder),
            Some(last) if timestamp == last => {
                if self.is_last_value(value) {
                    Ok(Fit::Repeated)
                } else {
                    Err(AppendError::DuplicateTimestamp)
                }
            }
            _ => Ok(Fit::New),
        }
    }

    fn is_last_value(&self, value: &Value) -> bool {
        match (value, self.last_histogram()) {
            (Value::Float(number), None) => number.to_bits() == self.open.value().to_bits(),
            (Value::Float(_), Some(_)) | (_, None) => false,
            (value, Some(last)) => same_histogram(value, last),
        }
    }

    /// Adds a sample of commit `sequence`; needs it to lie behind the newest one. Numbers of
    /// commits below `low_watermark` are forgotten.
    pub(crate) fn append(
        &mut self,
        timestamp: Timestamp,
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
        Appended::Taken(match value {
            Value::Float(number) => self.append_float(timestamp, number, rules),
            histogram => self.append_histogram(timestamp, histogram, rules),
        })
    }

    fn append_float(&mut self, timestamp: Timestamp, value: f64, rules: ChunkRules) -> bool {
        if self.open.count() == rules.samples / 4 && self.open.count() > 0 {
            self.next_at = planned_end(self.first_time, self.open.timestamp(), self.next_at, 4.0);
        }
        let begin = self.open.count() == 0
            || self.bytes.len() > XOR_CHUNK_BYTES_MAX
            || timestamp >= self.next_at
            || self.open.count() >= rules.samples.saturating_mul(2);
        if begin {
            self.close_open();
            self.begin_at(timestamp, rules);
        }
        reserve_class(&mut self.bytes);
        self.open.append(&mut self.bytes, timestamp, value);
        begin
    }

    fn append_histogram(&mut self, timestamp: Timestamp, value: Value, rules: ChunkRules) -> bool {
        let same_kind = self
            .last_histogram()
            .is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(&value));
        let begin = !same_kind
            || timestamp >= self.next_at
            || self.open_histograms().len() >= usize::from(rules.samples);
        if begin {
            self.close_open();
            self.begin_at(timestamp, rules);
        }
        self.cold_mut().histograms.push((timestamp, value));
        begin
    }

    fn begin_at(&mut self, timestamp: Timestamp, rules: ChunkRules) {
        self.first_time = timestamp;
        self.next_at = (timestamp / rules.range_ms)
            .wrapping_mul(rules.range_ms)
            .saturating_add(rules.range_ms);
    }

    fn close_open(&mut self) {
        let Some(maxt) = self.last_time() else { return };
        let mint = self.first_time;
        let data = if self.open.count() > 0 {
            ChunkData::Xor(self.bytes.as_slice().into())
        } else {
            ChunkData::Histograms(std::mem::take(&mut self.cold_mut().histograms).into())
        };
        // Given back, not kept: the next chunk starts small, and most stay smaller than this one.
        self.bytes = Vec::new();
        self.open = xor::Appender::new();
        self.closed.reserve_exact(1);
        self.closed.push(ClosedChunk { mint, maxt, data });
    }

    /// Forgets commit numbers everybody sees.
    fn settle(&mut self, low_watermark: u64) {
        let Some(cold) = &mut self.cold else { return };
        cold.unsettled
            .retain(|(sequence, _)| *sequence >= low_watermark);
        let empty =
            cold.unsettled.is_empty() && cold.histograms.is_empty() && cold.metadata.is_none();
        if empty {
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
    pub(crate) fn may_have(&self, mint: Timestamp, maxt: Timestamp, snapshot: &Snapshot) -> bool {
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
        let overlaps = |from: Timestamp, to: Timestamp| from <= maxt && to >= mint;
        overlaps(self.first_time, last)
            || self
                .closed
                .iter()
                .rev()
                .any(|chunk| overlaps(chunk.mint, chunk.maxt))
    }

    /// The newest sample, if it is a float, in the range and `snapshot` sees it: no decoding.
    pub(crate) fn last_float(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        snapshot: &Snapshot,
    ) -> Option<(Timestamp, f64)> {
        let timestamp = self.open.timestamp();
        let fits = self.open.count() > 0
            && (mint..=maxt).contains(&timestamp)
            && snapshot.sees(self.sequence);
        fits.then(|| (timestamp, self.open.value()))
    }

    /// Copies out what is needed to read a range without holding the lock.
    pub(crate) fn extract(&self, mint: Timestamp, maxt: Timestamp, snapshot: &Snapshot) -> Extract {
        let mut extract = Extract {
            hidden: self.hidden(snapshot),
            ..Extract::default()
        };
        let from = self.closed.partition_point(|chunk| chunk.maxt < mint);
        let chunks = self.closed.get(from..).unwrap_or_default();
        extract.closed.extend(
            chunks
                .iter()
                .take_while(|chunk| chunk.mint <= maxt)
                .map(|c| c.data.clone()),
        );
        let last = self.last_time().unwrap_or(Timestamp::MIN);
        if self.first_time <= maxt && last >= mint {
            if self.open.count() > 0 {
                extract.open.extend_from_slice(&self.bytes);
            } else {
                extract.histograms = self.open_histograms().to_vec();
            }
        }
        extract
    }

    /// Heap bytes, by purpose: rare state, open chunk, closed chunks.
    pub(crate) fn heap_bytes(&self) -> [usize; 3] {
        let closed: usize = self
            .closed
            .iter()
            .map(|chunk| match &chunk.data {
                ChunkData::Xor(bytes) => bytes.len() + 16,
                ChunkData::Histograms(samples) => samples.len() * 256,
            })
            .sum();
        [
            self.cold
                .as_ref()
                .map_or(0, |cold| size_of::<Cold>() + cold.unsettled.capacity() * 16),
            self.bytes.capacity(),
            closed + self.closed.capacity() * size_of::<ClosedChunk>(),
        ]
    }
}

/// What a reader took with it from under the lock.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    closed: SmallVec<[ChunkData; 4]>,
    open: SmallVec<[u8; 256]>,
    histograms: Vec<(Timestamp, Value)>,
    hidden: SmallVec<[Timestamp; 4]>,
}

impl Extract {
    /// Appends the samples in the range to `columns`.
    pub(crate) fn decode(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), chunk::DecodeError> {
        for data in &self.closed {
            match data {
                ChunkData::Xor(bytes) => xor::decode(bytes, mint, maxt, columns)?,
                ChunkData::Histograms(samples) => push_range(samples, mint, maxt, columns),
            }
        }
        if !self.open.is_empty() {
            xor::decode(&self.open, mint, maxt, columns)?;
        }
        push_range(&self.histograms, mint, maxt, columns);
        if !self.hidden.is_empty() {
            retain(columns, |timestamp| !self.hidden.contains(&timestamp));
        }
        Ok(())
    }
}

fn push_range(
    samples: &[(Timestamp, Value)],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) {
    for (timestamp, value) in samples {
        if (mint..=maxt).contains(timestamp) {
            columns.push(*timestamp, value.clone());
        }
    }
}

/// Keeps the samples whose time `keep` accepts.
pub(crate) fn retain(columns: &mut SampleColumns, keep: impl Fn(Timestamp) -> bool) {
    if columns.timestamps.iter().all(|timestamp| keep(*timestamp)) {
        return;
    }
    let old = std::mem::take(columns);
    let mut histograms = old.histograms.into_iter().peekable();
    for (index, (timestamp, number)) in old.timestamps.into_iter().zip(old.values).enumerate() {
        let histogram = histograms
            .next_if(|(at, _)| *at as usize == index)
            .map(|(_, value)| value);
        if keep(timestamp) {
            columns.push(timestamp, histogram.unwrap_or(Value::Float(number)));
        }
    }
}

/// Whether two histograms hold the same observations; a stale one equals a stale one.
fn same_histogram(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Histogram(one), Value::Histogram(other)) => {
            (is_stale(one.sum) && is_stale(other.sum)) || one.same_data(other)
        }
        (Value::FloatHistogram(one), Value::FloatHistogram(other)) => {
            (is_stale(one.sum) && is_stale(other.sum)) || one.same_data(other)
        }
        _ => false,
    }
}

/// Where a chunk that began at `first` and is at `newest` after a part `1/ratio` of its samples
/// should end so that all chunks up to `end` get the same size.
fn planned_end(first: Timestamp, newest: Timestamp, end: Timestamp, ratio: f64) -> Timestamp {
    let length = end.saturating_sub(first) as f64;
    let chunks = length / (newest.saturating_sub(first).saturating_add(1) as f64 * ratio);
    if chunks <= 1.0 {
        return end;
    }
    (first as f64 + length / chunks.floor()) as Timestamp
}

/// Grows an open chunk's buffer to the next size class when a sample might not fit.
fn reserve_class(bytes: &mut Vec<u8>) {
    const CLASSES: [usize; 9] = [32, 64, 96, 128, 192, 256, 512, 768, 1056];
    let wanted = bytes.len() + xor::SAMPLE_BYTES_MAX;
    if wanted > bytes.capacity() {
        let class = CLASSES
            .into_iter()
            .find(|class| *class >= wanted)
            .unwrap_or(wanted);
        bytes.reserve_exact(class - bytes.len());
    }
}

#[cfg(test)]
mod tests;
