//! `rate`, `increase` and `delta` of series that hold floats alone: where the counter was reset is
//! found once a series, so that a window costs no look at all its samples.
//!
//! The same operations in the same order as for any window: the results have the same bits.

use model::Timestamp;

use super::{Span, factor};
use crate::functions::bounds::Bounds;
use crate::functions::window::RangeSamples;

/// Gives the value of each window that has one to `put`, with its number. `windows` are their
/// borders (start, end), `bounds` their samples.
pub(crate) fn each(
    samples: &RangeSamples,
    windows: impl Iterator<Item = (Timestamp, Timestamp)>,
    bounds: &[Bounds],
    counter: bool,
    per_second: bool,
    mut put: impl FnMut(usize, f64),
) {
    let (times, values) = (samples.float_times.as_slice(), samples.floats.as_slice());
    let resets = if counter { resets(values) } else { Vec::new() };
    let mut reset = 0;
    for (step, ((window_start, window_end), (begin, end))) in windows.zip(bounds).enumerate() {
        let (begin, end) = (*begin, *end);
        if end < begin + 2 {
            continue;
        }
        let (Some(first), Some(last)) = (values.get(begin), values.get(end - 1)) else {
            continue;
        };
        let (Some(first_time), Some(last_time)) = (times.get(begin), times.get(end - 1)) else {
            continue;
        };
        let mut change = last - first;
        // A reset is known by the sample before it, which must be inside, and not the last.
        while resets.get(reset).is_some_and(|before| *before < begin) {
            reset += 1;
        }
        for before in resets.get(reset..).unwrap_or_default() {
            if *before + 1 >= end {
                break;
            }
            change += values.get(*before).copied().unwrap_or(0.0);
        }
        let span = Span {
            first: *first_time,
            last: *last_time,
            gaps: end - begin - 1,
            zero_at: None,
        };
        let to_zero = (counter && change > 0.0 && *first >= 0.0).then(|| first / change);
        let factor = factor((window_start, window_end), &span, to_zero, per_second);
        put(step, change * factor);
    }
}

/// Positions of samples that are larger than the next.
fn resets(values: &[f64]) -> Vec<usize> {
    /// Pairs that are looked at together: most counters are never reset.
    const STRIDE: usize = 64;
    let mut found = Vec::new();
    let nexts = values.get(1..).unwrap_or_default();
    let strides = values.chunks(STRIDE).zip(nexts.chunks(STRIDE));
    for (stride, (values, nexts)) in strides.enumerate() {
        let pairs = values.iter().zip(nexts);
        let lower = pairs
            .clone()
            .fold(false, |any, (value, next)| any | (next < value));
        if lower {
            let lower = pairs.enumerate().filter(|(_, (value, next))| next < value);
            found.extend(lower.map(|(index, _)| stride * STRIDE + index));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use promql_parser::ast::PosRange;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::annotations::Annotations;
    use crate::column::Point;
    use crate::functions::Remarks;
    use crate::functions::bounds::{self, Held};
    use crate::functions::window::Slider;

    proptest! {
        #[test]
        fn windows_have_the_bits_that_looking_at_all_samples_gives(
            gaps in proptest::collection::vec((1..40_i64, 0..6_u8), 0..200),
            range in 1..200_i64,
            step in 1..60_i64,
            counter: bool,
            per_second: bool,
        ) {
            let mut samples = RangeSamples::default();
            let mut time = 0;
            for (gap, value) in gaps {
                time += gap;
                samples.push(time, Point::Float(f64::from(value) * 1.1));
            }
            let ends: Vec<i64> = (0..600).step_by(step as usize).collect();
            let mut found = vec![None; ends.len()];
            let windows = ends.iter().map(|end| (end - range, *end));
            let mut bounds = Vec::new();
            let held = bounds::find(&samples.float_times, windows.clone(), &mut bounds);
            each(&samples, windows, &bounds, counter, per_second, |step, value| {
                found[step] = Some(value.to_bits());
            });
            let mut slider = Slider::default();
            let mut expected_held = Held::default();
            for (index, end) in ends.iter().enumerate() {
                let (window, fresh) = slider.window(&samples, end - range, *end, *end);
                expected_held.most = expected_held.most.max(window.sample_count());
                expected_held.total += window.sample_count();
                expected_held.fresh += fresh;
                let mut remarks = Remarks {
                    notes: &mut Annotations::default(),
                    metric: "m",
                    range_pos: PosRange::default(),
                    param_pos: PosRange::default(),
                };
                let value = super::super::extrapolated(&window, counter, per_second, &mut remarks);
                let bits = match value {
                    Some(Point::Float(value)) => Some(value.to_bits()),
                    _ => None,
                };
                prop_assert_eq!(found[index], bits);
            }
            prop_assert_eq!(held, expected_held);
        }
    }
}
