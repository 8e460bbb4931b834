//! Families, their metrics, and the series of each.

use std::borrow::Cow;

use model::MetricType;
use model::histogram::ClassicHistogram;
use model::sample::Value as Sample;

use super::histogram::{self, MessageExemplars};
use super::key::{Key, Part, utf8};
use super::metric::Metric;
use super::schemas::METRIC_FAMILY;
use super::wire::{Cursor, Fields, Value, check};
use crate::entry::{NativeExemplars, NativeSeries, RawExemplar, Series};
use crate::{Conversion, Entry, Histograms, ParseError, ParserOptions};

/// Most bytes of the length before a message.
const LENGTH_BYTES_MAX: usize = 5;
/// Most bytes of series keys that a body may give rise to. A name is there once, and its series may
/// be many: without a limit a small body could keep a processor busy for long.
const KEY_BYTES_MAX: u64 = 4 << 30;

const METRICS: u32 = 4;

/// Reads a protobuf body entry by entry. For each family that has metrics: help, unit if there is
/// one, type, series.
#[derive(Debug)]
pub struct ProtobufParser<'a> {
    /// Families not begun.
    rest: &'a [u8],
    options: ParserOptions,
    family: Family<'a>,
    metric: Metric<'a>,
    key: Key,
    /// Bytes of all keys so far.
    key_bytes: u64,
    step: Step,
    /// The classic histogram that is converted.
    classic: ClassicHistogram,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Family,
    Unit,
    Type,
    Metric,
    /// A counter's, a gauge's, an untyped metric's value.
    Value,
    /// A native histogram.
    Native,
    Count,
    Sum,
    Quantile,
    Bucket,
    /// The native histogram that a classic one becomes.
    Converted,
}

#[derive(Debug)]
struct Family<'a> {
    name: &'a [u8],
    help: &'a str,
    unit: &'a [u8],
    metric_type: MetricType,
    /// What is left of its message.
    fields: Fields<'a>,
}

impl<'a> ProtobufParser<'a> {
    /// A parser at the start of `body`.
    pub fn new(body: &'a [u8], options: ParserOptions) -> Self {
        Self {
            rest: body,
            options,
            family: Family {
                name: b"",
                help: "",
                unit: b"",
                metric_type: MetricType::Unknown,
                fields: Fields::new(b""),
            },
            metric: Metric::none(),
            key: Key::default(),
            key_bytes: 0,
            step: Step::Family,
            classic: ClassicHistogram::default(),
        }
    }

    /// What stands for the text of the series yielded last.
    pub fn series_text(&self) -> &[u8] {
        self.key.bytes()
    }

    /// See [`crate::Parser::next_entry`].
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        loop {
            match self.step {
                Step::Family => {
                    let Some(family) = self.next_family()? else {
                        return Ok(None);
                    };
                    self.family = family;
                    self.step = Step::Unit;
                    return Ok(Some(Entry::Help {
                        name: self.family.name,
                        text: Cow::Borrowed(self.family.help),
                    }));
                }
                Step::Unit => {
                    self.step = Step::Type;
                    let Family { name, unit, .. } = self.family;
                    if !unit.is_empty() {
                        return Ok(Some(Entry::Unit { name, unit }));
                    }
                }
                Step::Type => {
                    self.step = Step::Metric;
                    return Ok(Some(Entry::Type {
                        name: self.family.name,
                        metric_type: self.family.metric_type,
                    }));
                }
                Step::Metric => self.next_metric()?,
                Step::Value => {
                    self.step = Step::Metric;
                    let exemplar = self.metric.exemplar.take();
                    let value = self.metric.value;
                    return self.series(Part::Whole, 0.0, value, exemplar).map(Some);
                }
                Step::Native => return self.native().map(Some),
                Step::Count => {
                    self.step = Step::Sum;
                    let count = self.metric.count;
                    return self.series(Part::Count, 0.0, count, None).map(Some);
                }
                Step::Sum => {
                    self.step = match self.family.metric_type {
                        MetricType::Summary => Step::Quantile,
                        _ => Step::Bucket,
                    };
                    let sum = self.metric.sum;
                    return self.series(Part::Sum, 0.0, sum, None).map(Some);
                }
                Step::Quantile => match self.metric.next_quantile() {
                    Some(found) => {
                        let (quantile, value) = (found.quantile, found.value);
                        let entry = self.series(Part::Quantile, quantile, value, None);
                        return entry.map(Some);
                    }
                    None => self.step = Step::Metric,
                },
                Step::Bucket => return self.bucket().map(Some),
                Step::Converted => return self.converted().map(Some),
            }
        }
    }

    /// The next family that has metrics.
    fn next_family(&mut self) -> Result<Option<Family<'a>>, ParseError> {
        loop {
            let Some(message) = self.next_message()? else {
                return Ok(None);
            };
            check(message, &METRIC_FAMILY).map_err(|err| ParseError(err.to_string()))?;
            if let Some(family) = Family::read(message)? {
                return Ok(Some(family));
            }
        }
    }

    /// The next message by the length before it.
    fn next_message(&mut self) -> Result<Option<&'a [u8]>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut cursor = Cursor { rest: self.rest };
        let len = cursor.varint().unwrap_or(u64::MAX);
        let len_bytes = self.rest.len() - cursor.rest.len();
        if len_bytes == 0 || len_bytes > LENGTH_BYTES_MAX {
            let text = "clientpb: invalid varint encountered";
            return Err(ParseError(text.to_owned()));
        }
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| cursor.rest.split_at_checked(len));
        let Some((message, rest)) = split else {
            let (need, have) = (len.saturating_add(len_bytes as u64), self.rest.len());
            return Err(ParseError(format!(
                "clientpb: insufficient length of buffer, expected at least {need} bytes, got {have} bytes"
            )));
        };
        self.rest = rest;
        Ok(Some(message))
    }

    /// Reads the next metric of the family, or leaves the family.
    fn next_metric(&mut self) -> Result<(), ParseError> {
        let next = self
            .family
            .fields
            .find(|(number, _)| *number == METRICS)
            .map(|(_, value): (u32, Value<'a>)| value.bytes());
        let Some(message) = next else {
            self.step = Step::Family;
            return Ok(());
        };
        let metric_type = self.family.metric_type;
        self.key.begin(self.family.name)?;
        self.metric = Metric::read(message, metric_type, &mut self.key)?;
        if !self.options.start_timestamps {
            self.metric.start_timestamp = 0;
        }
        self.step = match metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => {
                // Each metric is looked at for itself: in a family some may be native.
                if self.reads_native() {
                    Step::Native
                } else if self.options.conversion == Conversion::Replace {
                    Step::Converted
                } else {
                    Step::Count
                }
            }
            MetricType::Summary => Step::Count,
            MetricType::Counter
            | MetricType::Gauge
            | MetricType::Unknown
            | MetricType::Info
            | MetricType::StateSet => Step::Value,
        };
        Ok(())
    }

    /// Whether the native form of the histogram at hand is read.
    fn reads_native(&self) -> bool {
        self.metric.is_native && self.options.histograms != Histograms::Classic
    }

    fn native(&mut self) -> Result<Entry<'_>, ParseError> {
        let both = self.options.histograms == Histograms::Both && self.metric.has_steps();
        self.step = if both { Step::Count } else { Step::Metric };
        let message = self.metric.message;
        let value = histogram::read(message, self.family.metric_type, self.family.name)?;
        self.histogram(value)
    }

    fn converted(&mut self) -> Result<Entry<'_>, ParseError> {
        self.step = Step::Metric;
        let metric_type = self.family.metric_type;
        let value = histogram::converted(&mut self.metric, metric_type, &mut self.classic)?;
        self.histogram(value)
    }

    fn histogram(&mut self, value: Sample) -> Result<Entry<'_>, ParseError> {
        self.name_series(Part::Whole, 0.0)?;
        Ok(Entry::Histogram(NativeSeries {
            text: self.key.bytes(),
            value,
            timestamp: self.metric.timestamp,
            start_timestamp: self.metric.start_timestamp,
            exemplars: NativeExemplars::of_message(MessageExemplars::new(self.metric.message)),
        }))
    }

    /// A bucket; after the last one that of all observations, unless it was there.
    fn bucket(&mut self) -> Result<Entry<'_>, ParseError> {
        let (bound, count, exemplar) = match self.metric.next_bucket() {
            Some(bucket) => (bucket.upper_bound, bucket.count, bucket.exemplar),
            None => (f64::INFINITY, self.metric.count, None),
        };
        // Nothing comes after the bucket of all.
        if bound == f64::INFINITY {
            let kept = self.options.conversion == Conversion::Keep;
            self.step = if kept && !self.reads_native() {
                Step::Converted
            } else {
                Step::Metric
            };
        }
        self.series(Part::Bucket, bound, count, exemplar)
    }

    fn series(
        &mut self,
        part: Part,
        bound: f64,
        value: f64,
        exemplar: Option<RawExemplar<'a>>,
    ) -> Result<Entry<'_>, ParseError> {
        self.name_series(part, bound)?;
        Ok(Entry::Series(Series {
            text: self.key.bytes(),
            value,
            timestamp: self.metric.timestamp,
            start_timestamp: self.metric.start_timestamp,
            exemplar,
        }))
    }

    fn name_series(&mut self, part: Part, bound: f64) -> Result<(), ParseError> {
        self.key.set_part(part, bound);
        self.key_bytes += self.key.bytes().len() as u64;
        if self.key_bytes > KEY_BYTES_MAX {
            return Err(ParseError(format!(
                "names and labels of all series take more than {KEY_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }
}

impl<'a> Family<'a> {
    /// Reads all but the metrics of a checked message; `None` if it has no metric.
    fn read(message: &'a [u8]) -> Result<Option<Self>, ParseError> {
        let (mut name, mut help, mut unit): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        let (mut type_number, mut has_metrics) = (0, false);
        for (number, value) in Fields::new(message) {
            match number {
                1 => name = value.bytes(),
                2 => help = value.bytes(),
                3 => type_number = value.varint() as i32,
                METRICS => has_metrics = true,
                5 => unit = value.bytes(),
                _ => {}
            }
        }
        if !has_metrics {
            return Ok(None);
        }
        if name.is_empty() {
            return Err(ParseError("invalid metric name: ".to_owned()));
        }
        let shown_name = utf8(name, "metric name")?;
        let help = std::str::from_utf8(help).map_err(|_| {
            let (name, help) = (crate::quoted::quoted(name), crate::quoted::quoted(help));
            ParseError(format!("invalid help for metric {name}: {help}"))
        })?;
        let metric_type = match type_number {
            0 => MetricType::Counter,
            1 => MetricType::Gauge,
            2 => MetricType::Summary,
            3 => MetricType::Unknown,
            4 => MetricType::Histogram,
            5 => MetricType::GaugeHistogram,
            other => {
                let name = crate::quoted::quoted(shown_name.as_bytes());
                let text = format!("unknown metric type for metric {name}: {other}");
                return Err(ParseError(text));
            }
        };
        Ok(Some(Self {
            name,
            help,
            unit,
            metric_type,
            fields: Fields::new(message),
        }))
    }
}
