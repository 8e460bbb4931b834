//! What can go wrong, in the reference's words, with the place beside them.

use std::fmt;

/// An error that ends decoding: bad syntax, or a value that a validation rule refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// The reference's text.
    pub text: String,
    /// Line of the node that was being decoded, from 1; 0 if unknown.
    pub line: u32,
    /// Column of that node, from 1; 0 if unknown.
    pub column: u32,
}

impl Fatal {
    /// An error without a place.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            line: 0,
            column: 0,
        }
    }

    /// Sets the place unless a deeper node has set it.
    #[must_use]
    pub fn at(mut self, (line, column): (u32, u32)) -> Self {
        if self.line == 0 {
            (self.line, self.column) = (line, column);
        }
        self
    }
}

impl From<String> for Fatal {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bad syntax or a refused value.
    #[error("{0}")]
    Fatal(Fatal),
    /// Unknown or repeated keys and wrong types, all of them.
    #[error("yaml: unmarshal errors:\n  {}", .0.iter().map(|issue| issue.text.as_str()).collect::<Vec<_>>().join("\n  "))]
    Types(Vec<Fatal>),
}

impl Error {
    /// The first place the error names, as line and column from 1.
    pub fn place(&self) -> Option<(u32, u32)> {
        let first = match self {
            Self::Fatal(fatal) => fatal,
            Self::Types(issues) => issues.first()?,
        };
        (first.line > 0).then_some((first.line, first.column))
    }
}
