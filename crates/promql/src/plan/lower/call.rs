//! Function calls.

use model::label_name::METRIC_NAME;
use model::{Labels, LabelsBuilder, MatchOp, Matcher, Timestamp};
use promql_parser::ast::{Call, Expr, ValueType, VectorSelector};

use super::{Lowered, Lowering, Scope, hoisted, illegal_bytes, missing, next, node, unwrapped};
use crate::error::PrepareError;
use crate::functions::{HistogramMap, MapFunction, RangeFunction, TimePart};
use crate::plan::{Extension, InfoSelector, Node, Op};

/// Functions whose value depends on the time of evaluation although their arguments may not.
const TIME_DEPENDENT: &[&str] = &["predict_linear", "time", "timestamp", "start_timestamp"];

impl Lowering<'_> {
    pub(super) fn call(&mut self, call: &Call, scope: &Scope) -> Lowered {
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
            return self.info(call, &inner);
        }
        if let Some(text) = illegal_text(call) {
            return Ok((node(Op::Fail(text), call.pos, call.func.returns), false));
        }
        let args: Vec<&Expr> = call.args.iter().collect();
        let (nodes, mut invariant) = self.arguments(&args, &inner)?;
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
        if let Some(text) = refused_extension(name, source.extension()) {
            return Ok((node(Op::Fail(text), call.pos, ValueType::Vector), false));
        }
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
        let (params, params_invariant) = self.arguments(&others, &scope.plain())?;
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

    fn info(&mut self, call: &Call, scope: &Scope) -> Lowered {
        let Some(base) = call.args.first() else {
            return Err(missing());
        };
        let (vector, base_invariant) = self.expr(base, scope)?;
        let mut invariant = base_invariant;
        let (mut names, mut data) = (Vec::new(), Vec::new());
        if let Some(Expr::Vector(selector)) = call.args.get(1) {
            let window_ms = self.times.lookback_ms;
            self.reach(scope.from.saturating_sub(window_ms), scope.to);
            invariant = false;
            (names, data) = selector
                .matchers
                .iter()
                .cloned()
                .partition(|matcher| *matcher.name == *METRIC_NAME);
        }
        let positive = |matcher: &Matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
        if names.is_empty() {
            names.push(name_matcher(MatchOp::Equal, "target_info")?);
        } else if !names.iter().any(positive) {
            names.push(name_matcher(MatchOp::Regex, ".+_info")?);
        }
        let first = first_selector(base);
        let at = first.and_then(|selector| selector.at).map(|at| self.at(at));
        let offset_ms = match first {
            Some(selector) => self.offset(selector.offset_ms, selector.offset_expr.as_ref())?,
            None => 0,
        };
        let op = Op::Info {
            vector: Box::new(hoisted(vector, base_invariant && !invariant)),
            selector: InfoSelector {
                names,
                data,
                at,
                offset_ms,
            },
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

fn text(node: Node) -> Result<String, PrepareError> {
    match node.op {
        Op::Text(text) => Ok(text),
        _ => Err(PrepareError::Invalid(
            "expected a string literal".to_owned(),
        )),
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

fn is_range(expr: &Expr) -> bool {
    matches!(unwrapped(expr), Expr::Matrix(_) | Expr::Subquery(_))
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

/// Functions that know what to do with a window's anchored or smoothed borders.
const ANCHORED: &[&str] = &["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED: &[&str] = &["delta", "increase", "rate"];

/// Why a function does not take a range with such borders.
fn refused_extension(function: &str, extension: Extension) -> Option<String> {
    let takes = match extension {
        Extension::None => return None,
        Extension::Anchored => ANCHORED,
        Extension::Smoothed => SMOOTHED,
    };
    let (name, list) = (extension.name(), takes.join(", "));
    (!takes.contains(&function))
        .then(|| format!("{name} modifier can only be used with: {list} - not with {function}"))
}

fn name_matcher(op: MatchOp, value: &str) -> Result<Matcher, PrepareError> {
    Matcher::new(op, METRIC_NAME, value).map_err(|error| PrepareError::Invalid(error.to_string()))
}

/// The selector that stands first in an expression.
fn first_selector(expr: &Expr) -> Option<&VectorSelector> {
    match expr {
        Expr::Vector(selector) => Some(selector),
        Expr::Matrix(matrix) => Some(&matrix.selector),
        Expr::Subquery(subquery) => first_selector(&subquery.expr),
        Expr::Paren(paren) => first_selector(&paren.expr),
        Expr::Unary(unary) => first_selector(&unary.expr),
        Expr::Aggregate(aggregate) => first_selector(&aggregate.expr)
            .or_else(|| aggregate.param.as_ref().and_then(first_selector)),
        Expr::Binary(binary) => first_selector(&binary.lhs).or_else(|| first_selector(&binary.rhs)),
        Expr::Call(call) => call.args.iter().find_map(first_selector),
        Expr::Number(_) | Expr::String(_) => None,
    }
}
