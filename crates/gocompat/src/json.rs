//! JSON as Go's `encoding/json` reads it into a `map[string]string`, with that package's errors as they
//! are up to Go 1.26; a peer built with 1.27 words a few of them otherwise.
//!
//! As there, the whole text is checked before any of it is used, so that an error of form comes
//! before one of type.

mod scan;

use std::collections::BTreeMap;
use std::str::Chars;

use scan::{Kind, Scanner};

/// Why a text is not what was asked for, in `encoding/json`'s words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// No JSON.
    #[error("{0}")]
    Syntax(String),
    /// JSON of another type.
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Type {
        /// What stands there: `array`, `bool`, `number`, `object` or `string`.
        found: &'static str,
        /// What should.
        wanted: &'static str,
    },
}

/// Reads an object of strings. Of equal names the last one counts; `null` is an empty object, as a
/// value an empty string.
pub fn string_map(text: &str) -> Result<BTreeMap<String, String>, JsonError> {
    scan::check(text.as_bytes())?;
    let mut map = BTreeMap::new();
    let mut failure = Ok(());
    let mut scanner = Scanner::new(text.as_bytes());
    let wrong = |kind: Kind, wanted| JsonError::Type {
        found: kind.name(),
        wanted,
    };
    match scanner.kind() {
        Kind::Object => scanner.enter(),
        Kind::Null => return Ok(map),
        kind => return Err(wrong(kind, "map[string]string")),
    }
    // The text was checked: a name, a value, and again until the object ends.
    while scanner.kind() == Kind::String {
        let name = unquoted(literal(text, scanner.pass()));
        let kind = scanner.kind();
        let value = literal(text, scanner.pass());
        match kind {
            Kind::String => {
                map.insert(name, unquoted(value));
            }
            Kind::Null => {
                map.insert(name, String::new());
            }
            kind => failure = failure.and(Err(wrong(kind, "string"))),
        }
    }
    failure.map(|()| map)
}

fn literal(text: &str, place: std::ops::Range<usize>) -> &str {
    text.get(place).unwrap_or_default()
}

/// What a literal with quotation marks says. Halves of a pair of surrogates are replaced.
fn unquoted(literal: &str) -> String {
    let inner = literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let mut out = String::with_capacity(literal.len());
    let mut rest = inner.unwrap_or_default().chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => out.push(code_point(&mut rest)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// The character that four digits write, or eight of two escapes.
fn code_point(rest: &mut Chars<'_>) -> char {
    let Some(first) = four_digits(rest) else {
        return char::REPLACEMENT_CHARACTER;
    };
    let mut after = rest.clone();
    let second = if after.next() == Some('\\') && after.next() == Some('u') {
        four_digits(&mut after)
    } else {
        None
    };
    if let Some(second) = second
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character.len_utf16() == 2
    {
        *rest = after;
        return character;
    }
    char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn four_digits(rest: &mut Chars<'_>) -> Option<u16> {
    let digits = rest.as_str().get(..4)?;
    let value = u16::from_str_radix(digits, 16).ok()?;
    // All four are ASCII.
    rest.nth(3)?;
    Some(value)
}

#[cfg(test)]
mod tests;
