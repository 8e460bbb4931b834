//! What a parser yields: borrowed slices of the body, nothing allocated for an ordinary line.

use std::borrow::Cow;

use model::{Exemplar, Labels, MetricType, Timestamp};

use crate::ParseError;
use crate::series_text;

/// One statement of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// A sample.
    Series(Series<'a>),
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
    /// Name and labels as written: equal bytes mean the same series. See [`series_text`].
    pub text: &'a [u8],
    /// The value; every NaN is the ordinary one.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<Timestamp>,
    /// The exemplar, if one is given.
    pub exemplar: Option<RawExemplar<'a>>,
}

/// An exemplar whose labels are still text.
#[derive(Debug, Clone, PartialEq)]
pub struct RawExemplar<'a> {
    /// The labels as written, braces included.
    pub labels_text: &'a [u8],
    /// The observed value.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<Timestamp>,
}

impl RawExemplar<'_> {
    /// With labels taken apart.
    pub fn to_exemplar(&self) -> Result<Exemplar, ParseError> {
        let mut pairs = Vec::new();
        series_text::exemplar_pairs(self.labels_text, &mut pairs)?;
        Ok(Exemplar {
            labels: Labels::from_pairs(pairs),
            value: self.value,
            timestamp: self.timestamp,
        })
    }
}
