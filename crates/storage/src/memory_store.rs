//! A store that keeps everything in memory, in columns: for tests, the `.test` script runner and
//! rule unit tests. Not durable, no retention; the server uses the time series database instead.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::sample::{SampleColumns, Value};
use model::{Labels, Metadata, Timestamp};
use parking_lot::RwLock;
use stdx::cancel::CancelToken;

use crate::append::{Appendable, Appender, Batch, BatchTimes, SeriesRef};
use crate::query::{LabelHints, MatcherSet, Querier, Queryable, SelectHints, SeriesSet, Warnings};
use crate::{AppendError, StorageError};

/// The store. Clones share the data.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    by_labels: HashMap<Labels, usize>,
    series: Vec<Arc<Series>>,
}

#[derive(Debug, Clone)]
struct Series {
    labels: Labels,
    samples: SampleColumns,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all series.
    pub fn clear(&self) {
        let mut shared = self.shared.write();
        shared.by_labels.clear();
        shared.series.clear();
    }

    /// Number of series.
    pub fn series_count(&self) -> usize {
        self.shared.read().series.len()
    }

    /// Whether one of the series that satisfy `matchers` holds a histogram or a start timestamp.
    pub fn holds_more_than_floats(&self, matchers: &MatcherSet) -> bool {
        self.shared.read().series.iter().any(|series| {
            let samples = &series.samples;
            let plain = samples.histograms.is_empty() && samples.start_timestamps.is_empty();
            !plain && satisfies(&series.labels, matchers)
        })
    }
}

impl Appendable for MemoryStore {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(MemoryAppender {
            store: self.clone(),
            pending: Vec::new(),
        })
    }
}

impl Queryable for MemoryStore {
    fn querier(&self, mint: Timestamp, maxt: Timestamp) -> Result<Box<dyn Querier>, StorageError> {
        let mut series = self.shared.read().series.clone();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Box::new(MemoryQuerier { mint, maxt, series }))
    }
}

struct MemoryAppender {
    store: MemoryStore,
    /// Series index, time, start time, value.
    pending: Vec<(usize, Timestamp, Timestamp, Value)>,
}

impl Appender for MemoryAppender {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::InvalidSeries("empty labelset".to_owned()));
        }
        let mut shared = self.store.shared.write();
        let index = match shared.by_labels.get(labels) {
            Some(index) => *index,
            None => {
                let index = shared.series.len();
                shared.series.push(Arc::new(Series {
                    labels: labels.clone(),
                    samples: SampleColumns::default(),
                }));
                shared.by_labels.insert(labels.clone(), index);
                index
            }
        };
        Ok(SeriesRef(index as u64 + 1))
    }

    fn append(
        &mut self,
        batch: &Batch<'_>,
        results: &mut Vec<(u32, AppendError)>,
        exemplar_results: &mut Vec<(u32, AppendError)>,
    ) -> Result<(), AppendError> {
        results.clear();
        exemplar_results.clear();
        let series_count = self.store.series_count();
        let mut histograms = batch.histograms.iter().peekable();
        for (position, series) in batch.series.iter().enumerate() {
            let time = match batch.times {
                BatchTimes::Same(time) => Some(time),
                BatchTimes::Each(times) => times.get(position).copied(),
            };
            let histogram = histograms.next_if(|(at, _)| *at as usize == position);
            let value = match histogram {
                Some((_, value)) => Some(value.clone()),
                None => batch.values.get(position).copied().map(Value::Float),
            };
            let start = batch.start_timestamps.get(position).copied().unwrap_or(0);
            match ((series.0 as usize).checked_sub(1), time, value) {
                (Some(index), Some(time), Some(value)) if index < series_count => {
                    self.pending.push((index, time, start, value));
                }
                _ => results.push((position as u32, AppendError::UnknownSeries)),
            }
        }
        Ok(())
    }

    fn update_metadata(&mut self, _: SeriesRef, _: &Metadata) -> Result<(), AppendError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        let mut shared = self.store.shared.write();
        for (index, time, start, value) in self.pending {
            let Some(series) = shared.series.get_mut(index) else {
                continue;
            };
            insert(&mut Arc::make_mut(series).samples, time, start, value);
        }
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

/// Puts a sample in its place by time; a sample for a time that has one replaces it.
fn insert(samples: &mut SampleColumns, time: Timestamp, start: Timestamp, value: Value) {
    if samples.timestamps.last().is_none_or(|last| *last < time) {
        samples.push(time, value);
        if start != 0 {
            samples.set_last_start_timestamp(start);
        }
        return;
    }
    let mut rebuilt = SampleColumns::default();
    let mut pending = Some((time, start, value));
    for index in 0..samples.len() {
        let (Some(&at), Some(&number)) = (samples.timestamps.get(index), samples.values.get(index))
        else {
            continue;
        };
        if let Some((time, start, value)) = pending.take_if(|(time, _, _)| *time <= at) {
            push(&mut rebuilt, time, start, value);
            if time == at {
                continue;
            }
        }
        let value = samples
            .histogram_at(index)
            .cloned()
            .unwrap_or(Value::Float(number));
        push(
            &mut rebuilt,
            at,
            samples.start_timestamps.get(index).copied().unwrap_or(0),
            value,
        );
    }
    *samples = rebuilt;
}

fn push(samples: &mut SampleColumns, time: Timestamp, start: Timestamp, value: Value) {
    samples.push(time, value);
    if start != 0 {
        samples.set_last_start_timestamp(start);
    }
}

struct MemoryQuerier {
    mint: Timestamp,
    maxt: Timestamp,
    /// Sorted by labels.
    series: Vec<Arc<Series>>,
}

impl Querier for MemoryQuerier {
    fn select(
        &self,
        _sort: bool,
        _hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        cancel.check()?;
        let series = self
            .series
            .iter()
            .filter(|series| satisfies(&series.labels, matchers))
            .cloned();
        Ok(Box::new(MemorySeriesSet {
            mint: self.mint,
            maxt: self.maxt,
            series: series.collect(),
        }))
    }

    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let values: BTreeSet<&str> = self
            .series
            .iter()
            .filter(|series| satisfies(&series.labels, matchers))
            .filter_map(|series| series.labels.value(name))
            .collect();
        Ok((limited(values, hints), Warnings::new()))
    }

    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let names: BTreeSet<&str> = self
            .series
            .iter()
            .filter(|series| satisfies(&series.labels, matchers))
            .flat_map(|series| series.labels.iter().map(|(name, _)| name))
            .collect();
        Ok((limited(names, hints), Warnings::new()))
    }
}

fn limited(texts: BTreeSet<&str>, hints: &LabelHints) -> Vec<String> {
    let limit = if hints.limit == 0 {
        usize::MAX
    } else {
        hints.limit
    };
    texts.into_iter().take(limit).map(str::to_owned).collect()
}

fn satisfies(labels: &Labels, matchers: &MatcherSet) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches(labels.value_or_empty(&matcher.name)))
}

struct MemorySeriesSet {
    mint: Timestamp,
    maxt: Timestamp,
    series: Vec<Arc<Series>>,
}

impl SeriesSet for MemorySeriesSet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.series
            .get(index)
            .map(|series| series.labels.clone())
            .unwrap_or_default()
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let Some(series) = self.series.get(index) else {
            return Ok(());
        };
        let (mint, maxt) = (mint.max(self.mint), maxt.min(self.maxt));
        let from = &series.samples;
        let first = from.timestamps.partition_point(|time| *time < mint);
        let last = from
            .timestamps
            .partition_point(|time| *time <= maxt)
            .max(first);
        columns
            .timestamps
            .extend_from_slice(&from.timestamps[first..last]);
        columns.values.extend_from_slice(&from.values[first..last]);
        if let Some(starts) = from.start_timestamps.get(first..last) {
            columns.start_timestamps.extend_from_slice(starts);
        }
        let inside = from
            .histograms
            .iter()
            .filter(|(position, _)| (first..last).contains(&(*position as usize)));
        columns
            .histograms
            .extend(inside.map(|(position, value)| (position - first as u32, value.clone())));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::Matcher;

    use super::*;

    fn store(series: &[(&str, &[(Timestamp, f64)])]) -> MemoryStore {
        let store = MemoryStore::new();
        let mut appender = store.appender();
        for (name, samples) in series {
            let reference = appender
                .series(&Labels::from_pairs([("__name__", name)]))
                .unwrap();
            for (time, value) in *samples {
                let batch = Batch {
                    series: &[reference],
                    times: BatchTimes::Same(*time),
                    values: &[*value],
                    histograms: &[],
                    start_timestamps: &[],
                    exemplars: &[],
                    reject_out_of_order: false,
                };
                appender
                    .append(&batch, &mut Vec::new(), &mut Vec::new())
                    .unwrap();
            }
        }
        appender.commit().unwrap();
        store
    }

    #[test]
    fn samples_are_read_in_order_and_within_the_range() {
        let store = store(&[
            ("b", &[(30, 3.0), (10, 1.0), (20, 2.0), (20, 4.0)]),
            ("a", &[(5, 0.0)]),
        ]);
        let querier = store.querier(0, 25).unwrap();
        let set = querier
            .select(
                true,
                &SelectHints::default(),
                &[Matcher::equal("__name__", "b")],
                &CancelToken::new(),
            )
            .unwrap();
        assert_eq!(set.len(), 1);
        let mut columns = SampleColumns::default();
        set.read(0, 0, 100, &mut columns).unwrap();
        assert_eq!(columns.timestamps, [10, 20]);
        assert_eq!(columns.values, [1.0, 4.0]);
        let (names, _) = querier
            .label_values("__name__", &LabelHints::default(), &[])
            .unwrap();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_dropped_appender_leaves_no_samples() {
        let store = MemoryStore::new();
        let mut appender = store.appender();
        appender.series(&Labels::from_pairs([("a", "b")])).unwrap();
        appender.rollback();
        assert_eq!(store.series_count(), 1);
        assert!(!store.holds_more_than_floats(&[]));
    }
}
