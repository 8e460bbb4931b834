//! Values of number and duration literals.

use gocompat::float;

use super::{Parsed, Parser};
use crate::ast::{NumberLiteral, PosRange};
use crate::error::ParseError;
use crate::token::{Token, TokenKind};

impl<'a> Parser<'a> {
    /// Consumes a number or duration, if one is next.
    pub(super) fn eat_number(&mut self) -> Parsed<Option<NumberLiteral>> {
        match self.peek()?.kind {
            TokenKind::Number | TokenKind::Duration => {
                let token = self.next()?;
                number_literal(&token).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Consumes a sign, if one is next; tells whether it is minus.
    pub(super) fn eat_sign(&mut self) -> Parsed<Option<(bool, Token<'a>)>> {
        use crate::ast::BinaryOp::{Add, Sub};
        let token = self.peek()?;
        let negative = match token.kind {
            TokenKind::Operator(Sub) => true,
            TokenKind::Operator(Add) => false,
            _ => return Ok(None),
        };
        self.ahead = None;
        Ok(Some((negative, token)))
    }
}

fn number_literal(token: &Token<'_>) -> Parsed<NumberLiteral> {
    let pos = token.pos;
    if token.kind == TokenKind::Duration {
        let value = duration_seconds(token.text, pos)?;
        return Ok(NumberLiteral {
            value,
            duration: true,
            pos,
        });
    }
    let value = value(token.text)
        .map_err(|error| ParseError::new(pos, format!("error parsing number: {error}")))?;
    Ok(NumberLiteral {
        value,
        duration: false,
        pos,
    })
}

fn duration_seconds(text: &str, pos: PosRange) -> Parsed<f64> {
    let millis =
        model::duration::parse(text).map_err(|error| ParseError::new(pos, error.to_string()))?;
    Ok((millis / 1000) as f64 + (millis % 1000) as f64 / 1000.0)
}

/// A literal's value: an integer in any base if it is one, otherwise a float.
pub(crate) fn value(text: &str) -> Result<f64, float::ParseFloatError> {
    match integer(text) {
        Some(value) => Ok(value as f64),
        None => float::parse(text),
    }
}

/// Go's `ParseInt(text, 0, 64)`: prefixes choose the base, underscores stand between digits.
fn integer(text: &str) -> Option<i64> {
    let (base, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    // An underscore may follow a prefix, and the leading zero of an octal number is one.
    let digits = if base == 10 {
        digits
    } else {
        digits.strip_prefix('_').unwrap_or(digits)
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), base).ok()
}
