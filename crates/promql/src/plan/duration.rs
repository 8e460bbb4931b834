//! Duration expressions: `[step() * 2]`, `offset (1m + 5)`.

use promql_parser::ast::{BinaryOp, DurationExpr, PosRange};

use crate::plan::QueryTimes;

/// A bad duration and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DurationError {
    pub(crate) text: &'static str,
    pub(crate) pos: PosRange,
}

/// The value in milliseconds; with `positive` it must be above 0.
pub(crate) fn resolve(
    expr: &DurationExpr,
    times: &QueryTimes,
    positive: bool,
) -> Result<i64, DurationError> {
    let pos = position(expr);
    let seconds = seconds(expr, times)?;
    let fail = |text| Err(DurationError { text, pos });
    if !seconds.is_finite() {
        return fail("duration is NaN or infinite");
    }
    if positive && seconds <= 0.0 {
        return fail("duration must be greater than 0");
    }
    // The reference holds durations as signed 64-bit nanoseconds.
    if seconds.abs() > (i64::MAX / 1_000_000_000) as f64 {
        return fail("duration is out of range");
    }
    Ok((seconds * 1000.0) as i64)
}

fn seconds(expr: &DurationExpr, times: &QueryTimes) -> Result<f64, DurationError> {
    Ok(match expr {
        DurationExpr::Number(number) => number.value,
        DurationExpr::Step(_) => times.step_ms as f64 / 1000.0,
        DurationExpr::Range(_) => (times.end - times.start) as f64 / 1000.0,
        DurationExpr::MinOf(left, right, _) => seconds(left, times)?.min(seconds(right, times)?),
        DurationExpr::MaxOf(left, right, _) => seconds(left, times)?.max(seconds(right, times)?),
        DurationExpr::Unary {
            negative, operand, ..
        } => {
            let value = seconds(operand, times)?;
            if *negative { -value } else { value }
        }
        DurationExpr::Paren(inner, _) => seconds(inner, times)?,
        DurationExpr::Binary { op, lhs, rhs, pos } => {
            let (left, right) = (seconds(lhs, times)?, seconds(rhs, times)?);
            match op {
                BinaryOp::Add => left + right,
                BinaryOp::Sub => left - right,
                BinaryOp::Mul => left * right,
                BinaryOp::Div if right == 0.0 => {
                    return Err(DurationError {
                        text: "division by zero",
                        pos: *pos,
                    });
                }
                BinaryOp::Div => left / right,
                BinaryOp::Mod if right == 0.0 => {
                    return Err(DurationError {
                        text: "modulo by zero",
                        pos: *pos,
                    });
                }
                BinaryOp::Mod => crate::functions::math::modulo(left, right),
                BinaryOp::Pow => crate::functions::math::pow(left, right),
                _ => {
                    return Err(DurationError {
                        text: "duration is NaN or infinite",
                        pos: *pos,
                    });
                }
            }
        }
    })
}

fn position(expr: &DurationExpr) -> PosRange {
    match expr {
        DurationExpr::Number(number) => number.pos,
        DurationExpr::Step(pos)
        | DurationExpr::Range(pos)
        | DurationExpr::MinOf(_, _, pos)
        | DurationExpr::MaxOf(_, _, pos)
        | DurationExpr::Unary { pos, .. }
        | DurationExpr::Binary { pos, .. }
        | DurationExpr::Paren(_, pos) => *pos,
    }
}
