//! Classic histograms of a text body become native ones with custom buckets.
//!
//! Series of one histogram stand together: `_bucket`, `_sum` and `_count` series of the family that the
//! last TYPE line named, with the same labels but for the bound. Whatever ends such a run (another
//! series, another line than a series, the end) lets the histogram of it come first.
//!
//! What cannot be a histogram (counts that do not add up) is left out, and so are its series unless
//! classic ones are kept, as in the reference. A series whose bound is no number stays as it is.

use model::histogram::{ClassicHistogram, ClassicPart};
use model::label_name::{BUCKET_LABEL, METRIC_NAME};
use model::sample::Value;
use model::{MetricType, Timestamp};

use crate::entry::{NativeExemplars, NativeSeries, RawExemplar, Series};
use crate::openmetrics::OpenMetricsParser;
use crate::series_text::{self, Pair};
use crate::text::TextParser;
use crate::{Conversion, Entry, Format, ParseError, ParserOptions};

/// The parser of what stands in the body.
#[derive(Debug)]
enum Source<'a> {
    Text(TextParser<'a>),
    OpenMetrics(OpenMetricsParser<'a>),
}

impl<'a> Source<'a> {
    fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        match self {
            Self::Text(parser) => parser.next_entry(),
            Self::OpenMetrics(parser) => parser.next_entry(),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Self::Text(parser) => parser.metric_type(),
            Self::OpenMetrics(parser) => parser.metric_type(),
        }
    }
}

/// Reads a text body entry by entry, with native histograms in place of classic ones or after them.
#[derive(Debug)]
pub(crate) struct ConvertingParser<'a> {
    source: Source<'a>,
    /// Whether classic series are yielded too.
    keep: bool,
    /// Name of the family of the last TYPE line.
    family: &'a [u8],
    /// What was read when a histogram had to come first.
    pending: Pending<'a>,
    run: Run<'a>,
    /// Of the series at hand.
    pairs: Vec<Pair<'a>>,
    /// The text of the histogram that the series at hand may belong to.
    key: Vec<u8>,
    made: Made<'a>,
}

/// What was read and not yielded.
#[derive(Debug, Default)]
enum Pending<'a> {
    #[default]
    Nothing,
    Entry(Entry<'a>),
    /// The body ended.
    End,
}

/// The histogram in the making.
#[derive(Debug, Default)]
struct Run<'a> {
    /// Whether there is one.
    open: bool,
    /// Its text.
    key: Vec<u8>,
    classic: ClassicHistogram,
    exemplars: Vec<RawExemplar<'a>>,
    timestamp: Option<Timestamp>,
    start_timestamp: Timestamp,
}

/// What was yielded last.
#[derive(Debug, Default)]
struct Made<'a> {
    /// The text of a series that stands in the body.
    series: &'a [u8],
    /// Whether it was a histogram instead.
    is_histogram: bool,
    key: Vec<u8>,
    exemplars: Vec<RawExemplar<'a>>,
}

impl<'a> ConvertingParser<'a> {
    /// A parser at the start of `body`, which is text.
    pub(crate) fn new(format: Format, body: &'a [u8], options: ParserOptions) -> Self {
        let source = match format {
            Format::OpenMetrics => {
                Source::OpenMetrics(OpenMetricsParser::new(body, options.start_timestamps))
            }
            Format::Text | Format::Protobuf => Source::Text(TextParser::new(body)),
        };
        Self {
            source,
            keep: options.conversion == Conversion::Keep,
            family: b"",
            pending: Pending::Nothing,
            run: Run::default(),
            pairs: Vec::new(),
            key: Vec::new(),
            made: Made::default(),
        }
    }

    /// See [`crate::Parser::metric_type`].
    pub(crate) fn metric_type(&self) -> MetricType {
        self.source.metric_type()
    }

    /// The text of the series yielded last.
    pub(crate) fn series_text(&self) -> &[u8] {
        if self.made.is_histogram {
            &self.made.key
        } else {
            self.made.series
        }
    }

    /// See [`crate::Parser::next_known`]. Within families of histograms there is no short way.
    #[inline]
    pub(crate) fn next_known(
        &mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Series<'a>> {
        let may_belong = self.metric_type() == MetricType::Histogram;
        let pending = !matches!(self.pending, Pending::Nothing);
        if may_belong || self.run.open || pending {
            return None;
        }
        let series = match &mut self.source {
            Source::Text(parser) => parser.next_known(length, is_known),
            Source::OpenMetrics(parser) => parser.next_known(length, is_known),
        }?;
        self.made.series = series.text;
        self.made.is_histogram = false;
        Some(series)
    }

    /// See [`crate::Parser::next_entry`].
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        loop {
            let entry = match std::mem::take(&mut self.pending) {
                // Of a series the key is still that.
                Pending::Entry(entry) => Some(entry),
                Pending::End => None,
                Pending::Nothing => {
                    let entry = self.source.next_entry()?;
                    if self.ends_run(entry.as_ref())?
                        && let Some(value) = self.run.finish(&mut self.made)
                    {
                        self.pending = entry.map_or(Pending::End, Pending::Entry);
                        return Ok(Some(Entry::Histogram(self.histogram(value))));
                    }
                    entry
                }
            };
            match entry {
                Some(Entry::Series(series)) => {
                    let belongs = self.take(&series);
                    if belongs && !self.keep {
                        continue;
                    }
                    self.made.series = series.text;
                    self.made.is_histogram = false;
                    return Ok(Some(Entry::Series(series)));
                }
                Some(Entry::Type { name, metric_type }) => {
                    self.family = name;
                    return Ok(Some(Entry::Type { name, metric_type }));
                }
                other => return Ok(other),
            }
        }
    }

    /// Whether `entry`, which was read next, does not belong to the histogram in the making; of a
    /// series in a family of histograms the labels are taken apart.
    fn ends_run(&mut self, entry: Option<&Entry<'a>>) -> Result<bool, ParseError> {
        let Some(Entry::Series(series)) = entry else {
            return Ok(true);
        };
        self.key.clear();
        self.pairs.clear();
        if self.metric_type() != MetricType::Histogram {
            return Ok(true);
        }
        // Bounds need no normalisation here.
        series_text::text_pairs(series.text, MetricType::Unknown, &mut self.pairs)?;
        let name = only(&self.pairs, METRIC_NAME).unwrap_or("");
        let base = ClassicPart::of_series(name).map_or(name, |(base, _)| base);
        series_text::write(
            base,
            &self.pairs,
            &[METRIC_NAME, BUCKET_LABEL],
            &mut self.key,
        );
        Ok(self.key != self.run.key)
    }

    /// Adds a series to the histogram in the making, or begins one; whether it belongs to one.
    fn take(&mut self, series: &Series<'a>) -> bool {
        let name = only(&self.pairs, METRIC_NAME);
        let Some((base, part)) = name.and_then(ClassicPart::of_series) else {
            return false;
        };
        if base.as_bytes() != self.family {
            return false;
        }
        let label = only(&self.pairs, BUCKET_LABEL).unwrap_or("");
        let Some(bound) = part.upper_bound(label) else {
            return false;
        };
        let run = &mut self.run;
        if !run.open {
            run.open = true;
            std::mem::swap(&mut run.key, &mut self.key);
            run.start_timestamp = series.start_timestamp;
        }
        run.timestamp = series.timestamp;
        run.exemplars.extend(series.exemplar.clone());
        run.classic.add(part, bound, series.value);
        true
    }

    fn histogram(&self, value: Value) -> NativeSeries<'_> {
        NativeSeries {
            text: &self.made.key,
            value,
            timestamp: self.run.timestamp,
            start_timestamp: self.run.start_timestamp,
            exemplars: NativeExemplars::of_lines(&self.made.exemplars),
        }
    }
}

/// The value of a label, if there is exactly one.
fn only<'p>(pairs: &'p [Pair<'_>], name: &str) -> Option<&'p str> {
    let mut found = pairs.iter().filter(|(label, _)| label == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

impl<'a> Run<'a> {
    /// Ends the run, if there is one, and makes its histogram; `None` if it cannot be one. Text and
    /// exemplars go to `made`.
    fn finish(&mut self, made: &mut Made<'a>) -> Option<Value> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        made.exemplars.clear();
        std::mem::swap(&mut made.exemplars, &mut self.exemplars);
        std::mem::swap(&mut made.key, &mut self.key);
        self.key.clear();
        let converted = self.classic.convert().ok();
        let value = converted.filter(|value| value.validate().is_ok())?;
        made.is_histogram = true;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
