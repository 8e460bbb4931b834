//! `rate`, `increase` and `delta` of windows with anchored or smoothed borders: the difference of
//! the values at the borders, nothing is extrapolated.
//!
//! Anchored, the value at the left border is that of the newest sample up to it (or else of the
//! first inside), the value at the right border that of the newest sample. Smoothed, both are
//! interpolated between the samples around the border where there are such.

use std::ops::RangeInclusive;
use std::sync::Arc;

use model::histogram::{HistogramSum, IncompatibleSchemas, SumRemarks};
use model::{CounterResetHint, FloatHistogram, Timestamp};

use super::native::{note_reconciled, warn_of_kind};
use crate::column::Point;
use crate::functions::Remarks;
use crate::functions::window::Window;
use crate::plan::Extension;

pub(super) fn change(
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    remarks: &mut Remarks<'_>,
) -> Option<Point> {
    let seconds = per_second.then(|| (window.end - window.start) as f64 / 1000.0);
    if window.histograms.is_empty() {
        let borders = Borders::of(window, window.float_times)?;
        let change = floats(window, &borders, counter)?;
        return Some(Point::Float(seconds.map_or(change, |s| change / s)));
    }
    let borders = Borders::of(window, window.histogram_times)?;
    let used = window.histograms.get(borders.used())?;
    warn_of_kind(used.iter(), counter, remarks);
    let Some(change) = histograms(window, &borders, counter) else {
        remarks.mixed_schemas();
        return None;
    };
    let (mut change, sum_remarks) = change;
    note_reconciled(sum_remarks, remarks);
    change.counter_reset_hint = CounterResetHint::Gauge;
    if let Some(seconds) = seconds {
        change.divide(seconds);
    }
    Some(Point::Histogram(Arc::new(change)))
}

/// Which samples stand for the borders of a window.
struct Borders {
    first: usize,
    last: usize,
    /// Times to interpolate at, where the sample is beyond the border.
    left_at: Option<Timestamp>,
    right_at: Option<Timestamp>,
    /// The samples strictly between the borders.
    inside: std::ops::Range<usize>,
}

impl Borders {
    /// `None` if there is nothing to tell a change from.
    fn of(window: &Window<'_>, times: &[Timestamp]) -> Option<Self> {
        let newest = times.len().checked_sub(1)?;
        let smoothed = window.extension == Extension::Smoothed;
        let up_to_start = times.partition_point(|time| *time <= window.start);
        let first = up_to_start.saturating_sub(1);
        let mut last = newest;
        if smoothed {
            last = times.partition_point(|time| *time < window.end).min(newest);
        }
        let (first_time, last_time) = (*times.get(first)?, *times.get(last)?);
        if last_time <= window.start || first_time > window.end {
            return None;
        }
        let inside = first + usize::from(first_time <= window.start)
            ..last + usize::from(last_time < window.end);
        Some(Self {
            first,
            last,
            left_at: (smoothed && first_time < window.start).then_some(window.start),
            right_at: (smoothed && last > 0 && last_time > window.end).then_some(window.end),
            inside: inside.start..inside.end.max(inside.start),
        })
    }

    /// All samples that have a say.
    fn used(&self) -> RangeInclusive<usize> {
        self.first..=self.last
    }
}

/// The values at the left and the right border.
fn border_values(window: &Window<'_>, borders: &Borders, counter: bool) -> Option<(f64, f64)> {
    let point = |index: usize| {
        let time = window.float_times.get(index)?;
        Some((*time, *window.floats.get(index)?))
    };
    let between = |index: usize, at: Timestamp| {
        let (before, after) = (point(index)?, point(index + 1)?);
        Some(interpolated(before, after, at, counter))
    };
    let left = match borders.left_at {
        Some(at) => between(borders.first, at)?,
        None => point(borders.first)?.1,
    };
    let right = match borders.right_at {
        Some(at) => between(borders.last.checked_sub(1)?, at)?,
        None => point(borders.last)?.1,
    };
    Some((left, right))
}

fn floats(window: &Window<'_>, borders: &Borders, counter: bool) -> Option<f64> {
    let (left, right) = border_values(window, borders, counter)?;
    let mut change = right - left;
    if counter {
        let mut previous = left;
        let inside = window.floats.get(borders.inside.clone())?;
        for value in inside.iter().chain(std::iter::once(&right)) {
            if *value < previous {
                change += previous;
            }
            previous = *value;
        }
    }
    Some(change)
}

/// The samples of a window and one at each border.
pub(crate) fn bordered(window: &Window<'_>) -> Option<Vec<(Timestamp, f64)>> {
    let borders = Borders::of(window, window.float_times)?;
    let (left, right) = border_values(window, &borders, false)?;
    let inside = borders.inside.clone();
    let times = window.float_times.get(inside.clone())?;
    let values = window.floats.get(inside)?;
    let mut points = vec![(window.start, left)];
    points.extend(times.iter().copied().zip(values.iter().copied()));
    points.push((window.end, right));
    Some(points)
}

/// The value at a time between two samples; a counter that was reset starts at zero.
pub(crate) fn interpolated(
    before: (Timestamp, f64),
    after: (Timestamp, f64),
    at: Timestamp,
    counter: bool,
) -> f64 {
    let from = if counter && after.1 < before.1 {
        0.0
    } else {
        before.1
    };
    let passed = at as f64 - before.0 as f64;
    let whole = after.0 as f64 - before.0 as f64;
    from + (after.1 - from) * passed / whole
}

/// Last minus first and what was lost at resets; `None` if the histograms do not go together.
fn histograms(
    window: &Window<'_>,
    borders: &Borders,
    counter: bool,
) -> Option<(FloatHistogram, SumRemarks)> {
    let point = |index: usize| {
        let time = window.histogram_times.get(index)?;
        Some((*time, window.histograms.get(index)?))
    };
    let mut remarks = SumRemarks::default();
    let mut between = |index: usize, at: Timestamp| {
        let (before, after) = (point(index)?, point(index + 1)?);
        let (histogram, more) = interpolated_histogram(before, after, at, counter).ok()?;
        remarks |= more;
        Some(Arc::new(histogram))
    };
    let left = match borders.left_at {
        Some(at) => between(borders.first, at)?,
        None => point(borders.first)?.1.clone(),
    };
    let right = match borders.right_at {
        Some(at) => between(borders.last.checked_sub(1)?, at)?,
        None => point(borders.last)?.1.clone(),
    };
    let mut change = HistogramSum::new(&right);
    remarks |= change.subtract(&left).ok()?;
    if counter {
        let mut previous = &left;
        let inside = window.histograms.get(borders.inside.clone())?;
        for histogram in inside.iter().chain(std::iter::once(&right)) {
            // A sample that stands for a border is no neighbour of itself.
            if !Arc::ptr_eq(histogram, previous) && histogram.detect_reset(previous) {
                remarks |= change.add(previous).ok()?;
            }
            previous = histogram;
        }
    }
    Some((change.finish(), remarks))
}

/// As [`interpolated`] for histograms.
pub(crate) fn interpolated_histogram(
    before: (Timestamp, &Arc<FloatHistogram>),
    after: (Timestamp, &Arc<FloatHistogram>),
    at: Timestamp,
    counter: bool,
) -> Result<(FloatHistogram, SumRemarks), IncompatibleSchemas> {
    let share = (at as f64 - before.0 as f64) / (after.0 as f64 - before.0 as f64);
    if counter && after.1.detect_reset(before.1) {
        let mut part = FloatHistogram::clone(after.1);
        part.multiply(share);
        return Ok((part, SumRemarks::default()));
    }
    let mut sum = HistogramSum::new(after.1);
    let mut remarks = sum.subtract(before.1)?;
    sum.scale(share);
    remarks |= sum.add(before.1)?;
    let mut result = sum.finish();
    // Whatever the hints of both say, it is compared with its neighbours by its counts.
    if result.counter_reset_hint != CounterResetHint::Gauge {
        result.counter_reset_hint = CounterResetHint::Unknown;
    }
    Ok((result, remarks))
}

#[cfg(test)]
mod tests {
    use promql_parser::ast::PosRange;

    use super::*;
    use crate::annotations::Annotations;
    use crate::functions::window::tests::float_window;

    /// Samples every 10 s from 0 on; the window is (15 s, 45 s].
    fn check(values: &[f64], extension: Extension, counter: bool, expected: Option<f64>) {
        let times: Vec<i64> = (0..values.len() as i64)
            .map(|index| index * 10_000)
            .collect();
        let mut notes = Annotations::default();
        let mut remarks = Remarks {
            notes: &mut notes,
            metric: "m",
            range_pos: PosRange::default(),
            param_pos: PosRange::default(),
        };
        let within = match extension {
            Extension::Smoothed => times.len(),
            _ => times.partition_point(|time| *time <= 45_000),
        };
        let window = Window {
            extension,
            ..float_window(&times[..within], &values[..within], 15_000, 45_000)
        };
        let found = change(&window, counter, false, &mut remarks);
        assert_eq!(found, expected.map(Point::Float));
    }

    #[test]
    fn anchored_borders_are_real_samples() {
        let values = [1.0, 3.0, 4.0, 4.0, 9.0, 20.0];
        check(&values, Extension::Anchored, true, Some(6.0));
        check(&[1.0], Extension::Anchored, true, None);
        check(
            &[5.0, 5.0, 2.0, 3.0, 4.0],
            Extension::Anchored,
            true,
            Some(4.0),
        );
        check(
            &[5.0, 5.0, 2.0, 3.0, 4.0],
            Extension::Anchored,
            false,
            Some(-1.0),
        );
    }

    #[test]
    fn smoothed_borders_are_interpolated() {
        let values = [0.0, 10.0, 20.0, 30.0, 40.0, 60.0];
        check(&values, Extension::Smoothed, true, Some(35.0));
        // The reset lies across the right border: the counter comes from zero.
        let values = [0.0, 10.0, 20.0, 30.0, 40.0, 10.0];
        check(&values, Extension::Smoothed, true, Some(30.0));
        check(&[1.0, 2.0], Extension::Smoothed, true, None);
    }
}
