//! Text to tokens.
//!
//! What a character means depends on where it stands: outside braces ([`State::Statements`]), in
//! braces, or right behind a bracket, where durations are read. Tokens are made one at a time,
//! because an error of the grammar before an illegal character comes first.

mod number;
mod quoted;

use gocompat::quote::{is_print, quote};

use crate::ast::{BinaryOp, PosRange};
use crate::error::ParseError;
use crate::token::{Token, TokenKind, duration_keyword, keyword};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Statements,
    Duration,
}

/// Splits one text into tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Next byte to read.
    pos: usize,
    /// First byte of the token being read.
    start: usize,
    state: State,
    /// Open parentheses; closing one too many is an error.
    paren_depth: u32,
    brace_open: bool,
    bracket_open: bool,
    /// Since the bracket opened: a colon was seen.
    got_colon: bool,
    /// Since the bracket opened: a duration was seen.
    got_duration: bool,
}

pub(crate) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(character: char) -> bool {
    character == '_' || character.is_ascii_alphabetic()
}

fn is_alphanumeric(character: char) -> bool {
    is_alpha(character) || character.is_ascii_digit()
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            pos: 0,
            start: 0,
            state: State::Statements,
            paren_depth: 0,
            brace_open: false,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
        }
    }

    /// Next byte to read: everything before it has become tokens.
    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    /// Whether an opening brace follows without white space.
    pub(crate) fn touches_brace(&self) -> bool {
        self.text[self.pos..].starts_with('{')
    }

    /// The next token; behind the end, end of input again and again.
    pub(crate) fn next_token(&mut self) -> Result<Token<'a>, ParseError> {
        let duration = self.state == State::Duration;
        self.skip_ignored(!duration);
        if duration {
            self.duration_token()
        } else if self.brace_open {
            self.brace_token()
        } else {
            self.statement_token()
        }
    }

    /// Skips white space and, where they are allowed, comments.
    fn skip_ignored(&mut self, comments: bool) {
        loop {
            match self.peek() {
                Some(next) if is_space(next) => self.pos += 1,
                Some('#') if comments => {
                    let rest = &self.text[self.pos..];
                    self.pos += rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        self.start = self.pos;
    }

    fn peek(&self) -> Option<char> {
        self.text[self.pos..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|next| set.contains(next));
        if found {
            self.pos += 1;
        }
        found
    }

    fn emit(&mut self, kind: TokenKind) -> Token<'a> {
        let token = Token {
            kind,
            text: &self.text[self.start..self.pos],
            pos: self.range(self.pos),
        };
        self.start = self.pos;
        token
    }

    fn range(&self, end: usize) -> PosRange {
        PosRange {
            start: self.start as u32,
            end: end as u32,
        }
    }

    /// An error that reaches from the current token to the end of the text.
    fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::new(self.range(self.text.len()), message))
    }

    /// Consumes the character that was peeked and makes it a token.
    fn single(&mut self, kind: TokenKind) -> Result<Token<'a>, ParseError> {
        self.bump();
        Ok(self.emit(kind))
    }

    fn operator(&mut self, op: BinaryOp) -> Result<Token<'a>, ParseError> {
        self.single(TokenKind::Operator(op))
    }

    /// `one`, or `two` if the next character but one is `second`.
    fn one_or_two(&mut self, one: TokenKind, two: &[(char, TokenKind)]) -> Token<'a> {
        self.bump();
        for (second, kind) in two {
            if self.peek() == Some(*second) {
                self.bump();
                return self.emit(*kind);
            }
        }
        self.emit(one)
    }

    fn statement_token(&mut self) -> Result<Token<'a>, ParseError> {
        use BinaryOp as Op;
        let Some(next) = self.peek() else {
            return self.end_of_input();
        };
        match next {
            ',' => self.single(TokenKind::Comma),
            '*' => self.operator(Op::Mul),
            '/' => self.operator(Op::Div),
            '%' => self.operator(Op::Mod),
            '+' => self.operator(Op::Add),
            '-' => self.operator(Op::Sub),
            '^' => self.operator(Op::Pow),
            '@' => self.single(TokenKind::At),
            '=' => self.equal_sign(),
            '!' => self.exclamation_mark(),
            '<' => Ok(self.one_or_two(
                TokenKind::Operator(Op::Lss),
                &[
                    ('=', TokenKind::Operator(Op::Lte)),
                    ('/', TokenKind::Operator(Op::TrimUpper)),
                ],
            )),
            '>' => Ok(self.one_or_two(
                TokenKind::Operator(Op::Gtr),
                &[
                    ('=', TokenKind::Operator(Op::Gte)),
                    ('/', TokenKind::Operator(Op::TrimLower)),
                ],
            )),
            '(' => self.open_paren(),
            ')' => self.close_paren(),
            '{' => {
                self.brace_open = true;
                self.single(TokenKind::LeftBrace)
            }
            '[' => self.open_bracket(),
            ']' => {
                if !self.bracket_open {
                    return self.error("unexpected right bracket ']'");
                }
                self.close_bracket()
            }
            '"' | '\'' | '`' => self.string(),
            _ if self.at_number() => self.number_or_duration(),
            ':' | '_' | 'a'..='z' | 'A'..='Z' => self.word(next),
            _ => self.error(format!("unexpected character: {}", quote_char(Some(next)))),
        }
    }

    fn end_of_input(&mut self) -> Result<Token<'a>, ParseError> {
        if self.paren_depth > 0 {
            self.error("unclosed left parenthesis")
        } else if self.bracket_open {
            self.error("unclosed left bracket")
        } else {
            Ok(self.emit(TokenKind::EndOfInput))
        }
    }

    fn equal_sign(&mut self) -> Result<Token<'a>, ParseError> {
        if self.text[self.pos..].starts_with("=~") {
            return self.error("unexpected character after '=': '~'");
        }
        let double = [('=', TokenKind::Operator(BinaryOp::Eql))];
        Ok(self.one_or_two(TokenKind::Equal, &double))
    }

    fn exclamation_mark(&mut self) -> Result<Token<'a>, ParseError> {
        self.bump();
        match self.bump() {
            Some('=') => Ok(self.emit(TokenKind::Operator(BinaryOp::Neq))),
            other => self.error(format!(
                "unexpected character after '!': {}",
                quote_char(other)
            )),
        }
    }

    fn open_paren(&mut self) -> Result<Token<'a>, ParseError> {
        self.paren_depth += 1;
        self.single(TokenKind::LeftParen)
    }

    fn close_paren(&mut self) -> Result<Token<'a>, ParseError> {
        let token = self.single(TokenKind::RightParen)?;
        match self.paren_depth.checked_sub(1) {
            Some(depth) => self.paren_depth = depth,
            None => return self.error("unexpected right parenthesis ')'"),
        }
        Ok(token)
    }

    fn open_bracket(&mut self) -> Result<Token<'a>, ParseError> {
        if self.bracket_open {
            return self.error("unexpected left bracket '['");
        }
        self.got_colon = false;
        self.got_duration = false;
        self.bracket_open = true;
        self.state = State::Duration;
        self.single(TokenKind::LeftBracket)
    }

    fn close_bracket(&mut self) -> Result<Token<'a>, ParseError> {
        self.bracket_open = false;
        self.state = State::Statements;
        self.single(TokenKind::RightBracket)
    }

    fn at_number(&self) -> bool {
        let mut rest = self.text[self.pos..].bytes();
        match rest.next() {
            Some(b'.') => rest.next().is_some_and(|second| second.is_ascii_digit()),
            first => first.is_some_and(|byte| byte.is_ascii_digit()),
        }
    }

    fn number_or_duration(&mut self) -> Result<Token<'a>, ParseError> {
        self.state = State::Statements;
        if self.scan_number() {
            return Ok(self.emit(TokenKind::Number));
        }
        if self.scan_rest_of_duration() {
            return Ok(self.emit(TokenKind::Duration));
        }
        let text = quote(&self.text[self.start..self.pos]);
        self.error(format!("bad number or duration syntax: {text}"))
    }

    /// A name or keyword; inside brackets a colon or one of the few words that durations know.
    fn word(&mut self, first: char) -> Result<Token<'a>, ParseError> {
        if !self.bracket_open {
            return Ok(self.name_or_keyword());
        }
        if first == ':' {
            if self.got_colon {
                return self.error("unexpected colon ':'");
            }
            self.got_colon = true;
            return self.single(TokenKind::Colon);
        }
        match self.duration_word() {
            Some(token) => Ok(token),
            None => {
                let character = quote_char(Some(first));
                self.error(format!("unexpected character: {character}, expected ':'"))
            }
        }
    }

    fn name_or_keyword(&mut self) -> Token<'a> {
        let rest = &self.text[self.pos..];
        let size = rest
            .find(|c| !is_alphanumeric(c) && c != ':')
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(size);
        self.pos += size;
        let kind = match keyword(word) {
            // These became keywords late and have to stay usable as metric names.
            Some(TokenKind::Fill | TokenKind::FillLeft | TokenKind::FillRight)
                if !behind.trim_start_matches(is_space).starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    fn duration_word(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.pos..];
        let size = rest.find(|c| !is_alphanumeric(c)).unwrap_or(rest.len());
        let kind = duration_keyword(&rest[..size])?;
        self.pos += size;
        self.got_duration = true;
        Some(self.emit(kind))
    }

    /// A token right behind an opening bracket, up to the first number.
    fn duration_token(&mut self) -> Result<Token<'a>, ParseError> {
        use BinaryOp as Op;
        let Some(next) = self.peek() else {
            return self.error("unexpected end of input in duration expression");
        };
        match next {
            ']' => self.close_bracket(),
            ':' => {
                let token = self.single(TokenKind::Colon)?;
                if !self.got_duration {
                    return self.error("unexpected colon before duration in duration expression");
                }
                if self.got_colon {
                    return self.error("unexpected repeated colon in duration expression");
                }
                self.got_colon = true;
                Ok(token)
            }
            '(' => self.open_paren(),
            ')' => self.close_paren(),
            '*' => self.operator(Op::Mul),
            '/' => self.operator(Op::Div),
            '%' => self.operator(Op::Mod),
            '+' => self.operator(Op::Add),
            '-' => self.operator(Op::Sub),
            '^' => self.operator(Op::Pow),
            ',' => self.single(TokenKind::Comma),
            _ if self.at_number() => {
                self.got_duration = true;
                self.number_or_duration()
            }
            _ => match self.duration_word() {
                Some(token) => Ok(token),
                None => self.error(format!(
                    "unexpected character in duration expression: {}",
                    quote_char(Some(next))
                )),
            },
        }
    }

    fn brace_token(&mut self) -> Result<Token<'a>, ParseError> {
        let Some(next) = self.peek() else {
            return self.error("unexpected end of input inside braces");
        };
        match next {
            ',' => self.single(TokenKind::Comma),
            '"' | '\'' | '`' => self.string(),
            '=' => Ok(self.one_or_two(TokenKind::Equal, &[('~', TokenKind::EqualRegex)])),
            '!' => {
                self.bump();
                match self.bump() {
                    Some('~') => Ok(self.emit(TokenKind::NotEqualRegex)),
                    Some('=') => Ok(self.emit(TokenKind::Operator(BinaryOp::Neq))),
                    other => self.error(format!(
                        "unexpected character after '!' inside braces: {}",
                        quote_char(other)
                    )),
                }
            }
            '{' => self.error("unexpected left brace '{'"),
            '}' => {
                self.brace_open = false;
                self.single(TokenKind::RightBrace)
            }
            _ if is_alpha(next) => {
                let rest = &self.text[self.pos..];
                self.pos += rest.find(|c| !is_alphanumeric(c)).unwrap_or(rest.len());
                Ok(self.emit(TokenKind::Identifier))
            }
            _ => {
                let character = quote_char(Some(next));
                self.error(format!("unexpected character inside braces: {character}"))
            }
        }
    }
}

/// A character in single quotes, escaped like Go's `%q`; the end of the text as U+FFFD.
pub(crate) fn quote_char(character: Option<char>) -> String {
    match character {
        None => "'\u{fffd}'".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some(other) => format!(
            "'{}'",
            quote(other.encode_utf8(&mut [0; 4])).trim_matches('"')
        ),
    }
}

/// A character as `U+0041 'A'`, like Go's `%#U`.
fn code_point(character: char) -> String {
    let number = u32::from(character);
    if is_print(character) {
        format!("U+{number:04X} '{character}'")
    } else {
        format!("U+{number:04X}")
    }
}
