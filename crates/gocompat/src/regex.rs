//! Regular expressions in Go's dialect (RE2), on the engines of `regex-automata`.
//!
//! [`syntax`] reads the dialect and says what is wrong in Go's words; the engines match in linear
//! time. Compiled size and nesting are bounded, so that a hostile expression is refused.

mod expand;
pub mod syntax;

use std::sync::Arc;

use regex_automata::meta;
use regex_automata::util::captures::Captures as Slots;

pub use expand::{Group, expand_with, has_variable};
use syntax::Parsed;

/// Most bytes of the compiled automaton of one expression. The reference bounds its programs by
/// instructions, which are smaller than ours for classes and larger for literals.
const COMPILED_BYTES_MAX: usize = 16 << 20;

/// A bad expression, in Go's words: ``error parsing regexp: missing closing ): `(` ``.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{fragment}`")]
pub struct RegexError {
    /// What is wrong, such as `missing closing )`.
    pub kind: &'static str,
    /// The part of the expression that is wrong.
    pub fragment: String,
}

/// A compiled expression. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Regex {
    source: Arc<str>,
    engine: meta::Regex,
    group_names: Arc<[Box<str>]>,
}

/// Where an expression and its groups matched.
#[derive(Debug, Clone)]
pub struct Captures<'t> {
    text: &'t str,
    slots: Slots,
    group_names: Arc<[Box<str>]>,
}

impl Captures<'_> {
    /// Text of group `index`; 0 is the whole match. `None` if the group did not take part.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.slots
            .get_group(index)
            .and_then(|span| self.text.get(span.range()))
    }

    /// Text of the first group called `name` that took part.
    pub fn named(&self, name: &str) -> Option<&str> {
        let called = |index: &usize| !name.is_empty() && *self.group_names[*index] == *name;
        (1..self.group_names.len())
            .filter(called)
            .find_map(|index| self.text(index))
    }

    /// Number of groups, the whole match included.
    pub fn group_count(&self) -> usize {
        self.slots.group_len()
    }
}

/// An expression that matches exactly `text`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

impl Regex {
    /// Compiles `source`, which may match anywhere.
    pub fn new(source: &str) -> Result<Self, RegexError> {
        Self::from_parsed(source, syntax::parse(source)?)
    }

    /// Compiles `^(?s:source)$`, the form of matchers and relabel rules.
    pub fn new_anchored(source: &str) -> Result<Self, RegexError> {
        Self::from_parsed(source, syntax::parse_anchored(source)?)
    }

    /// Compiles what [`syntax`] parsed; `source` is only kept for [`as_str`](Self::as_str).
    pub fn from_parsed(source: &str, parsed: Parsed) -> Result<Self, RegexError> {
        let config = meta::Config::new().nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let engine = meta::Builder::new()
            .configure(config)
            .build_from_hir(&parsed.hir);
        let engine = engine.map_err(|_| RegexError {
            kind: "expression too large",
            fragment: source.to_owned(),
        })?;
        Ok(Self {
            source: source.into(),
            engine,
            group_names: parsed.group_names.into(),
        })
    }

    /// The expression as given, without anchors.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the expression matches `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.engine.is_match(text)
    }

    /// First match and its groups.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        let mut slots = self.engine.create_captures();
        self.engine.captures(text, &mut slots);
        slots.is_match().then(|| self.matched(text, slots))
    }

    /// First match, as byte offsets.
    pub fn find(&self, text: &str) -> Option<std::ops::Range<usize>> {
        self.engine.find(text).map(|found| found.range())
    }

    /// Names of the groups by index, empty for those without.
    pub fn group_names(&self) -> &[Box<str>] {
        &self.group_names
    }

    /// Appends `template` with `$1`, `${1}`, `$name` and `${name}` replaced by what the groups
    /// matched and `$$` by `$`; a name that no group has becomes nothing.
    pub fn expand(&self, template: &str, captures: &Captures<'_>, out: &mut String) {
        expand::expand(template, captures, out);
    }

    /// `text` with every match replaced by the expanded `template`.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut slots = self.engine.create_captures();
        let mut at = 0;
        let mut copied = 0;
        while at <= text.len() {
            let input = regex_automata::Input::new(text).range(at..);
            self.engine.search_captures(&input, &mut slots);
            let Some(found) = slots.get_match() else {
                break;
            };
            // As in Go, an empty match right after another match does not count.
            if !(found.is_empty() && found.start() == copied && copied > 0) {
                out.push_str(&text[copied..found.start()]);
                let captures = self.matched(text, slots.clone());
                expand::expand(template, &captures, &mut out);
                copied = found.end();
            }
            at = next_start(text, at, found.end());
        }
        out.push_str(&text[copied..]);
        out
    }
}

impl Regex {
    fn matched<'t>(&self, text: &'t str, slots: Slots) -> Captures<'t> {
        Captures {
            text,
            slots,
            group_names: Arc::clone(&self.group_names),
        }
    }
}

/// Where to look next: after the match, and past at least one character.
fn next_start(text: &str, at: usize, end: usize) -> usize {
    if end > at {
        return end;
    }
    text[at..]
        .chars()
        .next()
        .map_or(text.len() + 1, |character| at + character.len_utf8())
}

#[cfg(test)]
mod tests;
