//! The parser through its public functions.

mod accepted;
mod arbitrary;
mod hostile;
mod refused;
mod round_trip;
mod switches;

use promql_parser::ast::Expr;
use promql_parser::{ParserOptions, parse_expr};

/// Parses with everything switched on.
fn parse(text: &str) -> Expr {
    parse_expr(text, &ParserOptions::all()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The error of a text that has to be refused, everything being switched on.
fn error(text: &str) -> String {
    match parse_expr(text, &ParserOptions::all()) {
        Ok(expr) => panic!("{text} was accepted as {expr}"),
        Err(error) => error.to_string(),
    }
}
