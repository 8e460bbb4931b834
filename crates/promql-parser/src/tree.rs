//! The tree as JSON, as the API's `parse_query` shows it.

use gocompat::float::format_f;
use model::Matcher;
use serde_json::Value;

use crate::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Cardinality, Expr, MatrixSelector, ParenExpr,
    SubqueryExpr, UnaryExpr, VectorMatching, VectorSelector,
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
    value
}

fn subquery(node: &SubqueryExpr) -> Value {
    object([
        ("type", "subquery".into()),
        ("expr", to_json(&node.expr)),
        ("range", node.range_ms.into()),
        ("offset", node.offset_ms.into()),
        ("step", node.step_ms.into()),
        ("timestamp", timestamp(node.at)),
        ("startOrEnd", start_or_end(node.at)),
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
        let fill = |side: Option<f64>| side.map_or(Value::Null, |side| format_f(side).into());
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
