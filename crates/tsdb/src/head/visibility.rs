//! Which transactions a query sees: all that had been published whole when it began, no other.
//!
//! A commit takes a sequence number, stamps it on the samples it adds and is *open* until all are
//! in. A snapshot remembers the newest number and the open ones. Series keep the number of their
//! newest sample; of older ones only while somebody may still not see them, so that a quiet head
//! pays nothing for isolation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::sync::Mutex;
use smallvec::SmallVec;

/// Sequence number of samples everybody sees (replayed ones).
pub(crate) const SETTLED: u64 = 0;

#[derive(Debug, Default)]
struct Open {
    /// Highest number given out.
    newest: u64,
    /// Commits in progress.
    commits: BTreeSet<u64>,
    /// Snapshots by the lowest number they do not see, with their count.
    readers: BTreeMap<u64, usize>,
}

impl Open {
    /// All present and future snapshots see commits below this number.
    fn low_watermark(&self) -> u64 {
        let commit = self.commits.first().copied().unwrap_or(u64::MAX);
        let reader = self.readers.keys().next().copied().unwrap_or(u64::MAX);
        commit.min(reader).min(self.newest + 1)
    }
}

/// Book of open commits and snapshots.
#[derive(Debug, Default)]
pub(crate) struct Visibility {
    open: Mutex<Open>,
}

impl Visibility {
    /// Opens a commit. What it adds is invisible until [`Commit::publish`].
    pub(crate) fn commit(&self) -> Commit<'_> {
        let mut open = self.open.lock();
        // A snapshot taken before this commit must not see it: the watermark it leaves is ours.
        let low_watermark = open.low_watermark();
        open.newest += 1;
        let sequence = open.newest;
        open.commits.insert(sequence);
        Commit {
            book: self,
            sequence,
            low_watermark,
        }
    }

    /// What is visible now.
    pub(crate) fn snapshot(self: &Arc<Self>) -> Snapshot {
        let mut open = self.open.lock();
        let newest = open.newest;
        let hidden: SmallVec<[u64; 4]> = open.commits.iter().copied().collect();
        let bound = hidden.first().copied().unwrap_or(newest + 1);
        *open.readers.entry(bound).or_insert(0) += 1;
        Snapshot {
            book: self.clone(),
            newest,
            hidden,
            bound,
        }
    }

    /// A number that readers from now on see; those before may not.
    pub(crate) fn mark(&self) -> u64 {
        let mut open = self.open.lock();
        open.newest += 1;
        open.newest
    }

    /// Whether all readers see the commit or mark with this number, and no commit before it is
    /// open.
    pub(crate) fn is_settled(&self, sequence: u64) -> bool {
        sequence < self.open.lock().low_watermark()
    }

    /// Newest number given out and the low watermark, for metrics.
    pub(crate) fn watermarks(&self) -> (u64, u64) {
        let open = self.open.lock();
        (open.newest, open.low_watermark())
    }
}

/// A commit in progress. Dropping it publishes.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    book: &'a Visibility,
    /// Goes on the samples.
    pub(crate) sequence: u64,
    /// Samples of commits below it need no number any more.
    pub(crate) low_watermark: u64,
}

impl Commit<'_> {
    /// Makes everything visible to snapshots taken from now on.
    pub(crate) fn publish(self) {}
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        self.book.open.lock().commits.remove(&self.sequence);
    }
}

/// What was visible at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    book: Arc<Visibility>,
    newest: u64,
    hidden: SmallVec<[u64; 4]>,
    bound: u64,
}

impl Snapshot {
    /// Whether samples of the commit with this number are visible.
    pub(crate) fn sees(&self, sequence: u64) -> bool {
        sequence < self.bound || (sequence <= self.newest && !self.hidden.contains(&sequence))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut open = self.book.open.lock();
        if let Some(count) = open.readers.get_mut(&self.bound) {
            *count -= 1;
            if *count == 0 {
                open.readers.remove(&self.bound);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_sees_what_was_published_before_it_only() {
        let book = Arc::new(Visibility::default());
        let first = book.commit();
        let second = book.commit();
        let (one, two) = (first.sequence, second.sequence);
        second.publish();
        let snapshot = book.snapshot();
        first.publish();
        let third = book.commit();
        assert!(snapshot.sees(SETTLED) && snapshot.sees(two));
        assert!(!snapshot.sees(one) && !snapshot.sees(third.sequence));
        assert_eq!(
            third.low_watermark, one,
            "the snapshot holds the watermark down"
        );
        drop(snapshot);
        third.publish();
        assert_eq!(book.commit().low_watermark, 4);
    }
}
