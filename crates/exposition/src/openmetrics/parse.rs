//! The exact parser of OpenMetrics, and the choice between it and the quick one.

use std::borrow::Cow;

use model::{MetricType, Timestamp};

use super::created::{StartTimestamps, is_created};
use super::lex::{Lexer, State, Token};
use super::quick;
use crate::entry::{ExemplarLabels, RawExemplar, Series};
use crate::quoted::quoted;
use crate::text::{strip_quotes, unescape_str};
use crate::{Entry, ParseError, value};

/// Reads an OpenMetrics body entry by entry.
#[derive(Debug)]
pub struct OpenMetricsParser<'a> {
    body: &'a [u8],
    /// Where the next entry starts.
    pub(super) at: usize,
    state: State,
    pub(super) metric_type: MetricType,
    /// Bytes of the name of the last line of metadata.
    pub(super) family_len: usize,
    /// Where start timestamps are wanted.
    starts: Option<Box<StartTimestamps<'a>>>,
}

impl<'a> OpenMetricsParser<'a> {
    /// A parser at the start of `body`. If start timestamps are read, `_created` lines are no samples.
    pub fn new(body: &'a [u8], start_timestamps: bool) -> Self {
        Self {
            body,
            at: 0,
            state: State::Init,
            metric_type: MetricType::Unknown,
            family_len: 0,
            starts: start_timestamps.then(Box::default),
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
        if self.state != State::Init {
            return None;
        }
        let (mut series, next) = quick::known(self.body, self.at, length, is_known)?;
        if self.starts.is_some() && is_created(series.text, self.metric_type) {
            return None;
        }
        self.at = next;
        self.set_start(&mut series);
        Some(series)
    }

    /// See [`crate::Parser::next_entry`].
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        loop {
            let mut entry = self.next_line()?;
            if let Some(Entry::Series(series)) = &mut entry
                && self.starts.is_some()
            {
                if is_created(series.text, self.metric_type) {
                    continue;
                }
                self.set_start(series);
            }
            return Ok(entry);
        }
    }

    /// Gives `series`, which was read last, its start timestamp.
    #[inline]
    fn set_start(&mut self, series: &mut Series<'a>) {
        if let Some(mut starts) = self.starts.take() {
            let ahead = Self {
                body: self.body,
                at: self.at,
                state: self.state,
                metric_type: self.metric_type,
                family_len: self.family_len,
                starts: None,
            };
            series.start_timestamp = starts.of(series.text, ahead);
            self.starts = Some(starts);
        }
    }

    #[inline]
    fn next_line(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        if self.state == State::Init
            && let Some((series, next)) = quick::series(self.body, self.at)
        {
            self.at = next;
            return Ok(Some(Entry::Series(series)));
        }
        self.next_exact()
    }

    /// The next entry by the exact grammar.
    fn next_exact(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let lexer = Lexer::new(self.body, self.at, self.state);
        let mut line = Line {
            lexer,
            start: self.at,
        };
        let entry = line.entry()?;
        self.at = line.lexer.at;
        self.state = line.lexer.state;
        match &entry {
            Some(Entry::Type { name, metric_type }) => {
                self.metric_type = *metric_type;
                self.family_len = name.len();
            }
            Some(Entry::Help { name, .. } | Entry::Unit { name, .. }) => {
                self.family_len = name.len();
            }
            _ => {}
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

/// Whose labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelsOf {
    /// Of a series whose name stands before the braces.
    NamedSeries,
    /// Of a series whose name stands in the braces.
    Series,
    /// Of an exemplar, which has no name.
    Exemplar,
}

/// One entry in the making.
struct Line<'a> {
    lexer: Lexer<'a>,
    start: usize,
}

impl<'a> Line<'a> {
    fn entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        match self.lexer.next_token() {
            Token::EofWord => match self.lexer.next_token() {
                Token::Eof => Ok(None),
                _ => Err(ParseError("unexpected data after # EOF".to_owned())),
            },
            Token::Eof => Err(no_eof()),
            token @ (Token::Help | Token::Type | Token::Unit) => self.metadata(token).map(Some),
            Token::BraceOpen => {
                let named = self.labels(LabelsOf::Series)?;
                let text = self.consumed();
                let token = self.lexer.next_token();
                if !named {
                    return Err(self.refuse_text("metric name not set"));
                }
                self.rest(text, token)
                    .map(|series| Some(Entry::Series(series)))
            }
            Token::MetricName => {
                let mut text = self.consumed();
                let mut token = self.lexer.next_token();
                if token == Token::BraceOpen {
                    self.labels(LabelsOf::NamedSeries)?;
                    text = self.consumed();
                    token = self.lexer.next_token();
                }
                self.rest(text, token)
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
        if self.lexer.next_token() != Token::Text {
            return Err(ParseError(format!("expected text in {}", kind.name())));
        }
        // Without the blank before and the line break after.
        let text = self.lexer.token();
        let text = text
            .get(1..text.len().saturating_sub(1))
            .unwrap_or_default();
        match kind {
            Token::Type => Ok(Entry::Type {
                name,
                metric_type: metric_type(text)?,
            }),
            Token::Unit => {
                check_unit(name, text)?;
                Ok(Entry::Unit { name, unit: text })
            }
            _ => Ok(Entry::Help {
                name,
                text: help_text(text)?,
            }),
        }
    }

    /// What is in braces, up to and with the closing one; whether there was a metric name or is
    /// one outside.
    fn labels(&mut self, of: LabelsOf) -> Result<bool, ParseError> {
        let mut named = of == LabelsOf::NamedSeries;
        let mut token = self.lexer.next_token();
        loop {
            let label = token;
            match label {
                Token::BraceClose => return Ok(named),
                Token::LabelName | Token::Quoted => {}
                other => return Err(self.refuse("expected label name", other)),
            }
            token = self.lexer.next_token();
            if matches!(token, Token::Comma | Token::BraceClose) {
                if of == LabelsOf::Exemplar {
                    return Err(self.refuse("expected label name", token));
                }
                // A quoted string that stands alone is the metric name.
                if named {
                    return Err(self.refuse_text("metric name already set"));
                }
                if label != Token::Quoted {
                    return Err(self.refuse("expected equal", token));
                }
                named = true;
                if token == Token::BraceClose {
                    return Ok(named);
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
            match token {
                Token::Comma => token = self.lexer.next_token(),
                Token::BraceClose => {}
                other => return Err(self.refuse("expected comma or brace close", other)),
            }
        }
    }

    /// Value, timestamp and exemplar, from `token` on.
    fn rest(&mut self, text: &'a [u8], token: Token) -> Result<Series<'a>, ParseError> {
        let value = self.number(token, "metric")?;
        let mut series = Series {
            text,
            value,
            timestamp: None,
            start_timestamp: 0,
            exemplar: None,
        };
        match self.lexer.next_token() {
            Token::Eof => return Err(no_eof()),
            Token::Comment => series.exemplar = Some(self.exemplar()?),
            Token::Timestamp => {
                series.timestamp = Some(self.time("timestamp")?);
                match self.lexer.next_token() {
                    Token::Linebreak => {}
                    Token::Comment => series.exemplar = Some(self.exemplar()?),
                    token => {
                        return Err(self.refuse("expected next entry after timestamp", token));
                    }
                }
            }
            // The reference lets whatever else begins here be the next entry's affair.
            _ => {}
        }
        Ok(series)
    }

    /// After ` # {`.
    fn exemplar(&mut self) -> Result<RawExemplar<'a>, ParseError> {
        let labels_start = self.lexer.at - 1;
        self.labels(LabelsOf::Exemplar)?;
        let labels_text = self.lexer.slice(labels_start, self.lexer.at);
        let token = self.lexer.next_token();
        let value = self.number(token, "exemplar labels")?;
        let mut exemplar = RawExemplar {
            labels: ExemplarLabels::Text(labels_text),
            value,
            timestamp: None,
        };
        match self.lexer.next_token() {
            Token::Eof => return Err(no_eof()),
            Token::Linebreak => {}
            Token::Timestamp => {
                exemplar.timestamp = Some(self.time("exemplar timestamp")?);
                match self.lexer.next_token() {
                    Token::Linebreak => {}
                    token => {
                        let expected = "expected next entry after exemplar timestamp";
                        return Err(self.refuse(expected, token));
                    }
                }
            }
            token => return Err(self.refuse("expected timestamp or comment", token)),
        }
        Ok(exemplar)
    }

    fn number(&self, token: Token, after: &str) -> Result<f64, ParseError> {
        if token != Token::Value {
            return Err(self.refuse(&format!("expected value after {after}"), token));
        }
        // The blank before is part of the token.
        let text = self.lexer.token().get(1..).unwrap_or_default();
        value::float(text).map_err(|err| self.refuse_text(&err))
    }

    fn time(&self, what: &str) -> Result<Timestamp, ParseError> {
        let text = self.lexer.token().get(1..).unwrap_or_default();
        let seconds = value::float(text).map_err(|err| self.refuse_text(&err))?;
        if seconds.is_finite() {
            // Cut, not rounded, as in the reference.
            Ok((seconds * 1000.0) as Timestamp)
        } else {
            Err(ParseError(format!(
                "invalid {what} {}",
                gocompat::float::format_f(seconds)
            )))
        }
    }

    fn consumed(&self) -> &'a [u8] {
        self.lexer.slice(self.start, self.lexer.at)
    }

    /// Wrong token: shows it with one byte more, and the entry up to there.
    fn refuse(&self, expected: &str, got: Token) -> ParseError {
        let end = self.lexer.at + 1;
        let token = quoted(self.lexer.slice(self.lexer.start, end));
        let entry = quoted(self.lexer.slice(self.start, end));
        let name = got.name();
        ParseError(format!(
            "{expected}, got {token} (\"{name}\") while parsing: {entry}"
        ))
    }

    fn refuse_text(&self, reason: &str) -> ParseError {
        ParseError(format!(
            "{reason} while parsing: {}",
            quoted(self.consumed())
        ))
    }
}

fn no_eof() -> ParseError {
    ParseError("data does not end with # EOF".to_owned())
}

/// The type that a TYPE line of OpenMetrics names.
fn metric_type(text: &[u8]) -> Result<MetricType, ParseError> {
    match text {
        b"counter" => Ok(MetricType::Counter),
        b"gauge" => Ok(MetricType::Gauge),
        b"histogram" => Ok(MetricType::Histogram),
        b"gaugehistogram" => Ok(MetricType::GaugeHistogram),
        b"summary" => Ok(MetricType::Summary),
        b"info" => Ok(MetricType::Info),
        b"stateset" => Ok(MetricType::StateSet),
        b"unknown" => Ok(MetricType::Unknown),
        other => Err(ParseError(format!("invalid metric type {}", quoted(other)))),
    }
}

/// A unit is the last part of its metric's name.
fn check_unit(name: &[u8], unit: &[u8]) -> Result<(), ParseError> {
    let fits = unit.is_empty()
        || name
            .strip_suffix(unit)
            .is_some_and(|before| before.ends_with(b"_"));
    if fits {
        return Ok(());
    }
    let (unit, name) = (quoted(unit), quoted(name));
    Err(ParseError(format!(
        "unit {unit} not a suffix of metric {name}"
    )))
}

fn help_text(text: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    match std::str::from_utf8(text) {
        Ok(text) => Ok(unescape_str(text, true)),
        Err(_) => Err(ParseError(format!(
            "help text {} is not a valid utf8 string",
            quoted(text)
        ))),
    }
}

#[cfg(test)]
mod tests;
