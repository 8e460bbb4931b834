//! The blocks of a data directory: opened, reloaded, compacted, deleted from, given up.
//!
//! A folder named by a ULID is a block. [`Blocks::reload`] looks at the directory again: new blocks
//! are opened, those that are merged into others or beyond the retention are removed. Readers that
//! have a block keep its files. One piece of work that changes blocks runs at a time.

mod cleanup;
mod compaction;
mod cut_until;
mod metrics;
mod reload;
mod retention;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::atomic::{AtomicI64, Ordering};
use crate::sync::{Mutex, RwLock};
use model::{Matcher, Timestamp};
use storage::Querier;
use telemetry::Registry;

use crate::block::meta::FROM_OUT_OF_ORDER;
use crate::block::querier::BlockQuerier;
use crate::block::{Block, is_block_name};
use crate::compact::Pace;
use crate::options::CurrentFloats;
use crate::{Error, FloatEncoding};
pub(crate) use metrics::BlocksMetrics;
pub use retention::Retention;

/// Choices about blocks.
#[derive(Debug, Clone)]
pub(crate) struct BlocksOptions {
    /// Milliseconds of the smallest block.
    pub(crate) block_duration_ms: i64,
    /// Milliseconds that blocks grow to.
    pub(crate) block_duration_max_ms: i64,
    /// Merges blocks that share times.
    pub(crate) merge_overlapping: bool,
    /// How floats are encoded where chunks are merged.
    pub(crate) floats: CurrentFloats,
    /// What is kept.
    pub(crate) retention: Retention,
    /// Who is left room for while blocks are written.
    pub(crate) pace: Pace,
    /// Bytes that the log and the head's chunk files take now; they count for the retention.
    pub(crate) head_bytes: u64,
}

impl Default for BlocksOptions {
    fn default() -> Self {
        Self {
            block_duration_ms: 2 * 60 * 60 * 1000,
            block_duration_max_ms: 31 * 24 * 60 * 60 * 1000,
            merge_overlapping: true,
            floats: CurrentFloats::new(FloatEncoding::Xor),
            retention: Retention::default(),
            pace: Pace::default(),
            head_bytes: 0,
        }
    }
}

/// The open blocks, shared with what shows their number and sizes.
type Shared = Arc<RwLock<Vec<Arc<Block>>>>;

/// Open blocks, oldest first.
#[derive(Debug)]
pub(crate) struct Blocks {
    dir: PathBuf,
    /// Ranges of compaction, milliseconds.
    ranges: Vec<i64>,
    /// Up to here everything in order is in blocks, as far as we cut it ourselves.
    cut_until: AtomicI64,
    merge_overlapping: bool,
    floats: CurrentFloats,
    retention: Mutex<Retention>,
    pace: Pace,
    blocks: Shared,
    /// Held by whoever changes blocks on the disk.
    working: Mutex<()>,
    /// Held by whoever looks at the directory and changes `blocks`.
    reloading: Mutex<()>,
    metrics: BlocksMetrics,
}

impl Blocks {
    /// Opens every block in `dir`. A damaged one that no other has replaced fails the start, as
    /// with the reference: going on without it would answer wrongly.
    pub(crate) fn open(
        dir: &Path,
        options: BlocksOptions,
        registry: &Registry,
    ) -> Result<Self, Error> {
        reload::remove_leftovers(dir);
        let shared = Shared::default();
        let ranges =
            crate::compact::block_ranges(options.block_duration_ms, options.block_duration_max_ms);
        let blocks = Self {
            dir: dir.to_path_buf(),
            ranges,
            cut_until: AtomicI64::new(cut_until::read(dir)),
            merge_overlapping: options.merge_overlapping,
            floats: options.floats,
            retention: Mutex::new(Retention::default()),
            pace: options.pace,
            metrics: BlocksMetrics::new(registry, &shared),
            blocks: shared,
            working: Mutex::new(()),
            reloading: Mutex::new(()),
        };
        blocks.set_retention(options.retention);
        blocks.reload(options.head_bytes)?;
        Ok(blocks)
    }

    /// Changes what is kept, from the next reload on.
    pub(crate) fn set_retention(&self, retention: Retention) {
        self.metrics.show_retention(&retention);
        *self.retention.lock() = retention;
    }

    /// What counts the work on blocks; the head's cuts count there too.
    pub(crate) fn metrics(&self) -> &BlocksMetrics {
        &self.metrics
    }

    /// The blocks of this moment, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Block>> {
        self.blocks.read().clone()
    }

    /// Number of blocks.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.blocks.read().len()
    }

    /// First time of any block.
    pub(crate) fn min_time(&self) -> Option<Timestamp> {
        let blocks = self.blocks.read();
        blocks.iter().map(|block| block.meta().min_time).min()
    }

    /// End of the last block.
    pub(crate) fn max_time(&self) -> Option<Timestamp> {
        let blocks = self.blocks.read();
        blocks.iter().map(|block| block.meta().max_time).max()
    }

    /// Up to where blocks surely have all that was appended in order: the head begins here.
    pub(crate) fn in_order_max_time(&self) -> Option<Timestamp> {
        let range_ms = self.ranges.first().copied().unwrap_or_default();
        let blocks = self.blocks.read();
        let metas = || blocks.iter().map(|block| block.meta());
        let sure = metas().filter(|meta| meta.is_surely_in_order(range_ms));
        // Blocks that were taken away since do not count.
        let end = metas().map(|meta| meta.max_time).max()?;
        let ours = self.cut_until.load(Ordering::Acquire).min(end);
        sure.map(|meta| meta.max_time)
            .chain((ours > Timestamp::MIN).then_some(ours))
            .max()
    }

    /// Blocks that reach beyond `begin`, where the head is read from the log, and do not say that they
    /// are of late samples get that hint: the reference, started on the directory, would go by their
    /// end and skip a part of the log.
    pub(crate) fn mark_unsure(&self, begin: Option<Timestamp>) -> Result<(), Error> {
        let begin = begin.unwrap_or(Timestamp::MIN);
        for block in self.list() {
            let meta = block.meta();
            if meta.is_in_order() && meta.max_time > begin {
                block.change_meta(|meta| {
                    meta.compaction.hints.push(FROM_OUT_OF_ORDER.to_owned());
                })?;
            }
        }
        Ok(())
    }

    /// Notes, for the next start too, that everything in order before `end` is in blocks.
    pub(crate) fn note_cut(&self, end: Timestamp) {
        if self.cut_until.fetch_max(end, Ordering::AcqRel) < end
            && let Err(err) = cut_until::write(&self.dir, end)
        {
            tracing::warn!(component = "tsdb", err = %err, "Could not note how far the head was cut; a start may read more of the log than it needs");
        }
    }

    /// Views of the blocks that reach into `mint..=maxt`.
    pub(crate) fn queriers(&self, mint: Timestamp, maxt: Timestamp) -> Vec<Box<dyn Querier>> {
        let mut queriers: Vec<Box<dyn Querier>> = Vec::new();
        for block in &*self.blocks.read() {
            if block.overlaps(mint, maxt) {
                queriers.push(Box::new(BlockQuerier::new(block.clone(), mint, maxt)));
            }
        }
        queriers
    }

    /// Deletes the samples with `mint <= t <= maxt` of the series that satisfy all matchers.
    pub(crate) fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        matchers: &[Matcher],
    ) -> Result<(), Error> {
        let _working = self.working.lock();
        for block in self.list() {
            if block.overlaps(mint, maxt) {
                block.delete(mint, maxt, matchers)?;
            }
        }
        Ok(())
    }

    /// Links all blocks into `dir`, which is made.
    pub(crate) fn snapshot(&self, dir: &Path) -> Result<(), Error> {
        if dir == self.dir {
            let text = "cannot snapshot into base directory";
            return Err(Error::InvalidOption(text.to_owned()));
        }
        let name = dir.file_name().and_then(|name| name.to_str());
        if name.is_some_and(is_block_name) {
            let text = "dir must not be a valid ULID";
            return Err(Error::InvalidOption(text.to_owned()));
        }
        let _working = self.working.lock();
        std::fs::create_dir_all(dir).map_err(|err| Error::io("create", dir, err))?;
        for block in self.list() {
            tracing::info!(
                component = "tsdb",
                block = block.meta().ulid,
                "Snapshotting block"
            );
            block.snapshot(dir)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
