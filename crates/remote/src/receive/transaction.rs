//! One request's samples on their way into the store: rows gather into batches, and what the store
//! refuses gathers in the order of the request.

use model::sample::Value;
use model::{Exemplar, Labels, Metadata, Timestamp};
use storage::{AppendError, Appender, Batch, BatchTimes, SeriesRef};

use super::histogram::{Point, validate};
use super::known_series::{KnownSeries, LabelsKey};

/// Samples further ahead of the clock than this are refused, milliseconds.
const AHEAD_MS_MAX: i64 = 10 * 60 * 1000;
/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 1024;
/// Bytes of histograms in a batch.
const BATCH_HISTOGRAM_BYTES_MAX: usize = 1 << 20;
/// Bytes of text that say what was refused; what goes beyond is only counted.
const REFUSAL_TEXT_BYTES_MAX: usize = 256 << 10;

/// What of a request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Floats.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    /// The sample is not of this time.
    #[error("out of bounds: timestamp is too far in the future")]
    FarFuture,
    /// The store says so.
    #[error("{0}")]
    Store(#[from] AppendError),
}

impl Reason {
    /// Whether the request is to blame, so that sending it again would not help.
    pub(super) fn is_bad_request(&self) -> bool {
        match self {
            Self::FarFuture => true,
            Self::Store(err) => matches!(
                err,
                AppendError::OutOfOrder
                    | AppendError::OutOfBounds
                    | AppendError::TooOld
                    | AppendError::DuplicateTimestamp
                    | AppendError::DuplicateFloat { .. }
                    | AppendError::InvalidHistogram(_)
                    | AppendError::OutOfOrderExemplar
            ),
        }
    }
}

/// A sample of the series at hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) value: f64,
    pub(super) timestamp: Timestamp,
    pub(super) start_timestamp: Timestamp,
}

/// What a request says of one series, its labels aside.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) samples: Vec<Sample>,
    pub(super) histograms: Vec<Point>,
}

impl Points {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.histograms.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histograms.is_empty()
    }
}

/// The series of a request, by the bytes of their messages.
pub(super) trait Source<'a> {
    /// Labels of the series in `message`, if they are in order.
    fn labels(&self, message: &'a [u8]) -> Option<Labels>;

    /// The labels' hash, if they have one.
    fn key(&self, message: &'a [u8]) -> Option<LabelsKey>;

    /// How a refusal reads that concerns the series in `message`.
    fn refusal_text(&self, reason: &Reason, message: &'a [u8]) -> String;
}

/// Where a row comes from.
#[derive(Debug, Clone, Copy)]
struct Origin<'a> {
    order: u32,
    message: &'a [u8],
}

#[derive(Debug, Default)]
struct Rows<'a> {
    series: Vec<SeriesRef>,
    times: Vec<Timestamp>,
    values: Vec<f64>,
    histograms: Vec<(u32, Value)>,
    histogram_bytes: usize,
    start_timestamps: Vec<Timestamp>,
    has_start_timestamps: bool,
    origins: Vec<Origin<'a>>,
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        origin: Origin<'a>,
        series: SeriesRef,
        time: Timestamp,
        start: Timestamp,
        value: f64,
    ) {
        self.origins.push(origin);
        self.series.push(series);
        self.times.push(time);
        self.start_timestamps.push(start);
        self.has_start_timestamps |= start != 0;
        self.values.push(value);
    }

    fn is_full(&self) -> bool {
        self.series.len() >= BATCH_ROWS_MAX || self.histogram_bytes >= BATCH_HISTOGRAM_BYTES_MAX
    }

    fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.histogram_bytes = 0;
        self.start_timestamps.clear();
        self.has_start_timestamps = false;
        self.origins.clear();
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            series: &self.series,
            times: BatchTimes::Each(&self.times),
            values: &self.values,
            histograms: &self.histograms,
            start_timestamps: if self.has_start_timestamps {
                &self.start_timestamps
            } else {
                &[]
            },
            exemplars: &[],
            reject_out_of_order: false,
        }
    }

    /// The row at `position` alone, for another series.
    fn row(&self, position: usize, series: SeriesRef) -> Option<Self> {
        let mut row = Self::default();
        row.push(
            *self.origins.get(position)?,
            series,
            *self.times.get(position)?,
            *self.start_timestamps.get(position)?,
            *self.values.get(position)?,
        );
        let found = self
            .histograms
            .binary_search_by_key(&(position as u32), |(at, _)| *at);
        if let Some((_, histogram)) = found.ok().and_then(|found| self.histograms.get(found)) {
            row.histograms.push((0, histogram.clone()));
        }
        Some(row)
    }

    fn is_histogram(&self, position: u32) -> bool {
        self.histograms
            .binary_search_by_key(&position, |(at, _)| *at)
            .is_ok()
    }
}

/// What was refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Place in the request and text.
    texts: Vec<(u32, String)>,
    text_bytes: usize,
    /// Refusals whose text is left out.
    untold_count: u64,
    /// The first one that is not the request's fault.
    internal: Option<(u32, String)>,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.untold_count == 0 && self.internal.is_none()
    }

    fn is_full(&self) -> bool {
        self.text_bytes >= REFUSAL_TEXT_BYTES_MAX
    }

    fn add(&mut self, order: u32, text: impl FnOnce() -> String) {
        if self.is_full() {
            self.untold_count += 1;
            return;
        }
        let mut text = text();
        let room = REFUSAL_TEXT_BYTES_MAX.saturating_sub(self.text_bytes);
        text.truncate(text.floor_char_boundary(room));
        self.text_bytes += text.len() + 1;
        self.texts.push((order, text));
    }

    /// The first refusal and whether the request is to blame.
    pub(super) fn first(self) -> Option<(bool, String)> {
        let first = self.texts.into_iter().min_by_key(|(order, _)| *order);
        match (first, self.internal) {
            (Some((order, _)), Some((earlier, text))) if earlier < order => Some((false, text)),
            (Some((_, text)), _) => Some((true, text)),
            (None, Some((_, text))) => Some((false, text)),
            (None, None) => None,
        }
    }

    /// The text of the first refusal that is not the request's fault.
    pub(super) fn internal(&self) -> Option<&str> {
        self.internal.as_ref().map(|(_, text)| text.as_str())
    }

    /// All texts, a line each, in the order of the request.
    pub(super) fn joined(mut self) -> String {
        self.texts.sort_by_key(|(order, _)| *order);
        let texts = self.texts.iter().map(|(_, text)| text.as_str());
        let mut joined = texts.collect::<Vec<_>>().join("\n");
        if self.untold_count > 0 {
            joined.push_str(&format!("\nand {} more", self.untold_count));
        }
        joined
    }
}

/// Whether one refusal ends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It does: nothing is taken.
    AllOrNothing,
    /// The rest is taken.
    Partial,
}

/// A request being written.
pub(super) struct Transaction<'a, 's, S> {
    appender: Box<dyn Appender>,
    source: S,
    known: &'s KnownSeries,
    mode: Mode,
    /// Newest time taken.
    newest_taken: Timestamp,
    rows: Rows<'a>,
    results: Vec<(u32, AppendError)>,
    exemplar_results: Vec<(u32, AppendError)>,
    order: u32,
    pub(super) refusals: Refusals,
    pub(super) written: Written,
}

impl<'a, 's, S: Source<'a>> Transaction<'a, 's, S> {
    pub(super) fn new(
        appender: Box<dyn Appender>,
        source: S,
        known: &'s KnownSeries,
        mode: Mode,
        now: Timestamp,
    ) -> Self {
        Self {
            appender,
            source,
            known,
            mode,
            newest_taken: now.saturating_add(AHEAD_MS_MAX),
            rows: Rows::default(),
            results: Vec::new(),
            exemplar_results: Vec::new(),
            order: 0,
            refusals: Refusals::default(),
            written: Written::default(),
        }
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    /// Whether the request has failed as a whole: the rest of it is of no interest.
    pub(super) fn is_over(&self) -> bool {
        self.refusals.internal.is_some()
            || (self.mode == Mode::AllOrNothing && !self.refusals.is_empty())
    }

    fn next_order(&mut self) -> u32 {
        self.order = self.order.saturating_add(1);
        self.order
    }

    /// Notes that something of the request cannot be taken.
    pub(super) fn refuse(&mut self, text: impl FnOnce(&S) -> String) {
        let order = self.next_order();
        self.refusals.add(order, || text(&self.source));
    }

    fn refuse_row(&mut self, origin: Origin<'a>, reason: &Reason) {
        if reason.is_bad_request() {
            let text = || self.source.refusal_text(reason, origin.message);
            self.refusals.add(origin.order, text);
        } else {
            let refusal = || (origin.order, reason.to_string());
            self.refusals.internal.get_or_insert_with(refusal);
        }
    }

    /// The series by these labels without creating it.
    pub(super) fn existing(&mut self, labels: &Labels) -> Option<SeriesRef> {
        self.appender.known_series(labels)
    }

    /// The series by these labels, which is created if it is to get a sample that the store would
    /// take. `None` if all of its samples are refused; they are noted.
    pub(super) fn create(
        &mut self,
        message: &'a [u8],
        labels: &Labels,
        points: &Points,
    ) -> Result<Option<SeriesRef>, AppendError> {
        // What comes before it in the request may end the request.
        self.flush()?;
        if self.is_over() {
            return Ok(None);
        }
        let oldest = self.appender.oldest_taken().unwrap_or(Timestamp::MIN);
        let newest = self.newest_taken;
        let check = |time: Timestamp, value: Option<&Value>| -> Result<(), Reason> {
            if time > newest {
                return Err(Reason::FarFuture);
            }
            if time < oldest {
                return Err(AppendError::OutOfBounds.into());
            }
            Ok(value.map_or(Ok(()), validate)?)
        };
        let samples = points
            .samples
            .iter()
            .map(|sample| check(sample.timestamp, None));
        let histograms = points
            .histograms
            .iter()
            .map(|point| check(point.timestamp, Some(&point.value)));
        let checks: Vec<_> = samples.chain(histograms).collect();
        if checks.iter().all(Result::is_err) {
            for reason in checks.into_iter().filter_map(Result::err) {
                let order = self.next_order();
                self.refuse_row(Origin { order, message }, &reason);
            }
            return Ok(None);
        }
        let series = self.appender.series(labels)?;
        if let Some(key) = self.source.key(message) {
            self.known.remember(key, series);
        }
        Ok(Some(series))
    }

    /// Adds the points of a series.
    pub(super) fn push(
        &mut self,
        message: &'a [u8],
        series: SeriesRef,
        points: &mut Points,
    ) -> Result<(), AppendError> {
        for sample in points.samples.drain(..) {
            let order = self.next_order();
            let origin = Origin { order, message };
            if sample.timestamp > self.newest_taken {
                self.refuse_row(origin, &Reason::FarFuture);
                continue;
            }
            let (time, start) = (sample.timestamp, sample.start_timestamp);
            self.rows.push(origin, series, time, start, sample.value);
            if self.rows.is_full() {
                self.flush()?;
            }
        }
        for point in points.histograms.drain(..) {
            let order = self.next_order();
            let origin = Origin { order, message };
            if point.timestamp > self.newest_taken {
                self.refuse_row(origin, &Reason::FarFuture);
                continue;
            }
            let position = self.rows.series.len() as u32;
            let (time, start) = (point.timestamp, point.start_timestamp);
            self.rows.push(origin, series, time, start, f64::NAN);
            self.rows.histograms.push((position, point.value));
            self.rows.histogram_bytes += point.bytes;
            if self.rows.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Adds an exemplar. One out of order is noted, others that are not taken are passed over;
    /// repeated ones count as taken.
    pub(super) fn push_exemplar(
        &mut self,
        message: &'a [u8],
        series: SeriesRef,
        exemplar: &Exemplar,
    ) {
        let order = self.next_order();
        match self.appender.append_exemplar(series, exemplar) {
            Ok(()) | Err(AppendError::DuplicateExemplar) => self.written.exemplars += 1,
            Err(err @ AppendError::OutOfOrderExemplar) => {
                self.refuse_row(Origin { order, message }, &err.into());
            }
            Err(err) => {
                tracing::debug!(component = "web", err = %err, "Exemplar of a remote write request not taken");
            }
        }
    }

    /// Adds metadata of a series; `false` if the store does not take it.
    pub(super) fn push_metadata(&mut self, series: SeriesRef, metadata: &Metadata) -> bool {
        self.appender.update_metadata(series, metadata).is_ok()
    }

    /// Hands the gathered rows to the store.
    pub(super) fn flush(&mut self) -> Result<(), AppendError> {
        if self.rows.series.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.append(&rows, true)?;
        self.rows = rows;
        self.rows.clear();
        Ok(())
    }

    /// Hands over `rows`. With `again`, those whose series the store has dropped meanwhile are
    /// resolved anew.
    fn append(&mut self, rows: &Rows<'a>, again: bool) -> Result<(), AppendError> {
        let mut results = std::mem::take(&mut self.results);
        self.appender
            .append(&rows.batch(), &mut results, &mut self.exemplar_results)?;
        let histograms = rows.histograms.len() as u64;
        self.written.histograms += histograms;
        self.written.samples += rows.series.len() as u64 - histograms;
        for (position, err) in results.drain(..) {
            if rows.is_histogram(position) {
                self.written.histograms -= 1;
            } else {
                self.written.samples -= 1;
            }
            let position = position as usize;
            let Some(origin) = rows.origins.get(position).copied() else {
                continue;
            };
            if err == AppendError::UnknownSeries && again {
                let labels = self.source.labels(origin.message).unwrap_or_default();
                let series = self.appender.series(&labels)?;
                if let Some(key) = self.source.key(origin.message) {
                    self.known.remember(key, series);
                }
                if let Some(row) = rows.row(position, series) {
                    self.append(&row, false)?;
                }
            } else {
                self.refuse_row(origin, &err.into());
            }
        }
        self.results = results;
        Ok(())
    }

    /// Makes everything taken visible.
    pub(super) fn commit(self) -> Result<(Written, Refusals), AppendError> {
        self.appender.commit()?;
        Ok((self.written, self.refusals))
    }

    /// Forgets everything.
    pub(super) fn rollback(self) -> Refusals {
        self.appender.rollback();
        self.refusals
    }
}
