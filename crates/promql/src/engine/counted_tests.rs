//! Counting needs neither the order nor the labels of what is counted, other aggregations only those
//! that they group by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::sample::SampleColumns;
use model::{Labels, Timestamp};
use stdx::cancel::CancelToken;
use storage::memory_store::MemoryStore;
use storage::{
    LabelHints, MatcherSet, Querier, Queryable, SelectHints, SeriesSet, StorageError, Warnings,
};

use super::tests::store;
use super::*;

/// What a query asked of its store.
#[derive(Debug, Default)]
struct Asked {
    sorted: AtomicUsize,
    unsorted: AtomicUsize,
    labels: AtomicUsize,
    /// Label sets of which only some labels were asked for.
    parts: AtomicUsize,
}

struct Watched {
    store: MemoryStore,
    asked: Arc<Asked>,
}

struct WatchedQuerier(Box<dyn Querier>, Arc<Asked>);

struct WatchedSet(Box<dyn SeriesSet>, Arc<Asked>);

impl Queryable for Watched {
    fn querier(&self, mint: Timestamp, maxt: Timestamp) -> Result<Box<dyn Querier>, StorageError> {
        let querier = self.store.querier(mint, maxt)?;
        Ok(Box::new(WatchedQuerier(querier, self.asked.clone())))
    }
}

type Texts = Result<(Vec<String>, Warnings), StorageError>;

impl Querier for WatchedQuerier {
    fn select(
        &self,
        sort: bool,
        hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        let count = if sort {
            &self.1.sorted
        } else {
            &self.1.unsorted
        };
        count.fetch_add(1, Ordering::Relaxed);
        let set = self.0.select(sort, hints, matchers, cancel)?;
        Ok(Box::new(WatchedSet(set, self.1.clone())))
    }

    fn label_values(&self, name: &str, hints: &LabelHints, matchers: &MatcherSet) -> Texts {
        self.0.label_values(name, hints, matchers)
    }

    fn label_names(&self, hints: &LabelHints, matchers: &MatcherSet) -> Texts {
        self.0.label_names(hints, matchers)
    }
}

impl SeriesSet for WatchedSet {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.1.labels.fetch_add(1, Ordering::Relaxed);
        self.0.labels(index)
    }

    fn labels_of(&self, index: usize, names: &[&str]) -> Labels {
        self.1.parts.fetch_add(1, Ordering::Relaxed);
        self.0.labels_of(index, names)
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        self.0.read(index, mint, maxt, columns)
    }
}

/// Runs a query over 50 series; selections in order, in any order, label sets asked for as a whole
/// and in part.
fn ask(text: &str) -> (Value, [usize; 4]) {
    let asked = Arc::<Asked>::default();
    let watched = Watched {
        store: store(50),
        asked: asked.clone(),
    };
    let options = EngineOptions {
        parser: ParserOptions {
            extended_range_selectors: true,
            ..Default::default()
        },
        ..EngineOptions::default()
    };
    let engine = Engine::new(options);
    let query = engine
        .instant_query(&watched, &QueryOptions::default(), text, 50_500)
        .expect("prepared");
    let value = query.exec(&CancelToken::new()).value.expect("answered");
    let counts = [&asked.sorted, &asked.unsorted, &asked.labels, &asked.parts];
    (value, counts.map(|count| count.load(Ordering::Relaxed)))
}

#[test]
fn what_nobody_looks_at_is_not_asked_for() {
    for (text, expected, asked) in [
        ("count(m)", "50", [0, 1, 0, 0]),
        ("group(m)", "1", [0, 1, 0, 0]),
        ("count(m) + sum(m)", "2550", [1, 1, 0, 50]),
        ("count(m) + count(m smoothed)", "100", [1, 1, 50, 0]),
        ("count(count by (n) (m))", "50", [1, 0, 0, 50]),
        ("count(m > 49)", "50", [0, 1, 0, 50]),
        ("count(-m)", "50", [0, 1, 0, 50]),
        ("count(-{n!=\"\"})", "50", [1, 0, 50, 0]),
        ("count(rate(m[1m]))", "50", [0, 1, 0, 50]),
        ("sum by (x) (m)", "2500", [1, 0, 0, 50]),
        ("sum by (x) (max_over_time(m[1m]))", "2500", [1, 0, 0, 50]),
        ("max by (n) (m + 1)", "", [1, 0, 0, 50]),
        ("topk(1, m)", "50", [1, 0, 50, 0]),
        ("count without () (m)", "", [1, 0, 50, 0]),
    ] {
        let (value, counts) = ask(text);
        assert_eq!(counts, asked, "{text}");
        let Value::Vector(samples) = value else {
            panic!("{text}: a vector is expected");
        };
        if expected.is_empty() {
            assert_eq!(samples.len(), 50, "{text}");
        } else {
            assert_eq!(samples.len(), 1, "{text}");
            assert!(
                format!("{:?}", samples[0]).contains(expected),
                "{text}: {samples:?}"
            );
        }
    }
}
