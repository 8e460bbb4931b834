//! What the API shows of scrape targets: views that the server fills from its scrape manager.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use model::relabel::RelabelConfig;
use model::{Labels, Metadata};

/// Outcome of the latest scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    Unknown,
    /// It went well.
    Up,
    /// It failed.
    Down,
}

impl Health {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Debug, Clone)]
pub struct ActiveTarget {
    /// Before relabelling.
    pub discovered_labels: Labels,
    /// After relabelling, without those that start with `__`.
    pub labels: Labels,
    /// Its pool, which is its job's name.
    pub pool: String,
    /// The scheme of its URL.
    pub scheme: String,
    /// The host of its URL with the port, without escapes.
    pub address: String,
    /// Where it is scraped; begins with scheme and address as
    /// [`push_origin`](gocompat::url::push_origin) writes them.
    pub url: String,
    /// Text of the latest scrape's error; empty if there was none.
    pub last_error: String,
    /// When the latest scrape began.
    pub last_scrape: Option<SystemTime>,
    /// How long it took, seconds.
    pub last_scrape_seconds: f64,
    /// How it went.
    pub health: Health,
    /// As configured, `15s`.
    pub scrape_interval: String,
    /// As configured, `10s`.
    pub scrape_timeout: String,
}

/// A target that relabelling dropped.
#[derive(Debug, Clone)]
pub struct DroppedTarget {
    /// Before relabelling.
    pub discovered_labels: Labels,
    /// Its pool.
    pub pool: String,
}

/// Metadata of one target's metric families.
#[derive(Debug, Clone)]
pub struct TargetMetadata {
    /// The target's labels.
    pub target: Labels,
    /// By metric family.
    pub families: Vec<(String, Metadata)>,
}

/// What the last scrapes of a target came to.
#[derive(Debug, Clone)]
pub struct TargetHistory {
    /// Its pool.
    pub pool: String,
    /// Where it is scraped.
    pub url: String,
    /// Its labels after relabelling, without those that start with `__`.
    pub labels: Labels,
    /// The newest first.
    pub scrapes: Vec<PastScrape>,
}

/// A scrape that is over.
#[derive(Debug, Clone)]
pub struct PastScrape {
    /// When it began.
    pub time: SystemTime,
    /// How long it took, seconds.
    pub seconds: f64,
    /// How it went.
    pub health: Health,
    /// The beginning of its error's text, empty if there was none; `None` if it is no longer known.
    pub error: Option<Arc<str>>,
    /// Bytes of the body, uncompressed.
    pub body_bytes: u32,
    /// Whether the body came compressed.
    pub compressed: bool,
    /// The format as which the body was read; empty if that did not come about.
    pub format: &'static str,
    /// Samples in the body.
    pub samples: u32,
    /// Those that relabelling left.
    pub samples_after_relabelling: u32,
    /// Series that were not in the scrape before.
    pub series_added: u32,
}

/// Where the API learns of targets. Calls are short: they copy what is known.
pub trait TargetSource: Send + Sync {
    /// Names of the pools, sorted.
    fn pools(&self) -> Vec<String>;
    /// Targets that are scraped, by pool.
    fn active(&self) -> BTreeMap<String, Vec<ActiveTarget>>;
    /// Dropped targets that are remembered, by pool.
    fn dropped(&self) -> BTreeMap<String, Vec<DroppedTarget>>;
    /// How many were dropped, by pool.
    fn dropped_counts(&self) -> BTreeMap<String, usize>;
    /// Metadata by target, of the family `metric` or of all.
    fn metadata(&self, metric: Option<&str>) -> Vec<TargetMetadata>;
    /// Past scrapes of the targets that are scraped, by pool.
    fn histories(&self) -> BTreeMap<String, Vec<TargetHistory>>;
    /// A pool's rules for targets; `None` if there is no such pool.
    fn relabel_configs(&self, pool: &str) -> Option<Vec<RelabelConfig>>;
    /// A pool's configuration as YAML, with defaults, without secrets; `None` if there is no such pool.
    fn pool_yaml(&self, pool: &str) -> Option<String>;
}
