//! A range of the head on its way into a block: series in label order, chunks as they are.

use std::sync::Arc;

use model::Timestamp;

use super::series::{ChunkBytes, LateChunk, LateSamples, STRIP_LEN, SeriesState};
use super::symbols::{SymbolId, SymbolSet};
use super::{Head, label_order, label_sets};
use crate::Error;
use crate::compact::source::{Source, SourceSeries};
use crate::head_chunks::ChunkRef;

/// Which chunks of the head.
#[derive(Debug, Clone, Copy)]
enum Kind {
    InOrder,
    /// Those of late samples that are in files, up to this one.
    Late(ChunkRef),
}

impl Kind {
    fn reaches(self, state: &SeriesState, mint: Timestamp, maxt: Timestamp, head: &Head) -> bool {
        match self {
            Self::InOrder => state.reaches(mint, maxt, &head.files),
            Self::Late(last) => late_chunks(state, mint, maxt, last).next().is_some(),
        }
    }
}

fn late_chunks(
    state: &SeriesState,
    mint: Timestamp,
    maxt: Timestamp,
    last: ChunkRef,
) -> impl Iterator<Item = &LateChunk> {
    let chunks = state.late().map_or(&[][..], LateSamples::chunks);
    chunks
        .iter()
        .filter(move |chunk| chunk.mint <= maxt && chunk.maxt >= mint && chunk.chunk_ref <= last)
}

/// Series of the head with chunks in a range. While it is in use, nobody may truncate the head.
#[derive(Debug)]
pub(crate) struct HeadSource {
    head: Arc<Head>,
    mint: Timestamp,
    /// Included.
    maxt: Timestamp,
    kind: Kind,
    /// Order of the strings, by number.
    ranks: Vec<u32>,
    symbols: Vec<String>,
    /// Ranks of a pair, and slot. From `next` to the end of the last group they are sorted by
    /// their pair number `depth`.
    order: Vec<((u32, u32), u32)>,
    next: usize,
    /// Groups of series with the same pairs before `depth`, each within the one before: end, depth.
    groups: Vec<(usize, usize)>,
}

impl HeadSource {
    /// All series with chunks that reach into `mint <= t <= maxt`.
    pub(crate) fn new(head: Arc<Head>, mint: Timestamp, maxt: Timestamp) -> Self {
        Self::of_kind(head, mint, maxt, Kind::InOrder)
    }

    /// All series with chunks of late samples, up to `last`, that reach into the range. The chunks
    /// of a series may overlap.
    pub(crate) fn late(head: Arc<Head>, mint: Timestamp, maxt: Timestamp, last: ChunkRef) -> Self {
        Self::of_kind(head, mint, maxt, Kind::Late(last))
    }

    fn of_kind(head: Arc<Head>, mint: Timestamp, maxt: Timestamp, kind: Kind) -> Self {
        let mut used = SymbolSet::new(head.symbols.read().id_count());
        let mut order = Vec::new();
        for first in (0..head.series.len()).step_by(STRIP_LEN as usize) {
            let Some(strip) = head.series.lock(first) else {
                continue;
            };
            for slot in first..first + STRIP_LEN {
                let reaches = strip
                    .series(slot)
                    .is_some_and(|state| kind.reaches(state, mint, maxt, &head));
                if reaches {
                    used.add_label_set(strip.label_set(slot));
                    order.push(((0, 0), slot));
                }
            }
        }
        let (ranks, symbols) = ranks(&head, &used);
        let mut source = Self {
            head,
            mint,
            maxt,
            kind,
            ranks,
            symbols,
            order,
            next: 0,
            groups: Vec::new(),
        };
        source.open_group(source.order.len(), 0);
        source
    }

    /// Number of series.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn copy_chunks(&self, state: &SeriesState, series: &mut SourceSeries) -> Result<(), String> {
        let (mint, maxt, files) = (self.mint, self.maxt, &self.head.files);
        match self.kind {
            Kind::InOrder => state.for_each_chunk(mint, maxt, files, |mint, maxt, kind, bytes| {
                series.push(mint, maxt, kind, bytes);
                Ok(())
            }),
            Kind::Late(last) => {
                let mut chunks: Vec<LateChunk> =
                    late_chunks(state, mint, maxt, last).copied().collect();
                chunks.sort_by_key(|chunk| (chunk.mint, chunk.maxt));
                for chunk in chunks {
                    let bytes = ChunkBytes::at(chunk.chunk_ref, files);
                    let (encoding, data) = bytes.read()?;
                    series.push(chunk.mint, chunk.maxt, encoding, data);
                }
                Ok(())
            }
        }
    }

    /// Sorts the series from the next one to `end` by their pair number `depth`.
    fn open_group(&mut self, end: usize, depth: usize) {
        let rank = |id: SymbolId| self.ranks.get(id.0 as usize).copied().unwrap_or_default();
        let group = self.order.get_mut(self.next..end).unwrap_or_default();
        for (key, slot) in &mut *group {
            let strip = self.head.series.lock(*slot);
            let pair = strip.and_then(|strip| label_sets::pairs(strip.label_set(*slot)).nth(depth));
            // A set that ends here comes first, and no name has rank 0.
            *key = pair.map_or((0, 0), |(name, value)| (rank(name), rank(value)));
        }
        group.sort_unstable();
        self.groups.push((end, depth));
    }

    /// The next slot in label order. Only series that agree so far are looked at pair by pair, in
    /// the table itself: no copies of label sets are made.
    fn next_slot(&mut self) -> Option<u32> {
        loop {
            let (end, depth) = *self.groups.last()?;
            if self.next >= end {
                self.groups.pop();
                continue;
            }
            let (key, slot) = *self.order.get(self.next)?;
            let group = self.order.get(self.next..end)?;
            let same = group.iter().take_while(|(other, _)| *other == key).count();
            if same == 1 || key == (0, 0) {
                self.next += 1;
                return Some(slot);
            }
            self.open_group(self.next + same, depth + 1);
        }
    }
}

/// The order of the strings in use, by number, and the strings in order, the empty one first.
fn ranks(head: &Head, used: &SymbolSet) -> (Vec<u32>, Vec<String>) {
    let view = head.symbols.read();
    let (ranks, ids) = label_order::ranks(used, &view);
    let texts = ids.iter().map(|id| view.get(*id).to_owned());
    let mut symbols: Vec<String> = [String::new()].into_iter().chain(texts).collect();
    symbols.dedup();
    (ranks, symbols)
}

impl Source for HeadSource {
    fn symbols(&mut self) -> Result<Vec<String>, Error> {
        Ok(std::mem::take(&mut self.symbols))
    }

    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
        series.clear();
        loop {
            let Some(slot) = self.next_slot() else {
                return Ok(false);
            };
            let head = &*self.head;
            let symbols = head.symbols.read();
            let Some(strip) = head.series.lock(slot) else {
                continue;
            };
            let Some(state) = strip.series(slot) else {
                continue;
            };
            series.labels = label_sets::unpack(strip.label_set(slot), &symbols);
            drop(symbols);
            self.copy_chunks(state, series).map_err(Error::HeadChunk)?;
            drop(strip);
            if matches!(self.kind, Kind::InOrder) {
                let deleted = head.tombstones(slot).unwrap_or_default();
                series.deleted.extend(deleted);
            }
            return Ok(true);
        }
    }
}
