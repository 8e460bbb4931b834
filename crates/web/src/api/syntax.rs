//! `format_query` and `parse_query`: expressions, not evaluated.

use super::{ApiError, ApiResult, Call, Remarks};
use crate::json;

/// The expression, printed prettily.
pub(super) fn format_query(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let expression = parse(call)?;
    json::string(out, &promql_parser::pretty::prettify(&expression));
    Ok(Remarks::default())
}

/// The expression as a tree.
pub(super) fn parse_query(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let expression = parse(call)?;
    // Outside of strings these characters do not occur in JSON.
    for c in promql_parser::tree::to_json(&expression)
        .to_string()
        .chars()
    {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(Remarks::default())
}

fn parse(call: &Call) -> Result<promql_parser::ast::Expr, ApiError> {
    promql_parser::parse_expr(call.form.value("query"), &call.backend.parser_options)
        .map_err(|err| ApiError::parameter("query", err))
}
