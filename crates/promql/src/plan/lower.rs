//! From the syntax tree to the plan.

mod call;

use model::Timestamp;
use promql_parser::ast::{
    AggregateExpr, AggregateOp, AtModifier, BinaryExpr, Cardinality, DurationExpr, Expr,
    MatrixSelector, PosRange, SubqueryExpr, ValueType, VectorMatching, VectorSelector,
};
use storage::SelectHints;

use crate::error::PrepareError;
use crate::plan::{Aggregate, Extension, Need, Node, Op, Plan, QueryTimes, RangeSource, Selector};
use crate::plan::{duration, needs};

/// Prepares `expr`.
pub(crate) fn lower(expr: &Expr, times: &QueryTimes) -> Result<Plan, PrepareError> {
    let mut lowering = Lowering {
        times,
        bounds: None,
    };
    let scope = Scope {
        from: times.start,
        to: times.end,
        hints: SelectHints::default(),
        counts_only: false,
    };
    let (root, invariant) = lowering.expr(expr, &scope)?;
    let mut root = hoisted(root, invariant);
    needs::note(&mut root, &Need::default());
    Ok(Plan {
        root,
        bounds: lowering.bounds,
    })
}

struct Lowering<'a> {
    times: &'a QueryTimes,
    bounds: Option<(Timestamp, Timestamp)>,
}

/// What surrounds an expression.
#[derive(Clone)]
struct Scope {
    /// First and last step at which it is evaluated.
    from: Timestamp,
    to: Timestamp,
    /// Enclosing function or aggregation.
    hints: SelectHints,
    /// Of histograms only the count and the sum are asked for.
    counts_only: bool,
}

impl Scope {
    fn inside(&self, function: &str) -> Self {
        let hints = SelectHints {
            function: function.to_owned(),
            ..SelectHints::default()
        };
        let counts_only = match function {
            "histogram_count" | "histogram_sum" | "histogram_avg" => true,
            "histogram_quantile"
            | "histogram_quantiles"
            | "histogram_fraction"
            | "histogram_stddev"
            | "histogram_stdvar" => false,
            _ => self.counts_only,
        };
        Self {
            hints,
            counts_only,
            ..self.clone()
        }
    }

    fn plain(&self) -> Self {
        Self {
            hints: SelectHints::default(),
            ..self.clone()
        }
    }
}

/// A node and whether its value is the same at every step.
type Lowered = Result<(Node, bool), PrepareError>;

/// Wraps a subtree that is worth evaluating only once.
fn hoisted(node: Node, invariant: bool) -> Node {
    if !invariant || matches!(node.op, Op::Number(_) | Op::Text(_) | Op::Matrix(_)) {
        return node;
    }
    let (pos, outer_pos, value_type) = (node.pos, node.outer_pos, node.value_type);
    Node {
        op: Op::Invariant(Box::new(node)),
        pos,
        outer_pos,
        value_type,
    }
}

impl Lowering<'_> {
    fn expr(&mut self, expr: &Expr, scope: &Scope) -> Lowered {
        match expr {
            Expr::Number(number) => Ok((
                node(Op::Number(number.value), number.pos, ValueType::Scalar),
                true,
            )),
            Expr::String(text) => Ok((
                node(Op::Text(text.value.clone()), text.pos, ValueType::String),
                true,
            )),
            Expr::Paren(paren) => {
                let (mut inner, invariant) = self.expr(&paren.expr, scope)?;
                inner.outer_pos = paren.pos;
                Ok((inner, invariant))
            }
            Expr::Vector(selector) => {
                let invariant = selector.at.is_some();
                let pos = selector.pos;
                let mut selector = self.selector(selector, scope, self.times.lookback_ms)?;
                if selector.extension == Extension::Anchored {
                    // The newest sample is what an instant selector finds anyway.
                    selector.extension = Extension::None;
                }
                Ok((
                    node(Op::Selector(selector), pos, ValueType::Vector),
                    invariant,
                ))
            }
            Expr::Matrix(_) | Expr::Subquery(_) => {
                let (source, pos, invariant) = self.range_source(expr, scope)?;
                Ok((node(Op::Matrix(source), pos, ValueType::Matrix), invariant))
            }
            Expr::Unary(unary) => {
                let (mut inner, invariant) = self.expr(&unary.expr, &scope.plain())?;
                if !unary.negative {
                    inner.outer_pos = unary.pos;
                    return Ok((inner, invariant));
                }
                if let Op::Number(value) = inner.op {
                    return Ok((node(Op::Number(-value), unary.pos, ValueType::Scalar), true));
                }
                let value_type = inner.value_type;
                Ok((
                    node(Op::Negate(Box::new(inner)), unary.pos, value_type),
                    invariant,
                ))
            }
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, scope),
            Expr::Binary(binary) => self.binary(binary, scope),
            Expr::Call(call) => self.call(call, scope),
        }
    }

    /// Lowers the children of one node; those that do not change are hoisted if another does.
    fn children(
        &mut self,
        exprs: &[&Expr],
        scope: &Scope,
    ) -> Result<(Vec<Node>, bool), PrepareError> {
        let lowered: Result<Vec<_>, _> = exprs.iter().map(|expr| self.expr(expr, scope)).collect();
        let lowered = lowered?;
        let all = lowered.iter().all(|(_, invariant)| *invariant);
        let nodes = lowered
            .into_iter()
            .map(|(node, invariant)| if all { node } else { hoisted(node, invariant) });
        Ok((nodes.collect(), all))
    }

    /// Lowers arguments of a function. As in the reference, remarks about one that is not hoisted
    /// do not point to the parentheses around it.
    fn arguments(
        &mut self,
        exprs: &[&Expr],
        scope: &Scope,
    ) -> Result<(Vec<Node>, bool), PrepareError> {
        let lowered: Result<Vec<_>, _> = exprs.iter().map(|expr| self.expr(expr, scope)).collect();
        let mut lowered = lowered?;
        let all = lowered.iter().all(|(_, invariant)| *invariant);
        for ((node, invariant), expr) in lowered.iter_mut().zip(exprs) {
            if all || !*invariant {
                node.outer_pos = unwrapped(expr).pos();
            }
        }
        let nodes = lowered
            .into_iter()
            .map(|(node, invariant)| if all { node } else { hoisted(node, invariant) });
        Ok((nodes.collect(), all))
    }

    fn selector(
        &mut self,
        selector: &VectorSelector,
        scope: &Scope,
        window_ms: i64,
    ) -> Result<Selector, PrepareError> {
        let offset_ms = self.offset(selector.offset_ms, selector.offset_expr.as_ref())?;
        let at = selector.at.map(|at| self.at(at));
        let extension = extension(selector);
        let (before_ms, after_ms) = match extension {
            // A smoothed instant selector looks as far ahead as back, and back it looks anyway.
            Extension::Smoothed if scope.hints.range_ms == 0 => (0, self.times.lookback_ms),
            extension => extension.margins_ms(self.times.lookback_ms),
        };
        let start = at
            .unwrap_or(scope.from)
            .saturating_sub(offset_ms)
            .saturating_sub(window_ms)
            .saturating_sub(before_ms)
            .saturating_add(1);
        let end = at
            .unwrap_or(scope.to)
            .saturating_sub(offset_ms)
            .saturating_add(after_ms);
        self.reach(start, end);
        Ok(Selector {
            matchers: selector.matchers.clone().into(),
            offset_ms,
            at,
            extension,
            counts_only: scope.counts_only,
            need: Need::default(),
            hints: SelectHints {
                start,
                end,
                step_ms: self.times.step_ms,
                ..scope.hints.clone()
            },
        })
    }

    /// Has the querier see samples from `start` to `end`.
    fn reach(&mut self, start: Timestamp, end: Timestamp) {
        let bounds = self.bounds.get_or_insert((start, end));
        *bounds = (bounds.0.min(start), bounds.1.max(end));
    }

    /// The source of a range vector, its position and whether it is the same at every step.
    fn range_source(
        &mut self,
        expr: &Expr,
        scope: &Scope,
    ) -> Result<(RangeSource, PosRange, bool), PrepareError> {
        match expr {
            Expr::Paren(paren) => self.range_source(&paren.expr, scope),
            Expr::Matrix(matrix) => {
                let source = self.matrix(matrix, scope)?;
                Ok((source, matrix.pos, matrix.selector.at.is_some()))
            }
            Expr::Subquery(subquery) => {
                let source = self.subquery(subquery, scope)?;
                // As in the reference, remarks about a subquery's values have no place of their own.
                Ok((source, PosRange::default(), subquery.at.is_some()))
            }
            _ => Err(PrepareError::Invalid("expected a range vector".to_owned())),
        }
    }

    fn matrix(
        &mut self,
        matrix: &MatrixSelector,
        scope: &Scope,
    ) -> Result<RangeSource, PrepareError> {
        let range_ms = self.positive(matrix.range_ms, matrix.range_expr.as_ref())?;
        let mut scope = scope.clone();
        scope.hints.range_ms = range_ms;
        let selector = self.selector(&matrix.selector, &scope, range_ms)?;
        Ok(RangeSource::Selector { selector, range_ms })
    }

    fn subquery(
        &mut self,
        subquery: &SubqueryExpr,
        scope: &Scope,
    ) -> Result<RangeSource, PrepareError> {
        let range_ms = self.positive(subquery.range_ms, subquery.range_expr.as_ref())?;
        let step_ms = match &subquery.step_expr {
            Some(expr) => self.duration(expr, true)?,
            None if subquery.step_ms > 0 => subquery.step_ms,
            None => self.times.subquery_step_ms.max(1),
        };
        let offset_ms = self.offset(subquery.offset_ms, subquery.offset_expr.as_ref())?;
        let at = subquery.at.map(|at| self.at(at));
        let inner_scope = Scope {
            from: at
                .unwrap_or(scope.from)
                .saturating_sub(offset_ms)
                .saturating_sub(range_ms),
            to: at.unwrap_or(scope.to).saturating_sub(offset_ms),
            hints: SelectHints::default(),
            counts_only: false,
        };
        let (inner, invariant) = self.expr(&subquery.expr, &inner_scope)?;
        let node = Box::new(hoisted(inner, invariant));
        Ok(RangeSource::Subquery {
            node,
            range_ms,
            step_ms,
            offset_ms,
            at,
        })
    }

    fn at(&self, at: AtModifier) -> Timestamp {
        match at {
            AtModifier::Timestamp(time) => time,
            AtModifier::Start => self.times.start,
            AtModifier::End => self.times.end,
        }
    }

    fn offset(&self, plain_ms: i64, expr: Option<&DurationExpr>) -> Result<i64, PrepareError> {
        expr.map_or(Ok(plain_ms), |expr| self.duration(expr, false))
    }

    fn positive(&self, plain_ms: i64, expr: Option<&DurationExpr>) -> Result<i64, PrepareError> {
        expr.map_or(Ok(plain_ms), |expr| self.duration(expr, true))
    }

    fn duration(&self, expr: &DurationExpr, positive: bool) -> Result<i64, PrepareError> {
        duration::resolve(expr, self.times, positive).map_err(|error| {
            // The reference tells first and last byte here, not line and column.
            let (start, end) = (error.pos.start, error.pos.end);
            PrepareError::Invalid(format!("{start}:{end}: {}", error.text))
        })
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr, scope: &Scope) -> Lowered {
        if let Some(label) = aggregate.param.as_ref().and_then(illegal_bytes) {
            let text = format!("invalid label name {}", gocompat::quote::quote_bytes(label));
            return Ok((
                node(Op::Fail(text), aggregate.pos, ValueType::Vector),
                false,
            ));
        }
        let mut grouping = aggregate.grouping.clone();
        grouping.sort();
        grouping.dedup();
        let mut inner_scope = scope.inside(aggregate_name(aggregate.op));
        inner_scope.hints.grouping.clone_from(&grouping);
        inner_scope.hints.by = !aggregate.without;
        let mut exprs = vec![&aggregate.expr];
        exprs.extend(&aggregate.param);
        let (nodes, invariant) = self.children(&exprs, &inner_scope)?;
        let mut nodes = nodes.into_iter();
        let vector = next(&mut nodes)?;
        let op = Op::Aggregate(Aggregate {
            op: aggregate.op,
            vector,
            param: nodes.next().map(Box::new),
            grouping,
            without: aggregate.without,
        });
        Ok((node(op, aggregate.pos, ValueType::Vector), invariant))
    }

    fn binary(&mut self, binary: &BinaryExpr, scope: &Scope) -> Lowered {
        let (nodes, invariant) = self.children(&[&binary.lhs, &binary.rhs], &scope.plain())?;
        let mut nodes = nodes.into_iter();
        let (left, right) = (next(&mut nodes)?, next(&mut nodes)?);
        let (op, return_bool) = (binary.op, binary.return_bool);
        let scalar = |node: &Node| node.value_type == ValueType::Scalar;
        let (op, value_type) = match (scalar(&left), scalar(&right)) {
            (true, true) => (Op::ScalarScalar { op, left, right }, ValueType::Scalar),
            (false, true) => (
                Op::VectorScalar {
                    op,
                    vector: left,
                    scalar: right,
                    swapped: false,
                    return_bool,
                },
                ValueType::Vector,
            ),
            (true, false) => (
                Op::VectorScalar {
                    op,
                    vector: right,
                    scalar: left,
                    swapped: true,
                    return_bool,
                },
                ValueType::Vector,
            ),
            (false, false) => {
                let matching = binary.matching.clone().unwrap_or_else(one_to_one);
                (
                    Op::VectorVector {
                        op,
                        left,
                        right,
                        matching,
                        return_bool,
                    },
                    ValueType::Vector,
                )
            }
        };
        Ok((node(op, binary.pos, value_type), invariant))
    }
}

fn node(op: Op, pos: PosRange, value_type: ValueType) -> Node {
    Node {
        op,
        pos,
        outer_pos: pos,
        value_type,
    }
}

fn next(nodes: &mut impl Iterator<Item = Node>) -> Result<Box<Node>, PrepareError> {
    nodes.next().map(Box::new).ok_or_else(missing)
}

/// The parser checks the number of arguments; this is for trees built by hand.
fn missing() -> PrepareError {
    PrepareError::Invalid("wrong number of arguments".to_owned())
}

/// The bytes of a string literal that is not UTF-8.
fn illegal_bytes(expr: &Expr) -> Option<&[u8]> {
    match unwrapped(expr) {
        Expr::String(text) => text.invalid_utf8.as_deref(),
        _ => None,
    }
}

fn extension(selector: &VectorSelector) -> Extension {
    match (selector.anchored, selector.smoothed) {
        (true, _) => Extension::Anchored,
        (false, true) => Extension::Smoothed,
        (false, false) => Extension::None,
    }
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

fn one_to_one() -> VectorMatching {
    VectorMatching {
        card: Cardinality::OneToOne,
        labels: Vec::new(),
        on: false,
        include: Vec::new(),
        fill_lhs: None,
        fill_rhs: None,
    }
}

/// The operator as written in PromQL.
pub(crate) fn aggregate_name(op: AggregateOp) -> &'static str {
    match op {
        AggregateOp::Sum => "sum",
        AggregateOp::Avg => "avg",
        AggregateOp::Count => "count",
        AggregateOp::Min => "min",
        AggregateOp::Max => "max",
        AggregateOp::Group => "group",
        AggregateOp::Stddev => "stddev",
        AggregateOp::Stdvar => "stdvar",
        AggregateOp::Topk => "topk",
        AggregateOp::Bottomk => "bottomk",
        AggregateOp::CountValues => "count_values",
        AggregateOp::Quantile => "quantile",
        AggregateOp::Limitk => "limitk",
        AggregateOp::LimitRatio => "limit_ratio",
    }
}
