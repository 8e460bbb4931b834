//! Binary operators on numbers and samples.

use std::sync::Arc;

use model::FloatHistogram;
use promql_parser::ast::{BinaryOp, PosRange};

use crate::annotations::Annotations;
use crate::column::{Grid, Point};
use crate::error::QueryError;
use crate::exec::{Evaluator, Sink};
use crate::functions::math;
use crate::plan::Node;

/// What kind of vector-scalar operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct VectorScalar {
    pub(super) op: BinaryOp,
    /// The scalar stands on the left.
    pub(super) swapped: bool,
    pub(super) return_bool: bool,
}

impl Evaluator<'_> {
    pub(super) fn vector_scalar(
        &self,
        node: &Node,
        shape: VectorScalar,
        vector: &Node,
        scalar: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let scalars = self.scalar(scalar, grid)?;
        let drops_name = shape.return_bool || drops_name(shape.op);
        let body = |sink: &mut Sink<'_>| {
            self.vector(vector, grid, &mut |mut series| {
                for (step, scalar) in scalars.iter().enumerate() {
                    let Some(point) = series.column.point(step) else {
                        continue;
                    };
                    let scalar = Point::Float(*scalar);
                    let outcome = {
                        let mut notes = self.notes.borrow_mut();
                        let (left, right) = if shape.swapped {
                            (&scalar, &point)
                        } else {
                            (&point, &scalar)
                        };
                        samples(shape.op, left, right, node.pos, &mut notes)
                    };
                    let result = match outcome {
                        Outcome::Nothing => None,
                        Outcome::Value(value) => Some(value),
                        Outcome::Compared(holds) if shape.return_bool => Some(truth(holds)),
                        // The element stays, wherever the scalar stands.
                        Outcome::Compared(holds) => holds.then_some(point),
                    };
                    match result {
                        Some(point) => series.column.set(step, point),
                        None => series.column.remove(step),
                    }
                }
                if series.column.count() == 0 {
                    return Ok(());
                }
                if drops_name {
                    self.drop_name(&mut series);
                }
                sink(series)
            })
        };
        if drops_name {
            self.unique(vector.has_one_name(), sink, body)
        } else {
            body(sink)
        }
    }
}

/// What an operator makes of two samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Value(Point),
    /// A comparison, and whether it holds.
    Compared(bool),
    /// The types do not go together.
    Nothing,
}

/// The number that stands for a truth value.
pub(super) fn truth(holds: bool) -> Point {
    Point::Float(if holds { 1.0 } else { 0.0 })
}

pub(super) fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Eql
            | BinaryOp::Neq
            | BinaryOp::Gtr
            | BinaryOp::Lss
            | BinaryOp::Gte
            | BinaryOp::Lte
    )
}

/// Whether the result is no longer a sample of the metric.
pub(super) fn drops_name(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Pow
            | BinaryOp::Atan2
    )
}

/// Arithmetic or comparison of two scalars.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    match arithmetic(op, left, right) {
        Some(value) => value,
        None if compare(op, left, right) => 1.0,
        None => 0.0,
    }
}

fn arithmetic(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => math::modulo(left, right),
        BinaryOp::Pow => math::pow(left, right),
        BinaryOp::Atan2 => math::atan2(left, right),
        _ => return None,
    })
}

fn compare(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Eql => left == right,
        BinaryOp::Neq => left != right,
        BinaryOp::Gtr => left > right,
        BinaryOp::Lss => left < right,
        BinaryOp::Gte => left >= right,
        BinaryOp::Lte => left <= right,
        _ => false,
    }
}

/// Applies `op` to two samples; says so if their types do not go together.
pub(super) fn samples(
    op: BinaryOp,
    left: &Point,
    right: &Point,
    pos: PosRange,
    notes: &mut Annotations,
) -> Outcome {
    match (left, right) {
        (Point::Float(left), Point::Float(right)) => match arithmetic(op, *left, *right) {
            Some(value) => Outcome::Value(Point::Float(value)),
            None if is_comparison(op) => Outcome::Compared(compare(op, *left, *right)),
            None => incompatible(op, ("float", "float"), pos, notes),
        },
        (Point::Histogram(left), Point::Histogram(right)) => match op {
            BinaryOp::Eql => Outcome::Compared(left.same_data(right)),
            BinaryOp::Neq => Outcome::Compared(!left.same_data(right)),
            BinaryOp::Add | BinaryOp::Sub => added(op, left, right, pos, notes),
            _ => incompatible(op, ("histogram", "histogram"), pos, notes),
        },
        (Point::Histogram(left), Point::Float(right)) => match op {
            BinaryOp::Mul => changed(left, |histogram| histogram.multiply(*right)),
            BinaryOp::Div => changed(left, |histogram| histogram.divide(*right)),
            BinaryOp::TrimUpper => histogram(left.trim_upper(*right)),
            BinaryOp::TrimLower => histogram(left.trim_lower(*right)),
            _ => incompatible(op, ("histogram", "float"), pos, notes),
        },
        (Point::Float(left), Point::Histogram(right)) => match op {
            BinaryOp::Mul => changed(right, |histogram| histogram.multiply(*left)),
            _ => incompatible(op, ("float", "histogram"), pos, notes),
        },
    }
}

fn added(
    op: BinaryOp,
    left: &FloatHistogram,
    right: &FloatHistogram,
    pos: PosRange,
    notes: &mut Annotations,
) -> Outcome {
    let (sum, what) = if op == BinaryOp::Add {
        (left.add(right), "addition")
    } else {
        (left.subtract(right), "subtraction")
    };
    let Ok((mut sum, remarks)) = sum else {
        let op = symbol(op);
        let text = format!("incompatible bucket layout encountered for binary operator {op}");
        notes.warn(text, pos);
        return Outcome::Nothing;
    };
    if op == BinaryOp::Sub {
        // A difference may be negative.
        sum.counter_reset_hint = model::CounterResetHint::Gauge;
    }
    notes.histogram_sum(remarks, what, pos);
    histogram(sum)
}

fn changed(histogram: &FloatHistogram, change: impl FnOnce(&mut FloatHistogram)) -> Outcome {
    let mut result = histogram.clone();
    change(&mut result);
    result.compact(0);
    self::histogram(result)
}

fn histogram(histogram: FloatHistogram) -> Outcome {
    Outcome::Value(Point::Histogram(Arc::new(histogram)))
}

fn incompatible(
    op: BinaryOp,
    (left, right): (&str, &str),
    pos: PosRange,
    notes: &mut Annotations,
) -> Outcome {
    let op = symbol(op);
    let quoted = gocompat::quote::quote(op);
    notes.info(
        format!(
            "incompatible sample types encountered for binary operator {quoted}: {left} {op} {right}"
        ),
        pos,
    );
    Outcome::Nothing
}

/// The operator as written.
fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Pow => "^",
        BinaryOp::Atan2 => "atan2",
        BinaryOp::Eql => "==",
        BinaryOp::Neq => "!=",
        BinaryOp::Gtr => ">",
        BinaryOp::Lss => "<",
        BinaryOp::Gte => ">=",
        BinaryOp::Lte => "<=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
        BinaryOp::Unless => "unless",
        BinaryOp::TrimUpper => "</",
        BinaryOp::TrimLower => ">/",
    }
}

pub(super) fn negated(histogram: &FloatHistogram) -> Arc<FloatHistogram> {
    let mut negated = histogram.clone();
    negated.multiply(-1.0);
    negated.compact(0);
    Arc::new(negated)
}
