//! Fully anchored regular expressions over label values, in the reference's dialect.

use gocompat::regex::{Regex, RegexError, syntax};

/// A bad regular expression, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct RegexMatcherError(#[from] pub RegexError);

/// `^(?s:expression)$`, compiled once, shared freely.
#[derive(Debug, Clone)]
pub struct RegexMatcher {
    regex: Regex,
}

impl RegexMatcher {
    /// Compiles `expression`.
    pub fn new(expression: &str) -> Result<Self, RegexMatcherError> {
        // The reference first parses it alone, which gives other errors than the anchored text.
        syntax::parse_matcher(expression)?;
        Ok(Self {
            regex: Regex::new_anchored(expression)?,
        })
    }

    /// Takes an expression compiled by [`Regex::new_anchored`].
    pub fn from_regex(regex: Regex) -> Self {
        Self { regex }
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// All the values that can match, if they are finitely many and few: a selector then looks
    /// them up instead of scanning.
    pub fn literal_set(&self) -> Option<&[String]> {
        None
    }

    /// A prefix that every matching value has; empty if none is known.
    pub fn prefix(&self) -> &str {
        ""
    }
}
