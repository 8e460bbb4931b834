//! What an operator may choose about a database.

use crate::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use stdx::cancel::CancelToken;

use crate::Error;
use crate::blocks::Retention;
use crate::replay_status::ReplayStatus;
use crate::wal::{self, Compression};

/// How chunks of floats are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FloatEncoding {
    /// As all versions of the reference can read them.
    #[default]
    Xor,
    /// Smaller for most series, and with room for start timestamps; older versions of the reference
    /// cannot read it.
    Xor2,
}

impl From<FloatEncoding> for chunk::Encoding {
    fn from(encoding: FloatEncoding) -> Self {
        match encoding {
            FloatEncoding::Xor => Self::Xor,
            FloatEncoding::Xor2 => Self::Xor2,
        }
    }
}

/// The encoding of floats at present, shared by all who encode some.
#[derive(Debug, Clone)]
pub(crate) struct CurrentFloats(Arc<AtomicBool>);

impl CurrentFloats {
    pub(crate) fn new(encoding: FloatEncoding) -> Self {
        let current = Self(Arc::default());
        current.set(encoding);
        current
    }

    pub(crate) fn get(&self) -> FloatEncoding {
        if self.0.load(Ordering::Relaxed) {
            FloatEncoding::Xor2
        } else {
            FloatEncoding::Xor
        }
    }

    pub(crate) fn set(&self, encoding: FloatEncoding) {
        let is_xor2 = encoding == FloatEncoding::Xor2;
        self.0.store(is_xor2, Ordering::Relaxed);
    }
}

/// Choices for [`Db::open`](crate::Db::open).
#[derive(Debug, Clone)]
pub struct Options {
    /// How log records are compressed.
    pub wal_compression: Compression,
    /// Bytes of a log segment, a multiple of 32 KiB.
    pub wal_segment_bytes: u64,
    /// Samples aimed at in a chunk.
    pub samples_per_chunk: u16,
    /// How new chunks of floats are encoded until [`Db::set_float_encoding`](crate::Db::set_float_encoding)
    /// says otherwise.
    pub float_encoding: FloatEncoding,
    /// Whether chunks of histograms hold start timestamps.
    pub histogram_start_timestamps: bool,
    /// Whether start timestamps are logged; needs [`FloatEncoding::Xor2`].
    pub store_start_timestamps: bool,
    /// Whether a sample with a start timestamp brings a zero at that time, where its series takes one.
    pub start_timestamps_as_zeros: bool,
    /// Milliseconds of a block; chunks never cross a multiple of it.
    pub block_duration_ms: i64,
    /// Milliseconds that blocks grow to by compaction.
    pub block_duration_max_ms: i64,
    /// Whether blocks that share times are merged.
    pub merge_overlapping: bool,
    /// What is kept of old blocks.
    pub retention: Retention,
    /// Milliseconds that a sample may be older than its series' newest; 0 for none.
    pub out_of_order_window_ms: i64,
    /// Most exemplars kept in memory; 0 switches their storage off.
    pub exemplars_max: usize,
    /// Whether the head's memory is written to a snapshot when the database is closed, and read
    /// from there when it is opened.
    pub memory_snapshot: bool,
    /// Milliseconds between two times that the maintenance thread writes the head's memory down for
    /// the next start; 0 for never, and such snapshots are not read then.
    pub snapshot_interval_ms: u64,
    /// Opens the directory without locking it.
    pub no_lockfile: bool,
    /// Whether a thread writes head chunks, cuts and compacts blocks by itself.
    pub maintenance: bool,
    /// Processors that reading the log may use; 0 for all there are.
    pub replay_threads: usize,
    /// Where the progress of the replay shows while the database opens.
    pub replay_status: Arc<ReplayStatus>,
    /// Ends the reading of the log before its end; opening fails then, and changed nothing.
    pub stop: CancelToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wal_compression: Compression::Snappy,
            wal_segment_bytes: wal::SEGMENT_BYTES,
            samples_per_chunk: 120,
            float_encoding: FloatEncoding::Xor,
            histogram_start_timestamps: false,
            store_start_timestamps: false,
            start_timestamps_as_zeros: false,
            block_duration_ms: 2 * 60 * 60 * 1000,
            block_duration_max_ms: 31 * 24 * 60 * 60 * 1000,
            merge_overlapping: true,
            retention: Retention::default(),
            out_of_order_window_ms: 0,
            exemplars_max: 0,
            memory_snapshot: false,
            snapshot_interval_ms: 0,
            no_lockfile: false,
            maintenance: false,
            replay_threads: 0,
            replay_status: Arc::default(),
            stop: CancelToken::new(),
        }
    }
}

impl Options {
    /// Processors that reading the log uses.
    pub(crate) fn replay_threads(&self) -> usize {
        match self.replay_threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::InvalidOption(text.to_owned()));
        if self.block_duration_ms <= 0 {
            return refuse("block duration must be positive");
        }
        if self.samples_per_chunk == 0 {
            return refuse("samples per chunk must be positive");
        }
        if self.out_of_order_window_ms < 0 {
            return refuse("out-of-order time window cannot be negative");
        }
        check_floats(self.float_encoding, self.store_start_timestamps)
    }
}

/// Refuses an encoding that cannot hold the start timestamps that are to be kept.
pub(crate) fn check_floats(floats: FloatEncoding, store_starts: bool) -> Result<(), Error> {
    if store_starts && floats == FloatEncoding::Xor {
        return Err(Error::StartTimestampsNeedXor2);
    }
    Ok(())
}
