//! A job's settings: the configuration's `<scrape_config>` after inheritance and validation, in
//! the form the loops work with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use exposition::negotiate::Protocol;
use http_client::ClientOptions;
use model::histogram::EXPONENTIAL_SCHEMA_MAX;
use model::label_name::NameScheme;
use model::relabel::RelabelConfig;

use crate::append::native;
use crate::config::{ScrapeConfig, ScrapeProtocol};
use crate::histograms::HistogramSwitches;

/// Settings of one job. Limits of 0 are none.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOptions {
    /// Name of the job.
    pub job_name: String,
    /// Default interval, milliseconds.
    pub scrape_interval_ms: i64,
    /// Default timeout, milliseconds.
    pub scrape_timeout_ms: i64,
    /// Formats to offer, in this order.
    pub protocols: Vec<Protocol>,
    /// Format of answers without a known one.
    pub fallback_protocol: Option<Protocol>,
    /// Escaping scheme to ask for, such as `allow-utf-8`.
    pub escaping: String,
    /// Which names are legal.
    pub name_scheme: NameScheme,
    /// Default path.
    pub metrics_path: String,
    /// Default scheme.
    pub scheme: String,
    /// Parameters of the URL.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether compressed answers are asked for.
    pub enable_compression: bool,
    /// Whether scraped labels win over those of the target.
    pub honor_labels: bool,
    /// Whether exposed times are used.
    pub honor_timestamps: bool,
    /// Whether series with exposed times get staleness markers.
    pub track_timestamps_staleness: bool,
    /// Most bytes of an uncompressed body.
    pub body_size_limit: u64,
    /// Most samples of a scrape.
    pub sample_limit: usize,
    /// Most targets.
    pub target_limit: usize,
    /// Most labels of a sample.
    pub label_limit: usize,
    /// Most bytes of a label's name.
    pub label_name_length_limit: usize,
    /// Most bytes of a label's value.
    pub label_value_length_limit: usize,
    /// Which forms of histograms are scraped.
    pub histograms: HistogramSwitches,
    /// Most buckets of a native histogram; those with more are made coarser.
    pub native_histogram_bucket_limit: usize,
    /// Finest schema of native histograms; finer ones are made coarser.
    pub native_histogram_schema_max: i32,
    /// Most dropped targets that are kept for display.
    pub keep_dropped_targets: usize,
    /// Whether more report series are written.
    pub extra_scrape_metrics: bool,
    /// Rules for targets.
    pub relabel_configs: Vec<RelabelConfig>,
    /// Rules for samples.
    pub metric_relabel_configs: Vec<RelabelConfig>,
    /// The HTTP client.
    pub client: ClientOptions,
    /// File that gets a line for each failed scrape; none if empty.
    pub failure_log_file: PathBuf,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            job_name: String::new(),
            scrape_interval_ms: 60_000,
            scrape_timeout_ms: 10_000,
            protocols: vec![
                Protocol::OpenMetricsText1_0_0,
                Protocol::OpenMetricsText0_0_1,
                Protocol::PrometheusText1_0_0,
                Protocol::PrometheusText0_0_4,
            ],
            fallback_protocol: None,
            escaping: "allow-utf-8".to_owned(),
            name_scheme: NameScheme::Utf8,
            metrics_path: "/metrics".to_owned(),
            scheme: "http".to_owned(),
            params: BTreeMap::new(),
            enable_compression: true,
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            body_size_limit: 0,
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            histograms: HistogramSwitches::default(),
            native_histogram_bucket_limit: 0,
            native_histogram_schema_max: EXPONENTIAL_SCHEMA_MAX,
            keep_dropped_targets: 0,
            extra_scrape_metrics: false,
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            client: ClientOptions::default(),
            failure_log_file: PathBuf::new(),
        }
    }
}

impl From<&ScrapeConfig> for JobOptions {
    /// From a configuration that is resolved and checked.
    fn from(config: &ScrapeConfig) -> Self {
        let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let protocols = config.scrape_protocols.as_deref().unwrap_or_default();
        Self {
            job_name: config.job_name.clone(),
            scrape_interval_ms: config.scrape_interval.as_ms(),
            scrape_timeout_ms: config.scrape_timeout.as_ms(),
            protocols: protocols.iter().filter_map(protocol).collect(),
            fallback_protocol: protocol(&config.fallback_scrape_protocol),
            escaping: config.metric_name_escaping_scheme.clone(),
            name_scheme: config.metric_name_validation_scheme.unwrap_or_default(),
            metrics_path: config.metrics_path.clone(),
            scheme: config.scheme.clone(),
            params: config.params.clone(),
            enable_compression: config.enable_compression,
            honor_labels: config.honor_labels,
            honor_timestamps: config.honor_timestamps,
            track_timestamps_staleness: config.track_timestamps_staleness,
            body_size_limit: u64::try_from(config.body_size_limit.as_bytes()).unwrap_or(0),
            sample_limit: limit(config.sample_limit),
            target_limit: limit(config.target_limit),
            label_limit: limit(config.label_limit),
            label_name_length_limit: limit(config.label_name_length_limit),
            label_value_length_limit: limit(config.label_value_length_limit),
            histograms: histograms(config),
            native_histogram_bucket_limit: limit(config.native_histogram_bucket_limit),
            native_histogram_schema_max: native::schema_max(
                config.native_histogram_min_bucket_factor,
            ),
            keep_dropped_targets: limit(config.keep_dropped_targets),
            extra_scrape_metrics: config.extra_scrape_metrics.unwrap_or(false),
            relabel_configs: config.relabel_configs.iter().cloned().collect(),
            metric_relabel_configs: config.metric_relabel_configs.iter().cloned().collect(),
            client: ClientOptions::from(&config.http_client),
            failure_log_file: PathBuf::from(&*config.scrape_failure_log_file),
        }
    }
}

fn protocol(protocol: &ScrapeProtocol) -> Option<Protocol> {
    Protocol::from_name(protocol.as_str())
}

fn histograms(config: &ScrapeConfig) -> HistogramSwitches {
    HistogramSwitches {
        scrape_native: config.scrape_native_histograms == Some(true),
        keep_classic: config.always_scrape_classic_histograms == Some(true),
        convert_classic: config.convert_classic_histograms_to_nhcb == Some(true),
    }
}

impl JobOptions {
    /// Whether what one knows of a line under `self` holds under `other`.
    pub(crate) fn shares_cache_with(&self, other: &Self) -> bool {
        self.honor_labels == other.honor_labels
            && self.name_scheme == other.name_scheme
            && self.metric_relabel_configs == other.metric_relabel_configs
            && self.label_limit == other.label_limit
            && self.label_name_length_limit == other.label_name_length_limit
            && self.label_value_length_limit == other.label_value_length_limit
    }
}
