//! One metric of a family, as far as it is not read in place.

use model::{MetricType, Timestamp};

use super::key::{Key, pair};
use super::schemas::METRIC;
use super::wire::{Fields, Nested, Value, check};
use crate::ParseError;
use crate::entry::{ExemplarLabels, RawExemplar};
use crate::series_text::Pair;

const GAUGE: u32 = 2;
const COUNTER: u32 = 3;
const SUMMARY: u32 = 4;
const UNTYPED: u32 = 5;
pub(super) const HISTOGRAM: u32 = 7;
/// Number of the buckets in a histogram, and of the quantiles in a summary.
const STEPS: u32 = 3;

/// A metric. Of the parts that belong to other types than its family's nothing is taken.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub(super) message: &'a [u8],
    pub(super) timestamp: Option<Timestamp>,
    /// 0 if there is none.
    pub(super) start_timestamp: Timestamp,
    /// Of a counter, a gauge, an untyped metric.
    pub(super) value: f64,
    /// Of a counter.
    pub(super) exemplar: Option<RawExemplar<'a>>,
    /// Observations of a histogram or summary.
    pub(super) count: f64,
    /// Their sum.
    pub(super) sum: f64,
    /// Whether it is a native histogram.
    pub(super) is_native: bool,
    steps: Nested<'a>,
}

impl<'a> Metric<'a> {
    /// No metric.
    pub(super) fn none() -> Self {
        Self {
            message: &[],
            timestamp: None,
            start_timestamp: 0,
            value: 0.0,
            exemplar: None,
            count: 0.0,
            sum: 0.0,
            is_native: false,
            steps: Nested::new(&[], 0),
        }
    }

    /// Checks and reads a metric of a family of this type; its labels go to `key`.
    pub(super) fn read(
        message: &'a [u8],
        metric_type: MetricType,
        key: &mut Key,
    ) -> Result<Self, ParseError> {
        check(message, &METRIC).map_err(|err| ParseError(err.to_string()))?;
        let mut metric = Self::none();
        metric.message = message;
        for (number, value) in Fields::new(message) {
            match number {
                1 => key.push_label(value.bytes())?,
                // As in the reference, no time and the first moment of all are the same.
                6 => metric.timestamp = Some(value.varint() as i64).filter(|time| *time != 0),
                _ => {}
            }
        }
        match metric_type {
            MetricType::Counter => metric.read_counter(),
            MetricType::Gauge => metric.read_plain(GAUGE),
            MetricType::Summary => metric.read_summary(),
            MetricType::Histogram | MetricType::GaugeHistogram => metric.read_histogram(),
            MetricType::Unknown | MetricType::Info | MetricType::StateSet => {
                metric.read_plain(UNTYPED);
            }
        }
        Ok(metric)
    }

    fn read_plain(&mut self, field: u32) {
        for (number, value) in Nested::new(self.message, field) {
            if number == 1 {
                self.value = value.double();
            }
        }
    }

    fn read_counter(&mut self) {
        for (number, value) in Nested::new(self.message, COUNTER) {
            match number {
                1 => self.value = value.double(),
                2 => self.exemplar = Some(exemplar(value.bytes())),
                3 => self.start_timestamp = time(value.bytes()),
                _ => {}
            }
        }
    }

    fn read_summary(&mut self) {
        for (number, value) in Nested::new(self.message, SUMMARY) {
            match number {
                1 => self.count = value.varint() as f64,
                2 => self.sum = value.double(),
                4 => self.start_timestamp = time(value.bytes()),
                _ => {}
            }
        }
        self.steps = Nested::new(self.message, SUMMARY);
    }

    fn read_histogram(&mut self) {
        let mut count_float = 0.0;
        let (mut spans, mut zero_threshold, mut zero_count) = (false, 0.0, 0);
        for (number, value) in Nested::new(self.message, HISTOGRAM) {
            match number {
                1 => self.count = value.varint() as f64,
                2 => self.sum = value.double(),
                4 => count_float = value.double(),
                6 => zero_threshold = value.double(),
                7 => zero_count = value.varint(),
                9 | 12 => spans = true,
                15 => self.start_timestamp = time(value.bytes()),
                _ => {}
            }
        }
        if count_float != 0.0 {
            self.count = count_float;
        }
        self.is_native = spans || zero_threshold > 0.0 || zero_count > 0;
        self.steps = Nested::new(self.message, HISTOGRAM);
    }

    /// The next quantile.
    pub(super) fn next_quantile(&mut self) -> Option<Quantile> {
        let message = self.next_step()?;
        let mut found = Quantile::default();
        for (number, value) in Fields::new(message) {
            match number {
                1 => found.quantile = value.double(),
                2 => found.value = value.double(),
                _ => {}
            }
        }
        Some(found)
    }

    /// The next classic bucket.
    pub(super) fn next_bucket(&mut self) -> Option<Bucket<'a>> {
        let message = self.next_step()?;
        let mut bucket = Bucket::default();
        let mut count_float = 0.0;
        for (number, value) in Fields::new(message) {
            match number {
                1 => bucket.count = value.varint() as f64,
                2 => bucket.upper_bound = value.double(),
                3 => bucket.exemplar = Some(exemplar(value.bytes())),
                4 => count_float = value.double(),
                _ => {}
            }
        }
        if count_float != 0.0 {
            bucket.count = count_float;
        }
        Some(bucket)
    }

    /// Goes back to the first bucket.
    pub(super) fn rewind(&mut self) {
        self.steps = Nested::new(self.message, HISTOGRAM);
    }

    /// Whether there are buckets or quantiles that have not been read.
    pub(super) fn has_steps(&self) -> bool {
        let mut rest = self.steps;
        rest.any(|(number, _)| number == STEPS)
    }

    fn next_step(&mut self) -> Option<&'a [u8]> {
        let step = self.steps.find(|(number, _)| *number == STEPS);
        step.map(|(_, value): (u32, Value<'a>)| value.bytes())
    }
}

/// A quantile of a summary.
#[derive(Debug, Default)]
pub(super) struct Quantile {
    pub(super) quantile: f64,
    pub(super) value: f64,
}

/// A bucket of a classic histogram.
#[derive(Debug, Default)]
pub(super) struct Bucket<'a> {
    /// Observations up to the bound.
    pub(super) count: f64,
    pub(super) upper_bound: f64,
    pub(super) exemplar: Option<RawExemplar<'a>>,
}

/// Reads an exemplar; its labels are left as they are.
pub(super) fn exemplar(message: &[u8]) -> RawExemplar<'_> {
    let mut exemplar = RawExemplar {
        labels: ExemplarLabels::Message(message),
        value: 0.0,
        timestamp: None,
    };
    for (number, value) in Fields::new(message) {
        match number {
            2 => exemplar.value = value.double(),
            3 => exemplar.timestamp = Some(time(value.bytes())),
            _ => {}
        }
    }
    exemplar
}

/// Fills `pairs` with the labels of an exemplar.
pub(crate) fn exemplar_pairs<'a>(
    message: &'a [u8],
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(), ParseError> {
    for (number, value) in Fields::new(message) {
        if number == 1 {
            pairs.push(pair(value.bytes())?);
        }
    }
    Ok(())
}

/// A time; nobody has checked whether it makes sense.
fn time(message: &[u8]) -> Timestamp {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    for (number, value) in Fields::new(message) {
        match number {
            1 => seconds = value.varint() as i64,
            2 => nanos = value.varint() as i32,
            _ => {}
        }
    }
    seconds
        .wrapping_mul(1000)
        .wrapping_add(i64::from(nanos / 1_000_000))
}
