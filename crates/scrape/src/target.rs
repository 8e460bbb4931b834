//! Targets: labels before and after relabelling, URL, state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gocompat::quote::quote;
use gocompat::url::{self, Part};
use model::label_name::{
    ADDRESS, INSTANCE, JOB, META_PREFIX, METRICS_PATH, PARAM_PREFIX, RESERVED_PREFIX, SCHEME,
    SCRAPE_INTERVAL, SCRAPE_TIMEOUT, is_legacy_label_name,
};
use model::{Labels, LabelsBuilder, Metadata, Timestamp, relabel};
use parking_lot::Mutex;

use crate::histograms::HistogramSwitches;
use crate::history::{History, PastScrape};
use crate::metadata::TargetMetadata;
use crate::offset::fnv1a;
use crate::options::JobOptions;

/// How a target is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// As the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What the last scrape came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastScrape {
    /// How the target is doing.
    pub health: Health,
    /// The error; empty if there was none.
    pub error: String,
    /// When it was, or `None` before the first.
    pub time: Option<Timestamp>,
    /// How long it took.
    pub duration: Duration,
}

/// A target that is scraped.
#[derive(Debug)]
pub struct Target {
    /// All labels after relabelling, those for internal use among them.
    all_labels: Labels,
    /// The labels its series get.
    labels: Labels,
    interval: Duration,
    timeout: Duration,
    url: String,
    hash: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    discovered: Option<Arc<Discovered>>,
    last: LastScrape,
    history: History,
    metadata: Arc<Mutex<TargetMetadata>>,
}

/// What discovery said about a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its own labels.
    pub target: Labels,
    /// Its group's labels.
    pub group: Labels,
}

/// What target relabelling came to.
#[derive(Debug)]
pub enum Populated {
    /// A target to scrape.
    Kept(Target),
    /// A rule dropped it.
    Dropped,
    /// It cannot be scraped.
    Failed(String),
}

impl Target {
    /// The target that `discovered` becomes under `options`.
    pub fn populate(discovered: Discovered, options: &JobOptions) -> Populated {
        let mut builder = discovered_builder(&discovered, options);
        if !relabel::process_builder(&mut builder, &options.relabel_configs) {
            return Populated::Dropped;
        }
        match Self::from_relabelled(builder, options) {
            Ok(target) => {
                target.state.lock().discovered = Some(Arc::new(discovered));
                Populated::Kept(target)
            }
            Err(reason) => Populated::Failed(reason),
        }
    }

    fn from_relabelled(mut builder: LabelsBuilder, options: &JobOptions) -> Result<Self, String> {
        let address = builder.value_or_empty(ADDRESS).to_owned();
        if address.is_empty() {
            return Err("no address".to_owned());
        }
        if address.contains('/') {
            return Err(format!("{} is not a valid hostname", quote(&address)));
        }
        let interval = duration(&builder, SCRAPE_INTERVAL, "interval")?;
        let timeout = duration(&builder, SCRAPE_TIMEOUT, "timeout")?;
        if timeout > interval {
            let interval = quote(builder.value_or_empty(SCRAPE_INTERVAL));
            let timeout = quote(builder.value_or_empty(SCRAPE_TIMEOUT));
            return Err(format!(
                "scrape timeout cannot be greater than scrape interval ({timeout} > {interval})"
            ));
        }
        let switches = options.histograms;
        switches.overridden(|label| builder.value_or_empty(label))?;
        builder.retain(|name, _| !name.starts_with(META_PREFIX));
        if builder.value_or_empty(INSTANCE).is_empty() {
            builder.set(INSTANCE, &address);
        }
        let all_labels = builder.labels();
        builder.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
        let url = url(&all_labels, options);
        let hash = fnv1a(format!("{:016}{url}", all_labels.hash64()).as_bytes());
        let labels = builder.labels();
        Ok(Self {
            all_labels,
            labels,
            interval,
            timeout,
            url,
            hash,
            state: Mutex::default(),
        })
    }

    /// The labels its series get.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// All labels after relabelling, those for internal use among them.
    pub fn all_labels(&self) -> &Labels {
        &self.all_labels
    }

    /// The scheme of its URL.
    pub fn scheme(&self) -> &str {
        self.all_labels.value_or_empty(SCHEME)
    }

    /// The host of its URL with the port, without escapes.
    pub fn address(&self) -> &str {
        self.all_labels.value_or_empty(ADDRESS)
    }

    /// Where it is scraped.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it is scraped, as text.
    pub fn interval_text(&self) -> &str {
        self.all_labels.value_or_empty(SCRAPE_INTERVAL)
    }

    /// How long a scrape may take, as text.
    pub fn timeout_text(&self) -> &str {
        self.all_labels.value_or_empty(SCRAPE_TIMEOUT)
    }

    /// How often it is scraped.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long a scrape may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Which forms of histograms are scraped of it.
    pub fn histograms(&self, options: &JobOptions) -> HistogramSwitches {
        let value_of = |label: &str| self.all_labels.value_or_empty(label);
        let switches = options.histograms.overridden(value_of);
        // A target with other labels would not have come into being.
        switches.unwrap_or(options.histograms)
    }

    /// The labels before relabelling.
    pub fn discovered_labels(&self, options: &JobOptions) -> Labels {
        let discovered = self.state.lock().discovered.clone();
        discovered.map_or_else(Labels::empty, |found| discovered_labels(&found, options))
    }

    /// What the last scrape came to.
    pub fn last_scrape(&self) -> LastScrape {
        self.state.lock().last.clone()
    }

    /// What the last scrapes came to, the newest first.
    pub fn history(&self) -> Vec<PastScrape> {
        self.state.lock().history.newest_first()
    }

    /// Bytes of memory that [`history`](Self::history) takes.
    pub(crate) fn history_bytes(&self) -> usize {
        self.state.lock().history.heap_bytes()
    }

    /// Metadata of all metric families, sorted by name.
    pub fn metadata(&self) -> Vec<(String, Metadata)> {
        self.metadata_map().lock().all()
    }

    /// Metadata of one metric family.
    pub fn metadata_of(&self, family: &str) -> Option<Metadata> {
        self.metadata_map().lock().get(family)
    }

    /// Number of metric families with metadata, and the bytes of their names and metadata.
    pub fn metadata_size(&self) -> (usize, usize) {
        self.metadata_map().lock().size()
    }

    pub(crate) fn metadata_map(&self) -> Arc<Mutex<TargetMetadata>> {
        self.state.lock().metadata.clone()
    }

    /// Tells targets apart: labels and URL.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Takes over what discovery says now; labels after relabelling are the same.
    pub(crate) fn rediscovered(&self, newer: &Self) {
        let discovered = newer.state.lock().discovered.clone();
        self.state.lock().discovered = discovered;
    }

    /// Takes in what a scrape came to.
    pub(crate) fn report(&self, last: LastScrape, mut past: PastScrape) {
        past.up = last.health == Health::Up;
        let mut state = self.state.lock();
        state.history.push(past, &last.error);
        state.last = last;
    }
}

/// The labels before relabelling: the target's own, its group's, the job's.
pub fn discovered_labels(discovered: &Discovered, options: &JobOptions) -> Labels {
    discovered_builder(discovered, options).labels()
}

fn discovered_builder(discovered: &Discovered, options: &JobOptions) -> LabelsBuilder {
    let mut builder = LabelsBuilder::from_labels(&discovered.target);
    let mut default = |name: &str, value: &str| {
        if builder.value_or_empty(name).is_empty() {
            builder.set(name, value);
        }
    };
    for (name, value) in &discovered.group {
        default(name, value);
    }
    default(JOB, &options.job_name);
    default(
        SCRAPE_INTERVAL,
        &model::duration::format(options.scrape_interval_ms),
    );
    default(
        SCRAPE_TIMEOUT,
        &model::duration::format(options.scrape_timeout_ms),
    );
    default(METRICS_PATH, &options.metrics_path);
    default(SCHEME, &options.scheme);
    for (label, _, value) in options.histograms.labels() {
        default(label, if value { "true" } else { "false" });
    }
    for (name, values) in &options.params {
        if let Some(value) = values.first() {
            default(&format!("{PARAM_PREFIX}{name}"), value);
        }
    }
    builder
}

fn duration(builder: &LabelsBuilder, label: &str, what: &str) -> Result<Duration, String> {
    let ms = model::duration::parse(builder.value_or_empty(label))
        .map_err(|err| format!("error parsing scrape {what}: {err}"))?;
    match u64::try_from(ms) {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(format!("scrape {what} cannot be 0")),
    }
}

/// The URL that the labels and the job's parameters make.
fn url(labels: &Labels, options: &JobOptions) -> String {
    let mut params: BTreeMap<&str, Vec<&str>> = options
        .params
        .iter()
        .map(|(name, values)| (name.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    for (name, value) in labels {
        if let Some(name) = name.strip_prefix(PARAM_PREFIX) {
            let values = params.entry(name).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
    }
    let mut text = String::new();
    url::push_origin(
        &mut text,
        labels.value_or_empty(SCHEME),
        labels.value_or_empty(ADDRESS),
    );
    let path = labels.value_or_empty(METRICS_PATH);
    if !path.is_empty() && !path.starts_with('/') {
        text.push('/');
    }
    if path == "*" {
        // Go escapes it everywhere but here.
        text.push('*');
    } else {
        url::push_escaped(&mut text, path, Part::Path);
    }
    let mut separator = '?';
    for (name, values) in params {
        for value in values {
            text.push(separator);
            separator = '&';
            url::push_escaped(&mut text, name, Part::Query);
            text.push('=');
            url::push_escaped(&mut text, value, Part::Query);
        }
    }
    text
}

/// A label set as texts show it: `{a="1", "b c"="2"}`.
pub fn labels_text(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if is_legacy_label_name(name) {
            text.push_str(name);
        } else {
            text.push_str(&quote(name));
        }
        text.push('=');
        text.push_str(&quote(value));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests;
