//! Our own metrics.

use telemetry::{
    Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily, Registry, SummaryFamily,
};

const QUANTILES: [f64; 5] = [0.01, 0.05, 0.5, 0.9, 0.99];

/// Metrics of scraping, grouped by the part that counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    // The manager.
    pub(crate) pools: Counter,
    pub(crate) pools_failed: Counter,
    // Pools.
    pub(crate) pool_reloads: Counter,
    pub(crate) pool_reloads_failed: Counter,
    pub(crate) pool_exceeded_target_limit: Counter,
    pub(crate) pool_target_limit: GaugeFamily,
    pub(crate) pool_targets: GaugeFamily,
    pub(crate) pool_syncs: CounterFamily,
    pub(crate) pool_symbols: GaugeFamily,
    pub(crate) sync_length: SummaryFamily,
    pub(crate) sync_length_histogram: HistogramFamily,
    pub(crate) sync_failed: CounterFamily,
    pub(crate) reload_length: SummaryFamily,
    pub(crate) metadata_entries: GaugeFamily,
    pub(crate) metadata_bytes: GaugeFamily,
    // Loops.
    pub(crate) interval_length: SummaryFamily,
    pub(crate) interval_length_histogram: HistogramFamily,
    pub(crate) scrape_duration: Histogram,
    pub(crate) exceeded_body_size: Counter,
    pub(crate) exceeded_samples: Counter,
    pub(crate) exceeded_labels: Counter,
    pub(crate) cache_flush_forced: Counter,
    pub(crate) cache_bytes: Gauge,
    pub(crate) kept_bytes: Gauge,
    pub(crate) kept_dropped: Counter,
    pub(crate) refused_for_memory: Counter,
    pub(crate) duplicate_timestamp: Counter,
    pub(crate) out_of_order: Counter,
    pub(crate) out_of_bounds: Counter,
    pub(crate) exemplar_out_of_order: Counter,
    pub(crate) exceeded_buckets: Counter,
}

impl Metrics {
    /// Registers the metrics; once a process.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| registry.counter(name, help);
        let job = ["scrape_job"];
        let interval = ["interval"];
        Self {
            pools: counter(
                "prometheus_target_scrape_pools_total",
                "Total number of scrape pool creation attempts.",
            ),
            pools_failed: counter(
                "prometheus_target_scrape_pools_failed_total",
                "Total number of scrape pool creations that failed.",
            ),
            pool_reloads: counter(
                "prometheus_target_scrape_pool_reloads_total",
                "Total number of scrape pool reloads.",
            ),
            pool_reloads_failed: counter(
                "prometheus_target_scrape_pool_reloads_failed_total",
                "Total number of failed scrape pool reloads.",
            ),
            pool_exceeded_target_limit: counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Total number of times scrape pools hit the target limit, during sync or config reload.",
            ),
            pool_target_limit: registry.gauge_family(
                "prometheus_target_scrape_pool_target_limit",
                "Maximum number of targets allowed in this scrape pool.",
                &job,
            ),
            pool_targets: registry.gauge_family(
                "prometheus_target_scrape_pool_targets",
                "Current number of targets in this scrape pool.",
                &job,
            ),
            pool_syncs: registry.counter_family(
                "prometheus_target_scrape_pool_sync_total",
                "Total number of syncs that were executed on a scrape pool.",
                &job,
            ),
            pool_symbols: registry.gauge_family(
                "prometheus_target_scrape_pool_symboltable_items",
                "Current number of symbols in this scrape pool's symbol table; always 0, there is none.",
                &job,
            ),
            sync_length: registry.summary_family(
                "prometheus_target_sync_length_seconds",
                "Actual interval to sync the scrape pool.",
                &job,
                &QUANTILES,
            ),
            sync_length_histogram: registry.histogram_family(
                "prometheus_target_sync_length_histogram_seconds",
                "Actual interval to sync the scrape pool.",
                &job,
                &[0.01, 0.1, 1.0, 10.0],
            ),
            sync_failed: registry.counter_family(
                "prometheus_target_sync_failed_total",
                "Total number of target sync failures.",
                &job,
            ),
            reload_length: registry.summary_family(
                "prometheus_target_reload_length_seconds",
                "Actual interval to reload the scrape pool with a given configuration.",
                &interval,
                &QUANTILES,
            ),
            metadata_entries: registry.gauge_family(
                "prometheus_target_metadata_cache_entries",
                "Total number of metric metadata entries in the cache",
                &job,
            ),
            metadata_bytes: registry.gauge_family(
                "prometheus_target_metadata_cache_bytes",
                "The number of bytes that are currently used for storing metric metadata in the cache",
                &job,
            ),
            interval_length: registry.summary_family(
                "prometheus_target_interval_length_seconds",
                "Actual intervals between scrapes.",
                &interval,
                &QUANTILES,
            ),
            interval_length_histogram: registry.histogram_family(
                "prometheus_target_interval_length_histogram_seconds",
                "Actual intervals between scrapes.",
                &interval,
                &[0.01, 0.1, 1.0, 10.0],
            ),
            scrape_duration: registry.histogram(
                "prometheus_target_scrape_duration_seconds",
                "Total duration of the scrape from start to commit completion in seconds.",
                &[0.01, 0.1, 1.0, 10.0],
            ),
            exceeded_body_size: counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Total number of scrapes that hit the body size limit",
            ),
            exceeded_samples: counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Total number of scrapes that hit the sample limit and were rejected.",
            ),
            exceeded_labels: counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Total number of times scrape pools hit the label limits, during sync or config reload.",
            ),
            cache_flush_forced: counter(
                "prometheus_target_scrapes_cache_flush_forced_total",
                "How many times a scrape cache was flushed due to getting big while scrapes are failing.",
            ),
            cache_bytes: registry.gauge(
                "ferula_scrape_cache_memory_bytes",
                "Bytes of memory that the known lines, metric families and past scrapes of all targets take.",
            ),
            kept_bytes: registry.gauge(
                "ferula_scrape_kept_bytes",
                "Bytes of scraped answers that wait for the storage to open.",
            ),
            kept_dropped: counter(
                "ferula_scrape_kept_dropped_total",
                "Total number of scrapes dropped because too many bytes waited for the storage to open.",
            ),
            refused_for_memory: counter(
                "ferula_target_scrapes_refused_for_memory_total",
                "Total number of scrapes that failed because they would have taken too much memory.",
            ),
            duplicate_timestamp: counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Total number of samples rejected due to duplicate timestamps but different values.",
            ),
            out_of_order: counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Total number of samples rejected due to not being out of the expected order.",
            ),
            out_of_bounds: counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Total number of samples rejected due to timestamp falling outside of the time bounds.",
            ),
            exemplar_out_of_order: counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Total number of exemplar rejected due to not being out of the expected order.",
            ),
            exceeded_buckets: counter(
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Total number of scrapes that hit the native histogram bucket limit and were rejected.",
            ),
        }
    }
}
