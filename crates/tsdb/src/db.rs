//! Opening, using and closing a database.

mod compaction;
mod exemplars;
mod gauges;
mod late_log;
mod maintenance;
mod open;
mod put_away;

use std::path::PathBuf;
use std::sync::Arc;

use crate::sync::{Mutex, RwLock};
use model::{Matcher, Timestamp};
use stdx::cancel::CancelToken;
use storage::merge::MergeQuerier;
use storage::{Appendable, Appender, Querier, Queryable, StorageError};

use crate::blocks::Blocks;
use crate::head::Head;
use crate::head::append::HeadAppender;
use crate::head::read::HeadQuerier;
use crate::head::stats::{CardinalityStats, HeadStats, MemoryStats};
use crate::lock_file::LockFile;
use crate::memory_snapshot::folder::Position;
use crate::options::check_floats;
use crate::{Error, FloatEncoding, ReplayStatus};
pub use exemplars::ExemplarSeries;
use late_log::LateLog;
use maintenance::Maintenance;

/// An open database. Appenders and queriers it gave out keep its memory alive, but after
/// [`close`](Self::close) no commit succeeds.
#[derive(Debug)]
pub struct Db {
    shared: Arc<Shared>,
    maintenance: Mutex<Option<Maintenance>>,
}

/// What the database and its maintenance thread share.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    head: Arc<Head>,
    blocks: Blocks,
    late_log: LateLog,
    /// Written while a block takes over from the head, read while a querier is opened: a querier
    /// finds each sample in one of the two.
    view: RwLock<()>,
    /// Cutting, compacting, deleting and copying: one at a time.
    changing_blocks: Mutex<()>,
    replay_status: Arc<ReplayStatus>,
    /// Whether the head's memory goes to a snapshot at the end.
    memory_snapshot: bool,
    /// Place in the log that the last snapshot of this run is for.
    written_down: Mutex<Option<Position>>,
    lock: Mutex<Option<LockFile>>,
    /// How floats are encoded when nobody says otherwise.
    float_encoding: FloatEncoding,
    /// Stops long work when the database is closed.
    closing: CancelToken,
}

impl Db {
    /// Stops the maintenance, brings the log to the disk, closes it and gives the directory free.
    /// What was committed is safe even without it; commits after it fail.
    pub fn close(&self) -> Result<(), Error> {
        self.shared.closing.cancel();
        drop(self.maintenance.lock().take());
        let log = self.shared.head.wal.lock().take();
        let Some(mut log) = log else { return Ok(()) };
        if let Err(err) = self.shared.head.write_chunks() {
            // The log has them.
            tracing::warn!(component = "tsdb", err = %err, "Writing head chunks failed");
        }
        let chunks = self.shared.head.files.cut();
        let closed = log.writer.close();
        let late_log = self.shared.head.out_of_order.log.lock().take();
        let closed = closed.and(late_log.map_or(Ok(()), |mut log| log.close()));
        let mut closed = closed.and(chunks);
        if closed.is_ok() && self.shared.memory_snapshot {
            closed = self.shared.put_away(&log);
        }
        drop(self.shared.lock.lock().take());
        closed
    }

    /// Oldest sample's time.
    pub fn min_time(&self) -> Option<Timestamp> {
        let blocks = self.shared.blocks.min_time();
        let late = self.shared.head.out_of_order.range();
        let head = self.shared.head.min_time();
        let all = blocks.into_iter().chain(head);
        all.chain(late.map(|(oldest, _)| oldest)).min()
    }

    /// Newest sample's time.
    pub fn max_time(&self) -> Option<Timestamp> {
        // A block's end is not in it.
        let end = self.shared.blocks.max_time();
        let blocks = end.map(|end| end.saturating_sub(1));
        blocks.into_iter().chain(self.shared.head.max_time()).max()
    }

    /// The head at a glance; looks at every series.
    pub fn head_stats(&self) -> HeadStats {
        self.shared.head.stats()
    }

    /// The `limit` largest names, labels and pairs.
    pub fn cardinality_stats(&self, limit: usize) -> CardinalityStats {
        self.shared.head.cardinality(limit)
    }

    /// Heap bytes by purpose; looks at every series.
    pub fn memory_stats(&self) -> MemoryStats {
        self.shared.head.memory()
    }

    /// Changes how many exemplars are kept in memory; the newest stay.
    pub fn set_exemplars_max(&self, exemplars_max: usize) {
        self.shared.head.exemplars.write().resize(exemplars_max);
    }

    /// Progress of the replay (through, once the database is open).
    pub fn wal_replay_status(&self) -> &Arc<ReplayStatus> {
        &self.shared.replay_status
    }

    /// Changes how old a sample may be that comes out of order; what was taken stays.
    pub fn set_out_of_order_window(&self, window_ms: i64) -> Result<(), Error> {
        if window_ms > 0 {
            self.shared.late_log.begin(&self.shared.head)?;
        }
        self.shared.head.out_of_order.set_window_ms(window_ms);
        Ok(())
    }

    /// Changes how new chunks of floats are encoded; without an encoding it is the one the database
    /// was opened with. A chunk begun before goes on as it is, unless start timestamps are stored.
    pub fn set_float_encoding(&self, encoding: Option<FloatEncoding>) -> Result<(), Error> {
        let encoding = encoding.unwrap_or(self.shared.float_encoding);
        let head = &self.shared.head;
        check_floats(encoding, head.rules().encodings.store_starts)?;
        head.floats().set(encoding);
        Ok(())
    }

    /// Changes what is kept of old blocks, from the next round over them on.
    pub fn set_retention(&self, retention: crate::Retention) {
        self.shared.blocks.set_retention(retention);
    }

    /// Cuts and compacts whatever is due, and removes what retention ends; what the maintenance
    /// thread does by itself.
    pub fn compact(&self) -> Result<(), Error> {
        self.shared.compact()
    }

    /// Writes closed chunks of the head to files, so that they leave memory.
    pub fn write_head_chunks(&self) -> Result<(), Error> {
        self.shared.head.write_chunks()
    }

    /// Writes the head's memory down for the next start, which reads the log from here on only (see
    /// [`Options::snapshot_interval_ms`](crate::Options)); what the maintenance thread does by
    /// itself.
    pub fn write_down(&self) -> Result<(), Error> {
        self.shared.write_down()
    }

    /// Hides the samples with `mint <= t <= maxt` of all series that satisfy any of `selectors`.
    pub fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        selectors: &[Vec<Matcher>],
    ) -> Result<(), Error> {
        self.shared.delete(mint, maxt, selectors)
    }

    /// Removes deleted samples from the blocks.
    pub fn clean_tombstones(&self) -> Result<(), Error> {
        self.shared.clean_tombstones()
    }

    /// Copies all blocks to the folder `dir`, which is created, and with `with_head` what is in
    /// the head as a block too.
    pub fn snapshot(&self, dir: &std::path::Path, with_head: bool) -> Result<(), Error> {
        self.shared.snapshot(dir, with_head)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Err(err) = self.close() {
            tracing::error!(component = "tsdb", err = %err, "Closing the database failed");
        }
    }
}

impl Appendable for Db {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(HeadAppender::new(self.shared.head.clone()))
    }
}

impl Queryable for Db {
    fn querier(&self, mint: Timestamp, maxt: Timestamp) -> Result<Box<dyn Querier>, StorageError> {
        let (head, mut queriers) = {
            let _view = self.shared.view.read();
            let head = Box::new(HeadQuerier::new(self.shared.head.clone(), mint, maxt));
            (head, self.shared.blocks.queriers(mint, maxt))
        };
        if queriers.is_empty() {
            return Ok(head);
        }
        queriers.push(head);
        Ok(Box::new(MergeQuerier::new(queriers)))
    }
}
