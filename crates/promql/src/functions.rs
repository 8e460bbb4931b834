//! The functions: what they compute, free of how their arguments are found.

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
use crate::functions::window::Window;

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
