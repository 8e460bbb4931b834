//! The series that an agent's log speaks of.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use model::{Exemplar, Labels, Timestamp};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Shards of either index.
const SHARDS: usize = 64;

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    /// Newest time that is in the log; the earliest there is before the first sample.
    pub(super) last_time: Timestamp,
    /// The newest exemplar, to tell repetitions, with the time it was given.
    pub(super) last_exemplar: Option<Box<(Timestamp, Exemplar)>>,
    /// Transactions that will add to it: while there are any, it is not removed.
    pub(super) pins: u32,
    /// Whether the log holds its labels.
    pub(super) logged: bool,
}

/// What a look-up by labels found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) series_ref: u64,
    pub(super) created: bool,
}

/// All series. Locks in this order: a shard by labels, a shard by reference.
#[derive(Debug)]
pub(super) struct SeriesMap {
    /// Reference and hash.
    by_labels: Vec<Mutex<HashTable<(u64, u64)>>>,
    by_ref: Vec<Mutex<HashMap<u64, Series, FixedState>>>,
    next_ref: AtomicU64,
    len: AtomicUsize,
}

impl Default for SeriesMap {
    fn default() -> Self {
        Self {
            by_labels: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_ref: (0..SHARDS).map(|_| Mutex::default()).collect(),
            next_ref: AtomicU64::new(1),
            len: AtomicUsize::new(0),
        }
    }
}

impl SeriesMap {
    /// Number of series.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// The series with these labels, created if need be: with reference `wanted` (replay), or with
    /// the next one and pinned once.
    pub(super) fn get_or_create(&self, labels: &Labels, wanted: Option<u64>) -> Option<Found> {
        let hash = labels.hash64();
        let mut shard = self.by_labels.get(hash as usize % SHARDS)?.lock();
        let known = shard.find(hash, |(series_ref, found)| {
            *found == hash
                && self
                    .with(*series_ref, |series| series.labels == *labels)
                    .unwrap_or(false)
        });
        if let Some((series_ref, _)) = known {
            return Some(Found {
                series_ref: *series_ref,
                created: false,
            });
        }
        let series_ref = match wanted {
            Some(series_ref) => series_ref,
            None => self.next_ref.fetch_add(1, Ordering::AcqRel),
        };
        let series = Series {
            labels: labels.clone(),
            last_time: Timestamp::MIN,
            last_exemplar: None,
            // Its creator will log and append; only then may it be removed.
            pins: u32::from(wanted.is_none()),
            logged: wanted.is_some(),
        };
        self.by_ref
            .get(series_ref as usize % SHARDS)?
            .lock()
            .insert(series_ref, series);
        shard.insert_unique(hash, (series_ref, hash), |(_, hash)| *hash);
        self.len.fetch_add(1, Ordering::Relaxed);
        Some(Found {
            series_ref,
            created: true,
        })
    }

    /// Raises the next reference above `series_ref`.
    pub(super) fn reserve_ref(&self, series_ref: u64) {
        let next = series_ref.saturating_add(1);
        self.next_ref.fetch_max(next, Ordering::AcqRel);
    }

    /// Lets `work` have the series with a reference, if there is one.
    pub(super) fn with<R>(
        &self,
        series_ref: u64,
        work: impl FnOnce(&mut Series) -> R,
    ) -> Option<R> {
        let mut shard = self.by_ref.get(series_ref as usize % SHARDS)?.lock();
        shard.get_mut(&series_ref).map(work)
    }

    /// Removes the series without a sample from `mint` on that no transaction is about to add to;
    /// gives those that the log knows.
    pub(super) fn remove_quiet(&self, mint: Timestamp) -> Vec<(u64, Labels)> {
        let mut removed = Vec::new();
        for shard in &self.by_labels {
            shard.lock().retain(|(series_ref, _)| {
                let Some(by_ref) = self.by_ref.get(*series_ref as usize % SHARDS) else {
                    return true;
                };
                let mut by_ref = by_ref.lock();
                let is_quiet = by_ref
                    .get(series_ref)
                    .is_some_and(|series| series.pins == 0 && series.last_time < mint);
                if is_quiet && let Some(series) = by_ref.remove(series_ref) {
                    self.len.fetch_sub(1, Ordering::Relaxed);
                    if series.logged {
                        removed.push((*series_ref, series.labels));
                    }
                }
                !is_quiet
            });
        }
        removed
    }

    /// Hands reference, labels and newest time of all series to `each`, by parts in which they are
    /// sorted by reference.
    pub(super) fn for_each_part<E>(
        &self,
        mut each: impl FnMut(&[(u64, Labels, Timestamp)]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut part = Vec::new();
        for shard in &self.by_ref {
            part.clear();
            let shard = shard.lock();
            part.extend(shard.iter().map(|(series_ref, series)| {
                (*series_ref, series.labels.clone(), series.last_time)
            }));
            drop(shard);
            part.sort_unstable_by_key(|(series_ref, ..)| *series_ref);
            each(&part)?;
        }
        Ok(())
    }
}
