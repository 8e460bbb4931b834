//! The samples of one series within one window, floats apart from histograms.

use std::sync::Arc;

use model::sample::{SampleColumns, Value};
use model::staleness::is_stale;
use model::{CounterResetHint, FloatHistogram, Timestamp};

use crate::column::Point;
use crate::meter::Charge;
use crate::plan::Extension;

/// Samples of one series without staleness markers, floats apart from histograms. Reused from
/// series to series.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeSamples {
    pub(crate) float_times: Vec<Timestamp>,
    pub(crate) floats: Vec<f64>,
    /// As long as `floats`, or empty where no sample has a start time.
    pub(crate) float_starts: Vec<Timestamp>,
    pub(crate) histogram_times: Vec<Timestamp>,
    pub(crate) histograms: Vec<Arc<FloatHistogram>>,
    pub(crate) histogram_starts: Vec<Timestamp>,
    charge: Charge,
}

impl RangeSamples {
    /// Accounts for the samples, and for the columns that they were read into.
    fn charge(&mut self) {
        let floats = self.float_times.len() * 2 * size_of::<(Timestamp, f64)>();
        let histograms = self.histograms.iter().map(|h| h.size_bytes() + 64);
        self.charge
            .resize_at_least(floats + histograms.sum::<usize>());
    }

    /// Accounts for samples that are about to be pushed; histograms are accounted for elsewhere.
    pub(crate) fn charge_for(&mut self, count: usize) {
        let bytes = count * size_of::<(Timestamp, f64)>();
        self.charge.resize_at_least(bytes);
    }

    pub(crate) fn clear(&mut self) {
        self.float_times.clear();
        self.floats.clear();
        self.float_starts.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
    }

    /// Takes over what a selector read: start times only where they are looked at, and with resets
    /// that are known where only counts of histograms are.
    pub(crate) fn take_selected(
        &mut self,
        columns: &mut SampleColumns,
        with_starts: bool,
        counts_only: bool,
    ) {
        if !with_starts {
            columns.start_timestamps.clear();
        }
        self.take(columns);
        if counts_only {
            self.find_resets();
        }
    }

    /// Takes over the samples of `columns`, and may leave any others there.
    pub(crate) fn take(&mut self, columns: &mut SampleColumns) {
        self.clear();
        if columns.histograms.is_empty() {
            std::mem::swap(&mut self.float_times, &mut columns.timestamps);
            std::mem::swap(&mut self.floats, &mut columns.values);
            std::mem::swap(&mut self.float_starts, &mut columns.start_timestamps);
            if self.floats.iter().any(|value| is_stale(*value)) {
                self.remove_stale();
            }
        } else {
            self.fill(columns);
        }
        self.charge();
    }

    fn remove_stale(&mut self) {
        let stale: Vec<bool> = self.floats.iter().map(|value| is_stale(*value)).collect();
        for times in [&mut self.float_times, &mut self.float_starts] {
            let mut stale = stale.iter();
            times.retain(|_| stale.next().is_some_and(|stale| !stale));
        }
        self.floats.retain(|value| !is_stale(*value));
    }

    fn fill(&mut self, columns: &SampleColumns) {
        let with_starts = !columns.start_timestamps.is_empty();
        let mut histograms = columns.histograms.iter().peekable();
        for (index, (time, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
            let histogram = histograms.next_if(|(position, _)| *position as usize == index);
            if is_stale(*value) {
                continue;
            }
            let start = columns.start_timestamps.get(index).copied().unwrap_or(0);
            if let Some((_, histogram)) = histogram {
                let Some(histogram) = float_histogram(histogram) else {
                    continue;
                };
                self.push_histogram(*time, histogram);
                if with_starts {
                    self.histogram_starts.push(start);
                }
            } else {
                self.float_times.push(*time);
                self.floats.push(*value);
                if with_starts {
                    self.float_starts.push(start);
                }
            }
        }
    }

    pub(crate) fn push(&mut self, time: Timestamp, point: Point) {
        match point {
            Point::Float(value) => {
                self.float_times.push(time);
                self.floats.push(value);
            }
            Point::Histogram(histogram) => self.push_histogram(time, histogram),
        }
    }

    fn push_histogram(&mut self, time: Timestamp, histogram: Arc<FloatHistogram>) {
        self.histogram_times.push(time);
        self.histograms.push(histogram);
    }

    /// Replaces hints that know nothing by what neighbours tell.
    fn find_resets(&mut self) {
        for index in (1..self.histograms.len()).rev() {
            if let Some([before, histogram]) = self.histograms.get_mut(index - 1..=index) {
                *histogram = with_known_reset(Arc::clone(histogram), Some(before));
            }
        }
    }

    /// Whether there are only floats, without start times.
    pub(crate) fn is_plain(&self) -> bool {
        self.histograms.is_empty() && self.float_starts.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.float_times.is_empty() && self.histogram_times.is_empty()
    }
}

/// `histogram` with a hint that tells whether it follows a reset, as far as `before` is known.
pub(crate) fn with_known_reset(
    histogram: Arc<FloatHistogram>,
    before: Option<&FloatHistogram>,
) -> Arc<FloatHistogram> {
    let Some(before) = before.filter(|before| !is_stale(before.sum)) else {
        return histogram;
    };
    if histogram.counter_reset_hint != CounterResetHint::Unknown {
        return histogram;
    }
    let counter_reset_hint = if histogram.detect_reset(before) {
        CounterResetHint::CounterReset
    } else {
        CounterResetHint::NotCounterReset
    };
    Arc::new(FloatHistogram {
        counter_reset_hint,
        ..FloatHistogram::clone(&histogram)
    })
}

/// The histogram with float counts; `None` for a float.
pub(crate) fn float_histogram(value: &Value) -> Option<Arc<FloatHistogram>> {
    match value {
        Value::Float(_) => None,
        Value::Histogram(histogram) => Some(Arc::new(FloatHistogram::from(&**histogram))),
        Value::FloatHistogram(histogram) => Some(histogram.clone()),
    }
}

/// A run of positions that follows a window moving forward.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    begin: usize,
    end: usize,
}

impl Cursor {
    /// Moves to the samples with `start < t <= end`.
    fn advance(&mut self, times: &[Timestamp], start: Timestamp, end: Timestamp) {
        while times.get(self.end).is_some_and(|time| *time <= end) {
            self.end += 1;
        }
        while self.begin < self.end && times.get(self.begin).is_some_and(|time| *time <= start) {
            self.begin += 1;
        }
    }
}

/// Slides over [`RangeSamples`]; windows must not move backwards.
#[derive(Debug, Default)]
pub(crate) struct Slider {
    floats: Cursor,
    histograms: Cursor,
    extension: Extension,
    /// How far samples before and after the window are of interest, milliseconds.
    margins_ms: (i64, i64),
}

impl Slider {
    /// Slides windows whose borders are extended.
    pub(crate) fn extended(extension: Extension, margins_ms: (i64, i64)) -> Self {
        Self {
            extension,
            margins_ms,
            ..Self::default()
        }
    }

    /// The samples with `start < t <= end`, and those within the margins. Also how many samples
    /// the window before did not have, counted as [`Window::sample_count`] does.
    pub(crate) fn window<'a>(
        &mut self,
        samples: &'a RangeSamples,
        start: Timestamp,
        end: Timestamp,
        evaluated_at: Timestamp,
    ) -> (Window<'a>, u64) {
        let seen = (self.floats.end, self.histograms.end);
        let from = start.saturating_sub(self.margins_ms.0);
        let to = end.saturating_add(self.margins_ms.1);
        self.floats.advance(&samples.float_times, from, to);
        self.histograms.advance(&samples.histogram_times, from, to);
        let floats = self.floats.begin..self.floats.end;
        let histograms = self.histograms.begin..self.histograms.end;
        let fresh_histograms = samples
            .histograms
            .get(histograms.start.max(seen.1)..histograms.end)
            .unwrap_or_default();
        let fresh = floats.end.saturating_sub(floats.start.max(seen.0)) as u64
            + sample_count(fresh_histograms);
        let window = Window {
            start,
            end,
            evaluated_at,
            extension: self.extension,
            float_times: samples.float_times.get(floats.clone()).unwrap_or_default(),
            floats: samples.floats.get(floats.clone()).unwrap_or_default(),
            float_starts: samples.float_starts.get(floats).unwrap_or_default(),
            histogram_times: samples
                .histogram_times
                .get(histograms.clone())
                .unwrap_or_default(),
            histograms: samples
                .histograms
                .get(histograms.clone())
                .unwrap_or_default(),
            histogram_starts: samples.histogram_starts.get(histograms).unwrap_or_default(),
        };
        (window, fresh)
    }
}

/// How many samples histograms count as where samples are limited.
fn sample_count(histograms: &[Arc<FloatHistogram>]) -> u64 {
    histograms.iter().map(|h| h.sample_count() as u64).sum()
}

/// What a range function sees at one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// Left border, not part of the window.
    pub(crate) start: Timestamp,
    /// Right border, part of the window.
    pub(crate) end: Timestamp,
    /// The step; differs from `end` where the range vector has an offset or a fixed time.
    pub(crate) evaluated_at: Timestamp,
    /// With an extension there may be samples outside of the borders, for what it makes of them.
    pub(crate) extension: Extension,
    pub(crate) float_times: &'a [Timestamp],
    pub(crate) floats: &'a [f64],
    pub(crate) float_starts: &'a [Timestamp],
    pub(crate) histogram_times: &'a [Timestamp],
    pub(crate) histograms: &'a [Arc<FloatHistogram>],
    pub(crate) histogram_starts: &'a [Timestamp],
}

impl Window<'_> {
    pub(crate) fn len(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples as the limit of samples counts them: a histogram is several.
    pub(crate) fn sample_count(&self) -> u64 {
        self.floats.len() as u64 + sample_count(self.histograms)
    }

    pub(crate) fn first_time(&self) -> Option<Timestamp> {
        self.float_times
            .first()
            .into_iter()
            .chain(self.histogram_times.first())
            .min()
            .copied()
    }

    pub(crate) fn last_time(&self) -> Option<Timestamp> {
        self.float_times
            .last()
            .max(self.histogram_times.last())
            .copied()
    }

    pub(crate) fn first(&self) -> Option<Point> {
        match (self.float_times.first(), self.histogram_times.first()) {
            (Some(float), Some(histogram)) if histogram < float => self.first_histogram(),
            (None, _) => self.first_histogram(),
            _ => self.floats.first().copied().map(Point::Float),
        }
    }

    fn first_histogram(&self) -> Option<Point> {
        self.histograms.first().cloned().map(Point::Histogram)
    }

    pub(crate) fn last(&self) -> Option<Point> {
        if self.histogram_times.last() > self.float_times.last() {
            return self.histograms.last().cloned().map(Point::Histogram);
        }
        self.floats.last().copied().map(Point::Float)
    }

    /// Samples in order of time as functions that compare neighbours want them: with an extension
    /// from the newest one not after the left border on, and none if the window itself is empty.
    pub(crate) fn neighbours(&self) -> impl Iterator<Item = (Timestamp, Timestamp, SampleRef<'_>)> {
        let (mut before, mut inside) = (0, self.len());
        if self.extension != Extension::None {
            let outside = |times: &[Timestamp]| times.partition_point(|time| *time <= self.start);
            before = outside(self.float_times) + outside(self.histogram_times);
            inside -= before;
        }
        let take = if inside == 0 { 0 } else { usize::MAX };
        self.in_order().skip(before.saturating_sub(1)).take(take)
    }

    /// All samples in order of time: time, start time, value.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (Timestamp, Timestamp, SampleRef<'_>)> {
        let (mut float, mut histogram) = (0, 0);
        std::iter::from_fn(move || {
            let float_time = self.float_times.get(float);
            let histogram_time = self.histogram_times.get(histogram);
            let take_float = match (float_time, histogram_time) {
                (Some(a), Some(b)) => a <= b,
                (found, _) => found.is_some(),
            };
            if take_float {
                let start = self.float_starts.get(float).copied().unwrap_or(0);
                let item = (
                    *float_time?,
                    start,
                    SampleRef::Float(*self.floats.get(float)?),
                );
                float += 1;
                Some(item)
            } else {
                let start = self.histogram_starts.get(histogram).copied().unwrap_or(0);
                let value = SampleRef::Histogram(self.histograms.get(histogram)?);
                let item = (*histogram_time?, start, value);
                histogram += 1;
                Some(item)
            }
        })
    }
}

/// A sample in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SampleRef<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    /// A window over floats alone.
    pub(crate) fn float_window<'a>(
        times: &'a [Timestamp],
        floats: &'a [f64],
        start: Timestamp,
        end: Timestamp,
    ) -> Window<'a> {
        Window {
            start,
            end,
            evaluated_at: end,
            extension: Extension::None,
            float_times: times,
            floats,
            float_starts: &[],
            histogram_times: &[],
            histograms: &[],
            histogram_starts: &[],
        }
    }

    proptest! {
        #[test]
        fn a_sliding_window_finds_what_a_scan_finds(
            gaps in proptest::collection::vec(1..40_i64, 0..50),
            range in 1..100_i64,
            step in 1..60_i64,
        ) {
            let mut samples = RangeSamples::default();
            let mut time = 0;
            for (index, gap) in gaps.iter().enumerate() {
                time += gap;
                samples.push(time, Point::Float(index as f64));
            }
            let mut slider = Slider::default();
            for end in (0..500).step_by(step as usize) {
                let (window, _) = slider.window(&samples, end - range, end, end);
                let expected: Vec<f64> = samples
                    .float_times
                    .iter()
                    .zip(&samples.floats)
                    .filter(|(time, _)| **time > end - range && **time <= end)
                    .map(|(_, value)| *value)
                    .collect();
                prop_assert_eq!(window.floats, expected.as_slice());
            }
        }
    }
}
