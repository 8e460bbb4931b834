//! Sums of histograms, with compensation for what rounding loses (Neumaier).
//!
//! Two histograms that differ in resolution, width of the zero bucket or custom bounds meet at the
//! coarser of both. For two operands the compensation changes nothing, so [`FloatHistogram::add`]
//! is the same computation.

use std::sync::Arc;

use super::resolution::{
    Tally, coarser_index, common_bounds, index_within, indexed, joined, spans_of, widen_zero,
};
use super::{CounterResetHint, FloatHistogram};

/// Histograms with exponential and with custom buckets cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
)]
pub struct IncompatibleSchemas;

/// What a user should be told about a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SumRemarks {
    /// One operand follows a counter reset, the other surely does not.
    pub reset_collision: bool,
    /// Custom bounds differed, and the result has those that both have.
    pub bounds_reconciled: bool,
}

impl std::ops::BitOrAssign for SumRemarks {
    fn bitor_assign(&mut self, other: Self) {
        self.reset_collision |= other.reset_collision;
        self.bounds_reconciled |= other.bounds_reconciled;
    }
}

/// A number and what rounding took from it.
#[derive(Debug, Clone, Copy, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn of(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    fn add(&mut self, value: f64) {
        let total = self.sum + value;
        self.lost = if total.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - total) + value)
        } else {
            self.lost + ((value - total) + self.sum)
        };
        self.sum = total;
    }

    fn scale(&mut self, factor: f64) {
        self.sum *= factor;
        self.lost *= factor;
    }

    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

impl Tally for Compensated {
    fn plus(mut self, other: Self) -> Self {
        self.add(other.sum);
        self.lost += other.lost;
        self
    }

    fn is_empty(&self) -> bool {
        self.value() == 0.0
    }
}

type Side = Vec<(i32, Compensated)>;

/// A running sum of histograms.
#[derive(Debug, Clone)]
pub struct HistogramSum {
    hint: CounterResetHint,
    schema: i32,
    zero_threshold: f64,
    zero_count: Compensated,
    count: Compensated,
    sum: Compensated,
    positive: Side,
    negative: Side,
    custom_values: Option<Arc<[f64]>>,
}

impl HistogramSum {
    /// A sum of one histogram.
    pub fn new(first: &FloatHistogram) -> Self {
        Self::signed(first, 1.0)
    }

    fn signed(histogram: &FloatHistogram, sign: f64) -> Self {
        let number = |value: f64| Compensated::of(sign * value);
        let side = |spans, counts| {
            indexed(spans, counts)
                .map(|(index, count)| (index, number(count)))
                .collect()
        };
        Self {
            hint: histogram.counter_reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: number(histogram.zero_count),
            count: number(histogram.count),
            sum: number(histogram.sum),
            positive: side(&histogram.positive_spans, &histogram.positive_buckets),
            negative: side(&histogram.negative_spans, &histogram.negative_buckets),
            custom_values: histogram.custom_values.clone(),
        }
    }

    /// Adds a histogram.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<SumRemarks, IncompatibleSchemas> {
        self.combine(Self::signed(other, 1.0))
    }

    /// Subtracts a histogram. What the reset hint of a difference means is up to the caller: here
    /// it is combined as in a sum.
    pub fn subtract(&mut self, other: &FloatHistogram) -> Result<SumRemarks, IncompatibleSchemas> {
        self.combine(Self::signed(other, -1.0))
    }

    /// Multiplies everything.
    pub fn scale(&mut self, factor: f64) {
        let buckets = self.positive.iter_mut().chain(&mut self.negative);
        for (_, number) in buckets {
            number.scale(factor);
        }
        for number in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            number.scale(factor);
        }
    }

    /// The sum, without empty buckets.
    pub fn finish(self) -> FloatHistogram {
        let counts = |side: &Side| side.iter().map(|(_, number)| number.value()).collect();
        let spans = |side: &Side| spans_of(side.iter().map(|(index, _)| *index));
        let mut result = FloatHistogram {
            counter_reset_hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive_spans: spans(&self.positive),
            negative_spans: spans(&self.negative),
            positive_buckets: counts(&self.positive),
            negative_buckets: counts(&self.negative),
            custom_values: self.custom_values,
        };
        result.compact(0);
        result
    }

    fn uses_custom_buckets(&self) -> bool {
        self.schema == super::CUSTOM_BUCKETS_SCHEMA
    }

    fn combine(&mut self, mut other: Self) -> Result<SumRemarks, IncompatibleSchemas> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(IncompatibleSchemas);
        }
        let mut remarks = SumRemarks::default();
        (self.hint, remarks.reset_collision) = combined_hint(self.hint, other.hint);
        if self.uses_custom_buckets() {
            remarks.bounds_reconciled = self.meet_bounds(&mut other);
        } else {
            self.meet_zero(&mut other);
            let schema = self.schema.min(other.schema);
            self.reduce(schema);
            other.reduce(schema);
        }
        self.zero_count = self.zero_count.plus(other.zero_count);
        self.count = self.count.plus(other.count);
        self.sum = self.sum.plus(other.sum);
        merge(&mut self.positive, other.positive);
        merge(&mut self.negative, other.negative);
        Ok(remarks)
    }

    /// Gives both the same custom bounds; says whether they had different ones.
    fn meet_bounds(&mut self, other: &mut Self) -> bool {
        let mine = self.custom_values.clone().unwrap_or_default();
        let theirs = other.custom_values.clone().unwrap_or_default();
        if mine == theirs {
            return false;
        }
        let common = common_bounds(&mine, &theirs);
        for (histogram, bounds) in [(self, mine), (other, theirs)] {
            let map = |index| index_within(index, &bounds, &common);
            histogram.positive = joined(std::mem::take(&mut histogram.positive).into_iter(), map);
            histogram.custom_values = Some(Arc::clone(&common));
        }
        true
    }

    /// Gives both the same zero threshold.
    fn meet_zero(&mut self, other: &mut Self) {
        // Growing one may need the other to grow; NaN, which is unequal to itself, stops it.
        while self.zero_threshold < other.zero_threshold
            || other.zero_threshold < self.zero_threshold
        {
            if self.zero_threshold < other.zero_threshold {
                self.widen(other.zero_threshold);
            } else {
                other.widen(self.zero_threshold);
            }
        }
    }

    fn widen(&mut self, threshold: f64) {
        let sides = [&mut self.positive, &mut self.negative];
        self.zero_threshold = widen_zero(threshold, self.schema, &mut self.zero_count, sides);
    }

    fn reduce(&mut self, schema: i32) {
        if schema < self.schema {
            let map = |index| coarser_index(index, self.schema, schema);
            for side in [&mut self.positive, &mut self.negative] {
                *side = joined(std::mem::take(side).into_iter(), map);
            }
            self.schema = schema;
        }
    }
}

/// Adds the buckets of `other` to those of `side`; both ascend.
fn merge(side: &mut Side, other: Side) {
    if other.is_empty() {
        return;
    }
    if side
        .iter()
        .map(|(index, _)| index)
        .eq(other.iter().map(|(index, _)| index))
    {
        for ((_, sum), (_, count)) in side.iter_mut().zip(other) {
            *sum = sum.plus(count);
        }
        return;
    }
    let mut merged = Vec::with_capacity(side.len() + other.len());
    let mut rest = other.into_iter().peekable();
    for (index, count) in side.drain(..) {
        while let Some(before) = rest.next_if(|(theirs, _)| *theirs < index) {
            merged.push(before);
        }
        match rest.next_if(|(theirs, _)| *theirs == index) {
            Some((_, theirs)) => merged.push((index, count.plus(theirs))),
            None => merged.push((index, count)),
        }
    }
    merged.extend(rest);
    *side = merged;
}

/// The hint of a sum, and whether the operands contradict each other.
fn combined_hint(a: CounterResetHint, b: CounterResetHint) -> (CounterResetHint, bool) {
    use CounterResetHint::{Gauge, Unknown};
    match (a, b) {
        _ if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        // One reset, one not.
        _ => (Unknown, true),
    }
}

/// A running mean of histograms: a sum that turns to an incremental mean before it overflows.
#[derive(Debug, Clone)]
pub struct HistogramMean {
    /// The sum, or the mean once `incremental`.
    value: HistogramSum,
    count: f64,
    incremental: bool,
}

impl HistogramMean {
    /// The mean of one histogram.
    pub fn new(first: &FloatHistogram) -> Self {
        Self {
            value: HistogramSum::new(first),
            count: 1.0,
            incremental: false,
        }
    }

    /// Takes another histogram in.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<SumRemarks, IncompatibleSchemas> {
        let mut other = HistogramSum::new(other);
        if !self.incremental && self.value.is_large() | other.is_large() {
            self.incremental = true;
            self.value.scale(1.0 / self.count);
        }
        if self.incremental {
            self.value.scale(self.count / (self.count + 1.0));
            other.scale(1.0 / (self.count + 1.0));
        }
        self.count += 1.0;
        self.value.combine(other)
    }

    /// The mean, without empty buckets.
    pub fn finish(self) -> FloatHistogram {
        let mut result = self.value.finish();
        if !self.incremental {
            result.divide(self.count);
        }
        result
    }
}

impl HistogramSum {
    /// Whether adding could overflow.
    fn is_large(&self) -> bool {
        let large = |number: &Compensated| number.sum.abs() > f64::MAX / 4.0;
        let buckets = self.positive.iter().chain(&self.negative);
        [&self.zero_count, &self.count, &self.sum]
            .into_iter()
            .any(large)
            || buckets.into_iter().any(|(_, number)| large(number))
    }
}

impl FloatHistogram {
    /// The sum of two histograms, without empty buckets.
    pub fn add(&self, other: &Self) -> Result<(Self, SumRemarks), IncompatibleSchemas> {
        let mut sum = HistogramSum::new(self);
        let remarks = sum.add(other)?;
        Ok((sum.finish(), remarks))
    }

    /// The difference of two histograms, without empty buckets; a reset hint as for a sum.
    pub fn subtract(&self, other: &Self) -> Result<(Self, SumRemarks), IncompatibleSchemas> {
        let mut sum = HistogramSum::new(self);
        let remarks = sum.subtract(other)?;
        Ok((sum.finish(), remarks))
    }

    /// Multiplies all counts and the sum; a negative factor makes a gauge.
    pub fn multiply(&mut self, factor: f64) {
        self.change(|value| value * factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum; a negative divisor makes a gauge, zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        self.change(|value| value / divisor);
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.negative_spans.clear();
            self.positive_buckets.clear();
            self.negative_buckets.clear();
        }
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    fn change(&mut self, change: impl Fn(f64) -> f64) {
        let numbers = [&mut self.zero_count, &mut self.count, &mut self.sum];
        let buckets = self
            .positive_buckets
            .iter_mut()
            .chain(&mut self.negative_buckets);
        for number in numbers.into_iter().chain(buckets) {
            *number = change(*number);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
