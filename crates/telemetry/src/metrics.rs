//! Instruments and the registry that exposes them.
//!
//! An instrument is a cheap handle on shared state; a family is one instrument per label value
//! combination. Families with no member are not exposed.

mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

pub use summary::Summary;

/// A float that several threads add to.
#[derive(Debug, Default)]
struct AtomicFloat(AtomicU64);

impl AtomicFloat {
    fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn store(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, amount: f64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + amount).to_bits())
            });
    }
}

/// A value that only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicFloat>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.add(1.0);
    }

    /// Adds `amount`, which must not be negative.
    pub fn add(&self, amount: f64) {
        debug_assert!(amount >= 0.0, "counters only grow");
        self.0.add(amount);
    }

    /// Current value.
    pub fn value(&self) -> f64 {
        self.0.load()
    }
}

/// A value that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicFloat>);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.0.add(1.0);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0.add(-1.0);
    }

    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.store(value);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: f64) {
        self.0.add(amount);
    }

    /// Current value.
    pub fn value(&self) -> f64 {
        self.0.load()
    }
}

#[derive(Debug)]
struct HistogramState {
    /// Upper bounds, ascending, without +Inf.
    bounds: Vec<f64>,
    /// One a bound, not cumulative, and one for +Inf.
    counts: Vec<AtomicU64>,
    sum: AtomicFloat,
}

/// A classic histogram.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<HistogramState>);

impl Histogram {
    fn new(bounds: &[f64]) -> Self {
        Self(Arc::new(HistogramState {
            bounds: bounds.to_vec(),
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicFloat::default(),
        }))
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        let index = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.add(value);
    }

    /// Number of observations so far.
    pub fn count(&self) -> u64 {
        self.0
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Instruments of one kind told apart by label values.
#[derive(Debug)]
pub struct Family<T> {
    members: Arc<RwLock<BTreeMap<Vec<String>, T>>>,
    make: Make<T>,
}

/// How a family makes a member it lacks.
struct Make<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> std::fmt::Debug for Make<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Make")
    }
}

impl<T> Clone for Family<T> {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
            make: Make(self.make.0.clone()),
        }
    }
}

impl<T: Clone> Family<T> {
    fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self {
            members: Arc::default(),
            make: Make(Arc::new(make)),
        }
    }

    /// The member with these label values, in the order the names were declared; made if missing.
    /// Keep the handle where it is used often.
    pub fn with(&self, values: &[&str]) -> T {
        let key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        if let Some(member) = self.members.read().get(&key) {
            return member.clone();
        }
        self.members
            .write()
            .entry(key)
            .or_insert_with(|| (self.make.0)())
            .clone()
    }

    /// Stops exposing the member with these label values.
    pub fn remove(&self, values: &[&str]) {
        let key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        self.members.write().remove(&key);
    }
}

/// Counters by label values.
pub type CounterFamily = Family<Counter>;
/// Gauges by label values.
pub type GaugeFamily = Family<Gauge>;
/// Histograms by label values.
pub type HistogramFamily = Family<Histogram>;
/// Summaries by label values.
pub type SummaryFamily = Family<Summary>;

/// What a family of samples is, for its TYPE line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Any value.
    Gauge,
    /// Classic histogram.
    Histogram,
    /// Quantiles, count, sum.
    Summary,
}

/// One exposed sample: suffix of the family's name (`_sum`, `_bucket`, …), labels, value.
#[derive(Debug, Clone, PartialEq)]
pub struct ExposedSample {
    /// Appended to the family's name.
    pub suffix: &'static str,
    /// Sorted by name, but `le` and `quantile` last.
    pub labels: Vec<(String, String)>,
    /// Value.
    pub value: f64,
}

/// One metric family at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExposedFamily {
    /// Name.
    pub name: String,
    /// Help text.
    pub help: String,
    /// Type.
    pub kind: Kind,
    /// Samples in exposition order.
    pub samples: Vec<ExposedSample>,
}

type Collect = Box<dyn Fn(&mut ExposedFamily) + Send + Sync>;

struct Entry {
    name: String,
    help: String,
    kind: Kind,
    collect: Collect,
}

/// Where components register their instruments. Clones share the content.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("len", &self.entries.lock().len())
            .finish()
    }
}

type Pairs = Vec<(String, String)>;

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a counter without labels.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.counter_family(name, help, &[]).with(&[])
    }

    /// Registers counters told apart by `labels`.
    pub fn counter_family(&self, name: &str, help: &str, labels: &[&str]) -> CounterFamily {
        self.family(
            name,
            help,
            Kind::Counter,
            labels,
            Family::new(Counter::default),
            |c, p, out| {
                out.push(ExposedSample {
                    suffix: "",
                    labels: p,
                    value: c.value(),
                });
            },
        )
    }

    /// Registers a gauge without labels.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.gauge_family(name, help, &[]).with(&[])
    }

    /// Registers gauges told apart by `labels`.
    pub fn gauge_family(&self, name: &str, help: &str, labels: &[&str]) -> GaugeFamily {
        self.family(
            name,
            help,
            Kind::Gauge,
            labels,
            Family::new(Gauge::default),
            |g, p, out| {
                out.push(ExposedSample {
                    suffix: "",
                    labels: p,
                    value: g.value(),
                });
            },
        )
    }

    /// Registers a histogram without labels. `bounds` are ascending, without +Inf.
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.histogram_family(name, help, &[], bounds).with(&[])
    }

    /// Registers histograms told apart by `labels`.
    pub fn histogram_family(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> HistogramFamily {
        let bounds = bounds.to_vec();
        let family = Family::new(move || Histogram::new(&bounds));
        self.family(
            name,
            help,
            Kind::Histogram,
            labels,
            family,
            expose_histogram,
        )
    }

    /// Registers a summary without labels; `quantiles` may be empty.
    pub fn summary(&self, name: &str, help: &str, quantiles: &[f64]) -> Summary {
        self.summary_family(name, help, &[], quantiles).with(&[])
    }

    /// Registers summaries told apart by `labels`.
    pub fn summary_family(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        quantiles: &[f64],
    ) -> SummaryFamily {
        let quantiles = quantiles.to_vec();
        let family = Family::new(move || Summary::new(&quantiles));
        self.family(name, help, Kind::Summary, labels, family, expose_summary)
    }

    /// Registers a value that is computed when asked for, as counter or gauge.
    pub fn function(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.collector(name, help, kind, move |family| {
            family.samples.push(ExposedSample {
                suffix: "",
                labels: Vec::new(),
                value: value(),
            });
        });
    }

    /// Registers a function that fills a family's samples when asked.
    pub fn collector(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
        collect: impl Fn(&mut ExposedFamily) + Send + Sync + 'static,
    ) {
        let mut entries = self.entries.lock();
        debug_assert!(
            entries.iter().all(|entry| entry.name != name),
            "{name} registered twice"
        );
        entries.push(Entry {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            collect: Box::new(collect),
        });
    }

    /// All families that have samples, sorted by name, samples sorted by labels.
    pub fn gather(&self) -> Vec<ExposedFamily> {
        let entries = self.entries.lock();
        let mut families: Vec<ExposedFamily> = entries
            .iter()
            .map(|entry| {
                let mut family = ExposedFamily {
                    name: entry.name.clone(),
                    help: entry.help.clone(),
                    kind: entry.kind,
                    samples: Vec::new(),
                };
                (entry.collect)(&mut family);
                family
            })
            .filter(|family| !family.samples.is_empty())
            .collect();
        families.sort_by(|a, b| a.name.cmp(&b.name));
        families
    }

    /// Name, type and help text of everything registered, with samples or without, by name.
    pub fn described(&self) -> Vec<(String, Kind, String)> {
        let entries = self.entries.lock();
        let mut all: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.clone(), entry.kind, entry.help.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn family<T: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
        labels: &[&str],
        family: Family<T>,
        expose: impl Fn(&T, Pairs, &mut Vec<ExposedSample>) + Send + Sync + 'static,
    ) -> Family<T> {
        let names: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let shared = family.clone();
        self.collector(name, help, kind, move |exposed| {
            for (values, member) in &*shared.members.read() {
                let mut pairs: Pairs = names.iter().cloned().zip(values.iter().cloned()).collect();
                pairs.sort();
                expose(member, pairs, &mut exposed.samples);
            }
        });
        family
    }
}

/// `le` and `quantile` stand last, as the reference's text format has them.
fn with_label(pairs: &Pairs, name: &str, value: String) -> Pairs {
    let mut pairs = pairs.clone();
    pairs.push((name.to_owned(), value));
    pairs
}

fn expose_histogram(histogram: &Histogram, pairs: Pairs, out: &mut Vec<ExposedSample>) {
    let state = &*histogram.0;
    let mut cumulative = 0;
    for (index, count) in state.counts.iter().enumerate() {
        cumulative += count.load(Ordering::Relaxed);
        let bound = state.bounds.get(index).copied().unwrap_or(f64::INFINITY);
        let labels = with_label(&pairs, "le", number(bound));
        out.push(ExposedSample {
            suffix: "_bucket",
            labels,
            value: cumulative as f64,
        });
    }
    out.push(ExposedSample {
        suffix: "_sum",
        labels: pairs.clone(),
        value: state.sum.load(),
    });
    out.push(ExposedSample {
        suffix: "_count",
        labels: pairs,
        value: cumulative as f64,
    });
}

fn expose_summary(summary: &Summary, pairs: Pairs, out: &mut Vec<ExposedSample>) {
    let (quantiles, sum, count) = summary.snapshot(Instant::now());
    for (quantile, value) in quantiles {
        let labels = with_label(&pairs, "quantile", number(quantile));
        out.push(ExposedSample {
            suffix: "",
            labels,
            value,
        });
    }
    out.push(ExposedSample {
        suffix: "_sum",
        labels: pairs.clone(),
        value: sum,
    });
    out.push(ExposedSample {
        suffix: "_count",
        labels: pairs,
        value: count,
    });
}

/// A bound as the text format writes it.
fn number(value: f64) -> String {
    gocompat::float::format_g(value)
}

#[cfg(test)]
mod tests;
