//! What the API shows of scrape targets: views that the server fills from its scrape manager.

use std::collections::BTreeMap;
use std::time::SystemTime;

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
    /// Where it is scraped.
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
}
