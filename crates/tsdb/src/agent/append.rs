//! Transactions on an agent's log.

use std::sync::Arc;

use model::sample::Value;
use model::{Exemplar, Labels, Metadata, Timestamp};
use storage::{AppendError, Appender, Batch, SeriesRef};

use super::Shared;
use crate::head::append::{encode_all_histograms, encode_floats, time_at, validate, zero_at_start};
use crate::wal;
use crate::wal::record::{
    ExemplarEntry, HistogramEntry, SampleEntry, encode_exemplars, encode_series,
};

/// A transaction. Holds its samples until it commits.
#[derive(Debug)]
pub(super) struct AgentAppender {
    shared: Arc<Shared>,
    samples: Vec<SampleEntry>,
    histograms: Vec<HistogramEntry>,
    exemplars: Vec<ExemplarEntry>,
    /// Pins on series, one a time a reference is in it.
    pinned: Vec<u64>,
    committed: bool,
}

impl AgentAppender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            samples: Vec::new(),
            histograms: Vec::new(),
            exemplars: Vec::new(),
            pinned: Vec::new(),
            committed: false,
        }
    }

    /// Checks and keeps one sample.
    fn append_one(
        &mut self,
        series_ref: u64,
        (timestamp, start): (Timestamp, Timestamp),
        value: Value,
        window_ms: i64,
    ) -> Result<(), AppendError> {
        validate(&value)?;
        let taken = self.shared.series.with(series_ref, |series| {
            // Compared with what is in the log; the transaction's own samples are not, as there.
            let is_new = timestamp > series.last_time.saturating_sub(window_ms)
                || series.last_time == Timestamp::MIN;
            series.pins += u32::from(is_new);
            is_new
        });
        match taken {
            None => return Err(AppendError::UnknownSeries),
            Some(false) => {
                self.shared.metrics.out_of_order.inc();
                return Err(AppendError::OutOfOrder);
            }
            Some(true) => self.pinned.push(series_ref),
        }
        self.shared.metrics.appended(&value);
        match value {
            Value::Float(value) => self.samples.push(SampleEntry {
                series_ref,
                timestamp,
                start,
                value,
            }),
            value => self.histograms.push(HistogramEntry {
                series_ref,
                timestamp,
                start,
                value,
            }),
        }
        Ok(())
    }

    /// Puts a zero at the start timestamp of a sample, if its series ends before.
    fn append_zero(
        &mut self,
        series_ref: u64,
        (timestamp, start): (Timestamp, Timestamp),
        value: &Value,
    ) {
        let after_last = self.shared.series.with(series_ref, |series| {
            start > series.last_time || series.last_time == Timestamp::MIN
        });
        if start < timestamp && after_last == Some(true) && validate(value).is_ok() {
            // Refused only if another transaction was faster.
            let _ = self.append_one(series_ref, (start, 0), zero_at_start(value), 0);
        }
    }

    /// Checks and keeps one exemplar; a repetition of the newest one is dropped.
    fn keep_exemplar(
        &mut self,
        series_ref: u64,
        exemplar: &Exemplar,
        timestamp: Timestamp,
    ) -> Result<(), AppendError> {
        let labels = exemplar.labels.iter();
        let chars: usize = labels
            .map(|(name, value)| name.chars().count() + value.chars().count())
            .sum();
        if chars > model::exemplar::EXEMPLAR_LABELS_CHARS_MAX {
            return Err(AppendError::ExemplarLabelsTooLong);
        }
        let is_new = self.shared.series.with(series_ref, |series| {
            let same = series
                .last_exemplar
                .as_ref()
                .is_some_and(|last| exemplar.repeats(timestamp, &last.1, last.0));
            if !same {
                series.last_exemplar = Some(Box::new((timestamp, exemplar.clone())));
                series.pins += 1;
            }
            !same
        });
        match is_new {
            None => Err(AppendError::UnknownSeries),
            Some(false) => Ok(()),
            Some(true) => {
                self.pinned.push(series_ref);
                self.exemplars.push(ExemplarEntry {
                    series_ref,
                    timestamp,
                    value: exemplar.value,
                    labels: exemplar.labels.clone(),
                });
                self.shared.metrics.exemplars_appended.inc();
                Ok(())
            }
        }
    }

    /// Labels of the transaction's series that the log may not have yet.
    fn unlogged(&self) -> Vec<(u64, Labels)> {
        let mut refs = self.pinned.clone();
        refs.sort_unstable();
        refs.dedup();
        let labels = |series_ref: u64| {
            let series = &self.shared.series;
            let labels = series.with(series_ref, |series| {
                (!series.logged).then(|| series.labels.clone())
            });
            Some((series_ref, labels.flatten()?))
        };
        refs.into_iter().filter_map(labels).collect()
    }

    /// The records of the transaction, in the reference's order. Metadata has none: the reference's
    /// agent takes such a record for damage.
    fn records(&self, unlogged: &[(u64, Labels)]) -> Vec<Vec<u8>> {
        let store_starts = self.shared.options.store_start_timestamps;
        let mut records = Vec::new();
        if !unlogged.is_empty() {
            let series = unlogged.iter();
            records.push(encode_series(
                series.map(|(series_ref, labels)| (*series_ref, labels)),
            ));
        }
        if !self.samples.is_empty() {
            records.push(encode_floats(self.samples.iter(), store_starts));
        }
        records.extend(encode_all_histograms(&self.histograms, store_starts));
        if !self.exemplars.is_empty() {
            records.push(encode_exemplars(&self.exemplars));
        }
        records
    }

    fn write(&self) -> Result<(), AppendError> {
        let shared = &*self.shared;
        let unlogged = self.unlogged();
        let records = self.records(&unlogged);
        if records.is_empty() {
            return Ok(());
        }
        let batch = wal::Batch::pack(&records, shared.options.wal_compression);
        let floats = self
            .samples
            .iter()
            .map(|sample| (sample.series_ref, sample.timestamp));
        let histograms = self
            .histograms
            .iter()
            .map(|sample| (sample.series_ref, sample.timestamp));
        let times = || floats.clone().chain(histograms.clone());
        let newest = times().map(|(_, timestamp)| timestamp).max();
        let _commit = shared.commits.read();
        {
            let mut log = shared.log.lock();
            let log = log
                .as_mut()
                .ok_or_else(|| AppendError::Io(crate::Error::Closed.to_string()))?;
            log.write(&batch, newest)
                .map_err(|err| AppendError::Io(format!("write to WAL: log records: {err}")))?;
        }
        for (series_ref, _) in &unlogged {
            shared
                .series
                .with(*series_ref, |series| series.logged = true);
        }
        for (series_ref, timestamp) in times() {
            let late = shared.series.with(series_ref, |series| {
                let late = timestamp < series.last_time;
                series.last_time = series.last_time.max(timestamp);
                late
            });
            if late == Some(true) {
                // Another transaction, or an earlier entry of this one, was faster.
                shared.metrics.out_of_order.inc();
            }
        }
        Ok(())
    }
}

impl Appender for AgentAppender {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::InvalidSeries("empty labelset".to_owned()));
        }
        let found = self
            .shared
            .series
            .get_or_create(labels, None)
            .ok_or_else(|| AppendError::InvalidSeries("too many series".to_owned()))?;
        if found.created {
            self.pinned.push(found.series_ref);
            self.shared.show_series();
        }
        Ok(SeriesRef(found.series_ref))
    }

    fn append(
        &mut self,
        batch: &Batch<'_>,
        results: &mut Vec<(u32, AppendError)>,
        exemplar_results: &mut Vec<(u32, AppendError)>,
    ) -> Result<(), AppendError> {
        results.clear();
        exemplar_results.clear();
        let window_ms = self.shared.options.out_of_order_window_ms;
        let mut histograms = batch.histograms.iter().peekable();
        for (position, series_ref) in batch.series.iter().enumerate() {
            let histogram = histograms.next_if(|(at, _)| *at as usize == position);
            let number = batch.values.get(position).copied().unwrap_or(f64::NAN);
            let value = histogram.map_or(Value::Float(number), |(_, value)| value.clone());
            let timestamp = time_at(&batch.times, position).unwrap_or_default();
            let start = batch.start_timestamps.get(position).copied().unwrap_or(0);
            let window_ms = if batch.reject_out_of_order {
                0
            } else {
                window_ms
            };
            if start != 0 && self.shared.options.start_timestamps_as_zeros {
                self.append_zero(series_ref.0, (timestamp, start), &value);
            }
            if let Err(refused) =
                self.append_one(series_ref.0, (timestamp, start), value, window_ms)
            {
                results.push((position as u32, refused));
            }
        }
        for (index, (position, exemplar)) in batch.exemplars.iter().enumerate() {
            let position = *position as usize;
            let series_ref = batch.series.get(position).copied().unwrap_or_default();
            let timestamp = exemplar
                .timestamp
                .or_else(|| time_at(&batch.times, position))
                .unwrap_or_default();
            if let Err(refused) = self.keep_exemplar(series_ref.0, exemplar, timestamp) {
                exemplar_results.push((index as u32, refused));
            }
        }
        Ok(())
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        exemplar: &Exemplar,
    ) -> Result<(), AppendError> {
        self.keep_exemplar(series.0, exemplar, exemplar.timestamp.unwrap_or_default())
    }

    fn update_metadata(
        &mut self,
        _series: SeriesRef,
        _metadata: &Metadata,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), AppendError> {
        self.write()?;
        self.committed = true;
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for AgentAppender {
    fn drop(&mut self) {
        if !self.committed {
            // Given again, they are no repetitions.
            for exemplar in &self.exemplars {
                self.shared
                    .series
                    .with(exemplar.series_ref, |series| series.last_exemplar = None);
            }
        }
        for series_ref in self.pinned.drain(..) {
            self.shared.series.with(series_ref, |series| {
                series.pins = series.pins.saturating_sub(1);
            });
        }
    }
}
