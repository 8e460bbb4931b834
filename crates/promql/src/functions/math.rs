//! Functions of single numbers and simple facts about native histograms.

use gocompat::math;
use model::FloatHistogram;

use crate::column::Point;

/// Functions applied to every sample by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapFunction {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Clamp,
    ClampMax,
    ClampMin,
    Cos,
    Cosh,
    Deg,
    Exp,
    Floor,
    Ln,
    Log10,
    Log2,
    Rad,
    Round,
    Sgn,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
    /// `timestamp()` of anything but a selector: the evaluation time, for histograms too.
    EvaluationTime,
    /// `start_timestamp()` of anything but a selector.
    Nothing,
}

impl MapFunction {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "acos" => Self::Acos,
            "acosh" => Self::Acosh,
            "asin" => Self::Asin,
            "asinh" => Self::Asinh,
            "atan" => Self::Atan,
            "atanh" => Self::Atanh,
            "ceil" => Self::Ceil,
            "clamp" => Self::Clamp,
            "clamp_max" => Self::ClampMax,
            "clamp_min" => Self::ClampMin,
            "cos" => Self::Cos,
            "cosh" => Self::Cosh,
            "deg" => Self::Deg,
            "exp" => Self::Exp,
            "floor" => Self::Floor,
            "ln" => Self::Ln,
            "log10" => Self::Log10,
            "log2" => Self::Log2,
            "rad" => Self::Rad,
            "round" => Self::Round,
            "sgn" => Self::Sgn,
            "sin" => Self::Sin,
            "sinh" => Self::Sinh,
            "sqrt" => Self::Sqrt,
            "tan" => Self::Tan,
            "tanh" => Self::Tanh,
            _ => return None,
        })
    }

    /// The value for one sample; `time` is the step in seconds, `params` the other arguments.
    pub(crate) fn evaluate(self, point: &Point, time: f64, params: &[f64]) -> Option<f64> {
        if self == Self::EvaluationTime {
            return Some(time);
        }
        let Point::Float(value) = point else {
            return None;
        };
        let value = *value;
        let param = |index: usize| params.get(index).copied();
        Some(match self {
            Self::Abs => value.abs(),
            Self::Acos => math::acos(value),
            Self::Acosh => math::acosh(value),
            Self::Asin => math::asin(value),
            Self::Asinh => math::asinh(value),
            Self::Atan => math::atan(value),
            Self::Atanh => math::atanh(value),
            Self::Ceil => value.ceil(),
            Self::Clamp => {
                let (low, high) = (param(0)?, param(1)?);
                if high < low {
                    return None;
                }
                max(low, min(high, value))
            }
            Self::ClampMax => min(param(0)?, value),
            Self::ClampMin => max(param(0)?, value),
            Self::Cos => math::cos(value),
            Self::Cosh => math::cosh(value),
            Self::Deg => value * 180.0 / std::f64::consts::PI,
            Self::Exp => math::exp(value),
            Self::Floor => value.floor(),
            Self::Ln => math::ln(value),
            Self::Log10 => math::log10(value),
            Self::Log2 => math::log2(value),
            Self::Rad => value * std::f64::consts::PI / 180.0,
            Self::Round => {
                // Multiplying by the inverse loses less than dividing.
                let inverse = 1.0 / param(0).unwrap_or(1.0);
                (value * inverse + 0.5).floor() / inverse
            }
            Self::Sgn if value < 0.0 => -1.0,
            Self::Sgn if value > 0.0 => 1.0,
            Self::Sgn => value,
            Self::Sin => math::sin(value),
            Self::Sinh => math::sinh(value),
            Self::Sqrt => math::sqrt(value),
            Self::Tan => math::tan(value),
            Self::Tanh => math::tanh(value),
            Self::EvaluationTime | Self::Nothing => return None,
        })
    }
}

pub(crate) fn pow(base: f64, exponent: f64) -> f64 {
    math::pow(base, exponent)
}

pub(crate) fn modulo(dividend: f64, divisor: f64) -> f64 {
    math::fmod(dividend, divisor)
}

pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    math::atan2(y, x)
}

/// The smaller; -Inf beats NaN, which beats all else.
pub(crate) fn min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { a } else { b }
    } else {
        a.min(b)
    }
}

/// The larger; +Inf beats NaN, which beats all else.
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

/// Numbers read from a native histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistogramMap {
    Avg,
    Count,
    Stddev,
    Stdvar,
    Sum,
}

impl HistogramMap {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "histogram_avg" => Self::Avg,
            "histogram_count" => Self::Count,
            "histogram_stddev" => Self::Stddev,
            "histogram_stdvar" => Self::Stdvar,
            "histogram_sum" => Self::Sum,
            _ => return None,
        })
    }

    pub(crate) fn evaluate(self, histogram: &FloatHistogram) -> Option<f64> {
        match self {
            Self::Avg => Some(histogram.average()),
            Self::Count => Some(histogram.count),
            Self::Sum => Some(histogram.sum),
            Self::Stddev => Some(histogram.standard_deviation()),
            Self::Stdvar => Some(histogram.variance()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: f64, params: &[f64], expected: f64) {
        let function = MapFunction::by_name(name).unwrap();
        let found = function
            .evaluate(&Point::Float(value), 0.0, params)
            .unwrap();
        assert_eq!(
            found.to_bits(),
            expected.to_bits(),
            "{name}({value}) = {found}"
        );
    }

    #[test]
    fn rounding_and_signs() {
        check("round", -2.5, &[], -2.0);
        check("round", 2.15, &[0.1], 2.2);
        check("sgn", -7.0, &[], -1.0);
        check("sgn", -0.0, &[], -0.0);
        check("clamp", 7.0, &[1.0, 5.0], 5.0);
        check(
            "clamp_max",
            f64::NEG_INFINITY,
            &[f64::NAN],
            f64::NEG_INFINITY,
        );
        check("clamp_min", f64::INFINITY, &[f64::NAN], f64::INFINITY);
        check("deg", std::f64::consts::PI, &[], 180.0);
        assert_eq!(
            MapFunction::Clamp.evaluate(&Point::Float(1.0), 0.0, &[2.0, 1.0]),
            None
        );
    }
}
