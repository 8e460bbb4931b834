//! Label matchers: `name = "value"`, `!=`, `=~`, `!~`.

use std::fmt;
use std::sync::Arc;

use crate::regex_matcher::{RegexMatcher, RegexMatcherError};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One condition on one label. A label that a series lacks has the empty value.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Label name.
    pub name: Arc<str>,
    /// Comparison.
    pub op: MatchOp,
    /// Value or regular expression, as written.
    pub value: Arc<str>,
    regex: Option<Arc<RegexMatcher>>,
}

impl Matcher {
    /// Builds a matcher; fails on a bad regular expression.
    pub fn new(op: MatchOp, name: &str, value: &str) -> Result<Self, RegexMatcherError> {
        let regex = match op {
            MatchOp::Regex | MatchOp::NotRegex => Some(Arc::new(RegexMatcher::new(value)?)),
            MatchOp::Equal | MatchOp::NotEqual => None,
        };
        Ok(Self {
            name: name.into(),
            op,
            value: value.into(),
            regex,
        })
    }

    /// `name = "value"`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            regex: None,
        }
    }

    /// Whether a label value satisfies the condition; the empty string stands for "no such label".
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => *self.value == *value,
            (MatchOp::NotEqual, _) => *self.value != *value,
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (_, Some(regex)) => regex.is_match(value),
            // `new` gives every regex operator its expression.
            (_, None) => false,
        }
    }

    /// Whether series without the label satisfy the condition.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The expression behind `=~` and `!~`.
    pub fn regex(&self) -> Option<&RegexMatcher> {
        self.regex.as_deref()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}
