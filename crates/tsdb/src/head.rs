//! The head: all series in memory, and the transactions that fill it.

pub(crate) mod append;
pub(crate) mod label_sets;
pub(crate) mod postings;
pub(crate) mod read;
pub(crate) mod replay;
pub(crate) mod select;
pub(crate) mod series;
pub(crate) mod stats;
pub(crate) mod symbols;
pub(crate) mod visibility;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use hashbrown::HashTable;
use model::{Labels, Timestamp};
use parking_lot::{Mutex, RwLock};

use crate::exemplars::ExemplarRing;
use crate::metrics::HeadMetrics;
use crate::wal::{Compression, Writer};
use postings::Postings;
use series::{ChunkRules, SeriesState, SeriesTable};
use symbols::Symbols;
use visibility::Visibility;

/// Shards of the label-set index.
const SHARDS: usize = 64;

/// What a series lookup found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) slot: u32,
    pub(crate) series_ref: u64,
    pub(crate) created: bool,
}

/// Deleted times of a series: closed intervals.
pub(crate) type Intervals = Vec<(Timestamp, Timestamp)>;

/// The head. Shared by appenders and queriers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) symbols: Symbols,
    pub(crate) series: SeriesTable,
    pub(crate) postings: Postings,
    /// Slots by packed label set; only slot and hash are stored.
    by_labels: Vec<Mutex<HashTable<(u32, u32)>>>,
    pub(crate) visibility: Arc<Visibility>,
    next_ref: AtomicU64,
    min_time: AtomicI64,
    max_time: AtomicI64,
    /// Samples before it are the blocks' business: refused by appenders, skipped by the replay.
    begin: AtomicI64,
    pub(crate) rules: ChunkRules,
    pub(crate) exemplars: RwLock<ExemplarRing>,
    tombstones: RwLock<HashMap<u32, Intervals>>,
    has_tombstones: AtomicBool,
    /// `None` before the replay is through and after closing.
    pub(crate) wal: Mutex<Option<Writer>>,
    /// How appenders compress what they log.
    pub(crate) wal_compression: Compression,
    pub(crate) metrics: HeadMetrics,
}

impl Head {
    pub(crate) fn new(
        rules: ChunkRules,
        exemplars_max: usize,
        wal_compression: Compression,
        metrics: HeadMetrics,
    ) -> Self {
        Self {
            symbols: Symbols::new(),
            series: SeriesTable::new(),
            postings: Postings::default(),
            by_labels: (0..SHARDS).map(|_| Mutex::default()).collect(),
            visibility: Arc::default(),
            next_ref: AtomicU64::new(1),
            min_time: AtomicI64::new(Timestamp::MAX),
            max_time: AtomicI64::new(Timestamp::MIN),
            begin: AtomicI64::new(Timestamp::MIN),
            rules,
            exemplars: RwLock::new(ExemplarRing::new(exemplars_max)),
            tombstones: RwLock::default(),
            has_tombstones: AtomicBool::new(false),
            wal: Mutex::new(None),
            wal_compression,
            metrics,
        }
    }

    /// Oldest time, if there was any sample.
    pub(crate) fn min_time(&self) -> Option<Timestamp> {
        Some(self.min_time.load(Ordering::Acquire)).filter(|time| *time != Timestamp::MAX)
    }

    /// Newest time, if there was any sample.
    pub(crate) fn max_time(&self) -> Option<Timestamp> {
        Some(self.max_time.load(Ordering::Acquire)).filter(|time| *time != Timestamp::MIN)
    }

    /// Oldest time an appender takes that begins now: half a block behind the newest sample, and
    /// not before the end of the last block.
    pub(crate) fn min_valid_time(&self) -> Option<Timestamp> {
        self.max_time().map(|newest| {
            newest
                .saturating_sub(self.rules.range_ms / 2)
                .max(self.begin())
        })
    }

    /// Where the blocks end.
    pub(crate) fn begin(&self) -> Timestamp {
        self.begin.load(Ordering::Acquire)
    }

    /// Sets where the blocks end.
    pub(crate) fn set_begin(&self, begin: Timestamp) {
        self.begin.store(begin, Ordering::Release);
    }

    /// Lets an empty head begin at `timestamp`.
    pub(crate) fn begin_at(&self, timestamp: Timestamp) {
        let exchange = |bound: &AtomicI64, empty| {
            let _ = bound.compare_exchange(empty, timestamp, Ordering::AcqRel, Ordering::Acquire);
        };
        exchange(&self.min_time, Timestamp::MAX);
        exchange(&self.max_time, Timestamp::MIN);
    }

    /// Widens the head's range.
    pub(crate) fn cover(&self, mint: Timestamp, maxt: Timestamp) {
        self.min_time.fetch_min(mint, Ordering::AcqRel);
        self.max_time.fetch_max(maxt, Ordering::AcqRel);
    }

    /// The series with these labels, created if need be, with reference `wanted` (replay) or the
    /// next one. `None` when there is no slot left.
    pub(crate) fn get_or_create(&self, labels: &Labels, wanted: Option<u64>) -> Option<Found> {
        let set = label_sets::pack(labels, &self.symbols);
        let hash = label_sets::hash(&set);
        let spread = spread(hash);
        let shard = self.by_labels.get(hash as usize % SHARDS)?;
        let mut shard = shard.lock();
        let known = shard.find(spread, |(slot, found)| {
            *found == hash
                && self
                    .series
                    .lock(*slot)
                    .is_some_and(|strip| strip.label_set(*slot) == &*set)
        });
        if let Some((slot, _)) = known {
            let slot = *slot;
            let series_ref = self.series.lock(slot)?.series(slot)?.series_ref;
            return Some(Found {
                slot,
                series_ref,
                created: false,
            });
        }
        let series_ref = match wanted {
            Some(series_ref) => {
                self.next_ref
                    .fetch_max(series_ref.saturating_add(1), Ordering::AcqRel);
                series_ref
            }
            None => self.next_ref.fetch_add(1, Ordering::AcqRel),
        };
        let slot = self.series.push(SeriesState::new(series_ref), &set)?;
        self.series.set_ref(series_ref, slot);
        // Postings first: whoever finds the series by its labels may make it visible.
        self.postings
            .add(slot, label_sets::pairs(&set), || self.symbols.read());
        shard.insert_unique(spread, (slot, hash), |(_, hash)| self::spread(*hash));
        self.metrics.series_created.inc();
        Some(Found {
            slot,
            series_ref,
            created: true,
        })
    }

    /// Raises the next reference above `series_ref`.
    pub(crate) fn reserve_ref(&self, series_ref: u64) {
        self.next_ref
            .fetch_max(series_ref.saturating_add(1), Ordering::AcqRel);
    }

    /// Hides samples of a series.
    pub(crate) fn add_tombstone(&self, slot: u32, mint: Timestamp, maxt: Timestamp) {
        self.tombstones
            .write()
            .entry(slot)
            .or_default()
            .push((mint, maxt));
        self.has_tombstones.store(true, Ordering::Release);
    }

    /// Deleted intervals of a series.
    pub(crate) fn tombstones(&self, slot: u32) -> Option<Intervals> {
        if !self.has_tombstones.load(Ordering::Acquire) {
            return None;
        }
        self.tombstones.read().get(&slot).cloned()
    }
}

/// A table's 64-bit hash from the stored 32 bits: the table looks at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;
