//! What the HTTP side counts, queries of the API included.

use std::time::Instant;

use promql::QueryStats;
use telemetry::{Counter, CounterFamily, Gauge, HistogramFamily, Registry, Summary};

use crate::router::{API, MAIN};

/// Bounds of request times, seconds.
const DURATION_BOUNDS: &[f64] = &[0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0];
/// Bounds of answer sizes, bytes.
const SIZE_BOUNDS: &[f64] = &[1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Instruments of handler and listener.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// By handler and status code.
    pub(crate) requests: CounterFamily,
    /// Seconds, by handler.
    pub(crate) durations: HistogramFamily,
    /// Bytes, by handler.
    pub(crate) sizes: HistogramFamily,
    /// 1 once the server is ready.
    pub(crate) ready: Gauge,
    /// Connections opened to us.
    pub(crate) accepted: Counter,
    /// Connections closed again.
    pub(crate) closed: Counter,
    /// Queries.
    pub(crate) engine: EngineMetrics,
}

/// Instruments of queries.
#[derive(Debug, Clone)]
pub(crate) struct EngineMetrics {
    /// Queries being executed or waiting.
    queries: Gauge,
    /// Samples that queries read.
    samples: Counter,
    /// Seconds of evaluation.
    inner_eval: Summary,
    /// Seconds of preparation.
    prepare_time: Summary,
    /// Seconds of waiting.
    queue_time: Summary,
}

impl EngineMetrics {
    fn new(registry: &Registry) -> Self {
        let times = registry.summary_family(
            "prometheus_engine_query_duration_seconds",
            "Query timings",
            &["slice"],
            &[0.5, 0.9, 0.99],
        );
        // Results are sorted while they are made; the slice is there for those who ask for it.
        times.with(&["result_sort"]);
        Self {
            queries: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            inner_eval: times.with(&["inner_eval"]),
            prepare_time: times.with(&["prepare_time"]),
            queue_time: times.with(&["queue_time"]),
        }
    }

    /// Counts a query until what is returned is dropped.
    pub(crate) fn begin(&self) -> CountedQuery<'_> {
        self.queries.inc();
        CountedQuery {
            metrics: self,
            begun: Instant::now(),
        }
    }
}

/// A query under way.
pub(crate) struct CountedQuery<'a> {
    metrics: &'a EngineMetrics,
    begun: Instant,
}

impl CountedQuery<'_> {
    /// It is about to be executed.
    pub(crate) fn prepared(&self) {
        self.metrics
            .prepare_time
            .observe(self.begun.elapsed().as_secs_f64());
    }

    /// It was executed at this cost.
    pub(crate) fn executed(&self, stats: &QueryStats) {
        self.metrics.queue_time.observe(stats.queue_seconds);
        self.metrics.inner_eval.observe(stats.exec_seconds);
        self.metrics.samples.add(stats.total_samples as f64);
    }
}

impl Drop for CountedQuery<'_> {
    fn drop(&mut self) {
        self.metrics.queries.dec();
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let requests = registry.counter_family(
            "prometheus_http_requests_total",
            "Counter of HTTP requests.",
            &["handler", "code"],
        );
        // As in the reference, the good outcome of every handler is there from the beginning.
        for (prefix, routes) in [("", MAIN), ("/api/v1", API)] {
            for route in routes {
                requests.with(&[&format!("{prefix}{}", route.pattern), "200"]);
            }
        }
        let connections = |name: &str, help: &str| {
            registry
                .counter_family(name, help, &["listener_name"])
                .with(&["http"])
        };
        Self {
            requests,
            durations: registry.histogram_family(
                "prometheus_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &["handler"],
                DURATION_BOUNDS,
            ),
            sizes: registry.histogram_family(
                "prometheus_http_response_size_bytes",
                "Histogram of response size for HTTP requests.",
                &["handler"],
                SIZE_BOUNDS,
            ),
            ready: registry.gauge(
                "prometheus_ready",
                "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            ),
            accepted: connections(
                "net_conntrack_listener_conn_accepted_total",
                "Total number of connections opened to the listener of a given name.",
            ),
            closed: connections(
                "net_conntrack_listener_conn_closed_total",
                "Total number of connections closed that were made to the listener of a given name.",
            ),
            engine: EngineMetrics::new(registry),
        }
    }
}
