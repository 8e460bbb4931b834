//! Selecting from a block.

use std::cmp;
use std::sync::{Arc, OnceLock};

use model::sample::SampleColumns;
use model::{Labels, Timestamp};
use stdx::cancel::CancelToken;
use storage::merge::merge_samples;
use storage::{LabelHints, MatcherSet, Querier, SelectHints, SeriesSet, StorageError, Warnings};

use crate::block::Block;
use crate::block::tombstones::Tombstones;
use crate::head::series::retain;
use crate::index::{ChunkMeta, IndexError};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Series of a selection whose entries stay in memory after they were looked at.
const ENTRIES_KEPT_MAX: usize = 8 * BATCH_LEN;

/// Bytes of chunks between the first and the last of several threads that read a set.
const LAG_BYTES: u64 = 2 << 20;

/// Bytes of chunks that were read and may stay in memory until the set goes.
const TRAIL_BYTES: u64 = 512 << 10;
/// A set of fewer series leaves its pages where they are: they are few, and who asks for some series
/// asks again.
const TRAIL_SERIES: usize = 128;

/// Series looked at between two looks at the cancel token.
const BATCH_LEN: usize = 512;

/// A view on a time range of one block.
#[derive(Debug, Clone)]
pub struct BlockQuerier {
    block: Arc<Block>,
    tombstones: Arc<Tombstones>,
    mint: Timestamp,
    maxt: Timestamp,
}

impl BlockQuerier {
    /// A view on `mint <= t <= maxt`, with the deletions of this moment.
    pub fn new(block: Arc<Block>, mint: Timestamp, maxt: Timestamp) -> Self {
        Self {
            tombstones: block.tombstones(),
            block,
            mint,
            maxt,
        }
    }
}

impl Querier for BlockQuerier {
    fn select(
        &self,
        _sort: bool,
        _hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        let mut series = self.block.index().select(matchers).map_err(corrupt)?;
        let is_whole = self.is_whole();
        let mut failed = None;
        let mut count = 0_usize;
        let mut behind = series.first().copied().unwrap_or_default();
        series.retain(|candidate| {
            if failed.is_some() {
                return false;
            }
            if count.is_multiple_of(BATCH_LEN) {
                if let Err(stop) = cancel.check() {
                    failed = Some(StorageError::from(stop));
                    return false;
                }
                // Entries that were looked at, as with chunks that were read.
                if !is_whole && count > ENTRIES_KEPT_MAX {
                    self.block.index().release(behind, *candidate);
                    behind = *candidate;
                }
            }
            count += 1;
            match self.has_samples(*candidate, is_whole) {
                Ok(has) => has,
                Err(err) => {
                    failed = Some(corrupt(err));
                    false
                }
            }
        });
        match failed {
            Some(err) => Err(err),
            None => Ok(Box::new(BlockSeries {
                view: self.clone(),
                series,
                wanted_names: OnceLock::new(),
                trail: Trail::default(),
            })),
        }
    }

    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let index = self.block.index();
        let values = if matchers.is_empty() {
            index.label_values(name)
        } else {
            index.label_values_of(name, matchers)
        };
        Ok((
            limited(values.map_err(corrupt)?, hints.limit),
            Warnings::new(),
        ))
    }

    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let index = self.block.index();
        let names = if matchers.is_empty() {
            index.label_names().collect()
        } else {
            index.label_names_of(matchers).map_err(corrupt)?
        };
        Ok((limited(names, hints.limit), Warnings::new()))
    }
}

impl BlockQuerier {
    /// Whether all times of the block are in the range: then every series has samples in it.
    fn is_whole(&self) -> bool {
        let meta = self.block.meta();
        self.mint <= meta.min_time && meta.max_time.saturating_sub(1) <= self.maxt
    }

    /// Whether some chunk reaches into the range, which may be the block's as a whole, and is not
    /// deleted as a whole.
    fn has_samples(&self, series: u32, is_whole: bool) -> Result<bool, IndexError> {
        let deleted = self.tombstones.of(u64::from(series));
        if is_whole && deleted.is_empty() {
            return Ok(true);
        }
        let index = self.block.index();
        for chunk in index.chunk_metas(series)? {
            let chunk = chunk.map_err(|_| index.cut_series(series))?;
            let is_deleted =
                |(from, to): &(Timestamp, Timestamp)| *from <= chunk.mint && chunk.maxt <= *to;
            if self.reaches(&chunk, self.mint, self.maxt) && !deleted.iter().any(is_deleted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn reaches(&self, chunk: &ChunkMeta, mint: Timestamp, maxt: Timestamp) -> bool {
        chunk.mint <= maxt && chunk.maxt >= mint
    }
}

struct BlockSeries {
    view: BlockQuerier,
    series: Vec<u32>,
    /// Symbols of the label names that were asked for.
    wanted_names: OnceLock<Vec<u64>>,
    trail: Trail,
}

/// How far a set has been read. Its series come in the order of the files, most often each once:
/// what lies behind need not stay in memory, and would be most of what a large query takes. The
/// system still has the pages; who wants them again finds them there.
#[derive(Debug)]
struct Trail {
    /// The first series read and its chunk.
    begin: OnceLock<(u32, u64)>,
    /// The chunk up to which memory was given back.
    chunk: AtomicU64,
    /// The series whose chunk that is.
    series: AtomicU32,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            begin: OnceLock::new(),
            chunk: AtomicU64::new(u64::MAX),
            series: AtomicU32::new(u32::MAX),
        }
    }
}

impl Trail {
    /// Says that the chunk of a series is read now; the series and chunk from which on and up to
    /// which memory may be given back.
    fn advance(&self, series: u32, chunk: u64) -> Option<[(u32, u64); 2]> {
        let behind = self.chunk.load(Ordering::Relaxed);
        if behind == u64::MAX {
            self.begin.get_or_init(|| (series, chunk));
            self.chunk.fetch_min(chunk, Ordering::Relaxed);
            self.series.fetch_min(series, Ordering::Relaxed);
            return None;
        }
        // Files apart count as far.
        if chunk.saturating_sub(behind) < TRAIL_BYTES {
            return None;
        }
        let moved =
            self.chunk
                .compare_exchange(behind, chunk, Ordering::Relaxed, Ordering::Relaxed);
        moved.ok()?;
        let from = self.series.swap(series, Ordering::Relaxed);
        Some([(from.min(series), behind), (series, chunk)])
    }
}

impl BlockSeries {
    /// Appends what is not deleted of the series' samples in the range.
    fn read_chunks(
        &self,
        series: u32,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        let block = &*self.view.block;
        let mut is_first = true;
        for chunk in block.index().chunk_metas(series).map_err(corrupt)? {
            let chunk = chunk.map_err(|_| corrupt(block.index().cut_series(series)))?;
            if self.view.reaches(&chunk, mint, maxt) {
                if is_first {
                    self.leave_behind(series, &chunk);
                    is_first = false;
                }
                decode(block, &chunk, mint, maxt, columns)?;
            }
        }
        self.remove_deleted(series, columns);
        Ok(())
    }

    /// Gives memory back of what is far behind this chunk.
    fn leave_behind(&self, series: u32, chunk: &ChunkMeta) {
        if self.series.len() < TRAIL_SERIES {
            return;
        }
        if let Some([from, to]) = self.trail.advance(series, chunk.chunk_ref) {
            self.view.block.index().release(from.0, to.0);
            // Threads that read side by side are this far apart.
            let lagging = |chunk: u64| {
                let (file, offset) = (chunk & !u64::from(u32::MAX), chunk & u64::from(u32::MAX));
                file | offset.saturating_sub(LAG_BYTES)
            };
            self.view
                .block
                .chunks()
                .release(lagging(from.1), lagging(to.1));
        }
    }

    fn remove_deleted(&self, series: u32, columns: &mut SampleColumns) {
        let deleted = self.view.tombstones.of(u64::from(series));
        if !deleted.is_empty() {
            retain(columns, |timestamp| {
                !deleted
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&timestamp))
            });
        }
    }
}

impl SeriesSet for BlockSeries {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        let Some(series) = self.series.get(index) else {
            return Labels::empty();
        };
        // Selecting has read the same entry; damage since then shows as a series without labels.
        self.view.block.index().labels(*series).unwrap_or_default()
    }

    fn labels_of(&self, index: usize, names: &[&str]) -> Labels {
        let Some(series) = self.series.get(index) else {
            return Labels::empty();
        };
        let index = self.view.block.index();
        // A name that cannot be looked up is none that a series has.
        let find = |name: &&str| index.find_symbol(name).ok().flatten();
        let wanted = self
            .wanted_names
            .get_or_init(|| names.iter().filter_map(find).collect());
        index.labels_of(*series, wanted).unwrap_or_default()
    }

    fn cmp_labels(&self, index: usize, other: &Labels) -> cmp::Ordering {
        let series = self.series.get(index).copied().unwrap_or_default();
        let index = self.view.block.index();
        index
            .cmp_labels(series, other)
            .unwrap_or_else(|_| Labels::empty().cmp(other))
    }

    fn read_more(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        let Some(&series) = self.series.get(index) else {
            return Ok(());
        };
        let from = mint
            .max(self.view.mint)
            .max(self.view.block.meta().min_time);
        let follows = columns.timestamps.last().is_none_or(|last| *last < from);
        if follows && self.view.tombstones.of(u64::from(series)).is_empty() {
            return self.read_chunks(series, from, maxt.min(self.view.maxt), columns);
        }
        let mut more = SampleColumns::default();
        self.read(index, mint, maxt, &mut more)?;
        merge_samples(columns, &more);
        Ok(())
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let Some(&series) = self.series.get(index) else {
            return Ok(());
        };
        let (mint, maxt) = (mint.max(self.view.mint), maxt.min(self.view.maxt));
        self.read_chunks(series, mint, maxt, columns)
    }

    fn read_last(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let Some(&series) = self.series.get(index) else {
            return Ok(());
        };
        let (mint, maxt) = (mint.max(self.view.mint), maxt.min(self.view.maxt));
        let block = &*self.view.block;
        let mut last = None;
        for chunk in block.index().chunk_metas(series).map_err(corrupt)? {
            let chunk = chunk.map_err(|_| corrupt(block.index().cut_series(series)))?;
            if self.view.reaches(&chunk, mint, maxt) {
                last = Some(chunk);
            }
        }
        let Some(last) = last else {
            return Ok(());
        };
        self.leave_behind(series, &last);
        decode(block, &last, mint, maxt, columns)?;
        self.remove_deleted(series, columns);
        if columns.is_empty() {
            // All of its samples in the range are deleted, or none is in it.
            self.read_chunks(series, mint, maxt, columns)?;
        }
        columns.keep_last();
        Ok(())
    }
}

impl Drop for BlockSeries {
    fn drop(&mut self) {
        let Some((series, chunk)) = self.trail.begin.get() else {
            return;
        };
        let reached = self.trail.chunk.load(Ordering::Relaxed);
        if reached.saturating_sub(*chunk) < TRAIL_BYTES {
            return;
        }
        // What was read side by side with others may lie behind what they gave back.
        let block = &*self.view.block;
        block.chunks().release(*chunk, reached + 2 * TRAIL_BYTES);
        if let Some(last) = self.series.last() {
            block.index().release(*series, *last);
        }
    }
}

fn decode(
    block: &Block,
    chunk: &ChunkMeta,
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), StorageError> {
    let (encoding, bytes) = block
        .chunks()
        .chunk(chunk.chunk_ref)
        .map_err(|err| StorageError::Corrupt(err.to_string()))?;
    chunk::decode(encoding, bytes, mint, maxt, columns)
        .map_err(|err| StorageError::Corrupt(format!("chunk {:#x}: {err}", chunk.chunk_ref)))
}

fn limited(all: Vec<&str>, limit: usize) -> Vec<String> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    all.into_iter().take(limit).map(str::to_owned).collect()
}

fn corrupt(err: IndexError) -> StorageError {
    StorageError::Corrupt(err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_is_given_back_piece_by_piece() {
        let trail = Trail::default();
        assert_eq!(trail.advance(7, 100), None);
        assert_eq!(trail.advance(8, 99 + TRAIL_BYTES), None);
        let next = 100 + TRAIL_BYTES;
        assert_eq!(trail.advance(9, next), Some([(7, 100), (9, next)]));
        // A thread that is behind gives nothing back.
        assert_eq!(trail.advance(8, 200), None);
        // The next file.
        assert_eq!(trail.advance(10, 1 << 32), Some([(9, next), (10, 1 << 32)]));
        assert_eq!(trail.begin.get(), Some(&(7, 100)));
    }
}
