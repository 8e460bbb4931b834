//! What an engine counts about its queries, under the reference's names.

use std::time::Duration;

use telemetry::{Counter, Gauge, Histogram, Registry, Summary};

/// Quantiles of the times, as the reference shows them.
const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];
/// Bounds of the times, seconds.
const DURATION_BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// Instruments of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    queries: Gauge,
    samples: Counter,
    samples_read: Counter,
    /// Whether queries are logged.
    pub(crate) log_enabled: Gauge,
    /// Lines of the query log that could not be written.
    pub(crate) log_failures: Counter,
    /// Evaluation without waiting and preparation.
    pub(crate) inner_eval: Times,
    /// Opening the store.
    pub(crate) prepare_time: Times,
    /// Waiting for a turn.
    pub(crate) queue_time: Times,
    /// Sorting what is answered.
    pub(crate) result_sort: Times,
}

/// Durations of one part of the work.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    summary: Summary,
    histogram: Histogram,
}

impl Times {
    /// Counts one run of the part.
    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        self.summary.observe(seconds);
        self.histogram.observe(seconds);
    }
}

impl Metrics {
    /// Registers the instruments; `max_concurrent` is 0 for an engine without that limit.
    pub(crate) fn new(registry: &Registry, max_concurrent: usize) -> Self {
        let summaries = registry.summary_family(
            "prometheus_engine_query_duration_seconds",
            "Query timings",
            &["slice"],
            QUANTILES,
        );
        let histograms = registry.histogram_family(
            "prometheus_engine_query_duration_histogram_seconds",
            "The duration of various parts of PromQL query execution.",
            &["slice"],
            DURATION_BOUNDS,
        );
        let times = |slice: &str| Times {
            summary: summaries.with(&[slice]),
            histogram: histograms.with(&[slice]),
        };
        let limit = registry.gauge(
            "prometheus_engine_queries_concurrent_max",
            "The max number of concurrent queries.",
        );
        limit.set(if max_concurrent == 0 {
            -1.0
        } else {
            max_concurrent as f64
        });
        Self {
            queries: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            samples_read: registry.counter(
                "prometheus_engine_query_samples_read_total",
                "The total number of samples read by all queries.",
            ),
            log_enabled: registry.gauge(
                "prometheus_engine_query_log_enabled",
                "State of the query log.",
            ),
            log_failures: registry.counter(
                "prometheus_engine_query_log_failures_total",
                "The number of query log failures.",
            ),
            inner_eval: times("inner_eval"),
            prepare_time: times("prepare_time"),
            queue_time: times("queue_time"),
            result_sort: times("result_sort"),
        }
    }

    /// Counts a query as under way until what is returned is dropped.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.queries.inc();
        UnderWay(self)
    }

    /// Counts what a query read: samples that its windows held, and those of them that the window
    /// before did not hold.
    pub(crate) fn read(&self, loaded: u64, fresh: u64) {
        self.samples.add(loaded as f64);
        self.samples_read.add(fresh as f64);
    }
}

/// A query that waits or runs.
pub(crate) struct UnderWay<'a>(&'a Metrics);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.queries.dec();
    }
}

#[cfg(test)]
mod tests {
    use model::Labels;
    use stdx::cancel::CancelToken;
    use storage::memory_store::MemoryStore;
    use storage::{Appendable, Batch, BatchTimes};

    use super::*;
    use crate::{Engine, EngineOptions, QueryOptions};

    /// Value of the only sample that has this suffix and slice.
    fn value(registry: &Registry, name: &str, suffix: &str, slice: Option<&str>) -> f64 {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name == name);
        let samples = &family.unwrap_or_else(|| panic!("no {name}")).samples;
        let sample = samples.iter().find(|sample| {
            let found = sample.labels.iter().find(|(label, _)| label == "slice");
            sample.suffix == suffix && found.map(|(_, value)| value.as_str()) == slice
        });
        sample.unwrap_or_else(|| panic!("no {name}{suffix}")).value
    }

    #[test]
    fn queries_are_timed_by_slice_and_their_samples_counted() {
        let registry = Registry::new();
        let options = EngineOptions {
            max_concurrent: 3,
            ..EngineOptions::default()
        };
        let engine = Engine::with_metrics(options, &registry);
        let store = MemoryStore::new();
        let mut appender = store.appender();
        let labels = Labels::from_pairs([("__name__", "m")]);
        let batch = Batch {
            series: &[appender.series(&labels).expect("series")],
            times: BatchTimes::Same(0),
            values: &[1.0],
            histograms: &[],
            start_timestamps: &[],
            exemplars: &[],
            reject_out_of_order: false,
        };
        let appended = appender.append(&batch, &mut Vec::new(), &mut Vec::new());
        appended.expect("appended");
        appender.commit().expect("committed");
        let times = (0, 2000, 1000);
        let query = engine
            .range_query(&store, &QueryOptions::default(), "m", times)
            .expect("prepared");
        assert!(query.exec(&CancelToken::new()).value.is_ok());
        for name in [
            "prometheus_engine_query_duration_seconds",
            "prometheus_engine_query_duration_histogram_seconds",
        ] {
            for slice in ["inner_eval", "prepare_time", "queue_time", "result_sort"] {
                assert_eq!(
                    value(&registry, name, "_count", Some(slice)),
                    1.0,
                    "{slice}"
                );
            }
        }
        let plain = |name: &str| value(&registry, name, "", None);
        assert_eq!(plain("prometheus_engine_query_samples_total"), 3.0);
        assert_eq!(plain("prometheus_engine_query_samples_read_total"), 3.0);
        assert_eq!(plain("prometheus_engine_queries"), 0.0);
        assert_eq!(plain("prometheus_engine_queries_concurrent_max"), 3.0);
        assert_eq!(plain("prometheus_engine_query_log_enabled"), 0.0);
        assert_eq!(plain("prometheus_engine_query_log_failures_total"), 0.0);
    }
}
