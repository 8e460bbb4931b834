//! What the web side is given of the rest of the server.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use jiff::Timestamp as UtcTime;
use memory::budget::Budget;
use promql::Engine;
use remote::receive::read::{ReadOptions, Reader};
use remote::{Receiver, ReceiverOptions};
use telemetry::Registry;
use tokio::sync::Semaphore;
use tsdb::{Db, NamedCount};
use web::{Admin, Backend, ReadEndpoint, RuntimeInfo, TsdbInfo, WriteReceiver};

use crate::limits;
use crate::monitor::Parts;
use crate::settings::host_name;
use crate::targets::Targets;

/// Bytes that remote write requests in work may hold together where no memory limit is known, and
/// at least: one request of the largest size.
const WRITE_BYTES_MAX: u64 = 1 << 30;
const WRITE_BYTES_MIN: u64 = 128 << 20;

/// Remote write requests with the workers, for each of them: one in work, one ready.
const WRITES_PER_WORKER: usize = 2;

/// The store, the managers and the configuration, as the API sees them.
pub(crate) fn new(
    parts: &Parts,
    db: &Arc<Db>,
    engine: Engine,
    registry: &Registry,
    start_time: SystemTime,
) -> Backend {
    Backend {
        queryable: db.clone(),
        per_step_stats: parts.settings.has_feature("promql-per-step-stats"),
        parser_options: engine.options().parser,
        engine: Arc::new(engine),
        targets: Arc::new(Targets::of(&parts.scraping)),
        config_yaml: {
            let state = parts.state.clone();
            Box::new(move || state.yaml.read().clone())
        },
        runtime_info: runtime_info(parts, start_time),
        tsdb_info: tsdb_info(db),
        exemplars: exemplars(db),
        admin: admin(parts, db),
        read_endpoint: read_endpoint(parts, db, registry),
        write_receiver: write_receiver(parts, db, registry),
    }
}

fn runtime_info(
    parts: &Parts,
    start_time: SystemTime,
) -> Box<dyn Fn() -> RuntimeInfo + Send + Sync> {
    let state = parts.state.clone();
    let settings = parts.settings.clone();
    let working_directory = std::env::current_dir().unwrap_or_default();
    Box::new(move || {
        let loaded_ms = u64::try_from(state.loaded_ms.load(Ordering::Relaxed)).unwrap_or(0);
        RuntimeInfo {
            start_time,
            working_directory: working_directory.display().to_string(),
            host_name: host_name(),
            reload_success: state.success.load(Ordering::Relaxed),
            last_config_time: SystemTime::UNIX_EPOCH + Duration::from_millis(loaded_ms),
            corruption_count: 0,
            thread_count: limits::thread_count(),
            worker_threads: settings.worker_threads as i64,
            memory_limit_bytes: settings
                .memory_limit_bytes
                .map_or(i64::MAX, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            storage_retention: settings.storage_retention.clone(),
        }
    })
}

fn exemplars(db: &Arc<Db>) -> Box<web::handler::FindExemplars> {
    let db = db.clone();
    Box::new(move |start, end, selectors| {
        let found = db.exemplars(start, end, selectors)?.into_iter();
        Ok(found
            .map(|series| (series.labels, series.exemplars))
            .collect())
    })
}

/// The administrative endpoints, if they are switched on.
fn admin(parts: &Parts, db: &Arc<Db>) -> Option<Admin> {
    if !parts.settings.flags.is_on("web.enable-admin-api") {
        return None;
    }
    let snapshots = parts.settings.data_directory().join("snapshots");
    let (deleting, cleaning, copying) = (db.clone(), db.clone(), db.clone());
    Some(Admin {
        delete: Box::new(move |mint, maxt, matchers| {
            if mint > maxt {
                return Ok(());
            }
            let selector = [matchers.to_vec()];
            let deleted = deleting.delete(mint, maxt, &selector);
            deleted.map_err(|err| err.to_string())
        }),
        clean_tombstones: Box::new(move || {
            let cleaned = cleaning.clean_tombstones();
            cleaned.map_err(|err| err.to_string())
        }),
        snapshot: Box::new(move |with_head| {
            let name = snapshot_name(SystemTime::now());
            let directory = snapshots.join(&name);
            std::fs::create_dir_all(&directory)
                .map_err(|err| format!("create snapshot directory: {err}"))?;
            copying
                .snapshot(&directory, with_head)
                .map_err(|err| format!("create snapshot: {err}"))?;
            Ok(name)
        }),
    })
}

/// Time of the snapshot and a random number: two at the same second are two snapshots.
fn snapshot_name(now: SystemTime) -> String {
    let time = UtcTime::try_from(now).unwrap_or(UtcTime::UNIX_EPOCH);
    let random = RandomState::new().build_hasher().finish() >> 1;
    format!("{}-{random:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

fn read_endpoint(parts: &Parts, db: &Arc<Db>, registry: &Registry) -> ReadEndpoint {
    let flags = &parts.settings.flags;
    let state = parts.state.clone();
    let external_labels = move || {
        let applied = state.applied.lock();
        applied
            .as_ref()
            .map(|config| config.global.external_labels.to_labels())
            .unwrap_or_default()
    };
    let options = ReadOptions {
        samples_max: u64::try_from(flags.int("storage.remote.read-sample-limit")).unwrap_or(0),
        frame_bytes: usize::try_from(flags.int("storage.remote.read-max-bytes-in-frame"))
            .unwrap_or(0),
    };
    let places = match usize::try_from(flags.int("storage.remote.read-concurrent-limit")) {
        Ok(places @ 1..) => places.min(Semaphore::MAX_PERMITS),
        _ => Semaphore::MAX_PERMITS,
    };
    ReadEndpoint {
        reader: Arc::new(Reader::new(db.clone(), Box::new(external_labels), options)),
        places: Arc::new(Semaphore::new(places)),
        queries: registry.gauge(
            "prometheus_remote_read_handler_queries",
            "The current number of remote read queries that are either in execution or queued on the handler.",
        ),
    }
}

/// The remote write receiver, if it is switched on.
fn write_receiver(parts: &Parts, db: &Arc<Db>, registry: &Registry) -> Option<WriteReceiver> {
    let settings = &parts.settings;
    // Made in any case: its metrics are there in any case.
    let receiver = Receiver::new(
        db.clone(),
        ReceiverOptions {
            accepted: settings.accepted_messages(),
            keep_metadata: settings.has_feature("metadata-wal-records"),
        },
        registry,
    );
    let limit = settings
        .memory_limit_bytes
        .map_or(WRITE_BYTES_MAX, |bytes| bytes / 8);
    let enabled = settings.flags.is_on("web.enable-remote-write-receiver");
    enabled.then(|| WriteReceiver {
        receiver: Arc::new(receiver),
        pool: parts.scraping.append_pool.clone(),
        budget: Budget::new("remote write receiver", limit.max(WRITE_BYTES_MIN)),
        places: Arc::new(Semaphore::new(settings.worker_threads * WRITES_PER_WORKER)),
    })
}

fn tsdb_info(db: &Arc<Db>) -> Box<dyn Fn(usize) -> TsdbInfo + Send + Sync> {
    let db = db.clone();
    Box::new(move |top| {
        let (head, top) = (db.head_stats(), db.cardinality_stats(top));
        let list = |entries: Vec<NamedCount>| {
            entries
                .into_iter()
                .map(|entry| (entry.name, entry.count.cast_signed()))
                .collect()
        };
        TsdbInfo {
            series_count: head.series_count.cast_signed(),
            label_pair_count: head.label_pair_count.cast_signed(),
            chunk_count: head.chunk_count.cast_signed(),
            min_time: head.min_time,
            max_time: head.max_time,
            series_by_metric_name: list(top.series_by_metric_name),
            values_by_label_name: list(top.values_by_label_name),
            bytes_by_label_name: list(top.bytes_by_label_name),
            series_by_label_pair: list(top.series_by_label_pair),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_named_by_time_and_number() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_852_152);
        let name = snapshot_name(now);
        let (time, number) = name.split_once('-').expect("two parts");
        assert_eq!(time, "20261128T074912Z");
        assert!(number.len() == 16 && u64::from_str_radix(number, 16).is_ok());
        assert_ne!(name, snapshot_name(now));
    }
}
