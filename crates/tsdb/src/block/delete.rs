//! Deleting from a block: intervals are added to its tombstones, the samples stay where they are.

use std::sync::Arc;

use model::{Matcher, Timestamp};

use super::tombstones::{self, Tombstones};
use super::{Block, BlockError, BlockErrorKind, meta};
use crate::index::ChunkMeta;

impl Block {
    /// Deletes the samples with `mint <= t <= maxt` of the series that satisfy all `matchers`.
    /// Later views do not see them; what has been selected still does.
    pub fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        matchers: &[Matcher],
    ) -> Result<(), BlockError> {
        let mut found = Tombstones::default();
        self.collect(mint, maxt, matchers, &mut found)
            .map_err(|what| BlockError {
                path: self.path.clone(),
                what,
            })?;
        if found.is_empty() {
            return Ok(());
        }
        let mut state = self.state.write();
        let mut all = Tombstones::clone(&state.tombstones);
        for (series, interval) in found.iter() {
            all.add(series, interval);
        }
        let bytes = all.to_bytes();
        meta::replace_file(&self.path, tombstones::FILE_NAME, &bytes)
            .map_err(|source| self.io_error(tombstones::FILE_NAME, source))?;
        let count = all.len() as u64;
        state.tombstones = Arc::new(all);
        state.tombstones_bytes = bytes.len() as u64;
        drop(state);
        self.change_meta(|meta| meta.stats.num_tombstones = count)
    }

    /// Puts an interval for each series that has a chunk in the range to `found`; it reaches no
    /// further than the series' chunks.
    fn collect(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        matchers: &[Matcher],
        found: &mut Tombstones,
    ) -> Result<(), BlockErrorKind> {
        for series in self.index.select(matchers)? {
            let chunks = self.index.chunks(series)?;
            let reaches = |chunk: &ChunkMeta| chunk.mint <= maxt && mint <= chunk.maxt;
            if let (Some(first), Some(last)) = (chunks.first(), chunks.last())
                && chunks.iter().any(reaches)
            {
                let interval = (mint.max(first.mint), maxt.min(last.maxt));
                found.add(u64::from(series), interval);
            }
        }
        Ok(())
    }
}
