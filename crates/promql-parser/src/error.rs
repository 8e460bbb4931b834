//! Errors with the place in the text that they are about.

use std::fmt;

use crate::ast::PosRange;

/// One error: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The offending bytes.
    pub pos: PosRange,
    /// What is wrong, without the place.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(pos: PosRange, message: impl Into<String>) -> Self {
        Self {
            pos,
            message: message.into(),
        }
    }
}

/// Why a text was refused, with the text itself.
///
/// Shown as the first error: `{line}:{column}: parse error: {message}`, both counted from 1, the
/// column in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrors {
    query: String,
    /// The errors in the order they were found; never empty. The parser stops at the first one.
    pub errors: Vec<ParseError>,
}

impl std::error::Error for ParseErrors {}

impl ParseErrors {
    pub(crate) fn new(query: &str, error: ParseError) -> Self {
        Self {
            query: query.to_owned(),
            errors: vec![error],
        }
    }

    /// The text that was refused.
    pub fn query(&self) -> &str {
        &self.query
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.errors.first() else {
            return f.write_str("parse error");
        };
        let place = line_and_column(&self.query, first.pos.start);
        write!(f, "{place}: parse error: {}", first.message)
    }
}

/// `line:column` of a byte offset, both from 1, the column in bytes.
pub fn line_and_column(query: &str, offset: u32) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let Some(before) = query.as_bytes().get(..offset as usize) else {
        return "invalid position".to_owned();
    };
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    format!("{line}:{}", before.len() - line_start + 1)
}
