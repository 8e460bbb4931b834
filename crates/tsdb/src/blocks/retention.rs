//! Which blocks are no longer kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::BlocksMetrics;
use crate::block::Block;

/// What is kept of old blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Retention {
    /// Milliseconds that a block may end before the newest one; 0 for ever.
    pub time_ms: i64,
    /// Most bytes of all blocks with log and head; 0 for no bound.
    pub bytes: u64,
    /// The same in hundredths of the file system; before `bytes` if not 0.
    pub percentage: f64,
}

impl Retention {
    /// Names of the blocks in `blocks` that go.
    pub(super) fn beyond(
        &self,
        blocks: &[Arc<Block>],
        head_bytes: u64,
        dir: &Path,
        metrics: &BlocksMetrics,
    ) -> BTreeSet<String> {
        let mut newest_first = blocks.to_vec();
        newest_first.sort_by_key(|block| std::cmp::Reverse(block.meta().max_time));
        let mut beyond = BTreeSet::new();
        let old = self.old_from(&newest_first);
        if let Some(old) = old {
            metrics.time_retentions.inc();
            beyond.extend(names(newest_first.get(old..).unwrap_or_default()));
        }
        let too_many = excess_from(&newest_first, self.bytes_max(dir), head_bytes);
        if let Some(too_many) = too_many {
            metrics.size_retentions.inc();
            beyond.extend(names(newest_first.get(too_many..).unwrap_or_default()));
        }
        beyond
    }

    /// Position of the first block that is too old; the newest one never is.
    fn old_from(&self, newest_first: &[Arc<Block>]) -> Option<usize> {
        let newest = newest_first.first()?.meta().max_time;
        let is_old =
            |block: &Arc<Block>| newest.saturating_sub(block.meta().max_time) >= self.time_ms;
        let old = newest_first.iter().skip(1).position(is_old)? + 1;
        (self.time_ms > 0).then_some(old)
    }

    fn bytes_max(&self, dir: &Path) -> u64 {
        if self.percentage > 0.0 {
            match file_system_bytes(dir) {
                Some(bytes) => return (bytes as f64 * self.percentage / 100.0) as u64,
                None => tracing::warn!(
                    component = "tsdb",
                    dir = %dir.display(),
                    "Unable to retrieve filesystem size of database directory, skip percentage limitation and default to fixed size limitation"
                ),
            }
        }
        self.bytes
    }
}

/// Position of the first block with which the sum is more than `bytes_max`.
fn excess_from(newest_first: &[Arc<Block>], bytes_max: u64, head_bytes: u64) -> Option<usize> {
    if bytes_max == 0 {
        return None;
    }
    let mut sum = head_bytes;
    newest_first.iter().position(|block| {
        sum = sum.saturating_add(block.file_bytes());
        sum > bytes_max
    })
}

fn names(blocks: &[Arc<Block>]) -> impl Iterator<Item = String> {
    blocks.iter().map(|block| block.meta().ulid.clone())
}

fn file_system_bytes(dir: &Path) -> Option<u64> {
    let size = rustix::fs::statvfs(dir).ok()?;
    size.f_blocks
        .checked_mul(size.f_frsize)
        .filter(|bytes| *bytes > 0)
}
