//! Compacting blocks, one step at a time.

use std::sync::Arc;

use model::Timestamp;
use stdx::cancel::CancelToken;

use super::Blocks;
use super::reload::remove_block;
use crate::Error;
use crate::block::Block;
use crate::block::meta::Meta;
use crate::compact::{BlocksSource, WriteOptions, lineage, plan, write_block};

impl Blocks {
    /// Compacts the blocks that are due next into one and reloads; `false` if none are. The blocks
    /// of a step that fails are marked and left alone from then on, unless the disk was full.
    ///
    /// Blocks of late samples that reach beyond what was cut off the head in order are left alone
    /// too: merged with others they would pass for the end of what was appended in order, and a
    /// restart would skip that part of the log.
    pub(crate) fn compact_blocks(
        &self,
        head_bytes: u64,
        cancel: &CancelToken,
    ) -> Result<bool, Error> {
        let _working = self.working.lock();
        let blocks = self.list();
        let in_order_end = self.in_order_max_time().unwrap_or(Timestamp::MAX);
        let metas: Vec<Arc<Meta>> = blocks
            .iter()
            .map(|block| block.meta())
            .filter(|meta| meta.max_time <= in_order_end)
            .collect();
        let planned = plan(&metas, &self.ranges, self.merge_overlapping);
        if planned.is_empty() {
            return Ok(false);
        }
        let chosen: Vec<Arc<Block>> = planned
            .iter()
            .filter_map(|meta| blocks.iter().find(|block| block.meta().ulid == meta.ulid))
            .cloned()
            .collect();
        let written = self.compact(&chosen, &planned, cancel);
        match written {
            Ok(meta) => {
                self.reload_or_withdraw(head_bytes, meta.as_ref())?;
                Ok(true)
            }
            Err(err) => {
                // The reference marks them for a full disk, too, and never compacts them again.
                if !matches!(err, Error::Stopped(_)) && !err.is_out_of_space() {
                    mark_failed(&chosen);
                }
                Err(err)
            }
        }
    }

    fn compact(
        &self,
        chosen: &[Arc<Block>],
        planned: &[Arc<Meta>],
        cancel: &CancelToken,
    ) -> Result<Option<Meta>, Error> {
        if shares_times(planned) {
            self.metrics.compaction.vertical.inc();
            tracing::info!(
                component = "tsdb",
                "Found overlapping blocks during compaction"
            );
        }
        let (range, compaction) = lineage(planned);
        let names: Vec<&str> = planned.iter().map(|meta| meta.ulid.as_str()).collect();
        let names = names.join(" ");
        let mut source = BlocksSource::new(chosen, self.floats.get().into());
        let written = write_block(
            &self.dir,
            &mut source,
            range,
            compaction,
            &self.write_options(cancel),
        )?;
        match &written {
            Some(meta) => tracing::info!(
                component = "tsdb",
                count = chosen.len(),
                mint = meta.min_time,
                maxt = meta.max_time,
                ulid = meta.ulid,
                sources = names,
                "compact blocks"
            ),
            None => {
                for block in chosen {
                    block.change_meta(|meta| meta.compaction.deletable = true)?;
                }
                tracing::info!(
                    component = "tsdb",
                    count = chosen.len(),
                    sources = names,
                    "compact blocks resulted in empty block"
                );
            }
        }
        Ok(written)
    }

    pub(super) fn write_options(&self, cancel: &CancelToken) -> WriteOptions {
        WriteOptions {
            metrics: Some(self.metrics.compaction.clone()),
            floats: self.floats.get().into(),
            pace: self.pace.clone(),
            cancel: cancel.clone(),
            ..WriteOptions::default()
        }
    }

    /// Reloads; if that fails the block that was written is removed again, as its parents stay.
    pub(super) fn reload_or_withdraw(
        &self,
        head_bytes: u64,
        written: Option<&Meta>,
    ) -> Result<(), Error> {
        self.reload(head_bytes).inspect_err(|_| {
            if let Some(meta) = written
                && let Err(err) = remove_block(&self.dir, &meta.ulid)
            {
                tracing::error!(
                    component = "tsdb",
                    ulid = meta.ulid,
                    err = %err,
                    "Failed to remove a new block that could not be loaded"
                );
            }
        })
    }
}

fn shares_times(metas: &[Arc<Meta>]) -> bool {
    let mut end = i64::MIN;
    metas.iter().any(|meta| {
        let shares = meta.min_time < end;
        end = end.max(meta.max_time);
        shares
    })
}

fn mark_failed(blocks: &[Arc<Block>]) {
    for block in blocks {
        if let Err(err) = block.change_meta(|meta| meta.compaction.failed = true) {
            tracing::error!(
                component = "tsdb",
                block = block.meta().ulid,
                err = %err,
                "Failed to mark a block whose compaction failed"
            );
        }
    }
}
