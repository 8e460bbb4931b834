//! What a parser yields: borrowed slices of the body, nothing allocated for an ordinary line.

use std::borrow::Cow;

use model::sample::Value;
use model::{Exemplar, Labels, MetricType, Timestamp};

use crate::protobuf::{self, MessageExemplars};
use crate::{ParseError, series_text};

/// One statement of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// A sample that is a number.
    Series(Series<'a>),
    /// A sample that is a native histogram: of protobuf, or made of a classic one.
    Histogram(NativeSeries<'a>),
    /// The description of a metric family, unescaped.
    Help {
        /// Name of the family as written (without quotation marks).
        name: &'a [u8],
        /// The description.
        text: Cow<'a, str>,
    },
    /// The type of a metric family.
    Type {
        /// Name of the family as written (without quotation marks).
        name: &'a [u8],
        /// The type.
        metric_type: MetricType,
    },
    /// The unit of a metric family.
    Unit {
        /// Name of the family as written (without quotation marks).
        name: &'a [u8],
        /// The unit; may be empty.
        unit: &'a [u8],
    },
    /// Any other comment.
    Comment(&'a [u8]),
}

/// A sample and the text that names its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// Name and labels as written, or what stands for them where they are not written as text: equal
    /// bytes mean the same series. See [`series_text`].
    pub text: &'a [u8],
    /// The value; in text formats every NaN is the ordinary one.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<Timestamp>,
    /// Since when it has been counted; 0 if nothing is said of it.
    pub start_timestamp: Timestamp,
    /// The exemplar, if one is given.
    pub exemplar: Option<RawExemplar<'a>>,
}

/// A native histogram and the text that names its series.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeSeries<'a> {
    /// As in [`Series::text`].
    pub text: &'a [u8],
    /// The histogram; never a plain number.
    pub value: Value,
    /// The time, if one is given.
    pub timestamp: Option<Timestamp>,
    /// Since when it has been counted; 0 if nothing is said of it.
    pub start_timestamp: Timestamp,
    /// Exemplars, in the order of the body; all have a time.
    pub exemplars: NativeExemplars<'a>,
}

/// Exemplars of a native histogram that have a time; others are passed over.
#[derive(Debug, Clone)]
pub struct NativeExemplars<'a> {
    from: ExemplarsFrom<'a>,
}

#[derive(Debug, Clone)]
enum ExemplarsFrom<'a> {
    Message(MessageExemplars<'a>),
    Lines(std::slice::Iter<'a, RawExemplar<'a>>),
}

impl<'a> NativeExemplars<'a> {
    /// Those of a protobuf message.
    pub(crate) fn of_message(exemplars: MessageExemplars<'a>) -> Self {
        Self {
            from: ExemplarsFrom::Message(exemplars),
        }
    }

    /// Those of the lines of a classic histogram.
    pub(crate) fn of_lines(exemplars: &'a [RawExemplar<'a>]) -> Self {
        Self {
            from: ExemplarsFrom::Lines(exemplars.iter()),
        }
    }
}

impl PartialEq for NativeExemplars<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl<'a> Iterator for NativeExemplars<'a> {
    type Item = RawExemplar<'a>;

    fn next(&mut self) -> Option<RawExemplar<'a>> {
        match &mut self.from {
            ExemplarsFrom::Message(exemplars) => exemplars.next(),
            ExemplarsFrom::Lines(exemplars) => {
                let has_time = |exemplar: &&RawExemplar<'_>| exemplar.timestamp.is_some();
                exemplars.find(has_time).cloned()
            }
        }
    }
}

/// An exemplar whose labels are not taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RawExemplar<'a> {
    /// The labels.
    pub labels: ExemplarLabels<'a>,
    /// The observed value.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<Timestamp>,
}

/// Labels of an exemplar as the body has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExemplarLabels<'a> {
    /// Written in braces, which are included.
    Text(&'a [u8]),
    /// Within the protobuf message of the exemplar.
    Message(&'a [u8]),
}

impl RawExemplar<'_> {
    /// With labels taken apart.
    pub fn to_exemplar(&self) -> Result<Exemplar, ParseError> {
        let mut pairs = Vec::new();
        match self.labels {
            ExemplarLabels::Text(text) => series_text::exemplar_pairs(text, &mut pairs)?,
            ExemplarLabels::Message(message) => protobuf::exemplar_pairs(message, &mut pairs)?,
        }
        Ok(Exemplar {
            labels: Labels::from_pairs(pairs),
            value: self.value,
            timestamp: self.timestamp,
        })
    }
}
