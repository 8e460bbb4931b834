//! Coarser histograms: schemas reduced, zero buckets widened, custom bounds intersected.
//!
//! Buckets are handled here as lists of (index, count): one form for both kinds of histogram and
//! for compensated counts.

use std::sync::Arc;

use super::buckets::span_indexes;
use super::{FloatHistogram, Histogram, Span, bucket_upper_bound, is_exponential_schema};

/// What a bucket can hold: something that can be added up.
pub(super) trait Tally: Copy {
    fn plus(self, other: Self) -> Self;
    fn is_empty(&self) -> bool;
}

impl Tally for f64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn is_empty(&self) -> bool {
        *self == 0.0
    }
}

impl Tally for i64 {
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }
}

/// Index at schema `to` of what is bucket `index` at the finer schema `from`.
pub fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    // A bucket includes its upper bound, hence the shift by one.
    (index.wrapping_sub(1) >> (from - to).clamp(0, 31)).wrapping_add(1)
}

/// Joins the buckets of an ascending list that `map` sends to the same index.
pub(super) fn joined<T: Tally>(
    buckets: impl Iterator<Item = (i32, T)>,
    map: impl Fn(i32) -> i32,
) -> Vec<(i32, T)> {
    let mut result: Vec<(i32, T)> = Vec::with_capacity(buckets.size_hint().0);
    for (index, count) in buckets {
        let index = map(index);
        match result.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.plus(count),
            _ => result.push((index, count)),
        }
    }
    result
}

/// Layout of ascending `indexes`.
pub(super) fn spans_of(indexes: impl Iterator<Item = i32>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut end = 0_i32;
    for index in indexes {
        let gap = index.wrapping_sub(end);
        match spans.last_mut() {
            Some(span) if gap == 0 => span.length += 1,
            _ => spans.push(Span {
                offset: gap,
                length: 1,
            }),
        }
        end = index.wrapping_add(1);
    }
    spans
}

/// Buckets of one side with their indexes; no more than there are counts.
pub(super) fn indexed<'a, T: Copy>(
    spans: &'a [Span],
    counts: &'a [T],
) -> impl Iterator<Item = (i32, T)> + 'a {
    span_indexes(spans).zip(counts.iter().copied())
}

/// Bounds that both lists have; ascending as they are.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let mut rest = b.iter().peekable();
    a.iter()
        .copied()
        .filter(|bound| {
            while rest.next_if(|other| *other < bound).is_some() {}
            rest.peek().is_some_and(|other| *other == bound)
        })
        .collect()
}

/// Index within `to`, a part of the bounds `from`, of what is bucket `index` within `from`.
pub(super) fn index_within(index: i32, from: &[f64], to: &[f64]) -> i32 {
    let bound = bucket_upper_bound(index, super::CUSTOM_BUCKETS_SCHEMA, from);
    to.partition_point(|other| *other < bound) as i32
}

/// Adds to `zero` what lies within `threshold` and removes it from both sides. A threshold inside a
/// bucket that is not empty grows to that bucket's end; the new threshold is returned.
pub(super) fn widen_zero<T: Tally>(
    mut threshold: f64,
    schema: i32,
    zero: &mut T,
    sides: [&mut Vec<(i32, T)>; 2],
) -> f64 {
    let bound = |index: i32| bucket_upper_bound(index, schema, &[]);
    let [positive, negative] = sides;
    // Each round that goes on has grown the threshold to another bucket's bound.
    loop {
        let before = threshold;
        for side in [&*positive, &*negative] {
            for (index, count) in side {
                if bound(index.wrapping_sub(1)) >= threshold {
                    break;
                }
                if bound(*index) > threshold && !count.is_empty() {
                    threshold = bound(*index);
                }
            }
        }
        if threshold == before {
            break;
        }
    }
    for side in [positive, negative] {
        // An empty bucket around the threshold goes as well: nothing is lost.
        let inside = side.partition_point(|(index, _)| bound(index.wrapping_sub(1)) < threshold);
        for (_, count) in side.drain(..inside) {
            *zero = zero.plus(count);
        }
    }
    threshold
}

impl FloatHistogram {
    /// The histogram at a coarser exponential schema; unchanged if `schema` is not coarser or this
    /// one's bounds are listed. Counts are kept.
    pub fn copy_to_schema(&self, schema: i32) -> Self {
        let mut copy = self.clone();
        if !can_reduce(self.schema, schema) {
            return copy;
        }
        let map = |index| coarser_index(index, self.schema, schema);
        let side = |spans: &[Span], counts: &[f64]| {
            let buckets = joined(indexed(spans, counts), map);
            let spans = spans_of(buckets.iter().map(|(index, _)| *index));
            (spans, buckets.into_iter().map(|(_, count)| count).collect())
        };
        copy.schema = schema;
        (copy.positive_spans, copy.positive_buckets) =
            side(&self.positive_spans, &self.positive_buckets);
        (copy.negative_spans, copy.negative_buckets) =
            side(&self.negative_spans, &self.negative_buckets);
        copy
    }

    /// Observations within a zero bucket of at least `threshold`, and the threshold that is
    /// needed: inside a bucket with observations it grows to that bucket's end.
    pub fn zero_count_for_threshold(&self, threshold: f64) -> (f64, f64) {
        let mut positive = indexed(&self.positive_spans, &self.positive_buckets).collect();
        let mut negative = indexed(&self.negative_spans, &self.negative_buckets).collect();
        let mut zero = self.zero_count;
        let sides = [&mut positive, &mut negative];
        let threshold = widen_zero(threshold, self.schema, &mut zero, sides);
        (zero, threshold)
    }
}

impl Histogram {
    /// Like [`FloatHistogram::copy_to_schema`].
    pub fn copy_to_schema(&self, schema: i32) -> Self {
        let mut copy = self.clone();
        if !can_reduce(self.schema, schema) {
            return copy;
        }
        let map = |index| coarser_index(index, self.schema, schema);
        let side = |spans: &[Span], deltas: &[i64]| {
            let mut count = 0_i64;
            let absolute: Vec<i64> = deltas
                .iter()
                .map(|delta| {
                    count = count.wrapping_add(*delta);
                    count
                })
                .collect();
            let buckets = joined(indexed(spans, &absolute), map);
            let spans = spans_of(buckets.iter().map(|(index, _)| *index));
            let mut before = 0_i64;
            let deltas = buckets.into_iter().map(|(_, count)| {
                let delta = count.wrapping_sub(before);
                before = count;
                delta
            });
            (spans, deltas.collect())
        };
        copy.schema = schema;
        (copy.positive_spans, copy.positive_buckets) =
            side(&self.positive_spans, &self.positive_buckets);
        (copy.negative_spans, copy.negative_buckets) =
            side(&self.negative_spans, &self.negative_buckets);
        copy
    }
}

fn can_reduce(from: i32, to: i32) -> bool {
    let exponential = super::EXPONENTIAL_SCHEMA_MIN..=super::EXPONENTIAL_SCHEMA_RESERVED_MAX;
    exponential.contains(&from) && is_exponential_schema(to) && to < from
}

#[cfg(test)]
mod tests;
