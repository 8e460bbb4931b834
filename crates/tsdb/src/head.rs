//! The head: all series of recent times, and the transactions that fill it.
//!
//! Write path: `append` logs and publishes, `write_chunks` brings closed chunks to files. Cutting:
//! `source` gives a range of it to a block, `truncate` then drops that range, and `checkpoint`
//! shortens the log. Read path: `select` finds slots, `read` decodes. `replay` builds it up again.

pub(crate) mod append;
pub(crate) mod checkpoint;
mod create;
mod delete;
mod label_order;
pub(crate) mod label_sets;
pub(crate) mod log;
pub(crate) mod open_ranges;
pub(crate) mod out_of_order;
pub(crate) mod postings;
pub(crate) mod read;
pub(crate) mod replay;
pub(crate) mod select;
pub(crate) mod series;
mod snapshot;
pub(crate) mod source;
mod spare;
pub(crate) mod stats;
pub(crate) mod symbols;
pub(crate) mod truncate;
pub(crate) mod visibility;
mod write_chunks;

use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::Arc;

use crate::sync::{Mutex, RwLock};
use hashbrown::HashTable;
use model::Timestamp;

use crate::exemplars::ExemplarRing;
use crate::head_chunks::HeadChunks;
use crate::metrics::HeadMetrics;
use crate::options::CurrentFloats;
use crate::wal::Compression;
use checkpoint::Expired;
use log::Log;
use open_ranges::OpenRanges;
use out_of_order::OutOfOrder;
use postings::{Postings, Runs};
use series::{ChunkEncodings, ChunkRules, SeriesTable};
use spare::Spare;
use symbols::Symbols;
use visibility::Visibility;

/// Samples of a list of late samples before it is written to a file.
const OUT_OF_ORDER_LIST_LEN: u16 = 32;

/// Shards of the label-set index.
const SHARDS: usize = 64;

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
    /// Held shared from numbering a label set's strings until its series is there, so that the
    /// sweep of unused strings does not take them away in between.
    creation: RwLock<()>,
    pub(crate) visibility: Arc<Visibility>,
    /// Appenders, by the oldest time they may add.
    pub(crate) appenders: Arc<OpenRanges>,
    /// Commits, from before they are logged until they are published.
    pub(crate) commits: Arc<OpenRanges>,
    /// Queriers, by what they read.
    pub(crate) readers: Arc<OpenRanges>,
    next_ref: AtomicU64,
    min_time: AtomicI64,
    max_time: AtomicI64,
    /// Samples before it are the blocks' business: refused by appenders, skipped by the replay.
    begin: AtomicI64,
    /// Queries that begin now read from here on; earlier times are in blocks.
    readable_from: AtomicI64,
    rules: ChunkRules,
    floats: CurrentFloats,
    pub(crate) out_of_order: OutOfOrder,
    pub(crate) files: HeadChunks,
    /// Slots with closed chunks that are in no file yet; a slot may occur more than once.
    unwritten: Mutex<Vec<u32>>,
    /// Held by whoever writes, truncates or cuts: one at a time.
    maintenance: Mutex<Retired>,
    pub(crate) exemplars: RwLock<ExemplarRing>,
    tombstones: RwLock<HashMap<u32, Intervals>>,
    has_tombstones: AtomicBool,
    /// `None` before the replay is through and after closing.
    pub(crate) wal: Mutex<Option<Log>>,
    /// Labels of references that the log may still use without a series that the head knows.
    pub(crate) expired: Mutex<HashMap<u64, Expired>>,
    /// Whether samples with a start timestamp bring a zero at that time.
    pub(crate) start_timestamps_as_zeros: bool,
    /// How appenders compress what they log.
    pub(crate) wal_compression: Compression,
    pub(crate) metrics: HeadMetrics,
    spare: Spare,
}

/// Slots of removed series that somebody may still hold, by the commit number that all readers
/// must have reached before they are given out again.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    slots: Vec<(u64, Runs)>,
}

impl Head {
    pub(crate) fn new(
        rules: ChunkRules,
        exemplars_max: usize,
        wal_compression: Compression,
        files: HeadChunks,
        metrics: HeadMetrics,
    ) -> Self {
        Self {
            symbols: Symbols::new(),
            series: SeriesTable::new(),
            postings: Postings::default(),
            by_labels: (0..SHARDS).map(|_| Mutex::default()).collect(),
            creation: RwLock::new(()),
            visibility: Arc::default(),
            appenders: Arc::default(),
            commits: Arc::default(),
            readers: Arc::default(),
            next_ref: AtomicU64::new(1),
            min_time: AtomicI64::new(Timestamp::MAX),
            max_time: AtomicI64::new(Timestamp::MIN),
            begin: AtomicI64::new(Timestamp::MIN),
            readable_from: AtomicI64::new(Timestamp::MIN),
            floats: CurrentFloats::new(rules.encodings.floats),
            rules,
            out_of_order: OutOfOrder::new(0, OUT_OF_ORDER_LIST_LEN),
            files,
            unwritten: Mutex::default(),
            maintenance: Mutex::default(),
            exemplars: RwLock::new(ExemplarRing::new(exemplars_max)),
            tombstones: RwLock::default(),
            has_tombstones: AtomicBool::new(false),
            wal: Mutex::new(None),
            expired: Mutex::default(),
            start_timestamps_as_zeros: false,
            wal_compression,
            metrics,
            spare: Spare::default(),
        }
    }

    /// When chunks are closed and how new ones are encoded.
    pub(crate) fn rules(&self) -> ChunkRules {
        let encodings = ChunkEncodings {
            floats: self.floats.get(),
            ..self.rules.encodings
        };
        ChunkRules {
            encodings,
            ..self.rules
        }
    }

    /// How new chunks of floats are encoded, to be changed at any time.
    pub(crate) fn floats(&self) -> &CurrentFloats {
        &self.floats
    }

    /// Forgets everything that was read, files and places of blocks excepted.
    pub(crate) fn reset(&mut self) {
        self.symbols = Symbols::new();
        self.series = SeriesTable::new();
        self.postings = Postings::default();
        self.by_labels = (0..SHARDS).map(|_| Mutex::default()).collect();
        *self.next_ref.get_mut() = 1;
        *self.min_time.get_mut() = Timestamp::MAX;
        *self.max_time.get_mut() = Timestamp::MIN;
        self.unwritten = Mutex::default();
        let exemplars_max = self.exemplars.get_mut().len_max();
        self.exemplars = RwLock::new(ExemplarRing::new(exemplars_max));
        self.tombstones = RwLock::default();
        *self.has_tombstones.get_mut() = false;
        self.expired = Mutex::default();
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

    /// Oldest time of late samples that is taken while the newest one of the head is at `newest`;
    /// `None` without a window.
    pub(crate) fn late_from(&self, newest: Timestamp) -> Option<Timestamp> {
        let window = self.out_of_order.window_ms();
        (window > 0).then(|| newest.saturating_sub(window))
    }

    /// Where the blocks end.
    pub(crate) fn begin(&self) -> Timestamp {
        self.begin.load(Ordering::Acquire)
    }

    /// Sets where the blocks end.
    pub(crate) fn set_begin(&self, begin: Timestamp) {
        self.begin.store(begin, Ordering::Release);
        self.hide_before(begin);
    }

    /// Lets an empty head begin at `timestamp`.
    pub(crate) fn begin_at(&self, timestamp: Timestamp) {
        let exchange = |bound: &AtomicI64, empty| {
            let _ = bound.compare_exchange(empty, timestamp, Ordering::AcqRel, Ordering::Acquire);
        };
        exchange(&self.min_time, Timestamp::MAX);
        exchange(&self.max_time, Timestamp::MIN);
    }

    /// Whether it spans so much time that its oldest range should become a block.
    pub(crate) fn is_compactable(&self) -> bool {
        let range = self.min_time().zip(self.max_time());
        range.is_some_and(|(oldest, newest)| {
            newest.saturating_sub(oldest) > self.rules.range_ms / 2 * 3
        })
    }

    /// Where queries that begin now start to read.
    pub(crate) fn readable_from(&self) -> Timestamp {
        self.readable_from.load(Ordering::Acquire)
    }

    /// Queries that begin from now on read the head from `time` on only.
    pub(crate) fn hide_before(&self, time: Timestamp) {
        self.readable_from.fetch_max(time, Ordering::AcqRel);
    }

    /// Widens the head's range.
    pub(crate) fn cover(&self, mint: Timestamp, maxt: Timestamp) {
        self.min_time.fetch_min(mint, Ordering::AcqRel);
        self.max_time.fetch_max(maxt, Ordering::AcqRel);
    }

    /// Heap bytes of the index by label set: slot, hash and a control byte at each table's size.
    pub(crate) fn label_index_bytes(&self) -> usize {
        let capacity = |shard: &Mutex<HashTable<(u32, u32)>>| shard.lock().capacity();
        self.by_labels.iter().map(capacity).sum::<usize>() * 8 / 7 * 9
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

#[cfg(test)]
mod tests;
