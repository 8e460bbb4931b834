//! Aggregations over time, `changes` and `resets`.

use std::cmp::Ordering;
use std::sync::Arc;

use model::FloatHistogram;
use model::histogram::{HistogramMean, HistogramSum, IncompatibleSchemas, SumRemarks};
use promql_parser::ast::PosRange;

use crate::annotations::Annotations;
use crate::column::Point;
use crate::functions::Remarks;
use crate::functions::rate::starts_anew;
use crate::functions::window::{SampleRef, Window};
use crate::kahan;
use crate::plan::Extension;

/// Applies `function` to the floats; says so if there are histograms beside them.
pub(crate) fn floats_only(
    window: &Window<'_>,
    remarks: &mut Remarks<'_>,
    function: impl FnOnce(&[f64]) -> f64,
) -> Option<f64> {
    if window.floats.is_empty() {
        return None;
    }
    if !window.histograms.is_empty() {
        remarks.histograms_ignored();
    }
    Some(function(window.floats))
}

pub(crate) fn sum(window: &Window<'_>, remarks: &mut Remarks<'_>) -> Option<Point> {
    if mixed(window, remarks) {
        return None;
    }
    if window.floats.is_empty() {
        let (first, rest) = window.histograms.split_first()?;
        let mut sum = HistogramSum::new(first);
        added(rest, remarks, |histogram| sum.add(histogram))?;
        return Some(Point::Histogram(Arc::new(sum.finish())));
    }
    let (mut sum, mut compensation) = (0.0, 0.0);
    for value in window.floats {
        (sum, compensation) = kahan::add(*value, sum, compensation);
    }
    Some(Point::Float(sum + compensation))
}

pub(crate) fn avg(window: &Window<'_>, remarks: &mut Remarks<'_>) -> Option<Point> {
    if mixed(window, remarks) {
        return None;
    }
    if window.floats.is_empty() {
        let (first, rest) = window.histograms.split_first()?;
        let mut mean = HistogramMean::new(first);
        added(rest, remarks, |histogram| mean.add(histogram))?;
        return Some(Point::Histogram(Arc::new(mean.finish())));
    }
    Some(Point::Float(kahan::Mean::of_values(window.floats).value()))
}

/// Adds histograms and says what is to be said about it; `None` if they do not go together.
fn added(
    histograms: &[Arc<FloatHistogram>],
    remarks: &mut Remarks<'_>,
    mut add: impl FnMut(&FloatHistogram) -> Result<SumRemarks, IncompatibleSchemas>,
) -> Option<()> {
    let mut sum_remarks = SumRemarks::default();
    let mut result = Some(());
    for histogram in histograms {
        match add(histogram) {
            Ok(more) => sum_remarks |= more,
            Err(IncompatibleSchemas) => {
                remarks.mixed_schemas();
                result = None;
                break;
            }
        }
    }
    remarks
        .notes
        .histogram_sum(sum_remarks, "aggregation", remarks.range_pos);
    result
}

fn mixed(window: &Window<'_>, remarks: &mut Remarks<'_>) -> bool {
    let mixed = !window.floats.is_empty() && !window.histograms.is_empty();
    if mixed {
        remarks.mixed();
    }
    mixed
}

pub(crate) fn max(values: &[f64]) -> f64 {
    extreme(values, |new, old| new > old)
}

pub(crate) fn min(values: &[f64]) -> f64 {
    extreme(values, |new, old| new < old)
}

/// The first value that none beats; NaN only if there is nothing else.
fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> f64 {
    let mut found = f64::NAN;
    for value in values {
        if beats(*value, found) || found.is_nan() {
            found = *value;
        }
    }
    found
}

/// Seconds of the last sample that `beats` all before it.
pub(crate) fn time_of(
    window: &Window<'_>,
    remarks: &mut Remarks<'_>,
    beats: impl Fn(f64, f64) -> bool,
) -> Option<f64> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        remarks.histograms_ignored();
    }
    let mut samples = window.float_times.iter().zip(window.floats);
    let (mut time, mut found) = samples.next()?;
    for (at, value) in samples {
        if beats(*value, *found) || found.is_nan() {
            (time, found) = (at, value);
        }
    }
    Some(*time as f64 / 1000.0)
}

/// Population variance: Welford's method with compensated sums.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut mean_compensation) = (0.0, 0.0);
    let (mut sum, mut sum_compensation) = (0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_compensation);
        (mean, mean_compensation) = kahan::add(delta / count, mean, mean_compensation);
        let product = delta * (value - (mean + mean_compensation));
        (sum, sum_compensation) = kahan::add(product, sum, sum_compensation);
    }
    (sum + sum_compensation) / count
}

/// Median of the absolute deviations from the median.
pub(crate) fn mad(values: &[f64]) -> f64 {
    let median = quantile(0.5, &mut values.to_vec());
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    if deviations.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    quantile(0.5, &mut deviations)
}

/// Ascending, NaN first.
pub(crate) fn nan_first(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Quantile with linear interpolation between the two nearest ranks; sorts `values`.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(nan_first);
    let count = values.len() as f64;
    let rank = phi * (count - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(count - 1.0);
    let weight = rank - rank.floor();
    let at = |index: f64| values.get(index as usize).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(upper) * weight
}

/// Warns of a quantile that is not within 0 and 1.
pub(crate) fn warn_quantile(phi: f64, notes: &mut Annotations, pos: PosRange) {
    if !(0.0..=1.0).contains(&phi) {
        let phi = gocompat::float::format_g(phi);
        notes.warn(
            format!("quantile value should be between 0 and 1, got {phi}"),
            pos,
        );
    }
}

pub(crate) fn changes(window: &Window<'_>) -> Option<f64> {
    let mut changes = 0.0;
    if window.histograms.is_empty() && window.extension == Extension::None {
        for pair in window.floats.windows(2) {
            if let [previous, current] = pair
                && current != previous
                && !(current.is_nan() && previous.is_nan())
            {
                changes += 1.0;
            }
        }
        return Some(changes);
    }
    let mut samples = window.neighbours().map(|(_, _, value)| value);
    let mut previous = samples.next()?;
    for current in samples {
        let same = match (previous, current) {
            (SampleRef::Float(a), SampleRef::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (SampleRef::Histogram(a), SampleRef::Histogram(b)) => a.same_data(b),
            _ => false,
        };
        if !same {
            changes += 1.0;
        }
        previous = current;
    }
    Some(changes)
}

pub(crate) fn resets(window: &Window<'_>) -> Option<f64> {
    let mut resets = 0.0;
    let mut samples = window.neighbours();
    let mut previous = samples.next()?;
    for current in samples {
        let anew = starts_anew((previous.0, previous.1), (current.0, current.1));
        let reset = match (previous.2, current.2) {
            (SampleRef::Float(a), SampleRef::Float(b)) => b < a,
            (SampleRef::Histogram(a), SampleRef::Histogram(b)) => b.detect_reset(a),
            _ => true,
        };
        if reset || anew {
            resets += 1.0;
        }
        previous = current;
    }
    Some(resets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_and_nan_is_smallest() {
        assert!((quantile(0.8, &mut [4.0, 0.0, 1.0]) - 2.8).abs() < 1e-12);
        assert!((quantile(0.8, &mut [1.0, f64::NAN, 0.0]) - 0.6).abs() < 1e-12);
        assert!(quantile(0.2, &mut [1.0, f64::NAN, 0.0]).is_nan());
        assert_eq!(quantile(1.5, &mut [1.0]), f64::INFINITY);
        assert_eq!(quantile(-0.5, &mut [1.0]), f64::NEG_INFINITY);
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan());
    }

    #[test]
    fn extremes_prefer_numbers_to_nan() {
        assert_eq!(max(&[f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(min(&[3.0, f64::NAN, 1.0]), 1.0);
        assert!(min(&[f64::NAN]).is_nan());
    }

    #[test]
    fn variance_and_mad_of_known_values() {
        assert!((variance(&[0.0, 8.0, 8.0, 2.0, 3.0]) - 10.56).abs() < 1e-12);
        assert_eq!(mad(&[4.0, 6.0, 2.0, 1.0, 999.0, 1.0, 2.0]), 1.0);
        assert!(mad(&[1.0, 2.0, f64::NAN, 4.0]).is_nan());
    }
}
