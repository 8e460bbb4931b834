//! What the HTTP side counts.

use telemetry::{Counter, CounterFamily, Gauge, HistogramFamily, Registry};

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
        }
    }
}
