//! Fully anchored regular expressions over label values, in the reference's dialect.
//!
//! Most expressions of real queries are not regular expressions at heart: `a|b|c`, `prefix.*`,
//! `.*part.*`, `.+`, `(?i)name`. Those never reach the engine; for the rest, literals that every
//! match starts with, ends with or contains are looked for first.

mod analyze;
mod shape;

use std::sync::Arc;

use gocompat::regex::syntax::hir::{Hir, Look};
use gocompat::regex::syntax::{self, Parsed};
use gocompat::regex::{Regex, RegexError};
use memchr::memmem;

use shape::{Glob, Sequence};

/// A bad regular expression, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct RegexMatcherError(#[from] pub RegexError);

/// `^(?s:expression)$`, compiled once, shared freely.
#[derive(Debug, Clone)]
pub struct RegexMatcher {
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    kind: Kind,
    prefix: String,
}

/// How values are matched, the cheapest first.
#[derive(Debug)]
enum Kind {
    /// One of these, sorted.
    Literals(Vec<String>),
    /// Any of these.
    Globs(Vec<Glob>),
    /// Any of these.
    Sequences(Vec<Sequence>),
    /// What the engine says, after a look for literals that every match has.
    Engine {
        regex: Regex,
        suffix: String,
        contains: String,
    },
}

impl RegexMatcher {
    /// Compiles `expression`.
    pub fn new(expression: &str) -> Result<Self, RegexMatcherError> {
        let Parsed { hir, group_names } = syntax::parse_matcher(expression)?;
        let compile = || {
            let ends = [Hir::look(Look::Start), hir.clone(), Hir::look(Look::End)];
            let anchored = Parsed {
                hir: Hir::concat(ends.to_vec()),
                group_names,
            };
            Regex::from_parsed(expression, anchored)
        };
        Ok(Self {
            plan: Arc::new(analyze::plan(&hir, compile)?),
        })
    }

    /// A matcher that agrees with `regex`, which was compiled from `parsed`, the result of
    /// [`syntax::parse_anchored`].
    pub fn from_anchored(parsed: &Parsed, regex: &Regex) -> Self {
        let engine = || Ok(regex.clone());
        let plan = match analyze::inside_anchors(&parsed.hir) {
            Some(inner) => analyze::plan(&inner, engine),
            // An alternation that escaped its anchors: only the engine knows.
            None => Err(RegexError {
                kind: "",
                fragment: String::new(),
            }),
        };
        let plan = plan.unwrap_or_else(|_| Plan {
            kind: Kind::Engine {
                regex: regex.clone(),
                suffix: String::new(),
                contains: String::new(),
            },
            prefix: String::new(),
        });
        Self {
            plan: Arc::new(plan),
        }
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.plan.kind {
            Kind::Literals(literals) => literals
                .binary_search_by(|literal| literal.as_str().cmp(text))
                .is_ok(),
            Kind::Globs(globs) => globs.iter().any(|glob| glob.is_match(text)),
            Kind::Sequences(sequences) => sequences.iter().any(|sequence| sequence.is_match(text)),
            Kind::Engine {
                regex,
                suffix,
                contains,
            } => {
                text.starts_with(&self.plan.prefix)
                    && text.ends_with(suffix)
                    && (contains.is_empty()
                        || memmem::find(text.as_bytes(), contains.as_bytes()).is_some())
                    && regex.is_match(text)
            }
        }
    }

    /// All the values that can match, sorted, if they are finitely many and few: a selector then
    /// looks them up instead of scanning.
    pub fn literal_set(&self) -> Option<&[String]> {
        match &self.plan.kind {
            Kind::Literals(literals) => Some(literals),
            _ => None,
        }
    }

    /// A prefix that every matching value has; empty if none is known.
    pub fn prefix(&self) -> &str {
        &self.plan.prefix
    }

    /// Whether every value matches, the empty one included (`.*`).
    pub fn matches_everything(&self) -> bool {
        self.has_glob(Glob::matches_everything)
    }

    /// Whether every value but the empty one matches (`.+`), or that one too.
    pub fn matches_all_but_empty(&self) -> bool {
        self.has_glob(|glob| glob.matches_everything() || glob.matches_all_but_empty())
    }

    fn has_glob(&self, condition: impl Fn(&Glob) -> bool) -> bool {
        matches!(&self.plan.kind, Kind::Globs(globs) if globs.iter().any(condition))
    }
}

#[cfg(test)]
mod tests;
