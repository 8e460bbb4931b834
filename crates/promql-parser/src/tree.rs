//! The tree as JSON, as the API's `parse_query` shows it.

use gocompat::float::format_f;
use model::Matcher;
use serde_json::{Value, json};

use crate::ast::{AtModifier, BinaryExpr, Call, Cardinality, Expr, VectorMatching, VectorSelector};
use crate::print::sign;

/// One object a node, children inside.
pub fn to_json(expr: &Expr) -> Value {
    match expr {
        Expr::Aggregate(node) => json!({
            "type": "aggregation",
            "op": node.op.as_str(),
            "expr": to_json(&node.expr),
            "param": node.param.as_ref().map_or(Value::Null, to_json),
            "grouping": node.grouping,
            "without": node.without,
        }),
        Expr::Binary(node) => binary(node),
        Expr::Call(node) => call(node),
        Expr::Matrix(node) => {
            let mut value = selector(&node.selector, "matrixSelector");
            value["range"] = json!(node.range_ms);
            value
        }
        Expr::Subquery(node) => json!({
            "type": "subquery",
            "expr": to_json(&node.expr),
            "range": node.range_ms,
            "offset": node.offset_ms,
            "step": node.step_ms,
            "timestamp": timestamp(node.at),
            "startOrEnd": start_or_end(node.at),
        }),
        Expr::Number(node) => json!({"type": "numberLiteral", "val": format_f(node.value)}),
        Expr::Paren(node) => json!({"type": "parenExpr", "expr": to_json(&node.expr)}),
        Expr::String(node) => json!({"type": "stringLiteral", "val": node.value}),
        Expr::Unary(node) => json!({
            "type": "unaryExpr",
            "op": sign(node.negative).to_string(),
            "expr": to_json(&node.expr),
        }),
        Expr::Vector(node) => selector(node, "vectorSelector"),
    }
}

fn binary(node: &BinaryExpr) -> Value {
    json!({
        "type": "binaryExpr",
        "op": node.op.as_str(),
        "lhs": to_json(&node.lhs),
        "rhs": to_json(&node.rhs),
        "matching": node.matching.as_ref().map_or(Value::Null, matching),
        "bool": node.return_bool,
    })
}

fn matching(matching: &VectorMatching) -> Value {
    let card = match matching.card {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    let mut value = json!({
        "card": card,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
    });
    // Only where the modifier was used, so that older clients see what they know.
    if matching.fill_lhs.is_some() || matching.fill_rhs.is_some() {
        let fill = |side: Option<f64>| side.map(format_f);
        value["fillValues"] =
            json!({"lhs": fill(matching.fill_lhs), "rhs": fill(matching.fill_rhs)});
    }
    value
}

fn call(node: &Call) -> Value {
    let argument_types: Vec<_> = node.func.args.iter().map(|arg| arg.as_str()).collect();
    json!({
        "type": "call",
        "func": {
            "name": node.func.name,
            "argTypes": argument_types,
            "variadic": node.func.variadic,
            "returnType": node.func.returns.as_str(),
        },
        "args": node.args.iter().map(to_json).collect::<Vec<_>>(),
    })
}

fn selector(selector: &VectorSelector, kind: &str) -> Value {
    let matcher = |matcher: &Matcher| {
        json!({
            "name": &*matcher.name,
            "value": &*matcher.value,
            "type": matcher.op.as_str(),
        })
    };
    let mut value = json!({
        "type": kind,
        "name": selector.name,
        "offset": selector.offset_ms,
        "matchers": selector.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp(selector.at),
        "startOrEnd": start_or_end(selector.at),
    });
    if selector.anchored {
        value["anchored"] = json!(true);
    }
    if selector.smoothed {
        value["smoothed"] = json!(true);
    }
    value
}

fn timestamp(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Timestamp(at)) => json!(at),
        _ => Value::Null,
    }
}

fn start_or_end(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Start) => json!("start"),
        Some(AtModifier::End) => json!("end"),
        _ => Value::Null,
    }
}
