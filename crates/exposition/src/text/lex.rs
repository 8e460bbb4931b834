//! The exact lexer: the reference's token grammar of the text format, a byte at a time.
//!
//! The body counts as followed by one line break more than it has. NUL bytes are passed over
//! inside label values, descriptions and comments; at the start of a line NUL ends the body.

use std::borrow::Cow;

use crate::byte_class::{in_label, in_name, is_blank, starts_label, starts_name};

/// Bytes that are copied for their line break.
const COPIED_BYTES_MAX: usize = 64 << 10;

/// Tokens; [`Token::name`] is what error texts call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Invalid,
    Eof,
    Linebreak,
    Whitespace,
    Help,
    Type,
    Text,
    Comment,
    MetricName,
    Quoted,
    BraceOpen,
    BraceClose,
    LabelName,
    LabelValue,
    Comma,
    Equal,
    Timestamp,
    Value,
}

impl Token {
    /// As error texts have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Eof => "EOF",
            Self::Linebreak => "LINEBREAK",
            Self::Whitespace => "WHITESPACE",
            Self::Help => "HELP",
            Self::Type => "TYPE",
            Self::Text => "TEXT",
            Self::Comment => "COMMENT",
            Self::MetricName => "MNAME",
            Self::Quoted => "QSTRING",
            Self::BraceOpen => "BOPEN",
            Self::BraceClose => "BCLOSE",
            Self::LabelName => "LNAME",
            Self::LabelValue => "LVALUE",
            Self::Comma => "COMMA",
            Self::Equal => "EQUAL",
            Self::Timestamp => "TIMESTAMP",
            Self::Value => "VALUE",
        }
    }
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Init,
    Comment,
    MetaName,
    MetaText,
    Labels,
    LabelValue,
    Value,
    Timestamp,
}

/// Position and state in a body.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    body: &'a [u8],
    /// Next byte; up to `body.len() + 1`, since the added line break counts.
    pub(crate) at: usize,
    /// Start of the last token.
    pub(crate) start: usize,
    state: State,
}

impl<'a> Lexer<'a> {
    /// A lexer that stands at the start of a line.
    pub(crate) fn new(body: &'a [u8], at: usize) -> Self {
        Self {
            body,
            at,
            start: at,
            state: State::Init,
        }
    }

    /// Bytes `from..to` of the body with its added line break, which very many go without: errors
    /// do not show so many.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Cow<'_, [u8]> {
        let size = self.body.len();
        let bytes = self.body.get(from..to.min(size)).unwrap_or_default();
        if to <= size || bytes.len() > COPIED_BYTES_MAX {
            return Cow::Borrowed(bytes);
        }
        Cow::Owned([bytes, b"\n"].concat())
    }

    /// The body from `from` up to here.
    pub(crate) fn body_slice(&self, from: usize) -> &'a [u8] {
        self.body
            .get(from..self.at.min(self.body.len()))
            .unwrap_or_default()
    }

    /// The last token's bytes. No token but a line break reaches into the added one.
    pub(crate) fn token(&self) -> &'a [u8] {
        self.body
            .get(self.start..self.at.min(self.body.len()))
            .unwrap_or_default()
    }

    /// Whether all of the body, with its added line break, is consumed.
    fn ended(&self) -> bool {
        self.at > self.body.len()
    }

    /// The byte at the position; NUL past the end.
    fn current(&self) -> u8 {
        match self.body.get(self.at) {
            Some(byte) => *byte,
            None if self.at == self.body.len() => b'\n',
            None => 0,
        }
    }

    /// Moves on and returns the byte there.
    fn advance(&mut self) -> u8 {
        let skips_nul = matches!(
            self.state,
            State::LabelValue | State::MetaText | State::Comment
        );
        self.at = (self.at + 1).min(self.body.len() + 1);
        while skips_nul && !self.ended() && self.current() == 0 {
            self.at += 1;
        }
        self.current()
    }

    /// Consumes one byte and then all for which `more` holds.
    fn take(&mut self, more: impl Fn(u8) -> bool) {
        while more(self.advance()) {}
    }

    fn single(&mut self, state: State, token: Token) -> Token {
        self.advance();
        self.state = state;
        token
    }

    /// The next token that is not blank.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            let token = self.lex();
            if token != Token::Whitespace {
                return token;
            }
        }
    }

    fn lex(&mut self) -> Token {
        if self.ended() {
            return Token::Eof;
        }
        self.start = self.at;
        let first = self.current();
        if is_blank(first) && self.state != State::MetaText {
            self.take(is_blank);
            return Token::Whitespace;
        }
        match self.state {
            State::Init => self.lex_line_start(first),
            State::Comment => self.lex_comment(),
            State::MetaName => self.lex_meta_name(first),
            State::MetaText => self.lex_meta_text(first),
            State::Labels => self.lex_labels(first),
            State::LabelValue => self.lex_label_value(first),
            State::Value => self.lex_value(first),
            State::Timestamp => self.lex_timestamp(first),
        }
    }

    fn lex_line_start(&mut self, first: u8) -> Token {
        match first {
            0 => Token::Eof,
            b'\n' => self.single(State::Init, Token::Linebreak),
            b'{' => self.single(State::Labels, Token::BraceOpen),
            b'#' => {
                if !is_blank(self.advance()) {
                    return self.rest_of_comment();
                }
                self.take(is_blank);
                self.state = State::Comment;
                self.lex_comment()
            }
            _ if starts_name(first) => {
                self.take(in_name);
                self.state = State::Value;
                Token::MetricName
            }
            _ => Token::Invalid,
        }
    }

    /// After `#` and blanks.
    fn lex_comment(&mut self) -> Token {
        let (word, token) = match self.current() {
            b'H' => (b"HELP", Token::Help),
            b'T' => (b"TYPE", Token::Type),
            _ => return self.rest_of_comment(),
        };
        for (index, letter) in word.iter().enumerate() {
            let byte = if index == 0 {
                self.current()
            } else {
                self.advance()
            };
            if byte != *letter {
                return self.rest_of_comment();
            }
        }
        if !is_blank(self.advance()) {
            return self.rest_of_comment();
        }
        self.take(is_blank);
        self.state = State::MetaName;
        token
    }

    fn rest_of_comment(&mut self) -> Token {
        let mut byte = self.current();
        loop {
            match byte {
                0 => return Token::Eof,
                b'\n' => {
                    self.state = State::Init;
                    return Token::Comment;
                }
                _ => byte = self.advance(),
            }
        }
    }

    fn lex_meta_name(&mut self, first: u8) -> Token {
        if first == b'"' {
            if !self.quoted() {
                return Token::Invalid;
            }
        } else if starts_name(first) {
            self.take(in_name);
        } else {
            return Token::Invalid;
        }
        self.state = State::MetaText;
        Token::MetricName
    }

    fn lex_meta_text(&mut self, first: u8) -> Token {
        let mut byte = first;
        let mut blank = true;
        while byte != b'\n' && byte != 0 {
            blank &= is_blank(byte);
            byte = self.advance();
        }
        // As many blanks match two rules, and the one for blanks comes first.
        if blank && self.at > self.start {
            return Token::Whitespace;
        }
        self.state = State::Init;
        Token::Text
    }

    fn lex_labels(&mut self, first: u8) -> Token {
        match first {
            b'"' if self.quoted() => Token::Quoted,
            b'}' => self.single(State::Value, Token::BraceClose),
            b'=' => self.single(State::LabelValue, Token::Equal),
            b',' => self.single(State::Labels, Token::Comma),
            _ if starts_label(first) => {
                self.take(in_label);
                Token::LabelName
            }
            _ => Token::Invalid,
        }
    }

    fn lex_label_value(&mut self, first: u8) -> Token {
        if first != b'"' || !self.quoted() {
            return Token::Invalid;
        }
        self.state = State::Labels;
        Token::LabelValue
    }

    fn lex_value(&mut self, first: u8) -> Token {
        match first {
            b'{' => self.single(State::Labels, Token::BraceOpen),
            0 | b'\n' => Token::Invalid,
            _ => {
                self.take(|byte| !matches!(byte, 0 | b'{' | b' ' | b'\t' | b'\n'));
                self.state = State::Timestamp;
                Token::Value
            }
        }
    }

    fn lex_timestamp(&mut self, first: u8) -> Token {
        match first {
            b'\n' => self.single(State::Init, Token::Linebreak),
            b'0'..=b'9' => {
                self.take(|byte| byte.is_ascii_digit());
                Token::Timestamp
            }
            _ => Token::Invalid,
        }
    }

    /// Consumes a string in quotation marks; `false` if it does not end.
    fn quoted(&mut self) -> bool {
        loop {
            match self.advance() {
                b'"' => {
                    self.advance();
                    return true;
                }
                b'\\' => {
                    if matches!(self.advance(), 0 | b'\n') {
                        return false;
                    }
                }
                0 => return false,
                _ => {}
            }
        }
    }
}
