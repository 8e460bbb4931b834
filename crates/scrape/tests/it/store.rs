//! A store that remembers what was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Labels, Metadata, Timestamp};
use parking_lot::Mutex;
use storage::{AppendError, Appendable, Appender, Batch, BatchTimes, SeriesRef};

/// One sample: labels as text, time, value.
pub(crate) type Committed = (String, Timestamp, f64);

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
    /// References that were given out so far and are unknown now.
    forgotten: u64,
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
        })
    }
}

struct Transaction {
    store: Store,
    samples: Vec<(SeriesRef, Timestamp, f64)>,
    exemplars: usize,
}

impl Appender for Transaction {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let mut inner = self.store.inner.lock();
        let next = SeriesRef(inner.forgotten + inner.series.len() as u64 + 1);
        Ok(*inner.series.entry(labels.clone()).or_insert(next))
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
            }
        }
        self.exemplars += batch.exemplars.len();
        Ok(())
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
        let samples = self.samples.into_iter();
        let committed = samples
            .map(|(series, time, value)| {
                (names.get(&series).cloned().unwrap_or_default(), time, value)
            })
            .collect();
        inner.transactions.push(committed);
        inner.exemplars += self.exemplars;
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}
