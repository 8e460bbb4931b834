//! Leaving out what is deleted or outside a range: chunk by chunk, decoding only those concerned.

use chunk::DecodeError;
use model::Timestamp;
use model::sample::SampleColumns;

use crate::compact::encode::{Choice, Encoder};
use crate::compact::source::SourceChunk;

/// As many samples as a chunk can have: one that loses some stays one.
const SAMPLES_MAX: u16 = u16::MAX;

/// The times of a series that are kept.
#[derive(Debug)]
pub(super) struct Wanted {
    /// First and last time, both included.
    range: (Timestamp, Timestamp),
    /// Deleted times, both ends included; sorted, apart from each other.
    deleted: Vec<(Timestamp, Timestamp)>,
}

impl Wanted {
    /// Times in `range`, ends included, without the `deleted` ones, in any order.
    pub(super) fn new(
        range: (Timestamp, Timestamp),
        mut deleted: Vec<(Timestamp, Timestamp)>,
    ) -> Self {
        deleted.sort_unstable();
        let mut apart: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(deleted.len());
        for (from, to) in deleted {
            match apart.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => apart.push((from, to)),
            }
        }
        Self {
            range,
            deleted: apart,
        }
    }

    /// Deleted times that reach into `mint..=maxt`.
    fn deleted_within(&self, mint: Timestamp, maxt: Timestamp) -> &[(Timestamp, Timestamp)] {
        let first = self.deleted.partition_point(|(_, to)| *to < mint);
        let end = self.deleted.partition_point(|(from, _)| *from <= maxt);
        self.deleted.get(first..end).unwrap_or_default()
    }

    fn keeps(&self, timestamp: Timestamp) -> bool {
        self.range.0 <= timestamp
            && timestamp <= self.range.1
            && self.deleted_within(timestamp, timestamp).is_empty()
    }

    /// Whether a chunk with these times is wanted as a whole, in part (`None`), or not at all.
    pub(super) fn judges(&self, mint: Timestamp, maxt: Timestamp) -> Option<bool> {
        if maxt < self.range.0 || mint > self.range.1 {
            return Some(false);
        }
        let deleted = self.deleted_within(mint, maxt);
        if deleted
            .iter()
            .any(|(from, to)| *from <= mint && maxt <= *to)
        {
            return Some(false);
        }
        let inside = self.range.0 <= mint && maxt <= self.range.1;
        (inside && deleted.is_empty()).then_some(true)
    }
}

/// Trims series; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(super) struct Trimmer {
    columns: SampleColumns,
}

impl Trimmer {
    /// Replaces the contents of `kept` by what is wanted of `chunks`. What is encoded anew for it
    /// goes to the end of `data`, which has the bytes of all chunks.
    pub(super) fn trim(
        &mut self,
        chunks: &[SourceChunk],
        data: &mut Vec<u8>,
        wanted: &Wanted,
        kept: &mut Vec<SourceChunk>,
    ) -> Result<(), DecodeError> {
        kept.clear();
        for chunk in chunks {
            match wanted.judges(chunk.mint, chunk.maxt) {
                Some(true) => kept.push(*chunk),
                Some(false) => {}
                None => self.rewrite(chunk, data, wanted, kept)?,
            }
        }
        Ok(())
    }

    fn rewrite(
        &mut self,
        chunk: &SourceChunk,
        data: &mut Vec<u8>,
        wanted: &Wanted,
        kept: &mut Vec<SourceChunk>,
    ) -> Result<(), DecodeError> {
        self.columns.clear();
        let bytes = data.get(chunk.start..chunk.end).unwrap_or_default();
        let (mint, maxt) = wanted.range;
        chunk::decode(chunk.encoding, bytes, mint, maxt, &mut self.columns)?;
        let mut encoder = Encoder::new(SAMPLES_MAX, Choice::Same(chunk.encoding));
        for (index, timestamp) in self.columns.timestamps.iter().enumerate() {
            if wanted.keeps(*timestamp) {
                encoder.add(&self.columns, index, kept, data)?;
            }
        }
        encoder.finish(kept, data);
        Ok(())
    }
}
