//! `{{schema:1 sum:2 count:3 buckets:[1 2] …}}`: a native histogram, all keys optional.

use model::{CounterResetHint, FloatHistogram, Span};

use gocompat::quote::quote;

use super::{Parsed, Reader};
use crate::lex::quote_char;

/// Keys in the order of the bits that remember them.
const KEYS: [&str; 11] = [
    "sum",
    "count",
    "schema",
    "offset",
    "n_offset",
    "buckets",
    "n_buckets",
    "z_bucket",
    "z_bucket_w",
    "custom_values",
    "counter_reset_hint",
];

/// What has been read so far.
#[derive(Debug, Default)]
struct Description {
    histogram: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    hint_set: bool,
}

impl Reader<'_> {
    /// A histogram, and whether its counter reset hint was given.
    pub(super) fn histogram(&mut self) -> Parsed<(FloatHistogram, bool)> {
        self.eat_text("{{");
        let mut description = Description::default();
        let mut seen = 0_u16;
        loop {
            let spaced = self.skip_space();
            if self.eat_text("}}") {
                break;
            }
            let start = self.pos;
            let word = self.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if word.is_empty() || (seen != 0 && !spaced) {
                self.pos = start;
                let next = quote_char(self.rest().chars().next());
                let message = format!("histogram description incomplete unexpected: {next}");
                return self.error(start, message);
            }
            let Some(key) = KEYS.iter().position(|key| word.eq_ignore_ascii_case(key)) else {
                let message = format!("bad histogram descriptor found: {}", quote(word));
                return self.error(start, message);
            };
            if !self.eat(b':') {
                return self.error(start, "missing `:` for histogram descriptor");
            }
            if seen & (1 << key) != 0 {
                let message = format!("duplicate key \"{}\" in histogram", KEYS[key]);
                return self.error(start, message);
            }
            seen |= 1 << key;
            self.histogram_value(KEYS[key], &mut description)?;
        }
        let Description {
            mut histogram,
            offset,
            negative_offset,
            hint_set,
        } = description;
        histogram.positive_spans = spans(offset, histogram.positive_buckets.len());
        histogram.negative_spans = spans(negative_offset, histogram.negative_buckets.len());
        Ok((histogram, hint_set))
    }

    fn histogram_value(&mut self, key: &str, description: &mut Description) -> Parsed<()> {
        let histogram = &mut description.histogram;
        match key {
            "sum" => histogram.sum = self.signed_number()?,
            "count" => histogram.count = self.signed_number()?,
            "z_bucket" => histogram.zero_count = self.signed_number()?,
            "z_bucket_w" => histogram.zero_threshold = self.signed_number()?,
            "schema" => histogram.schema = self.integer()?,
            "offset" => description.offset = self.integer()?,
            "n_offset" => description.negative_offset = self.integer()?,
            "buckets" => histogram.positive_buckets = self.numbers()?,
            "n_buckets" => histogram.negative_buckets = self.numbers()?,
            "custom_values" => histogram.custom_values = Some(self.numbers()?.into()),
            _ => {
                histogram.counter_reset_hint = self.hint()?;
                description.hint_set = true;
            }
        }
        Ok(())
    }

    fn integer(&mut self) -> Parsed<i32> {
        let start = self.pos;
        let value = self.signed_number()?;
        if value.fract() != 0.0 || value.abs() > f64::from(i32::MAX) {
            return self.error(start, "expected an integer in histogram description");
        }
        Ok(value as i32)
    }

    fn hint(&mut self) -> Parsed<CounterResetHint> {
        let start = self.pos;
        let word = self.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        Ok(match word.to_ascii_lowercase().as_str() {
            "unknown" => CounterResetHint::Unknown,
            "reset" => CounterResetHint::CounterReset,
            "not_reset" => CounterResetHint::NotCounterReset,
            "gauge" => CounterResetHint::Gauge,
            _ => {
                let message = format!("bad histogram descriptor found: {}", quote(word));
                return self.error(start, message);
            }
        })
    }

    /// `[1 2 3]`
    fn numbers(&mut self) -> Parsed<Vec<f64>> {
        if !self.eat(b'[') {
            return self.bad_buckets();
        }
        let mut numbers = Vec::new();
        loop {
            let spaced = self.skip_space();
            if self.eat(b']') {
                return Ok(numbers);
            }
            let starts_number =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
            if !self.peek().is_some_and(starts_number) || (!numbers.is_empty() && !spaced) {
                return self.bad_buckets();
            }
            numbers.push(self.signed_number()?);
        }
    }

    fn bad_buckets<T>(&self) -> Parsed<T> {
        let next = quote_char(self.rest().chars().next());
        self.error(
            self.pos,
            format!("invalid character in buckets description: {next}"),
        )
    }
}

fn spans(offset: i32, buckets: usize) -> Vec<Span> {
    match u32::try_from(buckets) {
        Ok(length) if length > 0 => vec![Span { offset, length }],
        _ => Vec::new(),
    }
}
