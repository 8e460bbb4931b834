//! Opening: lock, blocks, head chunk files, log.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::sync::{Mutex, RwLock};
use stdx::cancel::CancelToken;
use telemetry::Registry;

use super::late_log::LateLog;
use super::maintenance::Maintenance;
use super::put_away::usable_snapshot;
use super::{Db, Shared, gauges};
use crate::blocks::{Blocks, BlocksOptions};
use crate::compact::Pace;
use crate::head::log::Log;
use crate::head::series::{ChunkEncodings, ChunkRules};
use crate::head::{Head, replay};
use crate::head_chunks::{self, FoundChunk, HeadChunks};
use crate::lock_file::LockFile;
use crate::memory_snapshot::folder::{self, Kind};
use crate::metrics::HeadMetrics;
use crate::wal::{self, Writer, WriterMetrics};
use crate::{Error, Options};

impl Db {
    /// Opens (or creates) the database in `dir`: locks it, reads its log, repairs a torn end and
    /// starts a new segment.
    pub fn open(dir: &Path, options: Options, registry: &Registry) -> Result<Self, Error> {
        options.validate()?;
        let start = Instant::now();
        std::fs::create_dir_all(dir).map_err(|err| Error::io("create", dir, err))?;
        let lock = LockFile::acquire_unless(options.no_lockfile, dir)?;
        let wal_dir = dir.join("wal");
        wal::create_log_dir(&wal_dir)?;
        let rules = ChunkRules {
            range_ms: options.block_duration_ms,
            samples: options.samples_per_chunk,
            encodings: ChunkEncodings {
                floats: options.float_encoding,
                histogram_starts: options.histogram_start_timestamps,
                store_starts: options.store_start_timestamps,
            },
        };
        let files = HeadChunks::open(&dir.join("chunks_head"), head_chunks::FILE_BYTES_MAX)?;
        let mut head = Head::new(
            rules,
            options.exemplars_max,
            options.wal_compression,
            files,
            HeadMetrics::new(registry),
        );
        head.start_timestamps_as_zeros = options.start_timestamps_as_zeros;
        let blocks_options = BlocksOptions {
            block_duration_ms: options.block_duration_ms,
            floats: head.floats().clone(),
            block_duration_max_ms: options.block_duration_max_ms.max(options.block_duration_ms),
            merge_overlapping: options.merge_overlapping,
            retention: options.retention,
            pace: Pace::beside(head.readers.clone()),
            head_bytes: gauges::head_bytes(dir, head.files.bytes()),
        };
        let blocks = Blocks::open(dir, blocks_options, registry)?;
        let begin = blocks.in_order_max_time();
        blocks.mark_unsure(begin)?;
        if let Some(end) = begin {
            head.set_begin(end);
        }
        let wal_metrics = WriterMetrics::new(registry, "prometheus_tsdb_wal");
        let (log, late_chunks) = load_log(&mut head, dir, &options, &wal_metrics)?;
        let head = Arc::new(head);
        *head.wal.lock() = Some(log);
        head.out_of_order
            .set_window_ms(options.out_of_order_window_ms);
        let wbl_metrics = WriterMetrics::new(registry, "prometheus_tsdb_out_of_order_wbl");
        let late_log = LateLog {
            dir: dir.join("wbl"),
            segment_bytes: options.wal_segment_bytes,
            compression: options.wal_compression,
            metrics: wbl_metrics,
        };
        late_log.load(&head, &late_chunks)?;
        let took = start.elapsed();
        head.metrics.replay_duration.set(took.as_secs_f64());
        tracing::info!(
            component = "tsdb",
            total_replay_duration = ?took,
            series = head.series.count(),
            "WAL replay completed"
        );
        gauges::register(registry, &head, &wal_dir, lock.as_ref());
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            head,
            blocks,
            late_log,
            view: RwLock::new(()),
            changing_blocks: Mutex::new(()),
            replay_status: options.replay_status,
            memory_snapshot: options.memory_snapshot,
            written_down: Mutex::new(None),
            lock: Mutex::new(lock),
            float_encoding: options.float_encoding,
            closing: CancelToken::new(),
        });
        let maintenance = options
            .maintenance
            .then(|| Maintenance::start(shared.clone(), options.snapshot_interval_ms))
            .transpose()
            .map_err(|err| Error::io("start maintenance of", dir, err))?;
        Ok(Self {
            shared,
            maintenance: Mutex::new(maintenance),
        })
    }
}

/// Replays the log of the database in `data_dir` into `head`, repairs it if need be and starts its
/// next segment.
fn load_log(
    head: &mut Head,
    data_dir: &Path,
    options: &Options,
    metrics: &WriterMetrics,
) -> Result<(Log, Vec<FoundChunk>), Error> {
    let dir = &data_dir.join("wal");
    wal::remove_temporary(dir)?;
    let control = replay::Control {
        status: options.replay_status.clone(),
        stop: options.stop.clone(),
        threads: options.replay_threads(),
    };
    let mut replayed = None;
    let mut kinds = Vec::new();
    kinds.extend(options.memory_snapshot.then_some(Kind::Shared));
    kinds.extend((options.snapshot_interval_ms > 0).then_some(Kind::Private));
    if let Some(folder) = usable_snapshot(data_dir, dir, &kinds)? {
        match replay::replay(head, dir, Some(&folder), &control) {
            Ok(found) => {
                tracing::info!(component = "tsdb", dir = %folder.path.display(), "chunk snapshot loaded");
                replayed = Some(found);
            }
            Err(err @ Error::Stopped(_)) => return Err(err),
            Err(err) => {
                head.metrics.snapshot_failures.inc();
                tracing::error!(component = "tsdb", err = %err, "Failed to load chunk snapshot");
                // The log has everything.
                head.reset();
            }
        }
    }
    let replayed = match replayed {
        Some(replayed) => replayed,
        None => replay::replay(head, dir, None, &control)?,
    };
    if let Some(corruption) = &replayed.corruption {
        head.metrics.wal_corruptions.inc();
        tracing::warn!(component = "tsdb", err = %corruption, "Encountered WAL read error, attempting repair");
        wal::repair(
            dir,
            corruption,
            options.wal_segment_bytes,
            options.wal_compression,
            metrics,
        )?;
        // Places in the log have moved, and numbers of segments may come again.
        folder::remove_all(data_dir)?;
        tracing::info!(component = "tsdb", "Successfully repaired WAL");
    }
    let checkpoint = wal::last_checkpoint(dir)?.map(|checkpoint| checkpoint.last_segment);
    let last = wal::segments(dir)?
        .last()
        .map(|(number, _)| *number)
        .max(checkpoint);
    let next = last.map_or(0, |last| last.saturating_add(1));
    let writer = Writer::create(
        dir,
        next,
        options.wal_segment_bytes,
        options.wal_compression,
        metrics.clone(),
    )?;
    Ok((Log::new(writer, replayed.newest), replayed.late_chunks))
}
