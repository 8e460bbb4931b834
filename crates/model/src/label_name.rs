//! Well-known label names, and what a legal metric or label name is under each naming scheme.

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";
/// Type of the metric, where such labels are switched on.
pub const TYPE_LABEL: &str = "__type__";
/// Unit of the metric, where such labels are switched on.
pub const UNIT_LABEL: &str = "__unit__";
/// Labels that say what a metric is: they go where the metric name goes.
pub const METADATA_LABELS: [&str; 3] = [METRIC_NAME, TYPE_LABEL, UNIT_LABEL];
/// Host and port of a target before relabelling.
pub const ADDRESS: &str = "__address__";
/// Scheme of a target's URL.
pub const SCHEME: &str = "__scheme__";
/// Path of a target's URL.
pub const METRICS_PATH: &str = "__metrics_path__";
/// Scrape interval of a target, changeable by relabelling.
pub const SCRAPE_INTERVAL: &str = "__scrape_interval__";
/// Scrape timeout of a target, changeable by relabelling.
pub const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
/// Whether native histograms of a target are scraped, changeable by relabelling.
pub const SCRAPE_NATIVE_HISTOGRAMS: &str = "__scrape_native_histograms__";
/// Whether classic histograms of a target are scraped beside native ones, changeable by relabelling.
pub const ALWAYS_SCRAPE_CLASSIC_HISTOGRAMS: &str = "__always_scrape_classic_histograms__";
/// Whether classic histograms of a target become native ones with custom buckets, changeable by
/// relabelling.
pub const CONVERT_CLASSIC_HISTOGRAMS_TO_NHCB: &str = "__convert_classic_histograms_to_nhcb__";
/// Prefix of labels that never reach storage.
pub const RESERVED_PREFIX: &str = "__";
/// Prefix of labels that discovery sets.
pub const META_PREFIX: &str = "__meta_";
/// Prefix of labels for temporary use in relabelling.
pub const TMP_PREFIX: &str = "__tmp_";
/// Prefix of URL parameter labels.
pub const PARAM_PREFIX: &str = "__param_";
/// The scrape job.
pub const JOB: &str = "job";
/// The scraped instance.
pub const INSTANCE: &str = "instance";
/// Prefix given to scraped labels that collide with target labels.
pub const EXPORTED_PREFIX: &str = "exported_";
/// Upper bound of a classic histogram's bucket.
pub const BUCKET_LABEL: &str = "le";
/// Quantile of a summary.
pub const QUANTILE_LABEL: &str = "quantile";

/// Which names are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameScheme {
    /// Any non-empty UTF-8 string.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*` for metrics, the same without colons for labels.
    Legacy,
}

impl NameScheme {
    /// Whether `name` may be a metric name.
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_metric_name(name),
        }
    }

    /// Whether `name` may be a label name.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }
}

/// Whether `name` matches `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_legacy(name, true)
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy(name, false)
}

fn is_legacy(name: &str, colon: bool) -> bool {
    let mut bytes = name.bytes();
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (colon && byte == b':');
    bytes.next().is_some_and(starts) && bytes.all(|byte| starts(byte) || byte.is_ascii_digit())
}
