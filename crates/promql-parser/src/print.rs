//! The tree as text on one line, in the reference's normal form.

use std::fmt::{self, Write as _};

use gocompat::float::{format_f, format_f_precision, format_g};
use gocompat::quote::{push_quoted, quote, quote_bytes};
use model::label_name::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use model::{MatchOp, Matcher};

use crate::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Cardinality, DurationExpr, Expr, MatrixSelector,
    NumberLiteral, SubqueryExpr, VectorMatching, VectorSelector,
};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(node) => {
                write!(f, "{}(", aggregate_head(node))?;
                if let Some(param) = &node.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", node.expr)
            }
            Self::Binary(node) => {
                write!(f, "{} {} {}", node.lhs, binary_middle(node), node.rhs)
            }
            Self::Call(node) => {
                write!(f, "{}(", node.func.name)?;
                for (index, argument) in node.args.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{argument}")?;
                }
                f.write_char(')')
            }
            Self::Matrix(node) => write!(f, "{node}"),
            Self::Subquery(node) => write!(f, "{}{}", node.expr, subquery_suffix(node)),
            Self::Number(node) => write!(f, "{node}"),
            Self::Paren(node) => write!(f, "({})", node.expr),
            Self::String(node) => match &node.invalid_utf8 {
                Some(bytes) => f.write_str(&quote_bytes(bytes)),
                None => f.write_str(&quote(&node.value)),
            },
            Self::Unary(node) => write!(f, "{}{}", sign(node.negative), node.expr),
            Self::Vector(node) => write!(f, "{node}"),
        }
    }
}

pub(crate) fn sign(negative: bool) -> char {
    if negative { '-' } else { '+' }
}

/// Operator and clause of an aggregation, up to the parenthesis.
pub(crate) fn aggregate_head(node: &AggregateExpr) -> String {
    let labels = || {
        let quoted = |label: &String| match is_legacy_metric_name(label) {
            true => label.clone(),
            false => quote(label),
        };
        node.grouping
            .iter()
            .map(quoted)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (node.without, node.grouping.is_empty()) {
        (true, _) => format!("{} without ({}) ", node.op, labels()),
        (false, false) => format!("{} by ({}) ", node.op, labels()),
        (false, true) => node.op.to_string(),
    }
}

/// Operator and modifiers of a binary expression.
pub(crate) fn binary_middle(node: &BinaryExpr) -> String {
    let mut text = node.op.to_string();
    if node.return_bool {
        text.push_str(" bool");
    }
    if let Some(matching) = &node.matching {
        push_matching(&mut text, matching);
    }
    text
}

fn push_matching(text: &mut String, matching: &VectorMatching) {
    // Labels stand unquoted here whatever they are: clients see it this way.
    if !matching.labels.is_empty() || matching.on {
        let keyword = if matching.on { "on" } else { "ignoring" };
        let _ = write!(text, " {keyword} ({})", matching.labels.join(", "));
        let side = match matching.card {
            Cardinality::ManyToOne => "left",
            Cardinality::OneToMany => "right",
            Cardinality::OneToOne | Cardinality::ManyToMany => "",
        };
        if !side.is_empty() {
            let _ = write!(text, " group_{side} ({})", matching.include.join(", "));
        }
    }
    match (matching.fill_lhs, matching.fill_rhs) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
            let _ = write!(text, " fill ({})", format_g(left));
        }
        (left, right) => {
            if let Some(left) = left {
                let _ = write!(text, " fill_left ({})", format_g(left));
            }
            if let Some(right) = right {
                let _ = write!(text, " fill_right ({})", format_g(right));
            }
        }
    }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.duration {
            return f.write_str(&format_f(self.value));
        }
        // Cut, not rounded: the reference shows 1001ms as 1s, because 1.001 s are a little less.
        let millis = (self.value.abs() * 1e9) as i64 / 1_000_000;
        let sign = if self.value < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", model::duration::format(millis))
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::MinOf(a, b, _) => write!(f, "min_of({a}, {b})"),
            Self::MaxOf(a, b, _) => write!(f, "max_of({a}, {b})"),
            Self::Unary {
                negative, operand, ..
            } => write!(f, "{}{operand}", sign(*negative)),
            Self::Binary { op, lhs, rhs, .. } => write!(f, "{lhs} {op} {rhs}"),
            Self::Paren(inner, _) => write!(f, "({inner})"),
        }
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_selector(f, self)?;
        f.write_str(extended(self))?;
        f.write_str(&modifiers(
            self.at,
            self.offset_ms,
            self.offset_expr.as_ref(),
        ))
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = &self.selector;
        write_selector(f, selector)?;
        write!(f, "[{}]", duration(self.range_ms, self.range_expr.as_ref()))?;
        f.write_str(extended(selector))?;
        f.write_str(&modifiers(
            selector.at,
            selector.offset_ms,
            selector.offset_expr.as_ref(),
        ))
    }
}

/// Name and matchers, sorted by their text.
fn write_selector(f: &mut fmt::Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    f.write_str(&selector.name)?;
    let written_as_name = |matcher: &&Matcher| {
        *matcher.name == *METRIC_NAME
            && matcher.op == MatchOp::Equal
            && *matcher.value == *selector.name
            && !matcher.value.is_empty()
    };
    let mut matchers: Vec<String> = selector
        .matchers
        .iter()
        .filter(|m| !written_as_name(m))
        .map(matcher_text)
        .collect();
    matchers.sort_unstable();
    if matchers.is_empty() {
        Ok(())
    } else {
        write!(f, "{{{}}}", matchers.join(","))
    }
}

/// A matcher as written: `name="value"`, the name quoted where it has to be.
fn matcher_text(matcher: &Matcher) -> String {
    let mut text = String::with_capacity(matcher.name.len() + matcher.value.len() + 6);
    if is_legacy_label_name(&matcher.name) {
        text.push_str(&matcher.name);
    } else {
        push_quoted(&mut text, &matcher.name);
    }
    text.push_str(matcher.op.as_str());
    push_quoted(&mut text, &matcher.value);
    text
}

fn extended(selector: &VectorSelector) -> &'static str {
    match (selector.anchored, selector.smoothed) {
        (true, _) => " anchored",
        (false, true) => " smoothed",
        (false, false) => "",
    }
}

fn duration(millis: i64, expr: Option<&DurationExpr>) -> String {
    expr.map_or_else(|| model::duration::format(millis), ToString::to_string)
}

/// ` @ …` and ` offset …`, in this order.
fn modifiers(at: Option<AtModifier>, offset_ms: i64, offset: Option<&DurationExpr>) -> String {
    let mut text = match at {
        Some(AtModifier::Timestamp(at)) => {
            format!(" @ {}", format_f_precision(at as f64 / 1000.0, 3))
        }
        Some(AtModifier::Start) => " @ start()".to_owned(),
        Some(AtModifier::End) => " @ end()".to_owned(),
        None => String::new(),
    };
    if let Some(offset) = offset {
        let _ = write!(text, " offset {offset}");
    } else if offset_ms != 0 {
        let sign = if offset_ms < 0 { "-" } else { "" };
        let offset = model::duration::format(offset_ms.saturating_abs());
        let _ = write!(text, " offset {sign}{offset}");
    }
    text
}

/// Range, step and modifiers of a subquery.
pub(crate) fn subquery_suffix(node: &SubqueryExpr) -> String {
    let range = duration(node.range_ms, node.range_expr.as_ref());
    let step = match (node.step_ms, &node.step_expr) {
        (0, None) => String::new(),
        (millis, expr) => duration(millis, expr.as_ref()),
    };
    let modifiers = modifiers(node.at, node.offset_ms, node.offset_expr.as_ref());
    format!("[{range}:{step}]{modifiers}")
}
