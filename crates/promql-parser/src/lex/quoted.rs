//! String literals: checked here, unquoted by the parser.

use super::{Lexer, code_point};
use crate::error::ParseError;
use crate::token::{Token, TokenKind};

const INVALID_RUNE: &str = "invalid UTF-8 rune";

impl<'a> Lexer<'a> {
    /// A literal in double, single or back quotes.
    pub(super) fn string(&mut self) -> Result<Token<'a>, ParseError> {
        match self.bump() {
            Some('`') => self.raw_string(),
            Some(quote) => self.escaped_string(quote),
            None => self.error("unterminated quoted string"),
        }
    }

    fn raw_string(&mut self) -> Result<Token<'a>, ParseError> {
        loop {
            match self.bump() {
                // The reference cannot tell this character from a broken encoding.
                Some('\u{fffd}') => return self.error(INVALID_RUNE),
                Some('`') => return Ok(self.emit(TokenKind::String)),
                Some(_) => {}
                None => return self.error("unterminated raw string"),
            }
        }
    }

    fn escaped_string(&mut self, quote: char) -> Result<Token<'a>, ParseError> {
        loop {
            match self.bump() {
                Some('\\') => self.escape(quote)?,
                Some('\u{fffd}') => return self.error(INVALID_RUNE),
                Some('\n') | None => return self.error("unterminated quoted string"),
                Some(next) if next == quote => return Ok(self.emit(TokenKind::String)),
                Some(_) => {}
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, quote: char) -> Result<(), ParseError> {
        const NOT_TERMINATED: &str = "escape sequence not terminated";
        let (digits, base, max) = match self.peek() {
            None => return self.error(NOT_TERMINATED),
            Some('0'..='7') => (3, 8, 255),
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, 0x10_ffff),
            Some('U') => (8, 16, 0x10_ffff),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => {
                self.bump();
                return Ok(());
            }
            Some(other) if other == quote => {
                self.bump();
                return Ok(());
            }
            Some(other) => {
                return self.error(format!("unknown escape sequence {}", code_point(other)));
            }
        };
        if base == 16 {
            self.bump();
        }
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(next) = self.bump() else {
                return self.error(NOT_TERMINATED);
            };
            let Some(digit) = next.to_digit(base) else {
                let character = code_point(next);
                return self.error(format!("illegal character {character} in escape sequence"));
            };
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return self.error("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }
}
