//! The tree as JSON, as the API's `parse_query` shows it.

use gocompat::float::format_f;
use model::Matcher;
use serde_json::Value;

use crate::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Cardinality, DurationExpr, Expr, MatrixSelector,
    ParenExpr, SubqueryExpr, UnaryExpr, VectorMatching, VectorSelector,
};
use crate::print::sign;

/// One object a node, children inside.
///
/// Kept free of temporaries, which every level of a deep tree would pay for in stack.
pub fn to_json(expr: &Expr) -> Value {
    match expr {
        Expr::Aggregate(node) => aggregation(node),
        Expr::Binary(node) => binary(node),
        Expr::Call(node) => call(node),
        Expr::Matrix(node) => matrix(node),
        Expr::Subquery(node) => subquery(node),
        Expr::Number(node) => literal("numberLiteral", &format_f(node.value)),
        Expr::Paren(node) => paren(node),
        Expr::String(node) => literal("stringLiteral", &node.value),
        Expr::Unary(node) => unary(node),
        Expr::Vector(node) => selector(node, "vectorSelector"),
    }
}

/// Moves its values: the `json!` macro copies them, which is quadratic in the tree's height.
#[inline(never)]
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(
        members
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
    )
}

fn aggregation(node: &AggregateExpr) -> Value {
    object([
        ("type", "aggregation".into()),
        ("op", node.op.as_str().into()),
        ("expr", to_json(&node.expr)),
        ("param", node.param.as_ref().map_or(Value::Null, to_json)),
        ("grouping", node.grouping.as_slice().into()),
        ("without", node.without.into()),
    ])
}

fn matrix(node: &MatrixSelector) -> Value {
    let mut value = selector(&node.selector, "matrixSelector");
    value["range"] = node.range_ms.into();
    calculated(&mut value, "rangeExpr", node.range_expr.as_ref());
    value
}

fn subquery(node: &SubqueryExpr) -> Value {
    let mut value = object([
        ("type", "subquery".into()),
        ("expr", to_json(&node.expr)),
        ("range", node.range_ms.into()),
        ("offset", node.offset_ms.into()),
        ("step", node.step_ms.into()),
        ("timestamp", timestamp(node.at)),
        ("startOrEnd", start_or_end(node.at)),
    ]);
    calculated(&mut value, "rangeExpr", node.range_expr.as_ref());
    calculated(&mut value, "offsetExpr", node.offset_expr.as_ref());
    calculated(&mut value, "stepExpr", node.step_expr.as_ref());
    value
}

/// Only where there is something to calculate, so that older clients see what they know.
fn calculated(value: &mut Value, key: &str, expr: Option<&DurationExpr>) {
    if let Some(expr) = expr {
        value[key] = duration(expr, false);
    }
}

/// `wrapped`: it stands in parentheses.
fn duration(expr: &DurationExpr, wrapped: bool) -> Value {
    let (op, lhs, rhs) = match expr {
        DurationExpr::Number(number) => {
            let mut value = literal("numberLiteral", &format_f(number.value));
            value["duration"] = number.duration.into();
            return value;
        }
        DurationExpr::Paren(inner, _) => return duration(inner, true),
        DurationExpr::Step(_) => ("step", None, None),
        DurationExpr::Range(_) => ("range", None, None),
        DurationExpr::MinOf(lhs, rhs, _) => ("min_of", Some(lhs), Some(rhs)),
        DurationExpr::MaxOf(lhs, rhs, _) => ("max_of", Some(lhs), Some(rhs)),
        DurationExpr::Unary {
            negative, operand, ..
        } => (if *negative { "-" } else { "+" }, None, Some(operand)),
        DurationExpr::Binary { op, lhs, rhs, .. } => (op.as_str(), Some(lhs), Some(rhs)),
    };
    let side = |side: Option<&Box<DurationExpr>>| side.map_or(Value::Null, |s| duration(s, false));
    object([
        ("type", "durationExpr".into()),
        ("op", op.into()),
        ("lhs", side(lhs)),
        ("rhs", side(rhs)),
        ("wrapped", wrapped.into()),
    ])
}

fn literal(kind: &str, value: &str) -> Value {
    object([("type", kind.into()), ("val", value.into())])
}

fn paren(node: &ParenExpr) -> Value {
    object([("type", "parenExpr".into()), ("expr", to_json(&node.expr))])
}

fn unary(node: &UnaryExpr) -> Value {
    object([
        ("type", "unaryExpr".into()),
        ("op", sign(node.negative).to_string().into()),
        ("expr", to_json(&node.expr)),
    ])
}

fn binary(node: &BinaryExpr) -> Value {
    object([
        ("type", "binaryExpr".into()),
        ("op", node.op.as_str().into()),
        ("lhs", to_json(&node.lhs)),
        ("rhs", to_json(&node.rhs)),
        (
            "matching",
            node.matching.as_ref().map_or(Value::Null, matching),
        ),
        ("bool", node.return_bool.into()),
    ])
}

fn matching(matching: &VectorMatching) -> Value {
    let card = match matching.card {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    let mut value = object([
        ("card", card.into()),
        ("labels", matching.labels.as_slice().into()),
        ("on", matching.on.into()),
        ("include", matching.include.as_slice().into()),
    ]);
    // Only where the modifier was used, so that older clients see what they know.
    if matching.fill_lhs.is_some() || matching.fill_rhs.is_some() {
        // JSON has no NaN and no infinities: such a side is null.
        let fill = |side: Option<f64>| side.map_or(Value::Null, Value::from);
        value["fillValues"] = object([
            ("lhs", fill(matching.fill_lhs)),
            ("rhs", fill(matching.fill_rhs)),
        ]);
    }
    value
}

fn call(node: &Call) -> Value {
    let argument_types: Vec<&str> = node.func.args.iter().map(|arg| arg.as_str()).collect();
    let function = object([
        ("name", node.func.name.into()),
        ("argTypes", argument_types.into()),
        ("variadic", node.func.variadic.into()),
        ("returnType", node.func.returns.as_str().into()),
    ]);
    object([
        ("type", "call".into()),
        ("func", function),
        (
            "args",
            Value::Array(node.args.iter().map(to_json).collect()),
        ),
    ])
}

fn selector(selector: &VectorSelector, kind: &str) -> Value {
    let matcher = |matcher: &Matcher| {
        object([
            ("name", (*matcher.name).into()),
            ("value", (*matcher.value).into()),
            ("type", matcher.op.as_str().into()),
        ])
    };
    let mut value = object([
        ("type", kind.into()),
        ("name", selector.name.as_str().into()),
        ("offset", selector.offset_ms.into()),
        (
            "matchers",
            Value::Array(selector.matchers.iter().map(matcher).collect()),
        ),
        ("timestamp", timestamp(selector.at)),
        ("startOrEnd", start_or_end(selector.at)),
    ]);
    calculated(&mut value, "offsetExpr", selector.offset_expr.as_ref());
    if selector.anchored {
        value["anchored"] = true.into();
    }
    if selector.smoothed {
        value["smoothed"] = true.into();
    }
    value
}

fn timestamp(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Timestamp(at)) => at.into(),
        _ => Value::Null,
    }
}

fn start_or_end(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Start) => "start".into(),
        Some(AtModifier::End) => "end".into(),
        _ => Value::Null,
    }
}
