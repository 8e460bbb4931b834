//! Regression and smoothing.

use model::Timestamp;

use crate::error::QueryError;
use crate::functions::Remarks;
use crate::functions::window::Window;
use crate::kahan;

/// Slope per second of the least squares line.
pub(crate) fn deriv(window: &Window<'_>, remarks: &mut Remarks<'_>) -> Option<f64> {
    // Times relative to the first sample keep precision; the slope does not depend on the origin.
    let origin = *window.float_times.first()?;
    regression(window, origin, remarks).map(|(slope, _)| slope)
}

/// Value of the least squares line `ahead` seconds after the evaluation time.
pub(crate) fn predict_linear(
    window: &Window<'_>,
    ahead: f64,
    remarks: &mut Remarks<'_>,
) -> Option<f64> {
    let (slope, intercept) = regression(window, window.evaluated_at, remarks)?;
    Some(slope * ahead + intercept)
}

/// Slope per second, and value at `origin`.
fn regression(
    window: &Window<'_>,
    origin: Timestamp,
    remarks: &mut Remarks<'_>,
) -> Option<(f64, f64)> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        remarks.histograms_ignored();
    }
    if window.floats.len() < 2 {
        return None;
    }
    Some(linear_regression(window.float_times, window.floats, origin))
}

fn linear_regression(times: &[Timestamp], values: &[f64], origin: Timestamp) -> (f64, f64) {
    let first = values.first().copied().unwrap_or(f64::NAN);
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let mut count = 0.0;
    let (mut x, mut y, mut xy, mut xx) = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
    for (time, value) in times.iter().zip(values) {
        count += 1.0;
        let seconds = (time - origin) as f64 / 1e3;
        x = kahan::add(seconds, x.0, x.1);
        y = kahan::add(*value, y.0, y.1);
        xy = kahan::add(seconds * value, xy.0, xy.1);
        xx = kahan::add(seconds * seconds, xx.0, xx.1);
    }
    let (x, y, xy, xx) = (x.0 + x.1, y.0 + y.1, xy.0 + xy.1, xx.0 + xx.1);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    (slope, y / count - slope * x / count)
}

/// Holt's double exponential smoothing.
pub(crate) fn double_exponential_smoothing(
    window: &Window<'_>,
    smoothing: f64,
    trend: f64,
    remarks: &mut Remarks<'_>,
) -> Result<Option<f64>, QueryError> {
    check_factor("smoothing", smoothing)?;
    check_factor("trend", trend)?;
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        remarks.histograms_ignored();
    }
    let [first, second, ..] = window.floats else {
        return Ok(None);
    };
    let mut before = 0.0;
    let mut smoothed = *first;
    let mut slope = second - first;
    for (index, value) in window.floats.iter().enumerate().skip(1) {
        let scaled = smoothing * value;
        if index > 1 {
            slope = trend * (smoothed - before) + (1.0 - trend) * slope;
        }
        let rest = (1.0 - smoothing) * (smoothed + slope);
        (before, smoothed) = (smoothed, scaled + rest);
    }
    Ok(Some(smoothed))
}

fn check_factor(name: &str, factor: f64) -> Result<(), QueryError> {
    if factor <= 0.0 || factor >= 1.0 {
        let factor = gocompat::float::format_f_precision(factor, 6);
        let sign = if name == "smoothing" { "sf" } else { "tf" };
        return Err(QueryError::Execution(format!(
            "invalid {name} factor. Expected: 0 < {sign} < 1, got: {factor}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let (slope, intercept) = linear_regression(&[0, 1000, 2000], &[1.0, 3.0, 5.0], 1000);
        assert_eq!((slope, intercept), (2.0, 3.0));
        assert_eq!(linear_regression(&[0, 1000], &[4.0, 4.0], 0), (0.0, 4.0));
        assert!(
            linear_regression(&[0, 1], &[f64::INFINITY; 2], 0)
                .0
                .is_nan()
        );
    }
}
