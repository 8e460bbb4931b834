//! (in work) Go's syntax of regular expressions.

use regex_syntax::hir::Hir;

use super::RegexError;

/// Parses `source`.
pub fn parse(source: &str) -> Result<Hir, RegexError> {
    regex_syntax::parse(source).map_err(|err| RegexError {
        kind: err.to_string(),
        fragment: Some(source.to_owned()),
    })
}

/// Parses `^(?s:source)$`.
pub fn parse_anchored(source: &str) -> Result<Hir, RegexError> {
    parse(&format!("^(?s:{source})$"))
}
