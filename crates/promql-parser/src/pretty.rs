//! The tree as text on several lines, where it does not fit one.

use std::fmt::{self, Write as _};

use crate::ast::Expr;
use crate::print::{aggregate_head, binary_middle, sign, subquery_suffix};

/// Longest line that is left alone, in bytes, indentation not counted.
const LINE_BYTES_MAX: usize = 100;
const INDENT: &str = "  ";

/// Formats an expression: nodes longer than 100 bytes are split, two spaces a level.
pub fn prettify(expr: &Expr) -> String {
    let mut out = String::new();
    push(&mut out, expr, 0);
    out
}

/// Counts down what is written and fails when there is no room left, so that asking whether a
/// node fits a line costs no more than the line.
struct Room {
    bytes: usize,
}

impl fmt::Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes = self.bytes.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

fn fits(expr: &Expr) -> bool {
    write!(
        Room {
            bytes: LINE_BYTES_MAX
        },
        "{expr}"
    )
    .is_ok()
}

fn push_flat(out: &mut String, expr: &Expr) {
    let _ = write!(out, "{expr}");
}

fn push(out: &mut String, expr: &Expr, level: usize) {
    let fits = fits(expr);
    let indent = INDENT.repeat(level);
    match expr {
        // The reference does not indent subqueries that fit.
        Expr::Subquery(_) if fits => push_flat(out, expr),
        Expr::Subquery(node) => {
            push(out, &node.expr, level);
            out.push_str(&subquery_suffix(node));
        }
        Expr::Unary(node) => {
            out.push_str(&indent);
            out.push(sign(node.negative));
            let begin = out.len();
            push(out, &node.expr, level);
            // The operand stands right behind the sign instead of being indented.
            let skipped = out[begin..].len() - out[begin..].trim_start().len();
            out.replace_range(begin..begin + skipped, "");
        }
        _ if fits => {
            out.push_str(&indent);
            push_flat(out, expr);
        }
        Expr::Aggregate(node) => {
            let _ = writeln!(out, "{indent}{}(", aggregate_head(node));
            if let Some(param) = &node.param {
                push(out, param, level + 1);
                out.push_str(",\n");
            }
            push(out, &node.expr, level + 1);
            let _ = write!(out, "\n{indent})");
        }
        Expr::Binary(node) => {
            push(out, &node.lhs, level + 1);
            let _ = write!(out, "\n{indent}{}\n", binary_middle(node));
            push(out, &node.rhs, level + 1);
        }
        Expr::Call(node) => {
            let _ = writeln!(out, "{indent}{}(", node.func.name);
            for (index, argument) in node.args.iter().enumerate() {
                if index > 0 {
                    out.push_str(",\n");
                }
                push(out, argument, level + 1);
            }
            let _ = write!(out, "\n{indent})");
        }
        Expr::Paren(node) => {
            let _ = writeln!(out, "{indent}(");
            push(out, &node.expr, level + 1);
            let _ = write!(out, "\n{indent})");
        }
        Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) | Expr::Vector(_) => {
            out.push_str(&indent);
            push_flat(out, expr);
        }
    }
}
