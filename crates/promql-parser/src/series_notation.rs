//! Series notation: how test scripts write the samples of a series.
//!
//! `metric{a="b"} 1 2 3+10x4 _ _x3 stale {{schema:0 sum:5 buckets:[1 2]}}x2`: one value an
//! interval; `a+bxN` is `a` and N further values, `_` a missing one. Behind `metric@st` the values
//! are durations, and set the start timestamps of the series' samples relative to the samples.

mod combine;
mod histogram;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gocompat::quote::quote;
use model::{FloatHistogram, Labels};

use crate::ast::PosRange;
use crate::error::{ParseError, ParseErrors};
use crate::lex::quote_char;
use crate::parse::{metric_prefix, number};

/// Most values that one series may have: a repetition is cheap to write.
const VALUES_MAX: u64 = 1_000_000;

/// A series and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesDescription {
    /// The series.
    pub metric: Labels,
    /// The series was marked with `@st`: all values are [`SequenceValue::StartOffset`] or omitted.
    pub start_timestamps: bool,
    /// One value an interval.
    pub values: Vec<SequenceValue>,
}

/// One place of a sequence.
#[derive(Debug, Clone)]
pub enum SequenceValue {
    /// `_`: no sample here.
    Omitted,
    /// A number; the stale marker for `stale`.
    Float(f64),
    /// A native histogram.
    Histogram {
        /// The histogram, as described: not validated, not compacted.
        histogram: Arc<FloatHistogram>,
        /// `counter_reset_hint` was given, and so is to be compared.
        hint_set: bool,
    },
    /// Start timestamp minus the sample's timestamp, in milliseconds.
    StartOffset(i64),
}

/// Floats are equal if their bits are.
impl PartialEq for SequenceValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Omitted, Self::Omitted) => true,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::StartOffset(a), Self::StartOffset(b)) => a == b,
            (
                Self::Histogram {
                    histogram: a,
                    hint_set: a_set,
                },
                Self::Histogram {
                    histogram: b,
                    hint_set: b_set,
                },
            ) => a == b && a_set == b_set,
            _ => false,
        }
    }
}

/// Parses a series with its values.
pub fn parse_series_desc(text: &str) -> Result<SeriesDescription, ParseErrors> {
    let parse = || {
        if u32::try_from(text.len()).is_err() {
            return Err(ParseError::new(
                PosRange::default(),
                "series is longer than 4 GiB",
            ));
        }
        let (metric, behind) = metric_prefix(text)?;
        let mut reader = Reader { text, pos: behind };
        let start_timestamps = reader.eat_text("@st");
        let values = reader.values(start_timestamps)?;
        Ok(SeriesDescription {
            metric,
            start_timestamps,
            values,
        })
    };
    parse().map_err(|error| ParseErrors::new(text, error))
}

/// Reads the values, character by character.
#[derive(Debug)]
struct Reader<'a> {
    text: &'a str,
    pos: usize,
}

type Parsed<T> = Result<T, ParseError>;

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    fn eat_text(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.pos += if found { wanted.len() } else { 0 };
        found
    }

    /// Consumes bytes as long as they are of a kind.
    fn take_while(&mut self, kind: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let size = rest
            .bytes()
            .position(|byte| !kind(byte))
            .unwrap_or(rest.len());
        self.pos += size;
        rest.get(..size).unwrap_or("")
    }

    fn skip_space(&mut self) -> bool {
        !self.take_while(is_space).is_empty()
    }

    fn error<T>(&self, start: usize, message: impl Into<String>) -> Parsed<T> {
        let pos = PosRange {
            start: start as u32,
            end: self.text.len() as u32,
        };
        Err(ParseError::new(pos, message))
    }

    fn unexpected_character<T>(&self) -> Parsed<T> {
        let Some(next) = self.rest().chars().next() else {
            return self.error(self.pos, "unexpected end of input in series values");
        };
        let next = quote_char(Some(next));
        self.error(
            self.pos,
            format!("unexpected character in series sequence: {next}"),
        )
    }

    fn values(&mut self, start_timestamps: bool) -> Parsed<Vec<SequenceValue>> {
        let mut values = Vec::new();
        loop {
            let spaced = self.skip_space();
            if self.peek().is_none() {
                return Ok(values);
            }
            if !spaced {
                return self.unexpected_character();
            }
            if self.eat(b'_') {
                let count = self.repetition(values.len())?.unwrap_or(1);
                values.extend((0..count).map(|_| SequenceValue::Omitted));
            } else if start_timestamps {
                self.start_offsets(&mut values)?;
            } else if self.rest().starts_with("{{") {
                self.histograms(&mut values)?;
            } else {
                self.floats(&mut values)?;
            }
        }
    }

    /// `xN`, if it is next. `before` is the number of values there are already.
    fn repetition(&mut self, before: usize) -> Parsed<Option<u64>> {
        if !self.eat(b'x') {
            return Ok(None);
        }
        let start = self.pos;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let error = match digits.parse::<u64>() {
            Ok(count) if count <= VALUES_MAX.saturating_sub(before as u64) => {
                return Ok(Some(count));
            }
            Ok(_) => format!("more than {VALUES_MAX} values"),
            Err(_) if digits.is_empty() => return self.unexpected_character(),
            Err(_) => {
                format!(
                    "strconv.ParseUint: parsing {}: value out of range",
                    quote(digits)
                )
            }
        };
        self.error(
            start,
            format!("invalid repetition in series values: {error}"),
        )
    }

    /// `a`, `axN`, `a+bxN`, `a-bxN`, `stale`.
    fn floats(&mut self, values: &mut Vec<SequenceValue>) -> Parsed<()> {
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let start = self.pos;
            let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if word == "stale" {
                values.push(SequenceValue::Float(model::staleness::STALE_NAN));
                return Ok(());
            }
            self.pos = start;
        }
        let first = self.signed_number()?;
        let step = match self.peek() {
            Some(b'+' | b'-') => self.signed_number()?,
            _ => 0.0,
        };
        let Some(count) = self.repetition(values.len())? else {
            if step.to_bits() != 0 {
                return self.unexpected_character();
            }
            values.push(SequenceValue::Float(first));
            return Ok(());
        };
        // Summed up, not multiplied: rounding errors are part of the reference's sequences.
        let mut value = first;
        for _ in 0..=count {
            values.push(SequenceValue::Float(value));
            value += step;
        }
        Ok(())
    }

    fn signed_number(&mut self) -> Parsed<f64> {
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    /// A number without a sign, `Inf` or `NaN`. Hexadecimal would be ambiguous: `0x5` repeats.
    fn number(&mut self) -> Parsed<f64> {
        let start = self.pos;
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if word.eq_ignore_ascii_case("inf") {
                return Ok(f64::INFINITY);
            }
            if word.eq_ignore_ascii_case("nan") {
                return Ok(model::staleness::NORMAL_NAN);
            }
            let word = quote(word);
            let expected = "expected number or \"stale\"";
            let message = format!("unexpected identifier {word} in series values, {expected}");
            return self.error(start, message);
        }
        self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.pos += 1;
            let _ = self.eat(b'+') || self.eat(b'-');
            self.take_while(|byte| byte.is_ascii_digit());
        }
        let text = self.text.get(start..self.pos).unwrap_or("");
        if text.is_empty() {
            return self.unexpected_character();
        }
        number::value(text)
            .or_else(|error| self.error(start, format!("error parsing number: {error}")))
    }

    /// The same forms with durations.
    fn start_offsets(&mut self, values: &mut Vec<SequenceValue>) -> Parsed<()> {
        let first = self.signed_duration()?;
        let step = match self.peek() {
            Some(b'+' | b'-') => self.signed_duration()?,
            _ => 0,
        };
        let count = self.repetition(values.len())?.unwrap_or(0);
        let mut offset = first;
        for _ in 0..=count {
            values.push(SequenceValue::StartOffset(offset));
            offset = offset.saturating_add(step);
        }
        Ok(())
    }

    /// Milliseconds of a duration or a plain number of seconds.
    fn signed_duration(&mut self) -> Parsed<i64> {
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        let start = self.pos;
        let text = self.take_while(|byte| byte.is_ascii_digit() || b"smhdwy.".contains(&byte));
        let millis = if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            if text.is_empty() {
                return self.unexpected_character();
            }
            let seconds = number::value(text)
                .or_else(|error| self.error(start, format!("error parsing number: {error}")))?;
            (seconds * 1000.0).round() as i64
        } else {
            model::duration::parse(text).or_else(|error| self.error(start, error.to_string()))?
        };
        Ok(if negative { -millis } else { millis })
    }

    /// `{{…}}`, `{{…}}xN`, `{{…}}+{{…}}xN`, `{{…}}-{{…}}xN`.
    fn histograms(&mut self, values: &mut Vec<SequenceValue>) -> Parsed<()> {
        let start = self.pos;
        let (first, hint_set) = self.histogram()?;
        let step = match self.peek() {
            Some(sign @ (b'+' | b'-')) if self.rest().get(1..3) == Some("{{") => {
                self.pos += 1;
                Some((sign == b'-', self.histogram()?.0))
            }
            _ => None,
        };
        let count = self.repetition(values.len())?;
        if step.is_some() && count.is_none() {
            return self.unexpected_character();
        }
        let mut current = Arc::new(first);
        for index in 0..=count.unwrap_or(0) {
            if let (Some((subtract, step)), true) = (&step, index > 0) {
                let next = combine::combine(&current, step, *subtract).or_else(|error| {
                    self.error(start, format!("error combining histograms: {error}"))
                })?;
                current = Arc::new(next);
            }
            let histogram = Arc::clone(&current);
            values.push(SequenceValue::Histogram {
                histogram,
                hint_set,
            });
        }
        Ok(())
    }
}
