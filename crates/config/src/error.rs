//! Why a configuration was refused.

use std::fmt;

/// A refused configuration. Displayed, it is the reference's text; [`located`](Self::located) adds
/// where and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The reference's text.
    pub text: String,
    /// File, as it was named.
    pub file: Option<String>,
    /// Line and column, from 1.
    pub place: Option<(u32, u32)>,
}

impl ConfigError {
    /// An error about no particular place.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            file: None,
            place: None,
        }
    }

    /// An error of the YAML reader.
    pub fn from_yaml(err: &yaml::Error) -> Self {
        Self {
            text: err.to_string(),
            file: None,
            place: err.place(),
        }
    }

    /// Names the file and puts `prefix` before the text.
    #[must_use]
    pub fn in_file(mut self, file: &str, prefix: &str) -> Self {
        self.text = format!("{prefix}: {}", self.text);
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// `file:line:column` of the first problem, as far as known.
    pub fn place_text(&self) -> Option<String> {
        let (line, column) = self.place?;
        let file = self.file.as_deref().unwrap_or("configuration");
        Some(format!("{file}:{line}:{column}"))
    }

    /// The text with the place and what was expected after it.
    pub fn located(&self) -> String {
        let mut text = self.text.clone();
        if let Some(place) = self.place_text() {
            text.push_str("\n    at ");
            text.push_str(&place);
        }
        if let Some(expected) = expectation(&self.text) {
            text.push_str(": expected ");
            text.push_str(expected);
        }
        text
    }
}

/// In plain words, what a type error wanted.
fn expectation(text: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 8] = [
        ("into []", "a list"),
        ("into map[", "a mapping of names to values"),
        ("into config.", "a mapping of keys to values"),
        ("into bool", "true or false"),
        ("into int", "a whole number"),
        ("into uint", "a whole number that is not negative"),
        ("into float64", "a number"),
        ("into string", "a text"),
    ];
    if text.contains(" not found in type ") {
        return Some("a known key");
    }
    if text.contains("duration string") {
        return Some("a duration such as 15s or 1h30m");
    }
    TYPES
        .iter()
        .find(|(pattern, _)| text.contains(pattern))
        .map(|(_, expected)| *expected)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
