//! The expression of a relabelling rule, anchored at both ends.

use std::sync::{Arc, LazyLock};

use gocompat::regex::{Captures, Regex, RegexError, syntax};

use crate::regex_matcher::RegexMatcher;

/// Expression of a rule that has none: everything, as group 1.
pub const DEFAULT_REGEX: &str = "(.*)";

/// A compiled expression and whether it was written or is the default.
#[derive(Debug, Clone)]
pub struct RelabelRegex {
    source: Arc<str>,
    /// `None` for [`DEFAULT_REGEX`], which matches everything.
    compiled: Option<Arc<Compiled>>,
    written: bool,
}

#[derive(Debug)]
struct Compiled {
    /// For captures.
    regex: Regex,
    /// For yes or no.
    matcher: RegexMatcher,
}

/// The default expression, compiled: only label mapping needs it.
static DEFAULT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new_anchored(DEFAULT_REGEX).ok());

impl RelabelRegex {
    /// Compiles an expression that was written in a rule.
    pub fn new(source: &str) -> Result<Self, RegexError> {
        let compiled = if source == DEFAULT_REGEX {
            None
        } else {
            let parsed = syntax::parse_anchored(source)?;
            let regex = Regex::from_parsed(source, parsed.clone())?;
            let matcher = RegexMatcher::from_anchored(&parsed, &regex);
            Some(Arc::new(Compiled { regex, matcher }))
        };
        Ok(Self {
            source: source.into(),
            compiled,
            written: true,
        })
    }

    /// The expression as written, without anchors.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it was written in the rule, be it the default's text.
    pub fn is_written(&self) -> bool {
        self.written
    }

    /// Whether it is `(.*)`, which matches everything.
    pub(super) fn is_default(&self) -> bool {
        self.compiled.is_none()
    }

    /// Whether all of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled
            .as_ref()
            .is_none_or(|compiled| compiled.matcher.is_match(text))
    }

    /// Groups of a match with all of `text`.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.engine()?.captures(text)
    }

    pub(super) fn expand(&self, template: &str, captures: &Captures<'_>, out: &mut String) {
        if let Some(regex) = self.engine() {
            regex.expand(template, captures, out);
        }
    }

    /// `text`, if all of it matches, replaced by the expanded template.
    pub(super) fn replace_all(&self, text: &str, template: &str) -> String {
        self.engine().map_or_else(
            || text.to_owned(),
            |regex| regex.replace_all(text, template),
        )
    }

    fn engine(&self) -> Option<&Regex> {
        match &self.compiled {
            Some(compiled) => Some(&compiled.regex),
            None => DEFAULT.as_ref(),
        }
    }
}

impl Default for RelabelRegex {
    fn default() -> Self {
        Self {
            source: DEFAULT_REGEX.into(),
            compiled: None,
            written: false,
        }
    }
}

/// Two expressions are equal if they read the same.
impl PartialEq for RelabelRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}
