//! Types: what may stand where. Runs over a tree without syntax errors.

use gocompat::quote::quote;
use model::label_name::METRIC_NAME;

use crate::ast::{
    AggregateExpr, AggregateOp, BinaryExpr, Call, Cardinality, Expr, PosRange, ValueType,
    VectorSelector,
};
use crate::error::ParseError;
use crate::lex::is_space;

type Checked<T> = Result<T, ParseError>;

/// Checks a tree and settles what depends on types: the cardinality of set operators, and that
/// there is matching only between vectors. `text` is what the tree was parsed from.
pub(crate) fn check(expr: &mut Expr, text: &str) -> Checked<ValueType> {
    Ok(match expr {
        Expr::Aggregate(aggregate) => {
            check_aggregate(aggregate, text)?;
            ValueType::Vector
        }
        Expr::Binary(binary) => check_binary(binary, text)?,
        Expr::Call(call) => {
            check_call(call, text)?;
            call.func.returns
        }
        Expr::Matrix(matrix) => {
            check_selector(&matrix.selector)?;
            ValueType::Matrix
        }
        Expr::Subquery(subquery) => {
            let inner = check(&mut subquery.expr, text)?;
            if inner != ValueType::Vector {
                let message =
                    format!("subquery is only allowed on instant vector, got {inner} instead");
                return Err(ParseError::new(subquery.pos, message));
            }
            ValueType::Matrix
        }
        Expr::Paren(paren) => check(&mut paren.expr, text)?,
        Expr::Unary(unary) => {
            let inner = check(&mut unary.expr, text)?;
            if !is_number_like(inner) {
                let inner = quote(inner.documented());
                let message = format!(
                    "unary expression only allowed on expressions of type scalar \
                     or instant vector, got {inner}"
                );
                return Err(ParseError::new(unary.pos, message));
            }
            inner
        }
        Expr::Vector(selector) => {
            check_selector(selector)?;
            ValueType::Vector
        }
        Expr::Number(_) => ValueType::Scalar,
        Expr::String(_) => ValueType::String,
    })
}

fn is_number_like(value: ValueType) -> bool {
    matches!(value, ValueType::Scalar | ValueType::Vector)
}

fn expect_type(expr: &mut Expr, wanted: ValueType, context: &str, text: &str) -> Checked<()> {
    let found = check(expr, text)?;
    if found == wanted {
        return Ok(());
    }
    let (wanted, found) = (wanted.documented(), found.documented());
    let message = format!("expected type {wanted} in {context}, got {found}");
    Err(ParseError::new(expr.pos(), message))
}

fn check_aggregate(aggregate: &mut AggregateExpr, text: &str) -> Checked<()> {
    expect_type(
        &mut aggregate.expr,
        ValueType::Vector,
        "aggregation expression",
        text,
    )?;
    let wanted = match aggregate.op {
        AggregateOp::CountValues => ValueType::String,
        _ => ValueType::Scalar,
    };
    match &mut aggregate.param {
        Some(param) => expect_type(param, wanted, "aggregation parameter", text),
        None => Ok(()),
    }
}

fn check_call(call: &mut Call, text: &str) -> Checked<()> {
    let error = |message: String| Err(ParseError::new(call.pos, message));
    let name = quote(call.func.name);
    let (declared, given) = (call.func.args.len(), call.args.len());
    let arguments = format!("argument(s) in call to {name}, got {given}");
    if call.func.variadic == 0 {
        if declared != given {
            return error(format!("expected {declared} {arguments}"));
        }
    } else {
        let least = declared.saturating_sub(1);
        if least > given {
            return error(format!("expected at least {least} {arguments}"));
        }
        let most = usize::try_from(call.func.variadic).map(|extra| least + extra);
        if let Ok(most) = most
            && most < given
        {
            return error(format!("expected at most {most} {arguments}"));
        }
    }
    let context = format!("call to function {name}");
    let is_info = call.func.name == "info";
    for (index, argument) in call.args.iter_mut().enumerate() {
        if is_info && index == 1 {
            check_info_labels(argument)?;
            continue;
        }
        if let Some(wanted) = call.func.args.get(index).or(call.func.args.last()) {
            expect_type(argument, *wanted, &context, text)?;
        }
    }
    Ok(())
}

/// The second argument of `info` only looks like a selector: it may match everything.
fn check_info_labels(argument: &Expr) -> Checked<()> {
    let message = match argument {
        Expr::Vector(selector) if selector.name.is_empty() => return Ok(()),
        Expr::Vector(_) => "expected label selectors only, got vector selector instead",
        _ => "expected label selectors only",
    };
    Err(ParseError::new(argument.pos(), message))
}

fn check_selector(selector: &VectorSelector) -> Checked<()> {
    let error = |message: String| Err(ParseError::new(selector.pos, message));
    if selector.name.is_empty() {
        if selector.matchers.iter().all(model::Matcher::matches_empty) {
            let message = "vector selector must contain at least one non-empty matcher";
            return error(message.to_owned());
        }
        return Ok(());
    }
    // The last matcher is the one made from the name before the braces.
    let inside = selector
        .matchers
        .split_last()
        .map_or(&[][..], |(_, inside)| inside);
    match inside.iter().find(|matcher| *matcher.name == *METRIC_NAME) {
        Some(second) => {
            let (first, second) = (quote(&selector.name), quote(&second.value));
            error(format!(
                "metric name must not be set twice: {first} or {second}"
            ))
        }
        None => Ok(()),
    }
}

fn check_binary(binary: &mut BinaryExpr, text: &str) -> Checked<ValueType> {
    let left = check(&mut binary.lhs, text)?;
    let right = check(&mut binary.rhs, text)?;
    check_bool(binary, left, right, text)?;
    if let Some(matching) = &mut binary.matching {
        if binary.op.is_set_operator() && matching.card == Cardinality::OneToOne {
            matching.card = Cardinality::ManyToMany;
        }
        let twice = matching
            .labels
            .iter()
            .find(|label| matching.include.contains(label));
        if let Some(label) = twice.filter(|_| matching.on) {
            let label = quote(label);
            let message = format!("label {label} must not occur in ON and GROUP clause at once");
            return Err(ParseError::new(operator_pos(binary, text), message));
        }
    }
    for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
        if !is_number_like(found) {
            let message = "binary expression must contain only scalar and instant vector types";
            return Err(ParseError::new(side.pos(), message));
        }
    }
    let both_vectors = left == ValueType::Vector && right == ValueType::Vector;
    check_matching(binary, both_vectors)?;
    if !both_vectors {
        binary.matching = None;
        if binary.op.is_set_operator() {
            let op = quote(binary.op.as_str());
            let message = format!("set operator {op} not allowed in binary scalar expression");
            return Err(ParseError::new(binary.pos, message));
        }
    }
    let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
    Ok(if scalars {
        ValueType::Scalar
    } else {
        ValueType::Vector
    })
}

fn check_bool(binary: &BinaryExpr, left: ValueType, right: ValueType, text: &str) -> Checked<()> {
    let comparison = binary.op.is_comparison();
    let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
    let message = if binary.return_bool && !comparison {
        "bool modifier can only be used on comparison operators"
    } else if comparison && scalars && !binary.return_bool {
        "comparisons between scalars must use BOOL modifier"
    } else {
        return Ok(());
    };
    Err(ParseError::new(operator_pos(binary, text), message))
}

fn check_matching(binary: &BinaryExpr, both_vectors: bool) -> Checked<()> {
    let Some(matching) = &binary.matching else {
        return Ok(());
    };
    let error = |message: String| Err(ParseError::new(binary.pos, message));
    let filled = matching.fill_lhs.is_some() || matching.fill_rhs.is_some();
    if !both_vectors {
        if !matching.labels.is_empty() {
            return error("vector matching only allowed between instant vectors".to_owned());
        }
        if filled {
            let message = "filling in missing series only allowed between instant vectors";
            return error(message.to_owned());
        }
        return Ok(());
    }
    if !binary.op.is_set_operator() {
        return Ok(());
    }
    if matches!(
        matching.card,
        Cardinality::OneToMany | Cardinality::ManyToOne
    ) {
        let op = quote(binary.op.as_str());
        return error(format!("no grouping allowed for {op} operation"));
    }
    if filled {
        return error("filling in missing series not allowed for set operators".to_owned());
    }
    Ok(())
}

/// The operator with its modifiers: what is between the operands, without white space around it.
fn operator_pos(binary: &BinaryExpr, text: &str) -> PosRange {
    let (start, end) = (binary.lhs.pos().end, binary.rhs.pos().start);
    let between = text.get(start as usize..end as usize).unwrap_or("");
    let skipped = between.len() - between.trim_start_matches(is_space).len();
    let kept = between.trim_end_matches(is_space).len();
    PosRange {
        start: start + skipped as u32,
        end: start + kept as u32,
    }
}
