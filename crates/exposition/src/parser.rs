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

    /// The next entry if it is an ordinary sample of the series written `known`, which a parser of
    /// this format has yielded before. Otherwise `None`, and the parser has not moved.
    #[inline]
    pub fn next_known(&mut self, known: &[u8]) -> Option<Series<'a>> {
        match &mut self.inner {
            Inner::Text(parser) => parser.next_known(known),
            Inner::OpenMetrics(parser) => parser.next_known(known),
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
