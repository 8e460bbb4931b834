//! One face for the formats.

use model::MetricType;

use crate::classic_to_native::ConvertingParser;
use crate::entry::{NativeSeries, Series};
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

/// What becomes of classic histograms that are not there in native form, or whose native form is not
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conversion {
    /// They stay as they are.
    #[default]
    Off,
    /// They become native histograms with custom buckets.
    Replace,
    /// Both: the classic series, then the native histogram.
    Keep,
}

/// What is read of a body beside plain samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParserOptions {
    /// The form of histograms.
    pub histograms: Histograms,
    /// What becomes of classic histograms.
    pub conversion: Conversion,
    /// Whether start timestamps are read. Then `_created` lines of OpenMetrics are no samples.
    pub start_timestamps: bool,
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
    Converting(Box<ConvertingParser<'a>>),
}

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    pub fn new(format: Format, body: &'a [u8]) -> Self {
        Self::with_options(format, body, ParserOptions::default())
    }

    /// A parser at the start of `body` that reads it so.
    pub fn with_options(format: Format, body: &'a [u8], options: ParserOptions) -> Self {
        let starts = options.start_timestamps;
        let inner = match (format, options.conversion) {
            (Format::Protobuf, _) => {
                Inner::Protobuf(Box::new(protobuf::ProtobufParser::new(body, options)))
            }
            (_, Conversion::Replace | Conversion::Keep) => {
                Inner::Converting(Box::new(ConvertingParser::new(format, body, options)))
            }
            (Format::Text, Conversion::Off) => Inner::Text(text::TextParser::new(body)),
            (Format::OpenMetrics, Conversion::Off) => {
                Inner::OpenMetrics(openmetrics::OpenMetricsParser::new(body, starts))
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
            Inner::Converting(parser) => parser.next_entry(),
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
            Inner::Converting(parser) => parser.next_known(length, is_known),
        }
    }

    /// The type that the last TYPE line gave: decides about the normalisation of bounds. In protobuf
    /// bounds are numbers, which need none; it is always unknown there.
    pub fn metric_type(&self) -> MetricType {
        match &self.inner {
            Inner::Text(parser) => parser.metric_type(),
            Inner::OpenMetrics(parser) => parser.metric_type(),
            Inner::Protobuf(_) => MetricType::Unknown,
            Inner::Converting(parser) => parser.metric_type(),
        }
    }

    /// The text of the series yielded last, if the parser makes texts that are no part of the body:
    /// in protobuf, and where text is converted.
    pub fn made_text(&self) -> Option<&[u8]> {
        match &self.inner {
            Inner::Text(_) | Inner::OpenMetrics(_) => None,
            Inner::Protobuf(parser) => Some(parser.series_text()),
            Inner::Converting(parser) => Some(parser.series_text()),
        }
    }
}

/// Reads all of `body` and takes everything apart, as a scrape may; a fuzz target's body. Must
/// return whatever the bytes are.
pub fn check_body(format: Format, body: &[u8]) {
    for options in all_options(format) {
        let mut parser = Parser::with_options(format, body, options);
        loop {
            let metric_type = parser.metric_type();
            let Ok(Some(entry)) = parser.next_entry() else {
                break;
            };
            take_apart(format, &entry, metric_type);
        }
    }
}

/// All ways in which a body can be read.
fn all_options(format: Format) -> Vec<ParserOptions> {
    let modes: &[Histograms] = match format {
        Format::Text | Format::OpenMetrics => &[Histograms::Classic],
        Format::Protobuf => &[Histograms::Classic, Histograms::Native, Histograms::Both],
    };
    let conversions = [Conversion::Off, Conversion::Replace, Conversion::Keep];
    let mut all = Vec::new();
    for histograms in modes {
        for conversion in conversions {
            for start_timestamps in [false, true] {
                all.push(ParserOptions {
                    histograms: *histograms,
                    conversion,
                    start_timestamps,
                });
            }
        }
    }
    all
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
    for options in all_options(format) {
        check_known_with(format, options, learned, body);
    }
}

fn check_known_with(format: Format, options: ParserOptions, learned: &[u8], body: &[u8]) {
    let mut texts = Vec::new();
    let mut parser = Parser::with_options(format, learned, options);
    while let Ok(Some(entry)) = parser.next_entry()
        && texts.len() < LEARNED_MAX
    {
        match entry {
            Entry::Series(Series { text, .. }) | Entry::Histogram(NativeSeries { text, .. }) => {
                texts.push(text.to_vec());
            }
            _ => {}
        }
    }
    let mut knowing = Parser::with_options(format, body, options);
    let mut innocent = Parser::with_options(format, body, options);
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
