//! The functions: what they compute, free of how their arguments are found.

pub(crate) mod bounds;
pub(crate) mod histogram;
pub(crate) mod math;
pub(crate) mod over_time;
pub(crate) mod predict;
pub(crate) mod rate;
pub(crate) mod time;
pub(crate) mod window;

use promql_parser::ast::PosRange;

use crate::annotations::Annotations;
use crate::column::Point;
use crate::error::QueryError;
use crate::functions::bounds::Bounds;
use crate::functions::window::{RangeSamples, Window};
use crate::kahan;

pub(crate) use math::{HistogramMap, MapFunction};
pub(crate) use time::TimePart;

/// What a range function may say about a window beside its value.
pub(crate) struct Remarks<'a> {
    pub(crate) notes: &'a mut Annotations,
    /// Metric name of the series.
    pub(crate) metric: &'a str,
    /// Place of the range vector.
    pub(crate) range_pos: PosRange,
    /// Place of the first other argument.
    pub(crate) param_pos: PosRange,
}

impl Remarks<'_> {
    pub(crate) fn mixed(&mut self) {
        let metric = gocompat::quote::quote(self.metric);
        let text = format!("encountered a mix of histograms and floats for metric name {metric}");
        self.notes.warn(text, self.range_pos);
    }

    pub(crate) fn mixed_schemas(&mut self) {
        let metric = gocompat::quote::quote(self.metric);
        let text = format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for \
             metric name {metric}"
        );
        self.notes.warn(text, self.range_pos);
    }

    pub(crate) fn histograms_ignored(&mut self) {
        let metric = gocompat::quote::quote(self.metric);
        let text = format!(
            "ignored histograms in a range containing both floats and histograms for metric name \
             {metric}"
        );
        self.notes.info(text, self.range_pos);
    }
}

/// Functions of a range vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeFunction {
    Avg,
    Changes,
    Count,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    First,
    Idelta,
    Increase,
    Irate,
    Last,
    Mad,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    Stddev,
    Stdvar,
    Sum,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMax,
    TimeOfMin,
}

impl RangeFunction {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "avg_over_time" => Self::Avg,
            "changes" => Self::Changes,
            "count_over_time" => Self::Count,
            "delta" => Self::Delta,
            "deriv" => Self::Deriv,
            "double_exponential_smoothing" => Self::DoubleExponentialSmoothing,
            "first_over_time" => Self::First,
            "idelta" => Self::Idelta,
            "increase" => Self::Increase,
            "irate" => Self::Irate,
            "last_over_time" => Self::Last,
            "mad_over_time" => Self::Mad,
            "max_over_time" => Self::Max,
            "min_over_time" => Self::Min,
            "predict_linear" => Self::PredictLinear,
            "present_over_time" => Self::Present,
            "quantile_over_time" => Self::Quantile,
            "rate" => Self::Rate,
            "resets" => Self::Resets,
            "stddev_over_time" => Self::Stddev,
            "stdvar_over_time" => Self::Stdvar,
            "sum_over_time" => Self::Sum,
            "ts_of_first_over_time" => Self::TimeOfFirst,
            "ts_of_last_over_time" => Self::TimeOfLast,
            "ts_of_max_over_time" => Self::TimeOfMax,
            "ts_of_min_over_time" => Self::TimeOfMin,
            _ => return None,
        })
    }

    /// Whether the result is still a sample of the metric.
    pub(crate) fn keeps_name(self) -> bool {
        matches!(self, Self::First | Self::Last)
    }

    /// Whether the function is meant for counters and says so to users of other metrics.
    pub(crate) fn expects_counter(self) -> bool {
        matches!(self, Self::Rate | Self::Increase)
    }

    /// Whether the function is an extrapolated change: whether of a counter, whether per second.
    pub(crate) fn extrapolates(self) -> Option<(bool, bool)> {
        match self {
            Self::Rate => Some((true, true)),
            Self::Increase => Some((true, false)),
            Self::Delta => Some((false, false)),
            _ => None,
        }
    }

    /// Whether [`evaluate_column`](Self::evaluate_column) is for this function.
    pub(crate) fn is_of_columns(self) -> bool {
        self.extrapolates().is_some() || matches!(self, Self::Sum | Self::Avg)
    }

    /// The values of all windows of a series that holds floats alone: `windows` are their borders,
    /// `bounds` their samples.
    pub(crate) fn evaluate_column(
        self,
        samples: &RangeSamples,
        windows: impl Iterator<Item = (model::Timestamp, model::Timestamp)>,
        bounds: &[Bounds],
        mut put: impl FnMut(usize, f64),
    ) {
        if let Some((counter, per_second)) = self.extrapolates() {
            rate::each_plain(samples, windows, bounds, counter, per_second, put);
            return;
        }
        let values = &samples.floats;
        kahan::sums(values, bounds, |step, window, (sum, lost), infinite| {
            if window.is_empty() {
                return;
            }
            let value = match self {
                Self::Sum => sum + lost,
                // Only adding one by one finds the place where the mean changes its way.
                _ if infinite => kahan::Mean::of_values(window).value(),
                _ => kahan::Mean::of_sum(window.len() as f64, sum, lost).value(),
            };
            put(step, value);
        });
    }

    /// The value for one window, which is not empty; `params` are the other arguments at this step.
    pub(crate) fn evaluate(
        self,
        window: &Window<'_>,
        params: &[f64],
        remarks: &mut Remarks<'_>,
    ) -> Result<Option<Point>, QueryError> {
        let float = |value: Option<f64>| value.map(Point::Float);
        let param = |index: usize| params.get(index).copied().unwrap_or(f64::NAN);
        Ok(match self {
            Self::Rate => rate::extrapolated(window, true, true, remarks),
            Self::Increase => rate::extrapolated(window, true, false, remarks),
            Self::Delta => rate::extrapolated(window, false, false, remarks),
            Self::Irate => rate::last_two(window, true, remarks),
            Self::Idelta => rate::last_two(window, false, remarks),
            Self::Changes => float(over_time::changes(window)),
            Self::Resets => float(over_time::resets(window)),
            Self::Avg => over_time::avg(window, remarks),
            Self::Sum => over_time::sum(window, remarks),
            Self::Count => float(Some(window.len() as f64)),
            Self::Present => float(Some(1.0)),
            Self::First => window.first(),
            Self::Last => window.last(),
            Self::TimeOfFirst => float(window.first_time().map(seconds)),
            Self::TimeOfLast => float(window.last_time().map(seconds)),
            Self::Max => float(over_time::floats_only(window, remarks, over_time::max)),
            Self::Min => float(over_time::floats_only(window, remarks, over_time::min)),
            Self::TimeOfMax => float(over_time::time_of(window, remarks, |new, old| new >= old)),
            Self::TimeOfMin => float(over_time::time_of(window, remarks, |new, old| new <= old)),
            Self::Stdvar => float(over_time::floats_only(window, remarks, over_time::variance)),
            Self::Stddev => float(over_time::floats_only(window, remarks, |values| {
                over_time::variance(values).sqrt()
            })),
            Self::Mad => float(over_time::floats_only(window, remarks, over_time::mad)),
            Self::Quantile => {
                let phi = param(0);
                if !window.floats.is_empty() {
                    over_time::warn_quantile(phi, remarks.notes, remarks.param_pos);
                }
                // Remarks point to the first argument, which here is not the range.
                remarks.range_pos = remarks.param_pos;
                float(over_time::floats_only(window, remarks, |values| {
                    over_time::quantile(phi, &mut values.to_vec())
                }))
            }
            Self::Deriv => float(predict::deriv(window, remarks)),
            Self::PredictLinear => float(predict::predict_linear(window, param(0), remarks)),
            Self::DoubleExponentialSmoothing => float(predict::double_exponential_smoothing(
                window,
                param(0),
                param(1),
                remarks,
            )?),
        })
    }
}

fn seconds(time: model::Timestamp) -> f64 {
    time as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::window::Slider;
    use super::*;

    proptest! {
        #[test]
        fn columns_have_the_bits_of_windows(
            values in proptest::collection::vec((1..30_i64, 0..9_usize), 0..80),
            range in 1..200_i64,
            step in 1..60_i64,
        ) {
            let known = [0.0, -0.0, 1.1, 1e308, 1.7e308, -1.7e308, f64::INFINITY, f64::NAN, 1e-9];
            let mut samples = RangeSamples::default();
            let mut time = 0;
            for (gap, choice) in &values {
                time += gap;
                samples.push(time, Point::Float(known[*choice]));
            }
            let windows: Vec<(i64, i64)> = (0..50).map(|n| (n * step - range, n * step)).collect();
            let mut bounds = Vec::new();
            bounds::find(&samples.float_times, windows.iter().copied(), &mut bounds);
            let functions = [
                RangeFunction::Sum,
                RangeFunction::Avg,
                RangeFunction::Rate,
                RangeFunction::Increase,
                RangeFunction::Delta,
            ];
            let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            for function in functions {
                let mut found = vec![None; windows.len()];
                function.evaluate_column(&samples, windows.iter().copied(), &bounds, |step, value| {
                    found[step] = Some(bits(value));
                });
                let mut slider = Slider::default();
                for ((start, end), found) in windows.iter().zip(&found) {
                    let (window, _) = slider.window(&samples, *start, *end, *end);
                    let mut remarks = Remarks {
                        notes: &mut Annotations::default(),
                        metric: "m",
                        range_pos: PosRange::default(),
                        param_pos: PosRange::default(),
                    };
                    let expected = if window.is_empty() {
                        None
                    } else {
                        function.evaluate(&window, &[], &mut remarks).expect("evaluated")
                    };
                    let expected = match expected {
                        Some(Point::Float(value)) => Some(bits(value)),
                        _ => None,
                    };
                    prop_assert_eq!(*found, expected, "{:?}", function);
                }
            }
        }
    }
}
