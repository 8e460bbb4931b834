//! One face for the formats.

use model::MetricType;

use crate::entry::Series;
use crate::{Entry, ParseError, openmetrics, text};

/// The formats that can be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text, versions 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, versions 0.0.1 and 1.0.0.
    OpenMetrics,
}

/// Reads a body entry by entry.
#[derive(Debug)]
pub struct Parser<'a> {
    inner: Inner<'a>,
}

#[derive(Debug)]
enum Inner<'a> {
    Text(text::TextParser<'a>),
    OpenMetrics(openmetrics::OpenMetricsParser<'a>),
}

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    pub fn new(format: Format, body: &'a [u8]) -> Self {
        let inner = match format {
            Format::Text => Inner::Text(text::TextParser::new(body)),
            Format::OpenMetrics => Inner::OpenMetrics(openmetrics::OpenMetricsParser::new(body)),
        };
        Self { inner }
    }

    /// The next entry; `None` at a proper end. After an error the parser is not to be used.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        match &mut self.inner {
            Inner::Text(parser) => parser.next_entry(),
            Inner::OpenMetrics(parser) => parser.next_entry(),
        }
    }

    /// The next entry if it is an ordinary sample of a known series: the next `length` bytes are its
    /// text, which `is_known` recognises. It may only say so of texts that a parser of this format has
    /// yielded before. Otherwise `None`, and the parser has not moved.
    #[inline]
    pub fn next_known(
        &mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Series<'a>> {
        match &mut self.inner {
            Inner::Text(parser) => parser.next_known(length, is_known),
            Inner::OpenMetrics(parser) => parser.next_known(length, is_known),
        }
    }

    /// The type that the last TYPE line gave: decides about the normalisation of bounds.
    pub fn metric_type(&self) -> MetricType {
        match &self.inner {
            Inner::Text(parser) => parser.metric_type(),
            Inner::OpenMetrics(parser) => parser.metric_type(),
        }
    }
}

/// Reads all of `body` and takes everything apart, as a scrape may; a fuzz target's body. Must
/// return whatever the bytes are.
pub fn check_body(format: Format, body: &[u8]) {
    let mut parser = Parser::new(format, body);
    let mut pairs = Vec::new();
    while let Ok(Some(entry)) = parser.next_entry() {
        if let Entry::Series(series) = entry {
            // Names that are no UTF-8 are refused here; nothing else may go wrong.
            let _ = crate::series_text::pairs(series.text, parser.metric_type(), &mut pairs);
            if let Some(exemplar) = &series.exemplar {
                let _ = exemplar.to_exemplar();
            }
        }
    }
}

/// Texts that [`check_known`] learns; more would make it slow for large inputs.
const LEARNED_MAX: usize = 64;

/// Reads `body` as somebody does who knows the series of `learned`, and as somebody who knows nothing;
/// a test's and a fuzz target's body. Must return whatever the bytes are.
///
/// # Panics
///
/// If the two read different things.
pub fn check_known(format: Format, learned: &[u8], body: &[u8]) {
    let mut texts = Vec::new();
    let mut parser = Parser::new(format, learned);
    while let Ok(Some(entry)) = parser.next_entry()
        && texts.len() < LEARNED_MAX
    {
        if let Entry::Series(series) = entry {
            texts.push(series.text);
        }
    }
    let mut knowing = Parser::new(format, body);
    let mut innocent = Parser::new(format, body);
    loop {
        let known = texts
            .iter()
            .find_map(|known| knowing.next_known(known.len(), |text| text == *known));
        let read = match known {
            Some(series) => Ok(Some(Entry::Series(series))),
            None => knowing.next_entry(),
        };
        let expected = innocent.next_entry();
        // Debug text, since NaN differs from itself.
        assert_eq!(
            format!("{read:?}"),
            format!("{expected:?}"),
            "{} after {}",
            body.escape_ascii(),
            learned.escape_ascii()
        );
        if !matches!(expected, Ok(Some(_))) {
            return;
        }
    }
}
