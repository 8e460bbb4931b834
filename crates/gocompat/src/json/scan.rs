//! The form of JSON: [`check`] finds the first byte that cannot stand where it stands, [`Scanner`]
//! passes over text that was checked.

use std::ops::Range;

use super::JsonError;
use crate::quote::quote;

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 10_000;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Bool,
    Null,
    Number,
    Object,
    String,
    /// The end of the text, or of an array or object.
    None,
}

impl Kind {
    /// As errors name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Bool => "bool",
            Self::Null => "null",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
            Self::None => "nothing",
        }
    }

    fn beginning_with(byte: u8) -> Self {
        match byte {
            b'[' => Self::Array,
            b't' | b'f' => Self::Bool,
            b'n' => Self::Null,
            b'-' | b'0'..=b'9' => Self::Number,
            b'{' => Self::Object,
            b'"' => Self::String,
            _ => Self::None,
        }
    }
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    /// The first element of an array, or its end.
    ValueOrEnd,
    Name,
    /// The first name of an object, or its end.
    NameOrEnd,
    Colon,
    /// A comma or the end of what is open.
    AfterValue,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

/// Refuses what is no JSON, with the byte that makes it so.
pub(super) fn check(text: &[u8]) -> Result<(), JsonError> {
    let mut checker = Checker { text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    let mut expected = Expected::Value;
    loop {
        checker.pass_space();
        if checker.is_at_end() {
            return match (expected, open.is_empty()) {
                (Expected::AfterValue, true) => Ok(()),
                _ => Err(unexpected_end()),
            };
        }
        let byte = checker.next();
        expected = match (expected, byte) {
            (Expected::NameOrEnd, b'}') | (Expected::ValueOrEnd, b']') => {
                open.pop();
                Expected::AfterValue
            }
            (Expected::Name | Expected::NameOrEnd, b'"') => {
                checker.string()?;
                Expected::Colon
            }
            (Expected::Name | Expected::NameOrEnd, _) => {
                return refuse(byte, "looking for beginning of object key string");
            }
            (Expected::Colon, b':') => Expected::Value,
            (Expected::Colon, _) => return refuse(byte, "after object key"),
            (Expected::Value | Expected::ValueOrEnd, b'[' | b'{') => {
                if open.len() == DEPTH_MAX {
                    return refuse(byte, "exceeded max depth");
                }
                let is_array = byte == b'[';
                open.push(if is_array { Open::Array } else { Open::Object });
                if is_array {
                    Expected::ValueOrEnd
                } else {
                    Expected::NameOrEnd
                }
            }
            (Expected::Value | Expected::ValueOrEnd, _) => {
                checker.scalar(byte)?;
                Expected::AfterValue
            }
            (Expected::AfterValue, _) => match (open.last(), byte) {
                (Some(Open::Array), b',') => Expected::Value,
                (Some(Open::Object), b',') => Expected::Name,
                (Some(Open::Array), b']') | (Some(Open::Object), b'}') => {
                    open.pop();
                    Expected::AfterValue
                }
                (Some(Open::Array), _) => return refuse(byte, "after array element"),
                (Some(Open::Object), _) => return refuse(byte, "after object key:value pair"),
                (None, _) => return refuse(byte, "after top-level value"),
            },
        };
    }
}

fn unexpected_end() -> JsonError {
    JsonError::Syntax("unexpected end of JSON input".to_owned())
}

fn refuse<T>(byte: u8, place: &str) -> Result<T, JsonError> {
    let character = match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte => {
            // A byte counts as the character of that number.
            let quoted = quote(&char::from(byte).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    };
    Err(JsonError::Syntax(format!(
        "invalid character {character} {place}"
    )))
}

struct Checker<'a> {
    text: &'a [u8],
    at: usize,
}

impl Checker<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The byte that is next; behind the end a space, as the package looks at it.
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }

    fn next(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn pass_space(&mut self) {
        while !self.is_at_end() && is_space(self.peek()) {
            self.at += 1;
        }
    }

    /// The rest of a string.
    fn string(&mut self) -> Result<(), JsonError> {
        loop {
            if self.is_at_end() {
                return Err(unexpected_end());
            }
            match self.next() {
                b'"' => return Ok(()),
                b'\\' => match self.next() {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next();
                            if !byte.is_ascii_hexdigit() {
                                return refuse(byte, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    other => return refuse(other, "in string escape code"),
                },
                byte if byte < b' ' => return refuse(byte, "in string literal"),
                _ => {}
            }
        }
    }

    /// The rest of a string, a number, a truth value or nothing.
    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(first),
            _ => refuse(first, "looking for beginning of value"),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        for expected in word.bytes().skip(1) {
            let byte = self.next();
            if byte != expected {
                let expected = char::from(expected);
                return refuse(byte, &format!("in literal {word} (expecting '{expected}')"));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<(), JsonError> {
        let mut first = first;
        if first == b'-' {
            first = self.next();
            if !first.is_ascii_digit() {
                return refuse(first, "in numeric literal");
            }
        }
        if first != b'0' {
            self.digits();
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn some_digits(&mut self, place: &str) -> Result<(), JsonError> {
        let first = self.next();
        if !first.is_ascii_digit() {
            return refuse(first, place);
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Goes from value to value of a text that [`check`] found good. Commas and colons are passed over
/// with space.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// What comes next.
    pub(super) fn kind(&mut self) -> Kind {
        while let Some(&byte) = self.text.get(self.at) {
            if !is_space(byte) && byte != b',' && byte != b':' {
                return Kind::beginning_with(byte);
            }
            self.at += 1;
        }
        Kind::None
    }

    /// Goes into the array or object that comes next.
    pub(super) fn enter(&mut self) {
        self.at += 1;
    }

    /// Passes over the value that comes next; where it stood.
    pub(super) fn pass(&mut self) -> Range<usize> {
        self.kind();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'"' => self.pass_string(),
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                byte if depth > 0 && (is_space(byte) || byte == b',' || byte == b':') => {
                    self.at += 1;
                }
                _ => self.pass_word(),
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at
    }

    fn pass_string(&mut self) {
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    /// A number, a truth value or `null`.
    fn pass_word(&mut self) {
        self.at += 1;
        let is_end = |byte: &u8| is_space(*byte) || b",:]}".contains(byte);
        while self.text.get(self.at).is_some_and(|byte| !is_end(byte)) {
            self.at += 1;
        }
    }
}
