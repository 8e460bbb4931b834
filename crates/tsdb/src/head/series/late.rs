//! Samples of a series that came out of order: a sorted list in memory, written to a head chunk
//! file when it is full.

use model::Timestamp;
use model::sample::{SampleColumns, Value};

use super::chunks::ChunkBytes;
use super::retain;
use super::state::ChunkEncodings;
use crate::compact::{Choice, Encoder};
use crate::head::visibility::Snapshot;
use crate::head_chunks::{ChunkRef, HeadChunks, NewHeadChunk};

/// A sample in the list.
#[derive(Debug, Clone)]
struct LateSample {
    timestamp: Timestamp,
    /// Start timestamp; 0 for none.
    start: Timestamp,
    value: Value,
    /// Commit that brought it.
    sequence: u64,
}

/// A written list, or a part of one kind of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LateChunk {
    pub(crate) mint: Timestamp,
    pub(crate) maxt: Timestamp,
    pub(crate) chunk_ref: ChunkRef,
}

impl LateChunk {
    /// Its samples without those with `mint <= t <= maxt`; `None` if there are none of them, or if it
    /// cannot be read: queries say then what is wrong with it.
    fn without(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        files: &HeadChunks,
    ) -> Option<SampleColumns> {
        if self.mint > maxt || self.maxt < mint {
            return None;
        }
        let mut columns = SampleColumns::default();
        let bytes = ChunkBytes::at(self.chunk_ref, files);
        let (encoding, data) = bytes.read().ok()?;
        let all = (Timestamp::MIN, Timestamp::MAX);
        chunk::decode(encoding, data, all.0, all.1, &mut columns).ok()?;
        let before = columns.len();
        retain(&mut columns, |timestamp| {
            !(mint..=maxt).contains(&timestamp)
        });
        (columns.len() < before).then_some(columns)
    }
}

/// What a series has of late samples.
#[derive(Debug, Default)]
pub(crate) struct LateSamples {
    list: Vec<LateSample>,
    chunks: Vec<LateChunk>,
}

impl LateSamples {
    /// Whether it has a list; if not, the next sample begins one.
    pub(crate) fn has_list(&self) -> bool {
        !self.list.is_empty()
    }

    /// Samples in the list.
    pub(crate) fn list_len(&self) -> usize {
        self.list.len()
    }

    /// Adds a sample to the list; `false` if it has one at that time. `start` is its start
    /// timestamp, 0 for none.
    pub(crate) fn insert(
        &mut self,
        (timestamp, start): (Timestamp, Timestamp),
        value: Value,
        sequence: u64,
    ) -> bool {
        match self
            .list
            .binary_search_by_key(&timestamp, |sample| sample.timestamp)
        {
            Ok(_) => false,
            Err(at) => {
                let sample = LateSample {
                    timestamp,
                    start,
                    value,
                    sequence,
                };
                self.list.insert(at, sample);
                true
            }
        }
    }

    /// Removes the sample at that time from the list.
    pub(crate) fn take_back(&mut self, timestamp: Timestamp) {
        self.list.retain(|sample| sample.timestamp != timestamp);
    }

    /// Adds a chunk found in a file.
    pub(crate) fn attach(&mut self, chunk: LateChunk) {
        self.chunks.push(chunk);
    }

    /// Writes the list to a file and empties it; the place of its last chunk.
    pub(crate) fn write(
        &mut self,
        series_ref: u64,
        files: &HeadChunks,
        encodings: ChunkEncodings,
    ) -> Result<Option<ChunkRef>, crate::Error> {
        let mut columns = SampleColumns::default();
        for sample in &self.list {
            push(
                &mut columns,
                (sample.timestamp, sample.start),
                &sample.value,
            );
        }
        let written = write_chunks(&columns, series_ref, files, encodings)?;
        let last = written.last().map(|chunk| chunk.chunk_ref);
        self.chunks.extend(written);
        self.list.clear();
        Ok(last)
    }

    /// Removes the samples with `mint <= t <= maxt`; chunks that lose some are written anew.
    pub(crate) fn delete(
        &mut self,
        mint: Timestamp,
        maxt: Timestamp,
        series_ref: u64,
        files: &HeadChunks,
        encodings: ChunkEncodings,
    ) -> Result<(), crate::Error> {
        let mut kept = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            match chunk.without(mint, maxt, files) {
                None => kept.push(*chunk),
                Some(columns) => kept.extend(write_chunks(&columns, series_ref, files, encodings)?),
            }
        }
        self.chunks = kept;
        self.list
            .retain(|sample| !(mint..=maxt).contains(&sample.timestamp));
        Ok(())
    }

    /// Forgets the list; the log has named a chunk that holds it.
    pub(crate) fn forget_list(&mut self) {
        self.list.clear();
    }

    /// Forgets chunks up to a place; they are in blocks.
    pub(crate) fn truncate(&mut self, last: ChunkRef) {
        self.chunks.retain(|chunk| chunk.chunk_ref > last);
        self.chunks.shrink_to_fit();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.chunks.is_empty()
    }

    pub(crate) fn chunks(&self) -> &[LateChunk] {
        &self.chunks
    }

    /// Number of the oldest file it needs.
    pub(crate) fn first_file(&self) -> Option<u32> {
        self.chunks.iter().map(|chunk| chunk.chunk_ref.file).min()
    }

    /// First and last time.
    pub(crate) fn range(&self) -> Option<(Timestamp, Timestamp)> {
        let list = self.list.first().zip(self.list.last());
        let list = list.map(|(first, last)| (first.timestamp, last.timestamp));
        let chunks = self.chunks.iter().map(|chunk| (chunk.mint, chunk.maxt));
        chunks
            .chain(list)
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// Whether there may be visible samples in a range.
    pub(crate) fn may_have(&self, mint: Timestamp, maxt: Timestamp, snapshot: &Snapshot) -> bool {
        let chunks = self.chunks.iter();
        chunks
            .clone()
            .any(|chunk| chunk.mint <= maxt && chunk.maxt >= mint)
            || self.list.iter().any(|sample| {
                (mint..=maxt).contains(&sample.timestamp) && snapshot.sees(sample.sequence)
            })
    }

    /// Copies out what is needed to read a range.
    pub(crate) fn extract(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        snapshot: &Snapshot,
        files: &HeadChunks,
    ) -> LateExtract {
        let mut chunks: Vec<LateChunk> = self
            .chunks
            .iter()
            .filter(|chunk| chunk.mint <= maxt && chunk.maxt >= mint)
            .copied()
            .collect();
        chunks.sort_by_key(|chunk| (chunk.mint, chunk.maxt));
        let list = self.list.iter().filter(|sample| {
            (mint..=maxt).contains(&sample.timestamp) && snapshot.sees(sample.sequence)
        });
        LateExtract {
            chunks: chunks
                .iter()
                .map(|chunk| ChunkBytes::at(chunk.chunk_ref, files))
                .collect(),
            list: list
                .map(|sample| ((sample.timestamp, sample.start), sample.value.clone()))
                .collect(),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.list.capacity() * size_of::<LateSample>()
            + self.chunks.capacity() * size_of::<LateChunk>()
    }
}

/// Writes samples to a file: a chunk for each kind of samples in turn.
fn write_chunks(
    columns: &SampleColumns,
    series_ref: u64,
    files: &HeadChunks,
    encodings: ChunkEncodings,
) -> Result<Vec<LateChunk>, crate::Error> {
    let (mut chunks, mut data) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::new(u16::MAX, Choice::Head(encodings));
    for index in 0..columns.len() {
        encoder
            .add(columns, index, &mut chunks, &mut data)
            .map_err(|err| crate::Error::HeadChunk(err.to_string()))?;
    }
    encoder.finish(&mut chunks, &mut data);
    let new: Vec<NewHeadChunk<'_>> = chunks
        .iter()
        .map(|chunk| NewHeadChunk {
            series_ref,
            mint: chunk.mint,
            maxt: chunk.maxt,
            encoding: chunk.encoding,
            is_out_of_order: true,
            data: data.get(chunk.start..chunk.end).unwrap_or_default(),
        })
        .collect();
    let mut refs = Vec::with_capacity(new.len());
    files.write(&new, &mut refs)?;
    let written = chunks
        .iter()
        .zip(&refs)
        .map(|(chunk, chunk_ref)| LateChunk {
            mint: chunk.mint,
            maxt: chunk.maxt,
            chunk_ref: *chunk_ref,
        });
    Ok(written.collect())
}

fn push(columns: &mut SampleColumns, (timestamp, start): (Timestamp, Timestamp), value: &Value) {
    columns.push(timestamp, value.clone());
    if start != 0 {
        columns.set_last_start_timestamp(start);
    }
}

/// Late samples that a reader took along.
#[derive(Debug, Default)]
pub(crate) struct LateExtract {
    chunks: Vec<ChunkBytes>,
    /// Time and start timestamp, value.
    list: Vec<((Timestamp, Timestamp), Value)>,
}

impl LateExtract {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.list.is_empty()
    }

    /// Adds the samples in the range to `columns`, which hold the samples in order: these win where
    /// times are equal.
    pub(crate) fn merge_into(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), String> {
        let mut part = SampleColumns::default();
        for chunk in &self.chunks {
            part.clear();
            let (encoding, bytes) = chunk.read()?;
            chunk::decode(encoding, bytes, mint, maxt, &mut part).map_err(|err| err.to_string())?;
            storage::merge::merge_samples(columns, &part);
        }
        part.clear();
        for (times, value) in &self.list {
            push(&mut part, *times, value);
        }
        storage::merge::merge_samples(columns, &part);
        Ok(())
    }
}
