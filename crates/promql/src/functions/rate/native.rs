//! Rates of native histograms.

use std::sync::Arc;

use model::histogram::{HistogramSum, IncompatibleSchemas, SumRemarks};
use model::{CounterResetHint, FloatHistogram, Timestamp};

use super::{Span, factor, starts_anew, zero_point};
use crate::column::Point;
use crate::functions::Remarks;
use crate::functions::window::Window;

/// As [`super::extrapolated`] for a window of histograms alone.
pub(super) fn extrapolated(
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    remarks: &mut Remarks<'_>,
) -> Option<Point> {
    let first = window.histograms.first()?;
    let zero_at = zero_point(
        window,
        counter,
        window.histogram_times,
        window.histogram_starts,
    );
    if window.histograms.len() < 2 && zero_at.is_none() {
        return None;
    }
    warn_of_kind(window.histograms.iter(), counter, remarks);
    let Ok((mut change, sum_remarks)) = change(window, counter, zero_at.is_some()) else {
        remarks.mixed_schemas();
        return None;
    };
    note_reconciled(sum_remarks, remarks);
    change.counter_reset_hint = CounterResetHint::Gauge;
    let span = Span {
        first: *window.histogram_times.first()?,
        last: *window.histogram_times.last()?,
        gaps: window.histograms.len() - 1,
        zero_at,
    };
    let to_zero =
        (counter && change.count > 0.0 && first.count >= 0.0).then(|| first.count / change.count);
    let factor = factor((window.start, window.end), &span, to_zero, per_second);
    change.multiply(factor);
    Some(Point::Histogram(Arc::new(change)))
}

/// Last minus first, plus what was lost at resets.
fn change(
    window: &Window<'_>,
    counter: bool,
    from_zero: bool,
) -> Result<(FloatHistogram, SumRemarks), IncompatibleSchemas> {
    let histograms = window.histograms;
    let (Some(first), Some(last)) = (histograms.first(), histograms.last()) else {
        return Err(IncompatibleSchemas);
    };
    let mut change = HistogramSum::new(last);
    let mut remarks = SumRemarks::default();
    if !from_zero {
        remarks |= change.subtract(first)?;
    }
    let stamp = |index: usize| {
        let at = |times: &[Timestamp]| times.get(index).copied().unwrap_or(0);
        (at(window.histogram_times), at(window.histogram_starts))
    };
    let pairs = histograms.windows(2).enumerate().filter(|_| counter);
    for (index, pair) in pairs {
        let [previous, current] = pair else { continue };
        if current.detect_reset(previous) || starts_anew(stamp(index), stamp(index + 1)) {
            remarks |= change.add(previous)?;
        }
    }
    Ok((change.finish(), remarks))
}

/// Says that custom bounds differed.
pub(super) fn note_reconciled(sum_remarks: SumRemarks, remarks: &mut Remarks<'_>) {
    if sum_remarks.bounds_reconciled {
        let text = "mismatched custom buckets were reconciled during subtraction".to_owned();
        remarks.notes.info(text, remarks.range_pos);
    }
}

pub(super) fn warn_of_kind<'a>(
    mut histograms: impl Iterator<Item = &'a Arc<FloatHistogram>>,
    counter: bool,
    remarks: &mut Remarks<'_>,
) {
    let wrong = histograms
        .any(|histogram| (histogram.counter_reset_hint == CounterResetHint::Gauge) == counter);
    if wrong {
        let wanted = if counter { "counter" } else { "gauge" };
        let metric = gocompat::quote::quote(remarks.metric);
        let text = format!("this native histogram metric is not a {wanted}: {metric}");
        remarks.notes.warn(text, remarks.range_pos);
    }
}

/// As [`super::last_two`] for two histograms.
pub(super) fn last_two(
    (previous_time, previous): (Timestamp, &Arc<FloatHistogram>),
    (last_time, last): (Timestamp, &Arc<FloatHistogram>),
    starts_anew: bool,
    per_second: bool,
    remarks: &mut Remarks<'_>,
) -> Option<Point> {
    warn_of_kind([previous, last].into_iter(), per_second, remarks);
    let reset = per_second && (starts_anew || last.detect_reset(previous));
    let mut change = if reset {
        FloatHistogram::clone(last)
    } else {
        let Ok((change, sum_remarks)) = last.subtract(previous) else {
            remarks.mixed_schemas();
            return None;
        };
        note_reconciled(sum_remarks, remarks);
        change
    };
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact(0);
    if per_second {
        let seconds = (last_time - previous_time) as f64 / 1000.0;
        change.divide(seconds);
    }
    Some(Point::Histogram(Arc::new(change)))
}
