//! The database's own metrics, under the reference's names.

use model::sample::Value;
use storage::AppendError;
use telemetry::{Counter, CounterFamily, Gauge, Registry, Summary};

use crate::head::append::Tally;
use crate::head::out_of_order::LateTally;

/// Sample kinds that share counters.
#[derive(Debug)]
struct ByKind {
    float: Counter,
    histogram: Counter,
}

impl ByKind {
    fn new(registry: &Registry, name: &str, help: &str) -> Self {
        let family = registry.counter_family(name, help, &["type"]);
        Self {
            float: family.with(&["float"]),
            histogram: family.with(&["histogram"]),
        }
    }

    fn of(&self, value: &Value) -> &Counter {
        match value {
            Value::Float(_) => &self.float,
            Value::Histogram(_) | Value::FloatHistogram(_) => &self.histogram,
        }
    }
}

/// Instruments of the head. Values that the head knows anyway are registered as functions by
/// [`Db`](crate::Db).
#[derive(Debug)]
pub(crate) struct HeadMetrics {
    pub(crate) appenders_active: Gauge,
    pub(crate) appenders_created: Counter,
    pub(crate) series_created: Counter,
    pub(crate) chunks_created: Counter,
    samples_appended: ByKind,
    late_appended: ByKind,
    out_of_order: ByKind,
    out_of_bounds: ByKind,
    too_old: ByKind,
    pub(crate) exemplars_appended: Counter,
    pub(crate) exemplars_out_of_order: Counter,
    pub(crate) replay_unknown_refs: CounterFamily,
    pub(crate) replay_duration: Gauge,
    pub(crate) wal_corruptions: Counter,
    pub(crate) series_removed: Counter,
    pub(crate) chunks_removed: Counter,
    pub(crate) chunks_mapped: Counter,
    pub(crate) chunk_corruptions: Counter,
    pub(crate) snapshot_failures: Counter,
    pub(crate) truncations: Counter,
    pub(crate) truncations_failed: Counter,
    pub(crate) gc_duration: Summary,
    pub(crate) wal_truncate_duration: Summary,
    pub(crate) checkpoint_creations: Counter,
    pub(crate) checkpoint_creations_failed: Counter,
    pub(crate) checkpoint_deletions: Counter,
    pub(crate) checkpoint_deletions_failed: Counter,
}

impl HeadMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let name = |rest: &str| format!("prometheus_tsdb_{rest}");
        let counter = |rest: &str, help: &str| registry.counter(&name(rest), help);
        let gauge = |rest: &str, help: &str| registry.gauge(&name(rest), help);
        let by_kind = |rest: &str, help: &str| ByKind::new(registry, &name(rest), help);
        // Nothing counts it yet; dashboards and alerts expect the name.
        counter(
            "head_series_not_found_total",
            "Total number of requests for series that were not found.",
        );
        Self {
            appenders_active: gauge(
                "head_active_appenders",
                "Number of currently active appender transactions",
            ),
            appenders_created: counter(
                "head_appenders_created_total",
                "Total number of appender transactions created.",
            ),
            series_created: counter(
                "head_series_created_total",
                "Total number of series created in the head",
            ),
            chunks_created: counter(
                "head_chunks_created_total",
                "Total number of chunks created in the head",
            ),
            samples_appended: by_kind(
                "head_samples_appended_total",
                "Total number of appended samples.",
            ),
            late_appended: by_kind(
                "head_out_of_order_samples_appended_total",
                "Total number of appended out of order samples.",
            ),
            out_of_order: by_kind(
                "out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts due to out of order being disabled.",
            ),
            out_of_bounds: by_kind(
                "out_of_bound_samples_total",
                "Total number of out of bound samples ingestion failed attempts with out of order support disabled.",
            ),
            too_old: by_kind(
                "too_old_samples_total",
                "Total number of out of order samples ingestion failed attempts with out of support enabled, but sample outside of time window.",
            ),
            exemplars_appended: counter(
                "exemplar_exemplars_appended_total",
                "Total number of appended exemplars.",
            ),
            exemplars_out_of_order: counter(
                "exemplar_out_of_order_exemplars_total",
                "Total number of out of order exemplar ingestion failed attempts.",
            ),
            replay_unknown_refs: registry.counter_family(
                &name("wal_replay_unknown_refs_total"),
                "Total number of unknown series references encountered during WAL replay.",
                &["type"],
            ),
            replay_duration: gauge(
                "data_replay_duration_seconds",
                "Time taken to replay the data on disk.",
            ),
            wal_corruptions: counter("wal_corruptions_total", "Total number of WAL corruptions."),
            series_removed: counter(
                "head_series_removed_total",
                "Total number of series removed in the head",
            ),
            chunks_removed: counter(
                "head_chunks_removed_total",
                "Total number of chunks removed in the head",
            ),
            chunks_mapped: counter(
                "mmap_chunks_total",
                "Total number of chunks that were memory-mapped.",
            ),
            snapshot_failures: counter(
                "snapshot_replay_error_total",
                "Total number snapshot replays that failed.",
            ),
            chunk_corruptions: counter(
                "mmap_chunk_corruptions_total",
                "Total number of memory-mapped chunk corruptions.",
            ),
            truncations: counter(
                "head_truncations_total",
                "Total number of head truncations attempted.",
            ),
            truncations_failed: counter(
                "head_truncations_failed_total",
                "Total number of head truncations that failed.",
            ),
            gc_duration: registry.summary(
                &name("head_gc_duration_seconds"),
                "Runtime of garbage collection in the tsdb head.",
                &[],
            ),
            wal_truncate_duration: registry.summary(
                &name("wal_truncate_duration_seconds"),
                "Duration of WAL truncation.",
                &[],
            ),
            checkpoint_creations: counter(
                "checkpoint_creations_total",
                "Total number of checkpoint creations attempted.",
            ),
            checkpoint_creations_failed: counter(
                "checkpoint_creations_failed_total",
                "Total number of checkpoint creations that failed.",
            ),
            checkpoint_deletions: counter(
                "checkpoint_deletions_total",
                "Total number of checkpoint deletions attempted.",
            ),
            checkpoint_deletions_failed: counter(
                "checkpoint_deletions_failed_total",
                "Total number of checkpoint deletions that failed.",
            ),
        }
    }

    /// Counts a sample that was not taken.
    pub(crate) fn refused(&self, reason: &AppendError, value: &Value) {
        match reason {
            AppendError::OutOfOrder => self.out_of_order.of(value).inc(),
            AppendError::OutOfBounds => self.out_of_bounds.of(value).inc(),
            AppendError::TooOld => self.too_old.of(value).inc(),
            _ => {}
        }
    }

    /// Counts late samples.
    pub(crate) fn committed_late(&self, tally: &LateTally) {
        self.late_appended.float.add(tally.floats as f64);
        self.late_appended.histogram.add(tally.histograms as f64);
    }

    /// Counts what a commit did.
    pub(crate) fn committed(&self, tally: &Tally) {
        self.samples_appended.float.add(tally.floats as f64);
        self.samples_appended.histogram.add(tally.histograms as f64);
        self.chunks_created.add(tally.chunks as f64);
        self.out_of_order.float.add(tally.refused_floats as f64);
        self.out_of_order
            .histogram
            .add(tally.refused_histograms as f64);
    }
}
