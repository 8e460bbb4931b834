//! Transactions.

use std::sync::Arc;

use model::sample::Value;
use model::staleness::is_stale;
use model::{CounterResetHint, Exemplar, FloatHistogram, Histogram, Labels, Metadata, Timestamp};
use storage::{AppendError, Appender, Batch, BatchTimes, SeriesRef};

use super::Head;
use super::open_ranges::OpenRange;
use super::out_of_order::Late;
use super::series::{Appended, Fit, LastHistogram, SeriesState, StripCursor};
use super::spare::Columns;
use crate::exemplars::{ExemplarRing, Kept};
use crate::wal;
use crate::wal::record::{
    ExemplarEntry, HistogramEntry, SampleEntry, encode_exemplars, encode_histograms,
    encode_histograms_v2, encode_metadata, encode_samples, encode_samples_v2, encode_series,
};

/// A transaction on the head. Holds its samples in columns until it commits.
#[derive(Debug)]
pub(crate) struct HeadAppender {
    head: Arc<Head>,
    /// Oldest time taken; fixed when the transaction begins, or with its first sample if the head
    /// was empty then.
    min_valid: Option<Timestamp>,
    /// Newest time of the head when the transaction began.
    head_max: Timestamp,
    /// Whether the batch at hand takes no late samples.
    reject_late: bool,
    /// Whether the sample at hand is a zero at a start timestamp: where it is refused, which is usual,
    /// nobody counts it.
    is_zero_at_start: bool,
    late: Vec<Late>,
    samples: Vec<(u32, SampleEntry)>,
    histograms: Vec<(u32, HistogramEntry)>,
    /// With the labels of their series.
    exemplars: Vec<Kept>,
    metadata: Vec<(u32, u64, Arc<Metadata>)>,
    /// Series whose labels the log may not have yet.
    unlogged: Vec<u32>,
    /// Pins on series, one a time a slot is in it: none of them is removed before the end.
    pinned: Vec<u32>,
    /// Keeps a block from being cut of times that this transaction may add to.
    range: OpenRange,
}

impl HeadAppender {
    pub(crate) fn new(head: Arc<Head>) -> Self {
        head.metrics.appenders_active.add(1.0);
        head.metrics.appenders_created.inc();
        // Entered before the bound is read: whoever raises it waits for those it did not reach.
        let range = head.appenders.enter(Timestamp::MIN, Timestamp::MAX);
        let min_valid = head.min_valid_time();
        if let Some(min_valid) = min_valid {
            range.narrow(min_valid);
        }
        let head_max = head.max_time().unwrap_or(Timestamp::MIN);
        let Columns { samples, pinned } = head.spare.take();
        Self {
            head,
            min_valid,
            head_max,
            reject_late: false,
            is_zero_at_start: false,
            late: Vec::new(),
            range,
            pinned,
            samples,
            histograms: Vec::new(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
            unlogged: Vec::new(),
        }
    }

    fn min_valid(&mut self, timestamp: Timestamp) -> Timestamp {
        if let Some(min_valid) = self.min_valid {
            return min_valid;
        }
        self.head.begin_at(timestamp);
        let min_valid = self
            .head
            .min_valid_time()
            .unwrap_or_else(|| self.head.begin());
        self.min_valid = Some(min_valid);
        self.range.narrow(min_valid);
        min_valid
    }

    /// Whether a sample may bring a zero at its start timestamp.
    fn may_bring_zero(&mut self, timestamp: Timestamp, start: Timestamp) -> bool {
        self.head.start_timestamps_as_zeros
            && start != 0
            && start < timestamp
            // The sample's time is the one that an empty head begins at.
            && start >= self.min_valid(timestamp)
    }

    /// Keeps a series until the transaction ends.
    fn pin(&mut self, slot: u32, state: &mut SeriesState) {
        state.pins += 1;
        self.pinned.push(slot);
    }

    fn unpin(&mut self) {
        let head = self.head.clone();
        let mut cursor = StripCursor::default();
        for slot in self.pinned.drain(..) {
            if let Some(strip) = head.series.seek(&mut cursor, slot)
                && let Some(state) = strip.series_mut(slot)
            {
                state.pins = state.pins.saturating_sub(1);
            }
        }
    }

    /// Checks and keeps one sample.
    fn append_one<'a>(
        &mut self,
        cursor: &mut StripCursor<'a>,
        head: &'a Head,
        slot: Option<u32>,
        series_ref: SeriesRef,
        (timestamp, start): (Timestamp, Timestamp),
        value: Value,
    ) -> Result<(), AppendError> {
        let slot = slot.ok_or(AppendError::UnknownSeries)?;
        let min_valid = self.min_valid(timestamp);
        let strip = head
            .series
            .seek(cursor, slot)
            .ok_or(AppendError::UnknownSeries)?;
        let series = strip
            .series_mut(slot)
            .filter(|state| state.series_ref == series_ref.0)
            .ok_or(AppendError::UnknownSeries)?;
        // A staleness marker ends a series of histograms as a histogram.
        let value = match (value, series.last_histogram()) {
            (Value::Float(number), Some(LastHistogram::Integer(_))) if is_stale(number) => {
                Value::Histogram(Arc::new(Histogram {
                    sum: number,
                    ..Histogram::default()
                }))
            }
            (Value::Float(number), Some(LastHistogram::Float(_))) if is_stale(number) => {
                let stale = FloatHistogram {
                    sum: number,
                    ..FloatHistogram::default()
                };
                Value::FloatHistogram(Arc::new(stale))
            }
            (value, _) => value,
        };
        let late_from = head.late_from(self.head_max);
        let fit = match series.fit(timestamp, &value, min_valid, late_from) {
            Ok(Fit::Late) if self.reject_late || self.is_zero_at_start => {
                Err(AppendError::OutOfOrder)
            }
            // Without an open chunk it shows only at the commit that a sample is late.
            Ok(Fit::New) if self.is_zero_at_start && series.last_time() >= Some(timestamp) => {
                Err(AppendError::OutOfOrder)
            }
            fit => fit,
        };
        let is_late = match fit {
            Ok(Fit::New) => false,
            Ok(Fit::Late) => true,
            Ok(Fit::Repeated) => return Ok(()),
            Err(refused) => {
                if !self.is_zero_at_start {
                    head.metrics.refused(&refused, &value);
                }
                return Err(refused);
            }
        };
        validate(&value)?;
        if !series.logged {
            self.unlogged.push(slot);
        }
        self.pin(slot, series);
        let series_ref = series_ref.0;
        if is_late {
            self.late.push(Late {
                slot,
                series_ref,
                timestamp,
                start,
                value,
            });
            return Ok(());
        }
        match value {
            Value::Float(value) => {
                self.samples.push((
                    slot,
                    SampleEntry {
                        series_ref,
                        timestamp,
                        start,
                        value,
                    },
                ));
            }
            value => {
                self.histograms.push((
                    slot,
                    HistogramEntry {
                        series_ref,
                        timestamp,
                        start,
                        value,
                    },
                ));
            }
        }
        Ok(())
    }

    fn append_exemplars(&mut self, batch: &Batch<'_>, results: &mut Vec<(u32, AppendError)>) {
        for (index, (position, exemplar)) in batch.exemplars.iter().enumerate() {
            let position = *position as usize;
            let series_ref = batch.series.get(position).copied().unwrap_or_default();
            let timestamp = exemplar
                .timestamp
                .or_else(|| time_at(&batch.times, position))
                .unwrap_or_default();
            if let Err(refused) = self.keep_exemplar(series_ref, exemplar, timestamp) {
                results.push((index as u32, refused));
            }
        }
    }

    /// Checks and keeps one exemplar.
    fn keep_exemplar(
        &mut self,
        series_ref: SeriesRef,
        exemplar: &Exemplar,
        timestamp: Timestamp,
    ) -> Result<(), AppendError> {
        let head = self.head.clone();
        let ring = head.exemplars.read();
        if ring.len_max() == 0 {
            return Ok(());
        }
        let series = self
            .exemplar_series(&head, &ring, series_ref.0)
            .ok_or(AppendError::UnknownSeries)?;
        let kept = Kept {
            series_ref: series_ref.0,
            series,
            timestamp,
            exemplar: exemplar.clone(),
        };
        if let Err(refused) = ring.check(&kept) {
            if refused == AppendError::OutOfOrderExemplar {
                head.metrics.exemplars_out_of_order.inc();
            }
            return Err(refused);
        }
        self.exemplars.push(kept);
        Ok(())
    }

    /// The series of an exemplar, pinned, and its labels.
    fn exemplar_series(
        &mut self,
        head: &Head,
        ring: &ExemplarRing,
        series_ref: u64,
    ) -> Option<Labels> {
        let slot = head.series.refs.slot_of(series_ref)?;
        let known = ring.series(series_ref);
        // Symbols before strips: every thread that needs both takes them in this order.
        let symbols = known.is_none().then(|| head.symbols.read());
        let mut strip = head.series.lock(slot)?;
        let state = strip.series_mut(slot)?;
        if state.series_ref != series_ref {
            return None;
        }
        if !state.logged {
            self.unlogged.push(slot);
        }
        self.pin(slot, state);
        known.or_else(|| {
            Some(super::label_sets::unpack(
                strip.label_set(slot),
                symbols.as_ref()?,
            ))
        })
    }

    /// The records of the transaction, in the reference's order.
    fn records(&mut self) -> Vec<Vec<u8>> {
        let store_starts = self.head.rules().encodings.store_starts;
        let mut records = Vec::new();
        self.unlogged.sort_unstable();
        self.unlogged.dedup();
        if !self.unlogged.is_empty() {
            records.push(self.series_record());
        }
        if !self.metadata.is_empty() {
            let entries = self
                .metadata
                .iter()
                .map(|(_, series_ref, found)| (*series_ref, &**found));
            records.push(encode_metadata(entries));
        }
        if !self.samples.is_empty() {
            let samples = self.samples.iter().map(|(_, entry)| entry);
            records.push(encode_floats(samples, store_starts));
        }
        if !self.histograms.is_empty() {
            let entries: Vec<_> = self
                .histograms
                .iter()
                .map(|(_, entry)| entry.clone())
                .collect();
            records.extend(encode_all_histograms(&entries, store_starts));
        }
        if !self.exemplars.is_empty() {
            let entries: Vec<_> = self
                .exemplars
                .iter()
                .map(|kept| ExemplarEntry {
                    series_ref: kept.series_ref,
                    timestamp: kept.timestamp,
                    value: kept.exemplar.value,
                    labels: kept.exemplar.labels.clone(),
                })
                .collect();
            records.push(encode_exemplars(&entries));
        }
        records
    }

    fn series_record(&self) -> Vec<u8> {
        let mut series = Vec::with_capacity(self.unlogged.len());
        let symbols = self.head.symbols.read();
        let mut cursor = StripCursor::default();
        for slot in &self.unlogged {
            let Some(strip) = self.head.series.seek(&mut cursor, *slot) else {
                continue;
            };
            let Some(state) = strip.series(*slot) else {
                continue;
            };
            let labels = super::label_sets::unpack(strip.label_set(*slot), &symbols);
            series.push((state.series_ref, labels));
        }
        encode_series(
            series
                .iter()
                .map(|(series_ref, labels)| (*series_ref, labels)),
        )
    }

    fn log(&mut self) -> Result<(), AppendError> {
        let records = self.records();
        if records.is_empty() {
            return Ok(());
        }
        let batch = wal::Batch::pack(&records, self.head.wal_compression);
        let mut wal = self.head.wal.lock();
        let Some(log) = wal.as_mut() else {
            return Err(AppendError::Io(crate::Error::Closed.to_string()));
        };
        let times = self.samples.iter().map(|(_, entry)| entry.timestamp);
        let histogram_times = self.histograms.iter().map(|(_, entry)| entry.timestamp);
        let newest = times.chain(histogram_times).max();
        log.write(&batch, newest)
            .map_err(|err| AppendError::Io(format!("write to WAL: log records: {err}")))
    }

    /// Adds the logged samples to their series; they become visible together at the end.
    fn publish(&mut self) -> Result<(), AppendError> {
        let head = self.head.clone();
        let late_from = head.late_from(self.head_max);
        let commit = head.visibility.commit();
        let mut cursor = StripCursor::default();
        for slot in &self.unlogged {
            if let Some(strip) = head.series.seek(&mut cursor, *slot)
                && let Some(series) = strip.series_mut(*slot)
            {
                series.logged = true;
            }
        }
        let mut tally = Tally::default();
        let mut closed = Vec::new();
        let floats = self.samples.drain(..).map(|(slot, entry)| {
            let times = (entry.timestamp, entry.start);
            (slot, times, Value::Float(entry.value))
        });
        let histograms = self
            .histograms
            .drain(..)
            .map(|(slot, entry)| (slot, (entry.timestamp, entry.start), entry.value));
        let rules = head.rules();
        for (slot, (timestamp, start), value) in floats.chain(histograms) {
            let Some(strip) = head.series.seek(&mut cursor, slot) else {
                continue;
            };
            let Some(series) = strip.series_mut(slot) else {
                continue;
            };
            let float = matches!(value, Value::Float(_));
            let (sequence, low) = (commit.sequence, commit.low_watermark);
            // Only needed where the sample may turn out to be late.
            let copy = late_from.map(|_| value.clone());
            let appended = series.append((timestamp, start), value, sequence, low, rules);
            if appended == Appended::Refused
                && let Some(value) = copy
                && series.last_time().is_some_and(|last| timestamp < last)
                && late_from.is_some_and(|oldest| timestamp >= oldest)
            {
                self.late.push(Late {
                    slot,
                    series_ref: series.series_ref,
                    timestamp,
                    start,
                    value,
                });
                continue;
            }
            if appended == Appended::Begun(true) {
                closed.push(slot);
            }
            tally.count(appended, float, timestamp);
        }
        for (slot, _, metadata) in self.metadata.drain(..) {
            if let Some(strip) = head.series.seek(&mut cursor, slot)
                && let Some(series) = strip.series_mut(slot)
            {
                series.set_metadata(metadata);
            }
        }
        drop(cursor);
        if tally.mint <= tally.maxt {
            head.cover(tally.mint, tally.maxt);
        }
        head.note_closed(&mut closed);
        self.publish_exemplars();
        let late = std::mem::take(&mut self.late);
        let added = head.add_late(&late, commit.sequence);
        commit.publish();
        head.metrics.committed(&tally);
        match added {
            Ok(late) => {
                head.metrics.committed_late(&late);
                Ok(())
            }
            Err(err) => Err(AppendError::Io(format!(
                "log out of order samples into the WBL: {err}"
            ))),
        }
    }

    fn publish_exemplars(&mut self) {
        if self.exemplars.is_empty() {
            return;
        }
        let mut ring = self.head.exemplars.write();
        for kept in self.exemplars.drain(..) {
            if ring.push(kept) {
                self.head.metrics.exemplars_appended.inc();
            }
        }
    }
}

/// What a commit did.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) floats: u64,
    pub(crate) histograms: u64,
    pub(crate) chunks: u64,
    pub(crate) refused_floats: u64,
    pub(crate) refused_histograms: u64,
    mint: Timestamp,
    maxt: Timestamp,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            floats: 0,
            histograms: 0,
            chunks: 0,
            refused_floats: 0,
            refused_histograms: 0,
            mint: Timestamp::MAX,
            maxt: Timestamp::MIN,
        }
    }
}

impl Tally {
    pub(crate) fn count(&mut self, appended: Appended, float: bool, timestamp: Timestamp) {
        match (appended, float) {
            (Appended::Taken | Appended::Begun(_), _) => {
                self.floats += u64::from(float);
                self.histograms += u64::from(!float);
                self.chunks += u64::from(appended != Appended::Taken);
                self.mint = self.mint.min(timestamp);
                self.maxt = self.maxt.max(timestamp);
            }
            // Another transaction, or an earlier entry of this one, was faster.
            (Appended::Refused, true) => self.refused_floats += 1,
            (Appended::Refused, false) => self.refused_histograms += 1,
        }
    }

    /// First and last time taken.
    pub(crate) fn range(&self) -> Option<(Timestamp, Timestamp)> {
        (self.mint <= self.maxt).then_some((self.mint, self.maxt))
    }
}

/// A record of floats, with start timestamps if these are to be kept.
pub(crate) fn encode_floats<'a>(
    samples: impl ExactSizeIterator<Item = &'a SampleEntry>,
    store_starts: bool,
) -> Vec<u8> {
    if store_starts {
        encode_samples_v2(samples)
    } else {
        encode_samples(samples)
    }
}

/// Records of histograms, with start timestamps if these are to be kept.
pub(crate) fn encode_all_histograms(
    histograms: &[HistogramEntry],
    store_starts: bool,
) -> Vec<Vec<u8>> {
    if store_starts {
        encode_histograms_v2(histograms)
    } else {
        encode_histograms(histograms)
    }
}

/// Refuses histograms that contradict themselves.
pub(crate) fn validate(value: &Value) -> Result<(), AppendError> {
    value
        .validate()
        .map_err(|err| AppendError::InvalidHistogram(err.to_string()))
}

/// What a counter was when it began: nothing, of the shape that `value` has, so that it fits into the
/// same chunk.
pub(crate) fn zero_at_start(value: &Value) -> Value {
    match value {
        Value::Float(_) => Value::Float(0.0),
        Value::Histogram(histogram) => Value::Histogram(Arc::new(Histogram {
            counter_reset_hint: CounterResetHint::CounterReset,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            custom_values: histogram.custom_values.clone(),
            ..Histogram::default()
        })),
        Value::FloatHistogram(histogram) => Value::FloatHistogram(Arc::new(FloatHistogram {
            counter_reset_hint: CounterResetHint::CounterReset,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            custom_values: histogram.custom_values.clone(),
            ..FloatHistogram::default()
        })),
    }
}

/// Time of the batch's sample at `position`.
pub(crate) fn time_at(times: &BatchTimes<'_>, position: usize) -> Option<Timestamp> {
    match times {
        BatchTimes::Same(timestamp) => Some(*timestamp),
        BatchTimes::Each(timestamps) => timestamps.get(position).copied(),
    }
}

impl Appender for HeadAppender {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::InvalidSeries("empty labelset".to_owned()));
        }
        let found = self
            .head
            .get_or_create(labels)
            .ok_or_else(|| AppendError::InvalidSeries("too many series".to_owned()))?;
        if found.created {
            self.unlogged.push(found.slot);
            self.pinned.push(found.slot);
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
        let head = self.head.clone();
        self.reject_late = batch.reject_out_of_order;
        {
            let refs = head.series.refs.read();
            let mut cursor = StripCursor::default();
            let mut histograms = batch.histograms.iter().peekable();
            for (position, series_ref) in batch.series.iter().enumerate() {
                let histogram = histograms.next_if(|(at, _)| *at as usize == position);
                let number = batch.values.get(position).copied().unwrap_or(f64::NAN);
                let value = histogram.map_or(Value::Float(number), |(_, value)| value.clone());
                let slot = refs.slot_of(series_ref.0);
                let timestamp = time_at(&batch.times, position).unwrap_or_default();
                let start = batch.start_timestamps.get(position).copied().unwrap_or(0);
                let times = (timestamp, start);
                if self.may_bring_zero(timestamp, start) {
                    // Refused where there is one already, as most of the time.
                    self.is_zero_at_start = true;
                    let (zero, at) = (zero_at_start(&value), (start, 0));
                    let _ = self.append_one(&mut cursor, &head, slot, *series_ref, at, zero);
                    self.is_zero_at_start = false;
                }
                if let Err(refused) =
                    self.append_one(&mut cursor, &head, slot, *series_ref, times, value)
                {
                    results.push((position as u32, refused));
                }
            }
        }
        if !batch.exemplars.is_empty() {
            self.append_exemplars(batch, exemplar_results);
        }
        Ok(())
    }

    fn known_series(&mut self, labels: &Labels) -> Option<SeriesRef> {
        self.head.find(labels)
    }

    fn oldest_taken(&self) -> Option<Timestamp> {
        // With a window for late samples it depends on the series.
        let window = self.head.out_of_order.window_ms();
        self.min_valid.filter(|_| window == 0)
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        exemplar: &Exemplar,
    ) -> Result<(), AppendError> {
        self.keep_exemplar(series, exemplar, exemplar.timestamp.unwrap_or_default())
    }

    fn update_metadata(
        &mut self,
        series: SeriesRef,
        metadata: &Metadata,
    ) -> Result<(), AppendError> {
        let slot = self
            .head
            .series
            .refs
            .slot_of(series.0)
            .ok_or(AppendError::UnknownSeries)?;
        let head = self.head.clone();
        let mut strip = head.series.lock(slot).ok_or(AppendError::UnknownSeries)?;
        let state = strip
            .series_mut(slot)
            .filter(|state| state.series_ref == series.0)
            .ok_or(AppendError::UnknownSeries)?;
        if !state.logged {
            self.unlogged.push(slot);
        }
        self.pin(slot, state);
        if state.metadata().is_none_or(|known| **known != *metadata) {
            drop(strip);
            self.metadata
                .push((slot, series.0, Arc::new(metadata.clone())));
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), AppendError> {
        let head = self.head.clone();
        let _commit = head.commits.enter(Timestamp::MIN, Timestamp::MAX);
        self.log()?;
        self.publish()
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for HeadAppender {
    fn drop(&mut self) {
        self.unpin();
        self.head.spare.give_back(Columns {
            samples: std::mem::take(&mut self.samples),
            pinned: std::mem::take(&mut self.pinned),
        });
        self.head.metrics.appenders_active.add(-1.0);
    }
}
