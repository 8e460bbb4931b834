//! One face for the formats.

use model::MetricType;

use crate::entry::Series;
use crate::{Entry, ParseError, openmetrics, protobuf, text};

/// The formats that can be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text, versions 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, versions 0.0.1 and 1.0.0.
    OpenMetrics,
    /// Delimited protobuf messages.
    Protobuf,
}

/// What is read of a histogram that is there in classic and native form. Text formats know the
/// classic form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Histograms {
    /// The classic form, always.
    #[default]
    Classic,
    /// The native form where there is one.
    Native,
    /// The native form, then the classic one if it has buckets.
    Both,
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
    /// Much larger than the others.
    Protobuf(Box<protobuf::ProtobufParser<'a>>),
}

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    pub fn new(format: Format, body: &'a [u8]) -> Self {
        Self::with_histograms(format, body, Histograms::default())
    }

    /// A parser at the start of `body` that reads histograms so.
    pub fn with_histograms(format: Format, body: &'a [u8], histograms: Histograms) -> Self {
        let inner = match format {
            Format::Text => Inner::Text(text::TextParser::new(body)),
            Format::OpenMetrics => Inner::OpenMetrics(openmetrics::OpenMetricsParser::new(body)),
            Format::Protobuf => {
                Inner::Protobuf(Box::new(protobuf::ProtobufParser::new(body, histograms)))
            }
        };
        Self { inner }
    }

    /// The next entry; `None` at a proper end. After an error the parser is not to be used.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        match &mut self.inner {
            Inner::Text(parser) => parser.next_entry(),
            Inner::OpenMetrics(parser) => parser.next_entry(),
            Inner::Protobuf(parser) => parser.next_entry(),
        }
    }

    /// The next entry if it is an ordinary sample of a known series: the next `length` bytes are its
    /// text, which `is_known` recognises. It may only say so of texts that a parser of this format has
    /// yielded before. Otherwise `None`, and the parser has not moved. Protobuf has no such short way.
    #[inline]
    pub fn next_known(
        &mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Series<'a>> {
        match &mut self.inner {
            Inner::Text(parser) => parser.next_known(length, is_known),
            Inner::OpenMetrics(parser) => parser.next_known(length, is_known),
            Inner::Protobuf(_) => None,
        }
    }

    /// The type that the last TYPE line gave: decides about the normalisation of bounds. In protobuf
    /// bounds are numbers, which need none; it is always unknown there.
    pub fn metric_type(&self) -> MetricType {
        match &self.inner {
            Inner::Text(parser) => parser.metric_type(),
            Inner::OpenMetrics(parser) => parser.metric_type(),
            Inner::Protobuf(_) => MetricType::Unknown,
        }
    }
}

/// Reads all of `body` and takes everything apart, as a scrape may; a fuzz target's body. Must
/// return whatever the bytes are.
pub fn check_body(format: Format, body: &[u8]) {
    let modes: &[Histograms] = match format {
        Format::Text | Format::OpenMetrics => &[Histograms::Classic],
        Format::Protobuf => &[Histograms::Classic, Histograms::Native, Histograms::Both],
    };
    for histograms in modes {
        let mut parser = Parser::with_histograms(format, body, *histograms);
        loop {
            let metric_type = parser.metric_type();
            let Ok(Some(entry)) = parser.next_entry() else {
                break;
            };
            take_apart(format, &entry, metric_type);
        }
    }
}

fn take_apart(format: Format, entry: &Entry<'_>, metric_type: MetricType) {
    let mut pairs = Vec::new();
    // Names that are no UTF-8 are refused here; nothing else may go wrong.
    match entry {
        Entry::Series(series) => {
            let _ = crate::series_text::pairs(format, series.text, metric_type, &mut pairs);
            if let Some(exemplar) = &series.exemplar {
                let _ = exemplar.to_exemplar();
            }
        }
        Entry::Histogram(series) => {
            let _ = crate::series_text::pairs(format, series.text, metric_type, &mut pairs);
            for exemplar in series.exemplars.clone() {
                let _ = exemplar.to_exemplar();
            }
        }
        Entry::Help { .. } | Entry::Type { .. } | Entry::Unit { .. } | Entry::Comment(_) => {}
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
            texts.push(series.text.to_vec());
        }
    }
    let mut knowing = Parser::new(format, body);
    let mut innocent = Parser::new(format, body);
    loop {
        let known = texts.iter().find_map(|known| {
            let is_known = |text: &[u8]| text == known;
            let series = knowing.next_known(known.len(), is_known)?;
            Some(format!(
                "{:?}",
                Ok::<_, ParseError>(Some(Entry::Series(series)))
            ))
        });
        // Debug text, since NaN differs from itself.
        let read = known.unwrap_or_else(|| format!("{:?}", knowing.next_entry()));
        let expected = innocent.next_entry();
        assert_eq!(
            read,
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
