//! The server's command line: one table of flags, which feeds parsing, help, documentation and
//! `/api/v1/status/flags`.
//!
//! The parser is our own and not clap: error texts, exit codes, `--no-x`, `@file` and the two-pass
//! order (unknown flags before bad values) are those of the reference's library, which users'
//! scripts see, and the echo of every flag as text needs the table anyway.

mod help;
mod parse;
mod table;
mod units;

use std::collections::{BTreeMap, BTreeSet};

pub use help::{help, man_page, markdown};
pub use parse::parse;
pub use table::{FLAGS, Flag, Kind, Mode};
pub use units::{format_bytes, parse_bytes};

/// A flag's value, as its kind reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// Text of any kind, also enumerations.
    Text(String),
    /// All values of a repeatable flag.
    List(Vec<String>),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A duration in milliseconds, written as the reference's configuration writes it.
    DurationMs(i64),
    /// A duration in nanoseconds, written as Go writes it.
    DurationNs(i64),
    /// A size in bytes.
    Bytes(i64),
}

impl Value {
    /// The value as `/api/v1/status/flags` shows it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::List(values) => values.join(","),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => gocompat::float::format_g(*value),
            Self::DurationMs(value) => model::duration::format(*value),
            Self::DurationNs(value) => gocompat::duration::format(*value),
            Self::Bytes(value) => format_bytes(*value),
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Start the server.
    Run(Flags),
    /// Print this text on standard output and end well.
    Print(String),
}

/// Why the command line cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// For standard output.
    pub stdout: String,
    /// For standard error, with its line feeds.
    pub stderr: String,
    /// Exit code: 1 for what cannot be read, 2 for bad values, 3 for flags of the other mode.
    pub code: u8,
}

/// Flags of the command-line library, as the reference calls them: they print and end.
const PRINTING: &[&str] = &[
    "help",
    "help-long",
    "help-man",
    "completion-bash",
    "completion-script-bash",
    "completion-script-zsh",
    "version",
];

/// Every flag's value: given or default.
#[derive(Debug, Clone, PartialEq)]
pub struct Flags {
    values: BTreeMap<&'static str, Value>,
    given: BTreeSet<&'static str>,
}

impl Flags {
    /// The values without a command line.
    pub fn defaults() -> Self {
        let values = FLAGS
            .iter()
            .map(|flag| (flag.name, parse::default_value(flag)))
            .collect();
        Self {
            values,
            given: BTreeSet::new(),
        }
    }

    /// Whether the flag was on the command line.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Names of the flags that were on the command line, sorted.
    pub fn given(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.given.iter().copied()
    }

    /// A boolean flag's value.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Bool(true)))
    }

    /// A text flag's value; empty for a flag of another kind.
    pub fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// A repeatable flag's values.
    pub fn list(&self, name: &str) -> &[String] {
        match self.values.get(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// A number, a duration in its own unit, or a size; 0 for a flag of another kind.
    pub fn int(&self, name: &str) -> i64 {
        match self.values.get(name) {
            Some(
                Value::Int(value)
                | Value::DurationMs(value)
                | Value::DurationNs(value)
                | Value::Bytes(value),
            ) => *value,
            _ => 0,
        }
    }

    /// A float flag's value.
    pub fn float(&self, name: &str) -> f64 {
        match self.values.get(name) {
            Some(Value::Float(value)) => *value,
            _ => 0.0,
        }
    }

    /// Replaces a value by what it turned out to mean (a default that depends on others).
    pub fn resolve(&mut self, name: &'static str, value: Value) {
        self.values.insert(name, value);
    }

    /// Every flag as text, hidden ones too, without those that only print something.
    pub fn to_texts(&self) -> BTreeMap<String, String> {
        let shown = |name: &str| !PRINTING.contains(&name);
        let values = self.values.iter().filter(|(name, _)| shown(name));
        values
            .map(|(name, value)| ((*name).to_owned(), value.to_text()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
