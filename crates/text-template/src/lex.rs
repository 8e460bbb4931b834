//! Text to tokens.

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The text is the error's.
    Error,
    Eof,
    Text,
    LeftDelimiter,
    RightDelimiter,
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// A printable ASCII character without a meaning of its own; a comma, mostly.
    Char,
    String,
    RawString,
    Character,
    Number,
    Complex,
    Bool,
    /// `.name`
    Field,
    /// `$name` or `$`
    Variable,
    Identifier,
    // Keywords, from here on.
    Dot,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Dot
                | Self::Block
                | Self::Break
                | Self::Continue
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }

    fn of_word(word: &str) -> Self {
        match word {
            "true" | "false" => Self::Bool,
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            _ => Self::Identifier,
        }
    }
}

/// A token: its kind, its text, the line it begins on (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Characters of a token that an error shows.
const SHOWN_CHARS_MAX: usize = 10;

impl Token {
    /// As errors name it.
    pub(crate) fn shown(&self) -> String {
        use gocompat::quote::quote;
        if self.kind == Kind::Eof {
            "EOF".to_owned()
        } else if self.kind == Kind::Error {
            self.text.clone()
        } else if self.kind.is_keyword() {
            format!("<{}>", self.text)
        } else if self.text.len() > SHOWN_CHARS_MAX {
            let start: String = self.text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{}...", quote(&start))
        } else {
            quote(&self.text)
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

/// Where the lexer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Action,
    Done,
}

/// Cuts a template into tokens. After an error or the end come only more of them.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    rest: &'t str,
    line: usize,
    state: State,
    parens: usize,
    /// The text ahead loses its leading white space.
    trims: bool,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_ascii_digit()
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            line: 1,
            state: State::Text,
            parens: 0,
            trims: false,
        }
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Token {
        match self.state {
            State::Text => self.text(),
            State::Action => self.action(),
            State::Done => self.make(Kind::Eof, ""),
        }
    }

    fn make(&self, kind: Kind, text: &str) -> Token {
        Token {
            kind,
            text: text.to_owned(),
            line: self.line,
        }
    }

    /// The first `size` bytes as a token.
    fn take(&mut self, kind: Kind, size: usize) -> Token {
        let (text, rest) = self.rest.split_at(size);
        let token = self.make(kind, text);
        self.line += text.matches('\n').count();
        self.rest = rest;
        token
    }

    fn error(&mut self, text: impl Into<String>) -> Token {
        self.state = State::Done;
        Token {
            kind: Kind::Error,
            text: text.into(),
            line: self.line,
        }
    }

    fn skip(&mut self, size: usize) {
        self.take(Kind::Text, size);
    }

    fn text(&mut self) -> Token {
        if std::mem::take(&mut self.trims) {
            let trimmed = self.rest.trim_start_matches(is_space);
            self.skip(self.rest.len() - trimmed.len());
        }
        let Some(at) = self.rest.find(LEFT) else {
            self.state = State::Done;
            return if self.rest.is_empty() {
                self.make(Kind::Eof, "")
            } else {
                self.take(Kind::Text, self.rest.len())
            };
        };
        if at > 0 {
            let (before, after) = self.rest.split_at(at);
            let kept = if left_trims(after) {
                before.trim_end_matches(is_space)
            } else {
                before
            };
            let mut token = self.take(Kind::Text, at);
            token.text.truncate(kept.len());
            if !kept.is_empty() {
                return token;
            }
        }
        let marker = if left_trims(self.rest) { 2 } else { 0 };
        let inside = &self.rest[LEFT.len() + marker..];
        if inside.starts_with("/*") {
            self.skip(LEFT.len() + marker);
            return self.comment();
        }
        let mut token = self.take(Kind::LeftDelimiter, LEFT.len());
        token.text = LEFT.to_owned();
        self.skip(marker);
        self.state = State::Action;
        self.parens = 0;
        token
    }

    /// Passes over a comment and goes on behind it.
    fn comment(&mut self) -> Token {
        let Some(end) = self.rest.find("*/") else {
            return self.error("unclosed comment");
        };
        self.skip(end + 2);
        match right_delimiter(self.rest) {
            Some((size, trims)) => {
                self.skip(size);
                self.trims = trims;
                self.text()
            }
            None => self.error("comment ends before closing delimiter"),
        }
    }

    fn action(&mut self) -> Token {
        if let Some((size, trims)) = right_delimiter(self.rest) {
            if self.parens > 0 {
                return self.error("unclosed left paren");
            }
            self.trims = trims;
            self.state = State::Text;
            return self.take(Kind::RightDelimiter, size);
        }
        let Some(first) = self.rest.chars().next() else {
            return self.error("unclosed action");
        };
        match first {
            c if is_space(c) => self.space(),
            '=' => self.take(Kind::Assign, 1),
            ':' if self.rest.starts_with(":=") => self.take(Kind::Declare, 2),
            ':' => self.error("expected :="),
            '|' => self.take(Kind::Pipe, 1),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::Character, "unterminated character constant"),
            '`' => match self.rest[1..].find('`') {
                Some(end) => self.take(Kind::RawString, end + 2),
                None => self.error("unterminated raw quoted string"),
            },
            '$' => self.name(Kind::Variable),
            '.' if !self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.name(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => self.number(),
            '(' => {
                self.parens += 1;
                self.take(Kind::LeftParen, 1)
            }
            ')' => match self.parens.checked_sub(1) {
                Some(parens) => {
                    self.parens = parens;
                    self.take(Kind::RightParen, 1)
                }
                None => self.error("unexpected right paren"),
            },
            c if is_word(c) => self.name(Kind::Identifier),
            c if c.is_ascii() && !c.is_ascii_control() => self.take(Kind::Char, 1),
            c => self.error(format!(
                "unrecognized character in action: {}",
                code_point(c)
            )),
        }
    }

    /// White space, except the blank that belongs to a trim marker.
    fn space(&mut self) -> Token {
        let end = self.rest.find(|c| !is_space(c)).unwrap_or(self.rest.len());
        let before_marker = end - 1;
        let marked = right_delimiter(&self.rest[before_marker..]).is_some_and(|(_, trims)| trims);
        if marked && before_marker == 0 {
            // A lone blank before a marker is part of the delimiter: met before this.
            return self.take(Kind::Space, end);
        }
        self.take(Kind::Space, if marked { before_marker } else { end })
    }

    fn quoted(&mut self, mark: char, kind: Kind, unterminated: &str) -> Token {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == mark => return self.take(kind, at + 1),
                _ => {}
            }
        }
        self.error(unterminated)
    }

    /// A word, or `.word`, or `$word`; the sign alone is the dot or the variable `$`.
    fn name(&mut self, kind: Kind) -> Token {
        let sign = usize::from(kind != Kind::Identifier);
        if sign == 1 && self.is_terminated(1) {
            return self.take(if kind == Kind::Field { Kind::Dot } else { kind }, 1);
        }
        let word = &self.rest[sign..];
        let end = sign + word.find(|c| !is_word(c)).unwrap_or(word.len());
        if !self.is_terminated(end) {
            let bad = self.rest[end..].chars().next().unwrap_or_default();
            return self.error(format!("bad character {}", code_point(bad)));
        }
        let kind = match kind {
            Kind::Identifier => Kind::of_word(&self.rest[..end]),
            other => other,
        };
        self.take(kind, end)
    }

    /// Whether what stands at `at` may follow a word.
    fn is_terminated(&self, at: usize) -> bool {
        let rest = &self.rest[at..];
        rest.starts_with(RIGHT)
            || rest
                .chars()
                .next()
                .is_none_or(|c| is_space(c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '('))
    }

    fn number(&mut self) -> Token {
        let (mut end, mut good) = scan_number(self.rest);
        let mut kind = Kind::Number;
        if good && self.rest[end..].starts_with(['+', '-']) {
            kind = Kind::Complex;
            let (more, fine) = scan_number(&self.rest[end..]);
            end += more;
            good = fine && self.rest[..end].ends_with('i');
        }
        if !good {
            let text = gocompat::quote::quote(&self.rest[..end]);
            return self.error(format!("bad number syntax: {text}"));
        }
        self.take(kind, end)
    }
}

/// Whether the action that begins here eats the white space before it.
fn left_trims(text: &str) -> bool {
    let marker = text
        .strip_prefix(LEFT)
        .and_then(|rest| rest.strip_prefix('-'));
    marker.is_some_and(|rest| rest.starts_with(is_space))
}

/// Bytes of the delimiter that ends an action here, and whether it eats the white space after it.
fn right_delimiter(text: &str) -> Option<(usize, bool)> {
    if text.starts_with(RIGHT) {
        return Some((RIGHT.len(), false));
    }
    let marker = text.strip_prefix(is_space)?.strip_prefix('-')?;
    marker.starts_with(RIGHT).then_some((2 + RIGHT.len(), true))
}

/// Bytes of the number at the start, and whether it ends where a number may. What it means is
/// looked at later.
fn scan_number(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let is_any = |index: usize, set: &[u8]| set.contains(&at(index)) && at(index) != 0;
    let run = |mut index: usize, digits: &[u8]| {
        while is_any(index, digits) {
            index += 1;
        }
        index
    };
    const DECIMAL: &[u8] = b"0123456789_";
    const HEXADECIMAL: &[u8] = b"0123456789abcdefABCDEF_";
    let mut end = usize::from(is_any(0, b"+-"));
    let mut digits = DECIMAL;
    if at(end) == b'0' {
        end += 1;
        if is_any(end, b"xX") {
            (digits, end) = (HEXADECIMAL, end + 1);
        } else if is_any(end, b"oO") {
            (digits, end) = (b"01234567_", end + 1);
        } else if is_any(end, b"bB") {
            (digits, end) = (b"01_", end + 1);
        }
    }
    end = run(end, digits);
    if at(end) == b'.' {
        end = run(end + 1, digits);
    }
    let exponent: &[u8] = match digits {
        DECIMAL => b"eE",
        HEXADECIMAL => b"pP",
        _ => b"",
    };
    if is_any(end, exponent) {
        end += 1;
        end += usize::from(is_any(end, b"+-"));
        end = run(end, DECIMAL);
    }
    end += usize::from(at(end) == b'i');
    match text[end..].chars().next() {
        Some(c) if is_word(c) => (end + c.len_utf8(), false),
        _ => (end, true),
    }
}

/// `U+0040 '@'`
fn code_point(c: char) -> String {
    if c.is_control() {
        format!("U+{:04X}", u32::from(c))
    } else {
        format!("U+{:04X} '{c}'", u32::from(c))
    }
}
