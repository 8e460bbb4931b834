//! What stands for the text of a series: equal bytes mean the same series.
//!
//! ```text
//! part u8 · bound f64 · length of the name u32 · name · (length of a label u32 · label message)*
//! ```
//!
//! Numbers are little-endian. The part says what of a histogram or summary it is, the bound which
//! bucket or quantile. All series of a metric differ in part and bound only, so a key is made once a
//! metric, and nothing is formatted or escaped for a series that is known.

use std::borrow::Cow;

use model::label_name::{BUCKET_LABEL, METRIC_NAME, QUANTILE_LABEL};

use super::wire::Fields;
use crate::series_text::Pair;
use crate::{ParseError, value};

/// Which series of a metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Part {
    /// That of the family's name: a plain value, or a native histogram.
    Whole = 0,
    /// `_count`.
    Count = 1,
    /// `_sum`.
    Sum = 2,
    /// `_bucket` with its bound.
    Bucket = 3,
    /// A quantile.
    Quantile = 4,
}

impl Part {
    fn of(number: u8) -> Option<Self> {
        let all = [
            Self::Whole,
            Self::Count,
            Self::Sum,
            Self::Bucket,
            Self::Quantile,
        ];
        all.into_iter().find(|part| *part as u8 == number)
    }
}

/// The key of the series at hand.
#[derive(Debug, Default)]
pub(super) struct Key {
    bytes: Vec<u8>,
}

impl Key {
    /// Starts a metric of family `name`. A name too long for its length is no name.
    pub(super) fn begin(&mut self, name: &[u8]) -> Result<(), ParseError> {
        let len = length(name)?;
        self.bytes.clear();
        self.bytes.push(Part::Whole as u8);
        self.bytes.extend_from_slice(&0_f64.to_le_bytes());
        self.bytes.extend_from_slice(&len);
        self.bytes.extend_from_slice(name);
        Ok(())
    }

    /// Adds a label of the metric, as its message.
    pub(super) fn push_label(&mut self, message: &[u8]) -> Result<(), ParseError> {
        let len = length(message)?;
        self.bytes.extend_from_slice(&len);
        self.bytes.extend_from_slice(message);
        Ok(())
    }

    /// Makes it the key of another part. `bound` is 0 where a part has none.
    pub(super) fn set_part(&mut self, part: Part, bound: f64) {
        // Both zeros are written the same.
        let bound = bound + 0.0;
        if let Some((number, rest)) = self.bytes.split_first_mut() {
            *number = part as u8;
            if let Some(place) = rest.first_chunk_mut::<8>() {
                *place = bound.to_le_bytes();
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn length(bytes: &[u8]) -> Result<[u8; 4], ParseError> {
    match u32::try_from(bytes.len()) {
        Ok(len) => Ok(len.to_le_bytes()),
        Err(_) => Err(ParseError("metric name or label too long".to_owned())),
    }
}

/// Fills `pairs` with the labels of the series with this key, the metric name among them, sorted by
/// name.
pub(crate) fn pairs<'a>(key: &'a [u8], pairs: &mut Vec<Pair<'a>>) -> Result<(), ParseError> {
    pairs.clear();
    let malformed = || ParseError("malformed series".to_owned());
    let (number, rest) = key.split_first().ok_or_else(malformed)?;
    let part = Part::of(*number).ok_or_else(malformed)?;
    let (bound, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
    let bound = f64::from_le_bytes(*bound);
    let (name, mut labels) = take(rest).ok_or_else(malformed)?;
    let name = utf8(name, "metric name")?;
    let name = match part {
        Part::Whole | Part::Quantile => Cow::Borrowed(name),
        Part::Count => Cow::Owned(format!("{name}_count")),
        Part::Sum => Cow::Owned(format!("{name}_sum")),
        Part::Bucket => Cow::Owned(format!("{name}_bucket")),
    };
    pairs.push((Cow::Borrowed(METRIC_NAME), name));
    while !labels.is_empty() {
        let (label, rest) = take(labels).ok_or_else(malformed)?;
        pairs.push(pair(label)?);
        labels = rest;
    }
    let bound_label = match part {
        Part::Bucket => Some(BUCKET_LABEL),
        Part::Quantile => Some(QUANTILE_LABEL),
        Part::Whole | Part::Count | Part::Sum => None,
    };
    if let Some(label) = bound_label {
        pairs.push((Cow::Borrowed(label), Cow::Owned(value::normalized(bound))));
    }
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(())
}

/// What stands behind its length, and the rest.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// Name and value of a label.
pub(super) fn pair(message: &[u8]) -> Result<Pair<'_>, ParseError> {
    let (mut name, mut text) = ("", "");
    for (number, field) in Fields::new(message) {
        match number {
            1 => name = utf8(field.bytes(), "label name")?,
            2 => text = utf8(field.bytes(), "label value")?,
            _ => {}
        }
    }
    if name.is_empty() {
        return Err(ParseError("invalid label name: ".to_owned()));
    }
    Ok((Cow::Borrowed(name), Cow::Borrowed(text)))
}

pub(super) fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, ParseError> {
    std::str::from_utf8(bytes).map_err(|_| {
        let shown = crate::quoted::quoted(bytes);
        ParseError(format!("invalid {what}: {shown}"))
    })
}
