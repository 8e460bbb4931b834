//! `query_exemplars`: exemplars of the series that an expression selects.

use model::Matcher;
use promql_parser::ast::Expr;

use super::{ApiError, ApiResult, Call, ErrorKind, Remarks};
use crate::json;
use crate::params::{self, Instant};

/// Exemplars by series, in label order. An expression without selectors has no answer at all.
pub(super) fn query(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let time = |name, default| {
        params::optional_time(name, call.form.value(name), default)
            .map_err(|err| ApiError::parameter(name, err))
    };
    let (start, end) = (time("start", Instant::MIN)?, time("end", Instant::MAX)?);
    if end < start {
        return Err(ApiError::bad_data(
            "end timestamp must not be before start timestamp",
        ));
    }
    let options = &call.backend.parser_options;
    let expression = promql_parser::parse_expr(call.form.value("query"), options)
        .map_err(|err| ApiError::bad_data(err.to_string()))?;
    let mut selectors = Vec::new();
    collect(&expression, &mut selectors);
    if selectors.is_empty() {
        return Ok(Remarks::nothing());
    }
    let series = (call.backend.exemplars)(start.millis(), end.millis(), &selectors);
    let series = series.map_err(|err| ApiError {
        kind: ErrorKind::Execution,
        text: err.to_string(),
    })?;
    json::array(out, &series, |out, (labels, exemplars)| {
        let mut object = json::Object::open(out);
        json::labels(object.key("seriesLabels"), labels);
        json::array(object.key("exemplars"), exemplars, |out, exemplar| {
            let mut object = json::Object::open(out);
            json::labels(object.key("labels"), &exemplar.labels);
            json::sample_value(object.key("value"), exemplar.value);
            json::timestamp(
                object.key("timestamp"),
                exemplar.timestamp.unwrap_or_default(),
            );
            object.close();
        });
        object.close();
    });
    Ok(Remarks::default())
}

/// Matchers of every selector of an expression.
fn collect(expression: &Expr, selectors: &mut Vec<Vec<Matcher>>) {
    match expression {
        Expr::Vector(selector) => selectors.push(selector.matchers.clone()),
        Expr::Matrix(matrix) => selectors.push(matrix.selector.matchers.clone()),
        Expr::Aggregate(aggregate) => {
            if let Some(parameter) = &aggregate.param {
                collect(parameter, selectors);
            }
            collect(&aggregate.expr, selectors);
        }
        Expr::Binary(binary) => {
            collect(&binary.lhs, selectors);
            collect(&binary.rhs, selectors);
        }
        Expr::Call(call) => {
            for argument in &call.args {
                collect(argument, selectors);
            }
        }
        Expr::Subquery(subquery) => collect(&subquery.expr, selectors),
        Expr::Paren(paren) => collect(&paren.expr, selectors),
        Expr::Unary(unary) => collect(&unary.expr, selectors),
        Expr::Number(_) | Expr::String(_) => {}
    }
}
