//! Storage of an agent: a write-ahead log and the labels and newest times of its series, nothing to
//! query. What others send on is read from the log.
//!
//! Write path: [`Agent`] gives out appenders (`append`); a commit is one write to the log. Series
//! (`series`) keep only what the next commit needs. [`Agent::truncate`] drops series that were
//! quiet for long and segments that are old, after a checkpoint (`checkpoint`) with the labels that
//! later segments need. `replay` builds the series up again. The directory is exchangeable with the
//! reference's (`docs/internals/formats/wal.md`).
//!
//! Synchronous: use it on pool threads.

mod append;
mod checkpoint;
mod metrics;
mod options;
mod replay;
mod series;
mod truncation;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::{Labels, Timestamp};
use storage::{Appendable, Appender};
use telemetry::Registry;

use crate::Error;
use crate::head::log::Log;
use crate::lock_file::LockFile;
use crate::sync::{Mutex, RwLock};
use crate::wal::{self, Writer, WriterMetrics};
use append::AgentAppender;
use metrics::AgentMetrics;
pub use options::AgentOptions;
use series::SeriesMap;
use truncation::Truncation;

/// An open log of an agent. Appenders it gave out keep its memory alive, but after
/// [`close`](Self::close) no commit succeeds.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
    truncation: Mutex<Option<Truncation>>,
    lock: Mutex<Option<LockFile>>,
}

#[derive(Debug)]
struct Shared {
    options: AgentOptions,
    series: SeriesMap,
    /// `None` after closing.
    log: Mutex<Option<Log>>,
    /// Read from the writing of a transaction until its series know of it.
    commits: RwLock<()>,
    /// Held while old data is dropped: one at a time.
    truncating: Mutex<()>,
    /// References that the log may still use though the series are gone, or have another reference.
    deleted: Mutex<HashMap<u64, Deleted>>,
    metrics: AgentMetrics,
}

/// What a checkpoint needs of a reference without a series.
#[derive(Debug)]
struct Deleted {
    labels: Labels,
    /// Later segments do not use it.
    last_segment: u32,
}

impl Agent {
    /// Opens (or creates) the log in `dir`: locks the directory, reads the log, repairs a torn end
    /// and starts a new segment.
    pub fn open(dir: &Path, options: AgentOptions, registry: &Registry) -> Result<Self, Error> {
        let begun = Instant::now();
        let options = options.settled();
        std::fs::create_dir_all(dir).map_err(|err| Error::io("create", dir, err))?;
        let lock = LockFile::acquire_unless(options.no_lockfile, dir)?;
        let wal_dir = dir.join("wal");
        wal::create_log_dir(&wal_dir)?;
        let metrics = AgentMetrics::new(registry, lock.as_ref());
        let writer_metrics = WriterMetrics::new(registry, "prometheus_tsdb_wal");
        let shared = Shared {
            options,
            series: SeriesMap::default(),
            log: Mutex::new(None),
            commits: RwLock::default(),
            truncating: Mutex::default(),
            deleted: Mutex::default(),
            metrics,
        };
        let log = shared.load(&wal_dir, writer_metrics)?;
        *shared.log.lock() = Some(log);
        shared.show_series();
        let took = begun.elapsed();
        shared.metrics.replay_duration.set(took.as_secs_f64());
        tracing::info!(
            component = "agent",
            total_replay_duration = ?took,
            series = shared.series.len(),
            "WAL replay completed"
        );
        Ok(Self {
            shared: Arc::new(shared),
            truncation: Mutex::new(None),
            lock: Mutex::new(lock),
        })
    }

    /// Brings the log to the disk, closes it and gives the directory free. What was committed is
    /// safe even without it; commits after it fail.
    pub fn close(&self) -> Result<(), Error> {
        drop(self.truncation.lock().take());
        let log = self.shared.log.lock().take();
        let closed = log.map_or(Ok(()), |mut log| log.writer.close());
        drop(self.lock.lock().take());
        closed
    }

    /// Number of series.
    pub fn series_count(&self) -> usize {
        self.shared.series.len()
    }

    /// Truncates from now on by itself, until it is closed, as often as
    /// [`AgentOptions::truncate_frequency_ms`] says. `sent` tells up to which time everything was
    /// sent; before anything was, [`Timestamp::MIN`].
    pub fn keep_truncating(
        &self,
        sent: impl Fn() -> Timestamp + Send + 'static,
    ) -> std::io::Result<()> {
        let truncation = Truncation::start(self.shared.clone(), sent)?;
        *self.truncation.lock() = Some(truncation);
        Ok(())
    }

    /// Up to which time the log may be dropped at `now`, when everything up to `sent` was sent.
    pub fn truncation_time(&self, sent: Timestamp, now: Timestamp) -> Timestamp {
        self.shared.truncation_time(sent, now)
    }

    /// Milliseconds from one truncation to the next.
    pub fn truncate_frequency_ms(&self) -> i64 {
        self.shared.options.truncate_frequency_ms
    }

    /// Drops series without a sample from `mint` on, and segments without one, after writing down
    /// the labels that later segments need. A sample counts as no younger than `now`, the present:
    /// one from the future must not keep its segment for ever.
    pub fn truncate(&self, mint: Timestamp, now: Timestamp) -> Result<(), Error> {
        self.shared.truncate(mint, now)
    }
}

impl Shared {
    /// Replays the log in `dir`, repairs it if need be and starts its next segment.
    fn load(&self, dir: &Path, metrics: WriterMetrics) -> Result<Log, Error> {
        wal::remove_temporary(dir)?;
        let (segment_bytes, compression) =
            (self.options.wal_segment_bytes, self.options.wal_compression);
        let (newest, corruption) = replay::replay(self, dir)?;
        if let Some(corruption) = corruption {
            self.metrics.corruptions.inc();
            tracing::warn!(component = "agent", err = %corruption, "Encountered WAL read error, attempting repair");
            wal::repair(dir, &corruption, segment_bytes, compression, &metrics)?;
            tracing::info!(component = "agent", "Successfully repaired WAL");
        }
        let checkpoint = wal::last_checkpoint(dir)?.map(|checkpoint| checkpoint.last_segment);
        let last = wal::segments(dir)?.last().map(|(number, _)| *number);
        let next = last
            .max(checkpoint)
            .map_or(0, |last| last.saturating_add(1));
        let writer = Writer::create(dir, next, segment_bytes, compression, metrics)?;
        Ok(Log::new(writer, newest))
    }

    fn truncation_time(&self, sent: Timestamp, now: Timestamp) -> Timestamp {
        let settled = sent.saturating_sub(self.options.retention_min_ms).max(0);
        settled.max(now.saturating_sub(self.options.retention_max_ms))
    }

    fn truncate(&self, mint: Timestamp, now: Timestamp) -> Result<(), Error> {
        let _truncating = self.truncating.lock();
        let begun = Instant::now();
        self.drop_quiet_series(mint)?;
        let truncated = self.truncate_log(mint, now);
        self.show_series();
        if truncated? {
            let took = begun.elapsed();
            self.metrics.truncate_duration.observe(took.as_secs_f64());
            tracing::info!(component = "agent", mint, duration = ?took, "WAL checkpoint complete");
        }
        Ok(())
    }

    fn drop_quiet_series(&self, mint: Timestamp) -> Result<(), Error> {
        let quiet = self.series.remove_quiet(mint);
        let log = self.log.lock();
        let last_segment = log.as_ref().ok_or(Error::Closed)?.writer.segment();
        let mut deleted = self.deleted.lock();
        for (series_ref, labels) in quiet {
            deleted.insert(
                series_ref,
                Deleted {
                    labels,
                    last_segment,
                },
            );
        }
        Ok(())
    }

    /// Deletes segments whose samples are all before `mint`; `false` if there are none.
    fn truncate_log(&self, mint: Timestamp, now: Timestamp) -> Result<bool, Error> {
        let (dir, last) = {
            let mut log = self.log.lock();
            let log = log.as_mut().ok_or(Error::Closed)?;
            log.writer.next_segment()?;
            log.cap_times(now);
            let Some(last) = log.last_obsolete(mint) else {
                return Ok(false);
            };
            (log.writer.dir().to_owned(), last)
        };
        let first = wal::segments(&dir)?.first().map(|(number, _)| *number);
        if first.is_none_or(|first| first > last) {
            return Ok(false);
        }
        // What was logged in a segment about to go is known to its series when these are through.
        drop(self.commits.write());
        self.metrics.checkpoint_creations.inc();
        if let Err(err) = self.write_checkpoint(&dir, last) {
            self.metrics.checkpoint_creations_failed.inc();
            return Err(err);
        }
        self.deleted
            .lock()
            .retain(|_, deleted| deleted.last_segment > last);
        if let Some(log) = self.log.lock().as_mut() {
            log.forget(last);
        }
        // Left-over segments cost space, and the next attempt removes them.
        if let Err(err) = wal::remove_segments(&dir, last) {
            tracing::error!(component = "agent", err = %err, "Truncating segments failed");
        }
        self.metrics.checkpoint_deletions.inc();
        if let Err(err) = wal::remove_checkpoints(&dir, last) {
            self.metrics.checkpoint_deletions_failed.inc();
            tracing::error!(component = "agent", err = %err, "Deleting old checkpoints failed");
        }
        Ok(true)
    }

    fn show_series(&self) {
        let metrics = &self.metrics;
        metrics.active_series.set(self.series.len() as f64);
        metrics.deleted_series.set(self.deleted.lock().len() as f64);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Err(err) = self.close() {
            tracing::error!(component = "agent", err = %err, "Closing the log failed");
        }
    }
}

impl Appendable for Agent {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(AgentAppender::new(self.shared.clone()))
    }
}
