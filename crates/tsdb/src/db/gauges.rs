//! Values that the database knows anyway, as metrics.

use std::path::Path;
use std::sync::Arc;

use model::Timestamp;
use telemetry::Registry;
use telemetry::metrics::{ExposedSample, Kind};

use crate::head::Head;
use crate::lock_file::LockFile;
use crate::memory_snapshot::folder;

/// Registers them.
pub(super) fn register(
    registry: &Registry,
    head: &Arc<Head>,
    wal_dir: &Path,
    lock: Option<&LockFile>,
) {
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
        |head| f64::from(head.series.count()),
    );
    gauge(
        "head_chunks",
        "Total number of chunks in the head block.",
        |head| head.metrics.chunks_created.value() - head.metrics.chunks_removed.value(),
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
        "head_chunks_storage_size_bytes",
        "Size of the chunks_head directory.",
        |head| head.files.bytes() as f64,
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
    let of_head = head.clone();
    registry.collector(
        "ferula_tsdb_head_memory_bytes",
        "Bytes of memory that the head takes, by purpose.",
        Kind::Gauge,
        move |family| {
            let memory = of_head.memory();
            let parts = [
                ("closed_chunks", memory.closed_chunk_bytes),
                ("exemplars", of_head.exemplars.read().heap_bytes()),
                ("index", memory.index_bytes),
                ("open_chunks", memory.open_chunk_bytes),
                ("postings", memory.postings_bytes),
                ("series", memory.series_bytes),
                ("symbols", memory.symbol_bytes),
            ];
            family
                .samples
                .extend(parts.map(|(part, bytes)| ExposedSample {
                    suffix: "",
                    labels: vec![("part".to_owned(), part.to_owned())],
                    value: bytes as f64,
                }));
        },
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
}

/// Bytes in the data directory `dir` that belong to the head, for retention by size: what the
/// reference counts (both logs with checkpoints, `chunk_bytes` of head chunk files; no
/// `chunk_snapshot`), and the snapshots that only we write.
pub(super) fn head_bytes(dir: &Path, chunk_bytes: u64) -> u64 {
    let logs = dir_bytes(&dir.join("wal")) + dir_bytes(&dir.join("wbl"));
    logs + chunk_bytes + private_snapshot_bytes(dir)
}

fn private_snapshot_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let ours = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(folder::is_private)
    });
    ours.map(|entry| dir_bytes(&entry.path())).sum()
}

/// Bytes of the files in `dir` and one level below, as a log has them.
pub(super) fn dir_bytes(dir: &Path) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heads_bytes_are_what_the_reference_counts_and_our_own_snapshots() {
        let dir = tempfile::tempdir().unwrap();
        let sizes = [
            ("wal/00000000", 1),
            ("wal/checkpoint.00000001/00000000", 10),
            ("wbl/00000000", 100),
            ("ferula_snapshot.000001.0000000002/00000000", 1000),
            ("ferula_snapshot.000001.0000000003.tmp/00000000", 10_000),
            // Not counted.
            ("chunk_snapshot.000001.0000000002/00000000", 200_000),
            ("snapshots/20260101T000000Z-0/x", 200_000),
            ("queries.active", 200_000),
        ];
        for (name, size) in sizes {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![0; size]).unwrap();
        }
        assert_eq!(head_bytes(dir.path(), 20_000), 31_111);
    }
}
