//! The agent's own metrics, under the reference's names.

use model::sample::Value;
use telemetry::{Counter, Gauge, Registry, Summary};

use crate::lock_file::LockFile;

#[derive(Debug)]
pub(super) struct AgentMetrics {
    pub(super) active_series: Gauge,
    pub(super) deleted_series: Gauge,
    floats_appended: Counter,
    histograms_appended: Counter,
    pub(super) exemplars_appended: Counter,
    pub(super) out_of_order: Counter,
    pub(super) truncate_duration: Summary,
    pub(super) corruptions: Counter,
    pub(super) replay_duration: Gauge,
    pub(super) checkpoint_creations: Counter,
    pub(super) checkpoint_creations_failed: Counter,
    pub(super) checkpoint_deletions: Counter,
    pub(super) checkpoint_deletions_failed: Counter,
}

impl AgentMetrics {
    pub(super) fn new(registry: &Registry, lock: Option<&LockFile>) -> Self {
        let name = |rest: &str| format!("prometheus_agent_{rest}");
        let counter = |rest: &str, help: &str| registry.counter(&name(rest), help);
        let gauge = |rest: &str, help: &str| registry.gauge(&name(rest), help);
        let appended = registry.counter_family(
            &name("samples_appended_total"),
            "Total number of samples appended to the storage",
            &["type"],
        );
        gauge("clean_start", "-1: lockfile is disabled. 0: a lockfile from a previous execution was replaced. 1: lockfile creation was clean")
            .set(lock.map_or(-1.0, |lock| f64::from(lock.clean_start())));
        Self {
            active_series: gauge(
                "active_series",
                "Number of active series being tracked by the WAL storage",
            ),
            deleted_series: gauge(
                "deleted_series",
                "Number of series pending deletion from the WAL",
            ),
            floats_appended: appended.with(&["float"]),
            histograms_appended: appended.with(&["histogram"]),
            exemplars_appended: counter(
                "exemplars_appended_total",
                "Total number of exemplars appended to the storage",
            ),
            out_of_order: counter(
                "out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts.",
            ),
            truncate_duration: registry.summary(
                &name("truncate_duration_seconds"),
                "Duration of WAL truncation.",
                &[],
            ),
            corruptions: counter("corruptions_total", "Total number of WAL corruptions."),
            replay_duration: gauge(
                "data_replay_duration_seconds",
                "Time taken to replay the data on disk.",
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

    /// Counts a sample that was taken.
    pub(super) fn appended(&self, value: &Value) {
        match value {
            Value::Float(_) => self.floats_appended.inc(),
            Value::Histogram(_) | Value::FloatHistogram(_) => self.histograms_appended.inc(),
        }
    }
}
