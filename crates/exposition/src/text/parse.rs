//! The exact parser of the text format, and the choice between it and the quick one.

use std::borrow::Cow;

use model::MetricType;

use super::lex::{Lexer, Token};
use super::{quick, unescape_str};
use crate::entry::Series;
use crate::quoted::quoted;
use crate::{Entry, ParseError, value};

/// Reads a text body entry by entry.
#[derive(Debug)]
pub struct TextParser<'a> {
    body: &'a [u8],
    /// Where the next entry starts: the start of a line, save for blanks after an entry.
    at: usize,
    metric_type: MetricType,
}

/// What has been seen of a metric name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameSeen {
    No,
    Yes,
}

impl<'a> TextParser<'a> {
    /// A parser at the start of `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            metric_type: MetricType::Unknown,
        }
    }

    /// The type that the last TYPE line gave.
    pub fn metric_type(&self) -> MetricType {
        self.metric_type
    }

    /// See [`crate::Parser::next_known`].
    #[inline]
    pub fn next_known(
        &mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Series<'a>> {
        let (series, next) = quick::known(self.body, self.at, length, is_known)?;
        self.at = next;
        Some(series)
    }

    /// See [`crate::Parser::next_entry`].
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        if let Some((entry, next)) = quick::entry(self.body, self.at) {
            self.at = next;
            if let Entry::Type { metric_type, .. } = entry {
                self.metric_type = metric_type;
            }
            return Ok(Some(entry));
        }
        self.next_exact()
    }

    /// The next entry by the exact grammar.
    fn next_exact(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let mut line = Line {
            lexer: Lexer::new(self.body, self.at),
            start: self.at,
        };
        let entry = line.entry()?;
        self.at = line.lexer.at;
        if let Some(Entry::Type { metric_type, .. }) = &entry {
            self.metric_type = *metric_type;
        }
        Ok(entry)
    }

    #[cfg(test)]
    pub(crate) fn exact(mut self) -> (Vec<Entry<'a>>, Option<ParseError>) {
        let mut entries = Vec::new();
        loop {
            match self.next_exact() {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => return (entries, None),
                Err(err) => return (entries, Some(err)),
            }
        }
    }
}

/// One entry in the making.
struct Line<'a> {
    lexer: Lexer<'a>,
    start: usize,
}

impl<'a> Line<'a> {
    fn entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let first = loop {
            self.start = self.lexer.at;
            match self.lexer.next_token() {
                Token::Linebreak => {}
                token => break token,
            }
        };
        match first {
            Token::Eof => Ok(None),
            Token::Help | Token::Type => self.metadata(first).map(Some),
            Token::Comment => {
                let text = self.lexer.token();
                match self.lexer.next_token() {
                    Token::Linebreak => Ok(Some(Entry::Comment(text))),
                    token => Err(self.refuse("linebreak expected after comment", token)),
                }
            }
            Token::BraceOpen => {
                let name = self.labels(NameSeen::No)?;
                let text = self.consumed();
                let token = self.lexer.next_token();
                self.rest(text, name, token)
                    .map(|series| Some(Entry::Series(series)))
            }
            Token::MetricName => {
                let mut text = self.consumed();
                let mut token = self.lexer.next_token();
                if token == Token::BraceOpen {
                    self.labels(NameSeen::Yes)?;
                    text = self.consumed();
                    token = self.lexer.next_token();
                }
                self.rest(text, NameSeen::Yes, token)
                    .map(|series| Some(Entry::Series(series)))
            }
            token => Err(self.refuse("expected a valid start token", token)),
        }
    }

    fn metadata(&mut self, kind: Token) -> Result<Entry<'a>, ParseError> {
        match self.lexer.next_token() {
            Token::MetricName => {}
            token => {
                let expected = format!("expected metric name after {}", kind.name());
                return Err(self.refuse(&expected, token));
            }
        }
        let name = strip_quotes(self.lexer.token());
        let text = match self.lexer.next_token() {
            // The first byte separates the text from the name.
            Token::Text => self.lexer.token().get(1..).unwrap_or_default(),
            token => {
                let message = format!("expected text in {}, got {}", kind.name(), token.name());
                return Err(ParseError(message));
            }
        };
        let entry = if kind == Token::Type {
            Entry::Type {
                name,
                metric_type: metric_type(text)?,
            }
        } else {
            Entry::Help {
                name,
                text: help_text(text)?,
            }
        };
        match self.lexer.next_token() {
            Token::Linebreak => Ok(entry),
            token => Err(self.refuse("linebreak expected after metadata", token)),
        }
    }

    /// What is in braces, up to and with the closing one.
    fn labels(&mut self, mut name: NameSeen) -> Result<NameSeen, ParseError> {
        let mut token = self.lexer.next_token();
        loop {
            let label = token;
            match label {
                Token::BraceClose => return Ok(name),
                Token::LabelName | Token::Quoted => {}
                other => return Err(self.refuse("expected label name", other)),
            }
            token = self.lexer.next_token();
            if matches!(token, Token::Comma | Token::BraceClose) {
                // A quoted string that stands alone is the metric name.
                if name == NameSeen::Yes {
                    return Err(self.refuse_text("metric name already set"));
                }
                if label != Token::Quoted {
                    return Err(self.refuse("expected equal", token));
                }
                name = NameSeen::Yes;
                if token == Token::BraceClose {
                    return Ok(name);
                }
                token = self.lexer.next_token();
                continue;
            }
            if token != Token::Equal {
                return Err(self.refuse("expected equal", token));
            }
            match self.lexer.next_token() {
                Token::LabelValue => {}
                other => return Err(self.refuse("expected label value", other)),
            }
            if std::str::from_utf8(self.lexer.token()).is_err() {
                let message = format!("invalid UTF-8 label value: {}", quoted(self.lexer.token()));
                return Err(ParseError(message));
            }
            token = self.lexer.next_token();
            if token == Token::Comma {
                token = self.lexer.next_token();
            }
        }
    }

    /// Value and timestamp, from `token` on.
    fn rest(
        &mut self,
        text: &'a [u8],
        name: NameSeen,
        token: Token,
    ) -> Result<Series<'a>, ParseError> {
        if name == NameSeen::No {
            return Err(self.refuse_text("metric name not set"));
        }
        if token != Token::Value {
            return Err(self.refuse("expected value after metric", token));
        }
        let value = value::float(self.lexer.token()).map_err(|err| self.refuse_text(&err))?;
        let mut series = Series {
            text,
            value,
            timestamp: None,
            start_timestamp: 0,
            exemplar: None,
        };
        match self.lexer.next_token() {
            Token::Linebreak => {}
            Token::Timestamp => {
                let timestamp = value::integer(self.lexer.token());
                series.timestamp = Some(timestamp.map_err(|err| self.refuse_text(&err))?);
                match self.lexer.next_token() {
                    Token::Linebreak => {}
                    token => {
                        return Err(self.refuse("expected next entry after timestamp", token));
                    }
                }
            }
            token => return Err(self.refuse("expected timestamp or new record", token)),
        }
        Ok(series)
    }

    fn consumed(&self) -> &'a [u8] {
        self.lexer.body_slice(self.start)
    }

    /// Wrong token: shows it with one byte more, and the entry up to there.
    fn refuse(&self, expected: &str, got: Token) -> ParseError {
        let end = self.lexer.at + 1;
        let token = quoted(&self.lexer.slice(self.lexer.start, end));
        let entry = quoted(&self.lexer.slice(self.start, end));
        let name = got.name();
        ParseError(format!(
            "{expected}, got {token} (\"{name}\") while parsing: {entry}"
        ))
    }

    fn refuse_text(&self, reason: &str) -> ParseError {
        let entry = quoted(&self.lexer.slice(self.start, self.lexer.at));
        ParseError(format!("{reason} while parsing: {entry}"))
    }
}

/// A name without the quotation marks it may be written in.
pub(crate) fn strip_quotes(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(name)
}

/// The type that a TYPE line of the text format names.
pub(super) fn metric_type(text: &[u8]) -> Result<MetricType, ParseError> {
    match text {
        b"counter" => Ok(MetricType::Counter),
        b"gauge" => Ok(MetricType::Gauge),
        b"histogram" => Ok(MetricType::Histogram),
        b"summary" => Ok(MetricType::Summary),
        b"untyped" => Ok(MetricType::Unknown),
        other => Err(ParseError(format!("invalid metric type {}", quoted(other)))),
    }
}

fn help_text(text: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    match std::str::from_utf8(text) {
        Ok(text) => Ok(unescape_str(text, false)),
        Err(_) => Err(ParseError(format!(
            "help text {} is not a valid utf8 string",
            quoted(text)
        ))),
    }
}

#[cfg(test)]
mod tests;
