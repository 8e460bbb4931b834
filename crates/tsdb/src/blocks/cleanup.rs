//! Getting rid of deleted samples: blocks with tombstones are written anew without them.

use std::sync::Arc;
use std::time::Instant;

use stdx::cancel::CancelToken;

use super::Blocks;
use crate::Error;
use crate::block::Block;
use crate::compact::{BlocksSource, rewritten, write_block};

impl Blocks {
    /// Writes every block with tombstones anew and removes the old one.
    pub(crate) fn clean_tombstones(
        &self,
        head_bytes: u64,
        cancel: &CancelToken,
    ) -> Result<(), Error> {
        let _working = self.working.lock();
        let start = Instant::now();
        let cleaned = self.clean_all(head_bytes, cancel);
        let took = start.elapsed().as_secs_f64();
        self.metrics.tombstone_cleanup.observe(took);
        cleaned
    }

    fn clean_all(&self, head_bytes: u64, cancel: &CancelToken) -> Result<(), Error> {
        // Each round leaves one such block less.
        while let Some(block) = self.next_with_tombstones() {
            let meta = block.meta();
            let range = (meta.min_time, meta.max_time);
            let mut source =
                BlocksSource::new(std::slice::from_ref(&block), self.floats.get().into());
            let options = self.write_options(cancel);
            let written = write_block(&self.dir, &mut source, range, rewritten(&meta), &options)?;
            if written.is_none() {
                // No new block says that this one is its parent.
                block.change_meta(|meta| meta.compaction.deletable = true)?;
            }
            self.reload_or_withdraw(head_bytes, written.as_ref())?;
        }
        Ok(())
    }

    fn next_with_tombstones(&self) -> Option<Arc<Block>> {
        let blocks = self.list();
        let mut blocks = blocks.into_iter();
        blocks.find(|block| !block.tombstones().is_empty())
    }
}
