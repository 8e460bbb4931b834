//! The tree as text on several lines, where it does not fit one.

use crate::ast::{AggregateExpr, BinaryExpr, Call, Expr};
use crate::print::{aggregate_head, binary_middle, sign, subquery_suffix};

/// Longest line that is left alone, in bytes, indentation not counted.
const LINE_BYTES_MAX: usize = 100;
const INDENT: &str = "  ";

/// Formats an expression: nodes longer than 100 bytes are split, two spaces a level.
pub fn prettify(expr: &Expr) -> String {
    pretty(expr, 0)
}

fn pretty(expr: &Expr, level: usize) -> String {
    let flat = expr.to_string();
    let indent = INDENT.repeat(level);
    match expr {
        // The reference does not indent subqueries that fit.
        Expr::Subquery(_) if flat.len() <= LINE_BYTES_MAX => flat,
        Expr::Subquery(node) => {
            format!("{}{}", pretty(&node.expr, level), subquery_suffix(node))
        }
        Expr::Unary(node) => {
            let inner = pretty(&node.expr, level);
            format!("{indent}{}{}", sign(node.negative), inner.trim())
        }
        Expr::Aggregate(node) if flat.len() > LINE_BYTES_MAX => aggregate(node, level, &indent),
        Expr::Binary(node) if flat.len() > LINE_BYTES_MAX => binary(node, level, &indent),
        Expr::Call(node) if flat.len() > LINE_BYTES_MAX => call(node, level, &indent),
        Expr::Paren(node) if flat.len() > LINE_BYTES_MAX => {
            format!("{indent}(\n{}\n{indent})", pretty(&node.expr, level + 1))
        }
        _ => format!("{indent}{flat}"),
    }
}

fn aggregate(node: &AggregateExpr, level: usize, indent: &str) -> String {
    let head = aggregate_head(node);
    let param = match &node.param {
        Some(param) => format!("{},\n", pretty(param, level + 1)),
        None => String::new(),
    };
    format!(
        "{indent}{head}(\n{param}{}\n{indent})",
        pretty(&node.expr, level + 1)
    )
}

fn binary(node: &BinaryExpr, level: usize, indent: &str) -> String {
    let left = pretty(&node.lhs, level + 1);
    let right = pretty(&node.rhs, level + 1);
    format!("{left}\n{indent}{}\n{right}", binary_middle(node))
}

fn call(node: &Call, level: usize, indent: &str) -> String {
    let arguments: Vec<_> = node
        .args
        .iter()
        .map(|argument| pretty(argument, level + 1))
        .collect();
    format!(
        "{indent}{}(\n{}\n{indent})",
        node.func.name,
        arguments.join(",\n")
    )
}
