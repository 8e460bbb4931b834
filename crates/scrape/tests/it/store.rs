//! A store that remembers what was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::sample::Value;
use model::{Labels, Metadata, Timestamp};
use parking_lot::Mutex;
use storage::{AppendError, Appendable, Appender, Batch, BatchTimes, SeriesRef};

/// One sample: labels as text, time, value.
pub(crate) type Committed = (String, Timestamp, f64);

/// A native histogram: labels as text, start timestamp, value.
pub(crate) type Native = (String, Timestamp, Value);

#[derive(Clone, Default)]
pub(crate) struct Store {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    series: BTreeMap<Labels, SeriesRef>,
    newest: BTreeMap<SeriesRef, Timestamp>,
    /// One entry a transaction.
    transactions: Vec<Vec<Committed>>,
    exemplars: usize,
    /// Native histograms: labels as text, start timestamp, value.
    histograms: Vec<Native>,
    /// References that were given out so far and are unknown now.
    forgotten: u64,
    oldest_taken: Option<Timestamp>,
}

impl Store {
    /// Drops all series, as a head may that has had no samples of them for long.
    pub(crate) fn forget(&self) {
        let mut inner = self.inner.lock();
        inner.forgotten += inner.series.len() as u64;
        inner.series.clear();
    }

    /// What was committed, one entry a transaction.
    pub(crate) fn transactions(&self) -> Vec<Vec<Committed>> {
        self.inner.lock().transactions.clone()
    }

    /// The native histograms committed so far.
    pub(crate) fn histograms(&self) -> Vec<Native> {
        self.inner.lock().histograms.clone()
    }

    /// Says that samples before `time` are refused.
    pub(crate) fn refuse_before(&self, time: Timestamp) {
        self.inner.lock().oldest_taken = Some(time);
    }

    /// Whether a series with this name was made.
    pub(crate) fn has_series(&self, name: &str) -> bool {
        let inner = self.inner.lock();
        inner
            .series
            .keys()
            .any(|labels| labels.value("__name__") == Some(name))
    }

    pub(crate) fn exemplars(&self) -> usize {
        self.inner.lock().exemplars
    }
}

impl Appendable for Store {
    fn appender(&self) -> Box<dyn Appender> {
        Box::new(Transaction {
            store: self.clone(),
            samples: Vec::new(),
            exemplars: 0,
            histograms: Vec::new(),
        })
    }
}

struct Transaction {
    store: Store,
    samples: Vec<(SeriesRef, Timestamp, f64)>,
    exemplars: usize,
    histograms: Vec<(SeriesRef, Timestamp, Value)>,
}

impl Appender for Transaction {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let mut inner = self.store.inner.lock();
        let next = SeriesRef(inner.forgotten + inner.series.len() as u64 + 1);
        Ok(*inner.series.entry(labels.clone()).or_insert(next))
    }

    fn known_series(&mut self, labels: &Labels) -> Option<SeriesRef> {
        self.store.inner.lock().series.get(labels).copied()
    }

    fn append(
        &mut self,
        batch: &Batch<'_>,
        results: &mut Vec<(u32, AppendError)>,
        exemplar_results: &mut Vec<(u32, AppendError)>,
    ) -> Result<(), AppendError> {
        results.clear();
        exemplar_results.clear();
        let inner = self.store.inner.lock();
        for (position, series) in batch.series.iter().enumerate() {
            let time = match batch.times {
                BatchTimes::Same(time) => time,
                BatchTimes::Each(times) => times[position],
            };
            if series.0 <= inner.forgotten {
                results.push((position as u32, AppendError::UnknownSeries));
            } else if inner
                .newest
                .get(series)
                .is_some_and(|newest| *newest > time)
            {
                results.push((position as u32, AppendError::OutOfOrder));
            } else {
                self.samples.push((*series, time, batch.values[position]));
                let mut natives = batch.histograms.iter();
                if let Some((_, value)) = natives.find(|(at, _)| *at as usize == position) {
                    let start = batch.start_timestamps.get(position).copied();
                    let start = start.unwrap_or_default();
                    self.histograms.push((*series, start, value.clone()));
                }
            }
        }
        self.exemplars += batch.exemplars.len();
        Ok(())
    }

    fn oldest_taken(&self) -> Option<Timestamp> {
        self.store.inner.lock().oldest_taken
    }

    fn update_metadata(&mut self, _: SeriesRef, _: &Metadata) -> Result<(), AppendError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        let mut inner = self.store.inner.lock();
        let names: BTreeMap<SeriesRef, String> = inner
            .series
            .iter()
            .map(|(labels, series)| (*series, scrape::target::labels_text(labels)))
            .collect();
        for (series, time, _) in &self.samples {
            inner.newest.insert(*series, *time);
        }
        let name_of = |series| names.get(&series).cloned().unwrap_or_default();
        for (series, start, value) in self.histograms {
            inner.histograms.push((name_of(series), start, value));
        }
        let samples = self.samples.into_iter();
        let committed = samples
            .map(|(series, time, value)| (name_of(series), time, value))
            .collect();
        inner.transactions.push(committed);
        inner.exemplars += self.exemplars;
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}
