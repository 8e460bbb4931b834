//! From the syntax tree to the plan.

use model::label_name::METRIC_NAME;
use model::{Labels, LabelsBuilder, MatchOp, Timestamp};
use promql_parser::ast::{
    AggregateExpr, AggregateOp, AtModifier, BinaryExpr, Call, Cardinality, DurationExpr, Expr,
    MatrixSelector, PosRange, SubqueryExpr, ValueType, VectorMatching, VectorSelector,
};
use storage::SelectHints;

use crate::annotations::line_and_column;
use crate::error::PrepareError;
use crate::functions::{HistogramMap, MapFunction, RangeFunction, TimePart};
use crate::plan::duration;
use crate::plan::{Aggregate, Node, Op, Plan, QueryTimes, RangeSource, Selector};

/// Prepares `expr`; `query` is its text, for positions in errors.
pub(crate) fn lower(expr: &Expr, times: &QueryTimes, query: &str) -> Result<Plan, PrepareError> {
    let mut lowering = Lowering {
        times,
        query,
        bounds: None,
    };
    let scope = Scope {
        from: times.start,
        to: times.end,
        hints: SelectHints::default(),
    };
    let (root, invariant) = lowering.expr(expr, &scope)?;
    Ok(Plan {
        root: hoisted(root, invariant),
        bounds: lowering.bounds,
    })
}

struct Lowering<'a> {
    times: &'a QueryTimes,
    query: &'a str,
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
}

impl Scope {
    fn inside(&self, function: &str) -> Self {
        let hints = SelectHints {
            function: function.to_owned(),
            ..SelectHints::default()
        };
        Self {
            hints,
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

/// Functions whose value depends on the time of evaluation although their arguments may not.
const TIME_DEPENDENT: &[&str] = &["predict_linear", "time", "timestamp", "start_timestamp"];

/// Wraps a subtree that is worth evaluating only once.
fn hoisted(node: Node, invariant: bool) -> Node {
    if !invariant || matches!(node.op, Op::Number(_) | Op::Text(_) | Op::Matrix(_)) {
        return node;
    }
    let (pos, value_type) = (node.pos, node.value_type);
    Node {
        op: Op::Invariant(Box::new(node)),
        pos,
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
                inner.pos = paren.pos;
                Ok((inner, invariant))
            }
            Expr::Vector(selector) => {
                if selector.smoothed || selector.anchored {
                    return Err(unsupported(selector));
                }
                let invariant = selector.at.is_some();
                let pos = selector.pos;
                let selector = self.selector(selector, scope, self.times.lookback_ms)?;
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
                    inner.pos = unary.pos;
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

    fn selector(
        &mut self,
        selector: &VectorSelector,
        scope: &Scope,
        window_ms: i64,
    ) -> Result<Selector, PrepareError> {
        let offset_ms = self.offset(selector.offset_ms, selector.offset_expr.as_ref())?;
        let at = selector.at.map(|at| self.at(at));
        let start = at
            .unwrap_or(scope.from)
            .saturating_sub(offset_ms)
            .saturating_sub(window_ms)
            + 1;
        let end = at.unwrap_or(scope.to).saturating_sub(offset_ms);
        let bounds = self.bounds.get_or_insert((start, end));
        *bounds = (bounds.0.min(start), bounds.1.max(end));
        Ok(Selector {
            matchers: selector.matchers.clone().into(),
            offset_ms,
            at,
            hints: SelectHints {
                start,
                end,
                step_ms: self.times.step_ms,
                ..scope.hints.clone()
            },
        })
    }

    /// The source of a range vector, its position and whether it is the same at every step.
    fn range_source(
        &mut self,
        expr: &Expr,
        scope: &Scope,
    ) -> Result<(RangeSource, PosRange, bool), PrepareError> {
        match expr {
            Expr::Paren(paren) => {
                let (source, _, invariant) = self.range_source(&paren.expr, scope)?;
                Ok((source, paren.pos, invariant))
            }
            Expr::Matrix(matrix) => {
                let source = self.matrix(matrix, scope)?;
                Ok((source, matrix.pos, matrix.selector.at.is_some()))
            }
            Expr::Subquery(subquery) => {
                let source = self.subquery(subquery, scope)?;
                Ok((source, subquery.pos, subquery.at.is_some()))
            }
            _ => Err(PrepareError::Invalid("expected a range vector".to_owned())),
        }
    }

    fn matrix(
        &mut self,
        matrix: &MatrixSelector,
        scope: &Scope,
    ) -> Result<RangeSource, PrepareError> {
        if matrix.selector.smoothed || matrix.selector.anchored {
            return Err(unsupported(&matrix.selector));
        }
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
            let place = line_and_column(self.query, error.pos);
            PrepareError::Invalid(format!("{place}: {}", error.text))
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

    fn call(&mut self, call: &Call, scope: &Scope) -> Lowered {
        let name = call.func.name;
        let inner = scope.inside(name);
        if matches!(name, "timestamp" | "start_timestamp")
            && let Some(Expr::Vector(selector)) = call.args.first().map(unwrapped)
        {
            let selector = self.selector(selector, &inner, self.times.lookback_ms)?;
            let invariant = selector.at.is_some();
            let op = Op::SampleTime {
                selector,
                start_time: name == "start_timestamp",
            };
            return Ok((node(op, call.pos, ValueType::Vector), invariant));
        }
        let range_arg = call.args.iter().position(is_range);
        if let Some(range_arg) = range_arg {
            return self.range_call(call, range_arg, &inner);
        }
        if name == "info" {
            return Err(PrepareError::Invalid(
                "info() is not available yet".to_owned(),
            ));
        }
        if let Some(text) = illegal_text(call) {
            return Ok((node(Op::Fail(text), call.pos, call.func.returns), false));
        }
        let args: Vec<&Expr> = call.args.iter().collect();
        let (nodes, mut invariant) = self.children(&args, &inner)?;
        if TIME_DEPENDENT.contains(&name) || (TimePart::by_name(name).is_some() && args.is_empty())
        {
            invariant = false;
        }
        let op = self.plain_call(call, nodes)?;
        Ok((node(op, call.pos, call.func.returns), invariant))
    }

    fn range_call(&mut self, call: &Call, range_arg: usize, scope: &Scope) -> Lowered {
        let name = call.func.name;
        let Some(range_expr) = call.args.get(range_arg) else {
            return Err(missing());
        };
        let (source, range_pos, mut invariant) = self.range_source(range_expr, scope)?;
        if name == "absent_over_time" {
            let op = Op::AbsentOverTime {
                source,
                labels: absent_labels(range_expr),
            };
            return Ok((node(op, call.pos, ValueType::Vector), invariant));
        }
        let others: Vec<&Expr> = call
            .args
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != range_arg)
            .map(|(_, arg)| arg)
            .collect();
        let (params, params_invariant) = self.children(&others, &scope.plain())?;
        invariant = invariant && params_invariant && !TIME_DEPENDENT.contains(&name);
        let function = RangeFunction::by_name(name)
            .ok_or_else(|| PrepareError::Invalid(format!("unknown function {name}")))?;
        let params = if invariant {
            params
        } else {
            params
                .into_iter()
                .map(|param| hoisted(param, params_invariant))
                .collect()
        };
        let op = Op::Range {
            function,
            source,
            params,
            range_pos,
        };
        Ok((node(op, call.pos, ValueType::Vector), invariant))
    }

    fn plain_call(&self, call: &Call, nodes: Vec<Node>) -> Result<Op, PrepareError> {
        let name = call.func.name;
        let first_arg = call.args.first();
        let mut nodes = nodes.into_iter();
        if let Some(function) = MapFunction::by_name(name) {
            let vector = next(&mut nodes)?;
            return Ok(Op::Map {
                function,
                vector,
                params: nodes.collect(),
            });
        }
        if let Some(function) = HistogramMap::by_name(name) {
            return Ok(Op::HistogramMap {
                function,
                vector: next(&mut nodes)?,
            });
        }
        if let Some(part) = TimePart::by_name(name) {
            return Ok(Op::TimePart {
                part,
                vector: nodes.next().map(Box::new),
            });
        }
        let seconds = |ms: Timestamp| Op::Number(ms as f64 / 1000.0);
        Ok(match name {
            "time" => Op::Time,
            "pi" => Op::Number(std::f64::consts::PI),
            "start" => seconds(self.times.start),
            "end" => seconds(self.times.end),
            "step" => seconds(self.times.step_ms),
            "range" => seconds(self.times.end - self.times.start),
            "min_of" | "max_of" => {
                let (left, right) = (next(&mut nodes)?, next(&mut nodes)?);
                Op::Extreme {
                    larger: name == "max_of",
                    left,
                    right,
                }
            }
            "vector" => Op::ToVector(next(&mut nodes)?),
            "scalar" => Op::ToScalar(next(&mut nodes)?),
            "timestamp" => Op::Map {
                function: MapFunction::EvaluationTime,
                vector: next(&mut nodes)?,
                params: vec![],
            },
            "start_timestamp" => Op::Map {
                function: MapFunction::Nothing,
                vector: next(&mut nodes)?,
                params: vec![],
            },
            "absent" => Op::Absent {
                vector: next(&mut nodes)?,
                labels: first_arg.map(absent_labels).unwrap_or_default(),
            },
            "sort" | "sort_desc" => Op::Sort {
                vector: next(&mut nodes)?,
                descending: name == "sort_desc",
            },
            "sort_by_label" | "sort_by_label_desc" => {
                let vector = next(&mut nodes)?;
                let labels = nodes.map(text).collect::<Result<_, _>>()?;
                Op::SortByLabel {
                    vector,
                    labels,
                    descending: name == "sort_by_label_desc",
                }
            }
            "label_replace" => {
                let vector = next(&mut nodes)?;
                let texts: Vec<String> = nodes.map(text).collect::<Result<_, _>>()?;
                let texts = <[String; 4]>::try_from(texts).map_err(|_| missing())?;
                Op::LabelReplace {
                    vector,
                    texts: Box::new(texts),
                }
            }
            "label_join" => {
                let vector = next(&mut nodes)?;
                let target = text(*next(&mut nodes)?)?;
                let separator = text(*next(&mut nodes)?)?;
                let sources = nodes.map(text).collect::<Result<_, _>>()?;
                Op::LabelJoin {
                    vector,
                    target,
                    separator,
                    sources,
                }
            }
            "histogram_quantile" => {
                let quantile = *next(&mut nodes)?;
                Op::HistogramQuantile {
                    vector: next(&mut nodes)?,
                    quantiles: vec![quantile],
                    label: None,
                }
            }
            "histogram_quantiles" => {
                let vector = next(&mut nodes)?;
                let label = Some(text(*next(&mut nodes)?)?);
                Op::HistogramQuantile {
                    vector,
                    quantiles: nodes.collect(),
                    label,
                }
            }
            "histogram_fraction" => {
                let (lower, upper) = (next(&mut nodes)?, next(&mut nodes)?);
                Op::HistogramFraction {
                    vector: next(&mut nodes)?,
                    lower,
                    upper,
                }
            }
            _ => return Err(PrepareError::Invalid(format!("unknown function {name}"))),
        })
    }
}

fn node(op: Op, pos: PosRange, value_type: ValueType) -> Node {
    Node {
        op,
        pos,
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

fn text(node: Node) -> Result<String, PrepareError> {
    match node.op {
        Op::Text(text) => Ok(text),
        _ => Err(PrepareError::Invalid(
            "expected a string literal".to_owned(),
        )),
    }
}

/// The bytes of a string literal that is not UTF-8.
fn illegal_bytes(expr: &Expr) -> Option<&[u8]> {
    match unwrapped(expr) {
        Expr::String(text) => text.invalid_utf8.as_deref(),
        _ => None,
    }
}

/// Why a function of labels refuses a name that is not UTF-8.
fn illegal_text(call: &Call) -> Option<String> {
    let what = match call.func.name {
        "label_replace" => "destination label name in label_replace()",
        "label_join" => "label name in label_join()",
        _ => return None,
    };
    let bytes = call.args.iter().find_map(illegal_bytes)?;
    Some(format!(
        "invalid {what}: {}",
        String::from_utf8_lossy(bytes)
    ))
}

fn unsupported(selector: &VectorSelector) -> PrepareError {
    let word = if selector.anchored {
        "anchored"
    } else {
        "smoothed"
    };
    PrepareError::Invalid(format!("{word} modifier not implemented"))
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

fn is_range(expr: &Expr) -> bool {
    matches!(unwrapped(expr), Expr::Matrix(_) | Expr::Subquery(_))
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

/// Labels of the result of absent(): those the selector asks for with a single `=`.
fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match unwrapped(expr) {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut builder = LabelsBuilder::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers
        .iter()
        .filter(|matcher| *matcher.name != *METRIC_NAME)
    {
        if matcher.op == MatchOp::Equal && !seen.contains(&&*matcher.name) {
            builder.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            builder.remove(&matcher.name);
        }
    }
    builder.labels()
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
