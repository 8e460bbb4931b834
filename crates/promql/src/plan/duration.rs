//! Duration expressions: `[step() * 2]`, `offset (1m + 5)`.

use promql_parser::ast::{BinaryOp, DurationExpr, PosRange};

use crate::plan::QueryTimes;

/// A bad duration and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DurationError {
    pub(crate) text: &'static str,
    pub(crate) pos: PosRange,
}

impl DurationError {
    fn new(text: &'static str, expr: &DurationExpr) -> Self {
        let pos = position(expr);
        Self { text, pos }
    }
}

/// The value in milliseconds; with `positive` it must be above 0.
pub(crate) fn resolve(
    expr: &DurationExpr,
    times: &QueryTimes,
    positive: bool,
) -> Result<i64, DurationError> {
    let seconds = seconds(expr, times)?;
    let fail = |text| Err(DurationError::new(text, expr));
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
        DurationExpr::Binary { op, lhs, rhs, .. } => {
            let (left, right) = (seconds(lhs, times)?, seconds(rhs, times)?);
            match op {
                BinaryOp::Add => left + right,
                BinaryOp::Sub => left - right,
                BinaryOp::Mul => left * right,
                BinaryOp::Div if right == 0.0 => {
                    return Err(DurationError::new("division by zero", expr));
                }
                BinaryOp::Div => left / right,
                BinaryOp::Mod if right == 0.0 => {
                    return Err(DurationError::new("modulo by zero", expr));
                }
                BinaryOp::Mod => crate::functions::math::modulo(left, right),
                BinaryOp::Pow => crate::functions::math::pow(left, right),
                _ => {
                    return Err(DurationError::new("duration is NaN or infinite", expr));
                }
            }
        }
    })
}

/// The place that the reference tells: from the first operand to the last one, so that parentheses
/// around the whole and the name of `min_of` and `max_of` do not belong to it.
fn position(expr: &DurationExpr) -> PosRange {
    match expr {
        DurationExpr::Number(number) => number.pos,
        DurationExpr::Step(pos) | DurationExpr::Range(pos) => *pos,
        DurationExpr::Unary { operand, pos, .. } => PosRange {
            start: pos.start,
            end: position(operand).end,
        },
        DurationExpr::MinOf(first, last, _)
        | DurationExpr::MaxOf(first, last, _)
        | DurationExpr::Binary {
            lhs: first,
            rhs: last,
            ..
        } => PosRange {
            start: position(first).start,
            end: position(last).end,
        },
        DurationExpr::Paren(inner, _) => position(inner),
    }
}

#[cfg(test)]
mod tests {
    use promql_parser::ast::Expr;
    use promql_parser::{ParserOptions, parse_expr};

    use super::*;

    #[test]
    fn bad_durations_are_told_from_their_first_to_their_last_operand() {
        let times = QueryTimes {
            start: 0,
            end: 60_000,
            step_ms: 0,
            lookback_ms: 0,
            subquery_step_ms: 0,
        };
        let check = |text: &str, expected: &str| {
            let parsed = parse_expr(text, &ParserOptions::all()).expect("parsed");
            let Expr::Matrix(matrix) = parsed else {
                panic!("{text} is no range vector")
            };
            let expr = matrix.range_expr.expect("an expression");
            let error = resolve(&expr, &times, true).expect_err(text);
            let told = format!("{}:{}: {}", error.pos.start, error.pos.end, error.text);
            assert_eq!(told, expected, "{text}");
        };
        check("a[1m - 2m]", "2:9: duration must be greater than 0");
        check("a[(1m - 2m)]", "3:10: duration must be greater than 0");
        check("a[step()]", "2:8: duration must be greater than 0");
        check("a[-(range())]", "2:11: duration must be greater than 0");
        check(
            "a[min_of(step(), 2m)]",
            "9:19: duration must be greater than 0",
        );
        check("a[5m + 1m / step()]", "7:18: division by zero");
        check("a[1m % (1m - 1m)]", "2:15: modulo by zero");
        check("a[(0 - 1) ^ 0.5]", "3:15: duration is NaN or infinite");
        check("a[1e9 * 1e9]", "2:11: duration is out of range");
    }
}
