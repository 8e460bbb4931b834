//! Our own metrics.

use telemetry::{
    Counter, CounterFamily, Gauge, GaugeFamily, HistogramFamily, Registry, Summary, SummaryFamily,
};

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// Metrics of the managers; `name` is `scrape` or `notify`.
#[derive(Debug, Clone)]
pub struct ManagerMetrics {
    pub(crate) failed_configs: GaugeFamily,
    pub(crate) discovered_targets: GaugeFamily,
    pub(crate) received_updates: CounterFamily,
    pub(crate) delayed_updates: CounterFamily,
    pub(crate) sent_updates: CounterFamily,
    pub(crate) last_update: GaugeFamily,
}

impl ManagerMetrics {
    /// Registers the metrics; once for all managers of a process.
    pub fn new(registry: &Registry) -> Self {
        Self {
            failed_configs: registry.gauge_family(
                "prometheus_sd_failed_configs",
                "Current number of service discovery configurations that failed to load.",
                &["name"],
            ),
            discovered_targets: registry.gauge_family(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                &["name", "config"],
            ),
            received_updates: registry.counter_family(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
                &["name"],
            ),
            delayed_updates: registry.counter_family(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
                &["name"],
            ),
            sent_updates: registry.counter_family(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
                &["name"],
            ),
            last_update: registry.gauge_family(
                "prometheus_sd_last_update_timestamp_seconds",
                "Time of the last update of a configuration's targets, Unix seconds.",
                &["name", "config"],
            ),
        }
    }
}

/// Metrics of the mechanisms.
#[derive(Debug, Clone)]
pub struct ProviderMetrics {
    pub(crate) refresh_failures: CounterFamily,
    pub(crate) refresh_duration: SummaryFamily,
    pub(crate) refresh_duration_histogram: HistogramFamily,
    pub(crate) file_read_errors: Counter,
    pub(crate) file_watcher_errors: Counter,
    pub(crate) file_scan_duration: Summary,
    pub(crate) file_mtime: GaugeFamily,
    pub(crate) http_failures: Counter,
    pub(crate) dns_lookups: Counter,
    pub(crate) dns_failures: Counter,
    pub(crate) consul_failures: Counter,
    pub(crate) consul_duration: SummaryFamily,
    pub(crate) kubernetes_events: CounterFamily,
    pub(crate) kubernetes_failures: Counter,
    pub(crate) kubernetes_requests: CounterFamily,
    pub(crate) kubernetes_request_duration: SummaryFamily,
    #[expect(
        dead_code,
        reason = "exposed at 0 until ZooKeeper mechanisms are built"
    )]
    pub(crate) treecache_watchers: Gauge,
    #[expect(
        dead_code,
        reason = "exposed at 0 until ZooKeeper mechanisms are built"
    )]
    pub(crate) treecache_failures: Counter,
}

impl ProviderMetrics {
    /// Registers the metrics; once for all providers of a process.
    pub fn new(registry: &Registry) -> Self {
        Self {
            refresh_failures: registry.counter_family(
                "prometheus_sd_refresh_failures_total",
                "Number of refresh failures for the given SD mechanism.",
                &["mechanism", "config"],
            ),
            refresh_duration: registry.summary_family(
                "prometheus_sd_refresh_duration_seconds",
                "The duration of a refresh in seconds for the given SD mechanism.",
                &["mechanism", "config"],
                &QUANTILES,
            ),
            refresh_duration_histogram: registry.histogram_family(
                "prometheus_sd_refresh_duration_histogram_seconds",
                "The duration of a refresh in seconds for the given SD mechanism.",
                &["mechanism"],
                &[0.01, 0.1, 1.0, 10.0],
            ),
            file_read_errors: registry.counter(
                "prometheus_sd_file_read_errors_total",
                "The number of File-SD read errors.",
            ),
            file_watcher_errors: registry.counter(
                "prometheus_sd_file_watcher_errors_total",
                "The number of File-SD errors caused by filesystem watch failures.",
            ),
            file_scan_duration: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "The duration of the File-SD scan in seconds.",
                &QUANTILES,
            ),
            file_mtime: registry.gauge_family(
                "prometheus_sd_file_mtime_seconds",
                "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
                &["filename"],
            ),
            http_failures: registry.counter(
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
            ),
            dns_lookups: registry.counter(
                "prometheus_sd_dns_lookups_total",
                "The number of DNS-SD lookups.",
            ),
            dns_failures: registry.counter(
                "prometheus_sd_dns_lookup_failures_total",
                "The number of DNS-SD lookup failures.",
            ),
            consul_failures: registry.counter(
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
            ),
            consul_duration: registry.summary_family(
                "prometheus_sd_consul_rpc_duration_seconds",
                "The duration of a Consul RPC call in seconds.",
                &["endpoint", "call"],
                &QUANTILES,
            ),
            kubernetes_events: kubernetes_events(registry),
            kubernetes_failures: registry.counter(
                "prometheus_sd_kubernetes_failures_total",
                "The number of failed WATCH/LIST requests.",
            ),
            kubernetes_requests: registry.counter_family(
                "prometheus_sd_kubernetes_http_request_total",
                "Total number of HTTP requests to the Kubernetes API by status code.",
                &["status_code"],
            ),
            kubernetes_request_duration: registry.summary_family(
                "prometheus_sd_kubernetes_http_request_duration_seconds",
                "Summary of latencies for HTTP requests to the Kubernetes API by endpoint.",
                &["endpoint"],
                &[],
            ),
            treecache_watchers: registry.gauge(
                "prometheus_treecache_watcher_goroutines",
                "The current number of watcher goroutines.",
            ),
            treecache_failures: registry.counter(
                "prometheus_treecache_zookeeper_failures_total",
                "The total number of ZooKeeper failures.",
            ),
        }
    }
}

/// With every role and event at 0 from the start, as in the reference.
fn kubernetes_events(registry: &Registry) -> CounterFamily {
    let family = registry.counter_family(
        "prometheus_sd_kubernetes_events_total",
        "The number of Kubernetes events handled.",
        &["role", "event"],
    );
    for role in [
        "endpointslice",
        "endpoints",
        "node",
        "pod",
        "service",
        "ingress",
    ] {
        for event in ["add", "delete", "update"] {
            family.with(&[role, event]);
        }
    }
    family
}
