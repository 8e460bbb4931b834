//! The exact lexer: the reference's token grammar of OpenMetrics, a byte at a time.
//!
//! Blanks are part of the tokens they precede. NUL bytes are passed over inside label values,
//! descriptions and after `#`.

use crate::byte_class::{in_label, in_name, starts_label, starts_name};

/// Tokens; [`Token::name`] is what error texts call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Invalid,
    Eof,
    EofWord,
    Linebreak,
    Help,
    Type,
    Unit,
    Text,
    /// ` # {`: an exemplar begins.
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
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Eof => "EOF",
            Self::EofWord => "EOFWORD",
            Self::Linebreak => "LINEBREAK",
            Self::Help => "HELP",
            Self::Type => "TYPE",
            Self::Unit => "UNIT",
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
pub(super) enum State {
    Init,
    Comment,
    MetaName,
    MetaText,
    Labels,
    LabelValue,
    Value,
    Timestamp,
    Exemplar,
    ExemplarValue,
    ExemplarTimestamp,
}

/// Position and state in a body.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    body: &'a [u8],
    /// Next byte.
    pub(super) at: usize,
    /// Start of the last token.
    pub(super) start: usize,
    /// Kept over entries: after odd line ends the next entry starts in the middle of a line.
    pub(super) state: State,
}

impl<'a> Lexer<'a> {
    /// A lexer at `at` in `state`.
    pub(super) fn new(body: &'a [u8], at: usize, state: State) -> Self {
        Self {
            body,
            at,
            start: at,
            state,
        }
    }

    /// Bytes `from..to` of the body, cut to it.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.body
            .get(from..to.min(self.body.len()))
            .unwrap_or_default()
    }

    /// The last token's bytes.
    pub(super) fn token(&self) -> &'a [u8] {
        self.slice(self.start, self.at)
    }

    /// The byte at the position; NUL past the end.
    fn current(&self) -> u8 {
        self.body.get(self.at).copied().unwrap_or(0)
    }

    /// Moves on and returns the byte there.
    fn advance(&mut self) -> u8 {
        let skips_nul = matches!(
            self.state,
            State::LabelValue | State::MetaText | State::Comment
        );
        self.at = (self.at + 1).min(self.body.len());
        while skips_nul && self.body.get(self.at) == Some(&0) {
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

    /// The next token.
    pub(super) fn next_token(&mut self) -> Token {
        if self.at >= self.body.len() {
            // The last token stays the one that error texts show.
            return Token::Eof;
        }
        self.start = self.at;
        let first = self.current();
        match self.state {
            State::Init => self.lex_line_start(first),
            State::Comment => self.lex_comment(),
            State::MetaName => self.lex_meta_name(first),
            State::MetaText => self.lex_meta_text(first),
            State::Labels => self.lex_labels(first, State::Value, State::LabelValue),
            State::LabelValue => self.lex_label_value(first, State::Labels),
            State::Value => self.lex_value(first),
            State::Timestamp => self.lex_timestamp(first),
            State::Exemplar => self.lex_labels(first, State::ExemplarValue, State::ExemplarValue),
            State::ExemplarValue => self.lex_exemplar_value(first),
            State::ExemplarTimestamp => self.lex_exemplar_timestamp(first),
        }
    }

    fn lex_line_start(&mut self, first: u8) -> Token {
        match first {
            b'{' => self.single(State::Labels, Token::BraceOpen),
            b'#' => {
                if self.advance() != b' ' {
                    return Token::Invalid;
                }
                self.advance();
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

    /// After `# `.
    fn lex_comment(&mut self) -> Token {
        let (word, token): (&[u8], Token) = match self.current() {
            b'H' => (b"HELP ", Token::Help),
            b'T' => (b"TYPE ", Token::Type),
            b'U' => (b"UNIT ", Token::Unit),
            b'E' => (b"EOF", Token::EofWord),
            _ => return Token::Invalid,
        };
        for letter in word {
            if self.current() != *letter {
                return Token::Invalid;
            }
            self.advance();
        }
        if token == Token::EofWord {
            if self.current() == b'\n' {
                self.advance();
            }
            self.state = State::Init;
        } else {
            self.state = State::MetaName;
        }
        token
    }

    fn lex_meta_name(&mut self, first: u8) -> Token {
        if first == b'"' {
            if !self.quoted(true) {
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
        if first != b' ' {
            return Token::Invalid;
        }
        self.take(|byte| byte != b'\n' && byte != 0);
        if self.current() != b'\n' {
            return Token::Invalid;
        }
        self.single(State::Init, Token::Text)
    }

    fn lex_labels(&mut self, first: u8, closed: State, equal: State) -> Token {
        // Only the names of series may hold line breaks.
        let line_breaks = self.state == State::Labels;
        match first {
            b'"' if self.quoted(line_breaks) => Token::Quoted,
            b'}' => self.single(closed, Token::BraceClose),
            b'=' => self.single(equal, Token::Equal),
            b',' => self.single(self.state, Token::Comma),
            _ if starts_label(first) => {
                self.take(in_label);
                Token::LabelName
            }
            _ => Token::Invalid,
        }
    }

    fn lex_label_value(&mut self, first: u8, next: State) -> Token {
        if first != b'"' || !self.quoted(false) {
            return Token::Invalid;
        }
        self.state = next;
        Token::LabelValue
    }

    fn lex_value(&mut self, first: u8) -> Token {
        match first {
            b'{' => self.single(State::Labels, Token::BraceOpen),
            b' ' => self.number(State::Timestamp, Token::Value),
            _ => Token::Invalid,
        }
    }

    fn lex_timestamp(&mut self, first: u8) -> Token {
        match first {
            b'\n' => self.single(State::Init, Token::Linebreak),
            b' ' if self.slice(self.at + 1, self.at + 3) == b"# " => {
                self.at += 3;
                if self.current() != b'{' {
                    return Token::Invalid;
                }
                self.single(State::Exemplar, Token::Comment)
            }
            b' ' => self.number(State::Timestamp, Token::Timestamp),
            _ => Token::Invalid,
        }
    }

    fn lex_exemplar_value(&mut self, first: u8) -> Token {
        match first {
            b' ' => self.number(State::ExemplarTimestamp, Token::Value),
            _ => self.lex_label_value(first, State::Exemplar),
        }
    }

    fn lex_exemplar_timestamp(&mut self, first: u8) -> Token {
        match first {
            b'\n' => self.single(State::Init, Token::Linebreak),
            b' ' => self.number(State::ExemplarTimestamp, Token::Timestamp),
            _ => Token::Invalid,
        }
    }

    /// A blank and at least one byte that is none.
    fn number(&mut self, next: State, token: Token) -> Token {
        let in_number = |byte: u8| !matches!(byte, 0 | b' ' | b'\n');
        if !in_number(self.advance()) {
            return Token::Invalid;
        }
        self.take(in_number);
        self.state = next;
        token
    }

    /// Consumes a string in quotation marks; `false` if it does not end.
    fn quoted(&mut self, line_breaks: bool) -> bool {
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
                b'\n' if !line_breaks => return false,
                _ => {}
            }
        }
    }
}
