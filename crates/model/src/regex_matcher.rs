//! Fully anchored regular expressions over label values, in the reference's dialect.

use gocompat::regex::Regex;

/// A bad regular expression, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RegexMatcherError(pub String);

/// `^(?s:expression)$`, compiled once, shared freely.
#[derive(Debug, Clone)]
pub struct RegexMatcher {
    regex: Regex,
}

impl RegexMatcher {
    /// Compiles `expression`.
    pub fn new(expression: &str) -> Result<Self, RegexMatcherError> {
        Regex::new_anchored(expression)
            .map(|regex| Self { regex })
            .map_err(|err| RegexMatcherError(err.to_string()))
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
