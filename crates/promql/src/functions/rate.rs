//! `rate`, `increase`, `delta` and their relatives on the last two samples.

use model::Timestamp;

use crate::column::Point;
use crate::functions::Remarks;
use crate::functions::window::{SampleRef, Window};
use crate::plan::Extension;

mod extended;
mod native;
mod plain;

pub(crate) use extended::{bordered, interpolated, interpolated_histogram};
pub(crate) use plain::each as each_plain;

/// Samples of a window as far as extrapolation needs them.
struct Span {
    first: Timestamp,
    last: Timestamp,
    /// Gaps between samples.
    gaps: usize,
    /// A value that a counter is known to have started from zero at, within the window.
    zero_at: Option<Timestamp>,
}

/// Change over the window, per second if `per_second`: extrapolated to its borders, or up to the
/// values that an extended window has there.
pub(crate) fn extrapolated(
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    remarks: &mut Remarks<'_>,
) -> Option<Point> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        remarks.mixed();
        return None;
    }
    if window.extension != Extension::None {
        return extended::change(window, counter, per_second, remarks);
    }
    if !window.histograms.is_empty() {
        return native::extrapolated(window, counter, per_second, remarks);
    }
    let (&first_value, &last_value) = (window.floats.first()?, window.floats.last()?);
    let zero_at = zero_point(window, counter, window.float_times, window.float_starts);
    if window.floats.len() < 2 && zero_at.is_none() {
        return None;
    }
    let mut change = last_value - first_value;
    if counter {
        add_resets(&mut change, window, remarks);
    }
    if zero_at.is_some() {
        change += first_value;
    }
    let span = Span {
        first: *window.float_times.first()?,
        last: *window.float_times.last()?,
        gaps: window.floats.len() - 1,
        zero_at,
    };
    // How far the counter may be followed back before it would be negative, in samples' spans.
    let to_zero = (counter && change > 0.0 && first_value >= 0.0).then(|| first_value / change);
    Some(Point::Float(
        change * factor((window.start, window.end), &span, to_zero, per_second),
    ))
}

/// Adds what the values lost at resets, one by one: the sum is rounded as in the reference.
fn add_resets(change: &mut f64, window: &Window<'_>, remarks: &mut Remarks<'_>) {
    if window.float_starts.is_empty() {
        for pair in window.floats.windows(2) {
            if let [previous, current] = pair
                && current < previous
            {
                *change += previous;
            }
        }
        return;
    }
    let mut overlap = false;
    for index in 1..window.floats.len() {
        let (Some(previous), Some(current)) = (point(window, index - 1), point(window, index))
        else {
            continue;
        };
        overlap |= start_overlaps(previous, current);
        if current.value < previous.value || start_resets(previous, current) {
            *change += previous.value;
        }
    }
    if overlap {
        remarks
            .notes
            .start_time_overlap(remarks.metric, remarks.range_pos);
    }
}

#[derive(Clone, Copy)]
struct Stamped {
    time: Timestamp,
    start: Timestamp,
    value: f64,
}

fn point(window: &Window<'_>, index: usize) -> Option<Stamped> {
    Some(Stamped {
        time: *window.float_times.get(index)?,
        start: window.float_starts.get(index).copied().unwrap_or(0),
        value: *window.floats.get(index)?,
    })
}

fn start_overlaps(previous: Stamped, current: Stamped) -> bool {
    overlaps((previous.time, previous.start), current.start)
}

/// Whether a start time lies before the previous sample without being that sample's own.
fn overlaps((previous_time, previous_start): (Timestamp, Timestamp), start: Timestamp) -> bool {
    start != 0 && start < previous_time && start != previous_start
}

fn start_resets(previous: Stamped, current: Stamped) -> bool {
    starts_anew(
        (previous.time, previous.start),
        (current.time, current.start),
    )
}

/// Whether the start time of a sample says that the counter began again after the previous one.
/// Both are (time, start time); a start at the previous sample's time only counts for deltas, not
/// for a cumulative series whose start is unknown.
pub(crate) fn starts_anew(
    (previous_time, previous_start): (Timestamp, Timestamp),
    (time, start): (Timestamp, Timestamp),
) -> bool {
    if start == 0 || start >= time {
        return false;
    }
    let delta = start == previous_time && previous_start != 0 && previous_start < previous_time;
    start > previous_time || delta
}

/// When the first sample's counter started, if that is within the window.
fn zero_point(
    window: &Window<'_>,
    counter: bool,
    times: &[Timestamp],
    starts: &[Timestamp],
) -> Option<Timestamp> {
    let (start, first) = (*starts.first()?, *times.first()?);
    (counter && start != 0 && start > window.start && start < first).then_some(start)
}

/// By how much the change between samples is scaled to the window.
fn factor(
    (start, end): (Timestamp, Timestamp),
    span: &Span,
    to_zero: Option<f64>,
    per_second: bool,
) -> f64 {
    let mut to_start = (span.first - start) as f64 / 1000.0;
    let mut to_end = (end - span.last) as f64 / 1000.0;
    let between_samples = (span.last - span.first) as f64 / 1000.0;
    let average = if span.gaps == 0 {
        0.0
    } else {
        between_samples / span.gaps as f64
    };
    let mut sampled = between_samples;
    // Samples this close to a border are taken to go on up to it.
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if let Some(share) = to_zero {
        let to_zero = sampled * share;
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if let Some(zero_at) = span.zero_at {
        to_start = 0.0;
        sampled = (span.last - zero_at) as f64 / 1000.0;
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= (end - start) as f64 / 1000.0;
    }
    factor
}

/// Change between the last two samples, per second for `irate`.
pub(crate) fn last_two(
    window: &Window<'_>,
    per_second: bool,
    remarks: &mut Remarks<'_>,
) -> Option<Point> {
    if window.histograms.is_empty() {
        let count = window.floats.len();
        let (previous, current) = (
            point(window, count.checked_sub(2)?)?,
            point(window, count - 1)?,
        );
        let reset = current.value < previous.value || start_resets(previous, current);
        let change = if per_second && reset {
            current.value
        } else {
            current.value - previous.value
        };
        return Some(Point::Float(per_interval(
            change,
            previous.time,
            current.time,
            per_second,
        )));
    }
    let mut samples: Vec<_> = window.in_order().collect();
    let last = samples.pop()?;
    let previous = samples.pop()?;
    match (previous.2, last.2) {
        (SampleRef::Float(old), SampleRef::Float(new)) => {
            let reset = new < old || starts_anew((previous.0, previous.1), (last.0, last.1));
            let change = if per_second && reset { new } else { new - old };
            Some(Point::Float(per_interval(
                change, previous.0, last.0, per_second,
            )))
        }
        (SampleRef::Histogram(old), SampleRef::Histogram(new)) => {
            let anew = starts_anew((previous.0, previous.1), (last.0, last.1));
            native::last_two((previous.0, old), (last.0, new), anew, per_second, remarks)
        }
        _ => {
            remarks.mixed();
            None
        }
    }
}

fn per_interval(change: f64, from: Timestamp, to: Timestamp, per_second: bool) -> f64 {
    if per_second {
        change / ((to - from) as f64 / 1000.0)
    } else {
        change
    }
}

#[cfg(test)]
mod tests {
    use promql_parser::ast::PosRange;

    use super::*;
    use crate::annotations::Annotations;
    use crate::functions::window::tests::float_window;

    fn check(times: &[i64], values: &[f64], counter: bool, per_second: bool, expected: f64) {
        let mut notes = Annotations::default();
        let mut remarks = Remarks {
            notes: &mut notes,
            metric: "m",
            range_pos: PosRange::default(),
            param_pos: PosRange::default(),
        };
        let window = float_window(times, values, 0, 100_000);
        let found = extrapolated(&window, counter, per_second, &mut remarks);
        assert_eq!(found, Some(Point::Float(expected)));
    }

    #[test]
    fn a_counter_is_extrapolated_to_the_borders_but_not_below_zero() {
        check(
            &[10_000, 50_000, 90_000],
            &[100.0, 140.0, 180.0],
            true,
            false,
            100.0,
        );
        check(
            &[10_000, 50_000, 90_000],
            &[5.0, 45.0, 85.0],
            true,
            false,
            95.0,
        );
        check(
            &[10_000, 50_000, 90_000],
            &[100.0, 140.0, 180.0],
            true,
            true,
            1.0,
        );
    }

    #[test]
    fn resets_are_added_for_counters_only() {
        check(
            &[10_000, 50_000, 90_000],
            &[140.0, 100.0, 140.0],
            true,
            false,
            175.0,
        );
        check(
            &[10_000, 50_000, 90_000],
            &[140.0, 100.0, 150.0],
            false,
            false,
            12.5,
        );
    }

    #[test]
    fn a_start_at_the_previous_sample_is_a_reset_for_deltas_only() {
        assert!(starts_anew((10, 5), (20, 10)));
        assert!(!starts_anew((10, 0), (20, 10)));
        assert!(!starts_anew((10, 10), (20, 10)));
        assert!(starts_anew((10, 0), (20, 15)));
        assert!(!starts_anew((10, 0), (20, 20)));
    }
}
