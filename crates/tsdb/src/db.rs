//! Opening, using and closing a database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use model::{Exemplar, Labels, Matcher, Timestamp};
use parking_lot::Mutex;
use stdx::cancel::CancelToken;
use storage::merge::MergeQuerier;
use storage::{Appendable, Appender, Querier, Queryable, StorageError};
use telemetry::Registry;
use telemetry::metrics::Kind;

use crate::blocks::{Blocks, BlocksOptions};
use crate::head::append::HeadAppender;
use crate::head::read::HeadQuerier;
use crate::head::series::ChunkRules;
use crate::head::stats::{CardinalityStats, HeadStats, MemoryStats};
use crate::head::{Head, label_sets, replay};
use crate::lock_file::LockFile;
use crate::metrics::{HeadMetrics, truncation_summaries};
use crate::wal::{self, Writer, WriterMetrics};
use crate::{Error, Options, ReplayStatus};

/// Exemplars of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct ExemplarSeries {
    /// Labels of the series.
    pub labels: Labels,
    /// Its exemplars, oldest first.
    pub exemplars: Vec<Exemplar>,
}

/// An open database. Appenders and queriers it gave out keep its memory alive, but after
/// [`close`](Self::close) no commit succeeds.
#[derive(Debug)]
pub struct Db {
    head: Arc<Head>,
    blocks: Blocks,
    replay_status: Arc<ReplayStatus>,
    lock: Mutex<Option<LockFile>>,
}

impl Db {
    /// Opens (or creates) the database in `dir`: locks it, reads its log, repairs a torn end and
    /// starts a new segment.
    pub fn open(dir: &Path, options: Options, registry: &Registry) -> Result<Self, Error> {
        options.validate()?;
        let start = Instant::now();
        std::fs::create_dir_all(dir).map_err(|err| Error::io("create", dir, err))?;
        let lock = if options.no_lockfile {
            None
        } else {
            Some(LockFile::acquire(dir)?)
        };
        let wal_dir = dir.join("wal");
        wal::create_log_dir(&wal_dir)?;
        warn_about_other_data(dir);
        let rules = ChunkRules {
            range_ms: options.block_duration_ms,
            samples: options.samples_per_chunk,
        };
        let head = Arc::new(Head::new(
            rules,
            options.exemplars_max,
            options.wal_compression,
            HeadMetrics::new(registry),
        ));
        let blocks_options = BlocksOptions {
            block_duration_ms: options.block_duration_ms,
            ..BlocksOptions::default()
        };
        let blocks = Blocks::open(dir, blocks_options, registry)?;
        if let Some(end) = blocks.in_order_max_time() {
            head.set_begin(end);
        }
        let wal_metrics = WriterMetrics::new(registry, "prometheus_tsdb_wal");
        let writer = load_log(&head, &wal_dir, &options, &wal_metrics)?;
        *head.wal.lock() = Some(writer);
        let took = start.elapsed();
        head.metrics.replay_duration.set(took.as_secs_f64());
        tracing::info!(
            component = "tsdb",
            total_replay_duration = ?took,
            series = head.series.len(),
            "WAL replay completed"
        );
        register(registry, &head, &wal_dir, lock.as_ref());
        Ok(Self {
            head,
            blocks,
            replay_status: options.replay_status,
            lock: Mutex::new(lock),
        })
    }

    /// Brings the log to the disk, closes it and gives the directory free. What was committed is
    /// safe even without it; commits after it fail.
    pub fn close(&self) -> Result<(), Error> {
        let writer = self.head.wal.lock().take();
        let closed = writer.map_or(Ok(()), |mut writer| writer.close());
        drop(self.lock.lock().take());
        closed
    }

    /// Oldest sample's time.
    pub fn min_time(&self) -> Option<Timestamp> {
        self.blocks
            .min_time()
            .into_iter()
            .chain(self.head.min_time())
            .min()
    }

    /// Newest sample's time.
    pub fn max_time(&self) -> Option<Timestamp> {
        // A block's end is not in it.
        let blocks = self.blocks.max_time().map(|end| end.saturating_sub(1));
        blocks.into_iter().chain(self.head.max_time()).max()
    }

    /// The head at a glance; looks at every series.
    pub fn head_stats(&self) -> HeadStats {
        self.head.stats()
    }

    /// The `limit` largest names, labels and pairs.
    pub fn cardinality_stats(&self, limit: usize) -> CardinalityStats {
        self.head.cardinality(limit)
    }

    /// Heap bytes by purpose; looks at every series.
    pub fn memory_stats(&self) -> MemoryStats {
        self.head.memory()
    }

    /// Progress of the replay (through, once the database is open).
    pub fn wal_replay_status(&self) -> &Arc<ReplayStatus> {
        &self.replay_status
    }

    /// Kept exemplars in a time range of series that satisfy any of `selectors`, by series in
    /// label order.
    pub fn exemplars(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<ExemplarSeries>, StorageError> {
        let cancel = CancelToken::new();
        let mut slots = std::collections::BTreeSet::new();
        for matchers in selectors {
            slots.extend(self.head.slots(matchers, &cancel)?.iter());
        }
        let mut found: std::collections::BTreeMap<u32, Vec<Exemplar>> = Default::default();
        for kept in self.head.exemplars.read().range(mint, maxt) {
            if slots.contains(&kept.slot) {
                found.entry(kept.slot).or_default().push(Exemplar {
                    labels: kept.labels.clone(),
                    value: kept.value,
                    timestamp: Some(kept.timestamp),
                });
            }
        }
        let symbols = self.head.symbols.read();
        let mut series: Vec<ExemplarSeries> = found
            .into_iter()
            .filter_map(|(slot, exemplars)| {
                let strip = self.head.series.lock(slot)?;
                let labels = label_sets::unpack(strip.label_set(slot), &symbols);
                Some(ExemplarSeries { labels, exemplars })
            })
            .collect();
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(series)
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
        Box::new(HeadAppender::new(self.head.clone()))
    }
}

impl Queryable for Db {
    fn querier(&self, mint: Timestamp, maxt: Timestamp) -> Result<Box<dyn Querier>, StorageError> {
        let head = Box::new(HeadQuerier::new(self.head.clone(), mint, maxt));
        let mut queriers = self.blocks.queriers(mint, maxt);
        if queriers.is_empty() {
            return Ok(head);
        }
        queriers.push(head);
        Ok(Box::new(MergeQuerier::new(queriers)))
    }
}

/// Replays the log in `dir` into `head`, repairs it if need be and starts its next segment.
fn load_log(
    head: &Head,
    dir: &Path,
    options: &Options,
    metrics: &WriterMetrics,
) -> Result<Writer, Error> {
    wal::remove_temporary(dir)?;
    if let Some(corruption) = replay::replay(head, dir, &options.replay_status)? {
        head.metrics.wal_corruptions.inc();
        tracing::warn!(component = "tsdb", err = %corruption, "Encountered WAL read error, attempting repair");
        wal::repair(
            dir,
            &corruption,
            options.wal_segment_bytes,
            options.wal_compression,
            metrics,
        )?;
        tracing::info!(component = "tsdb", "Successfully repaired WAL");
    }
    let checkpoint = wal::last_checkpoint(dir)?.map(|checkpoint| checkpoint.last_segment);
    let last = wal::segments(dir)?
        .last()
        .map(|(number, _)| *number)
        .max(checkpoint);
    let next = last.map_or(0, |last| last.saturating_add(1));
    Writer::create(
        dir,
        next,
        options.wal_segment_bytes,
        options.wal_compression,
        metrics.clone(),
    )
}

/// Says which data of the reference is in the directory but not served yet.
fn warn_about_other_data(dir: &Path) {
    let has_segments = |path: PathBuf| {
        std::fs::read_dir(path).is_ok_and(|mut entries| entries.any(|entry| entry.is_ok()))
    };
    if has_segments(dir.join("wbl")) {
        tracing::warn!(
            component = "tsdb",
            "Out-of-order data is not supported yet: it is left alone and not served"
        );
    }
}

/// Registers values that the head knows anyway.
fn register(registry: &Registry, head: &Arc<Head>, wal_dir: &Path, lock: Option<&LockFile>) {
    let function = |name: &str, help: &str, kind: Kind, value: fn(&Head) -> f64| {
        let head = head.clone();
        registry.function(&format!("prometheus_tsdb_{name}"), help, kind, move || {
            value(&head)
        });
    };
    let gauge = |name: &str, help: &str, value| function(name, help, Kind::Gauge, value);
    gauge(
        "head_series",
        "Total number of series in the head block.",
        |head| f64::from(head.series.len()),
    );
    gauge(
        "head_chunks",
        "Total number of chunks in the head block.",
        |head| {
            // None is ever removed yet.
            head.metrics.chunks_created.value()
        },
    );
    gauge(
        "head_min_time",
        "Minimum time bound of the head block. The unit is decided by the library consumer.",
        |head| head.min_time().unwrap_or(Timestamp::MAX) as f64,
    );
    gauge(
        "head_max_time",
        "Maximum timestamp of the head block. The unit is decided by the library consumer.",
        |head| head.max_time().unwrap_or(Timestamp::MIN) as f64,
    );
    gauge(
        "head_min_time_seconds",
        "Minimum time bound of the head block.",
        |head| head.min_time().unwrap_or(Timestamp::MAX) as f64 / 1000.0,
    );
    gauge(
        "head_max_time_seconds",
        "Maximum timestamp of the head block.",
        |head| head.max_time().unwrap_or(Timestamp::MIN) as f64 / 1000.0,
    );
    gauge(
        "lowest_timestamp",
        "Lowest timestamp value stored in the database. The unit is decided by the library consumer.",
        |head| head.min_time().unwrap_or(0) as f64,
    );
    gauge(
        "lowest_timestamp_seconds",
        "Lowest timestamp value stored in the database.",
        |head| head.min_time().unwrap_or(0) as f64 / 1000.0,
    );
    gauge(
        "isolation_high_watermark",
        "The highest TSDB append ID that has been given out.",
        |head| head.visibility.watermarks().0 as f64,
    );
    gauge(
        "isolation_low_watermark",
        "The lowest TSDB append ID that is still referenced.",
        |head| head.visibility.watermarks().1 as f64,
    );
    gauge(
        "exemplar_max_exemplars",
        "Total number of exemplars the exemplar storage can store, resizeable.",
        |head| head.exemplars.read().len_max() as f64,
    );
    gauge(
        "exemplar_exemplars_in_storage",
        "Number of exemplars currently in circular storage.",
        |head| head.exemplars.read().len().0 as f64,
    );
    gauge(
        "exemplar_series_with_exemplars_in_storage",
        "Number of series with exemplars currently in circular storage.",
        |head| head.exemplars.read().len().1 as f64,
    );
    gauge(
        "exemplar_last_exemplars_timestamp_seconds",
        "The timestamp of the oldest exemplar stored in circular storage. Useful to check for what time range the current exemplar buffer limit allows. This usually means the last timestamp for all exemplars for a typical setup. This is not true though if one of the series timestamp is in future compared to rest series.",
        |head| head.exemplars.read().oldest_time().unwrap_or(0) as f64 / 1000.0,
    );
    let clean = lock.map_or(-1.0, |lock| f64::from(lock.clean_start()));
    registry
        .gauge("prometheus_tsdb_clean_start", "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: lockfile creation was clean")
        .set(clean);
    let dir = wal_dir.to_owned();
    registry.function(
        "prometheus_tsdb_wal_storage_size_bytes",
        "Size of the write log directory.",
        Kind::Gauge,
        move || dir_bytes(&dir) as f64,
    );
    truncation_summaries(registry);
}

/// Bytes of the files in `dir` and one level below, as a log has them.
fn dir_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() {
                dir_bytes(&entry.path())
            } else {
                metadata.len()
            })
        })
        .sum()
}
