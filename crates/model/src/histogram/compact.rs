//! Removing empty buckets and joining spans.

use super::buckets::span_indexes;
use super::{FloatHistogram, Histogram, Span};

impl FloatHistogram {
    /// Removes empty buckets and lays out the rest anew. Gaps of up to `empty_max` buckets stay in
    /// a span, as empty buckets.
    pub fn compact(&mut self, empty_max: u32) -> &mut Self {
        compact(
            &mut self.positive_spans,
            &mut self.positive_buckets,
            empty_max,
        );
        compact(
            &mut self.negative_spans,
            &mut self.negative_buckets,
            empty_max,
        );
        self
    }
}

impl Histogram {
    /// Like [`FloatHistogram::compact`].
    pub fn compact(&mut self, empty_max: u32) -> &mut Self {
        compact_deltas(
            &mut self.positive_spans,
            &mut self.positive_buckets,
            empty_max,
        );
        compact_deltas(
            &mut self.negative_spans,
            &mut self.negative_buckets,
            empty_max,
        );
        self
    }
}

fn compact_deltas(spans: &mut Vec<Span>, deltas: &mut Vec<i64>, empty_max: u32) {
    let mut count = 0_i64;
    for delta in deltas.iter_mut() {
        count = count.wrapping_add(*delta);
        *delta = count;
    }
    compact(spans, deltas, empty_max);
    let mut before = 0_i64;
    for count in deltas.iter_mut() {
        let delta = count.wrapping_sub(before);
        before = *count;
        *count = delta;
    }
}

fn compact<T: Copy + PartialEq + Default>(
    spans: &mut Vec<Span>,
    counts: &mut Vec<T>,
    empty_max: u32,
) {
    let empty = T::default();
    let is_compact = spans.iter().all(|span| span.length > 0)
        && spans
            .iter()
            .skip(1)
            .all(|span| i64::from(span.offset) > i64::from(empty_max))
        && counts.iter().all(|count| *count != empty);
    if is_compact {
        return;
    }
    let mut new_spans: Vec<Span> = Vec::with_capacity(spans.len());
    let mut new_counts: Vec<T> = Vec::with_capacity(counts.len());
    // Index after the last bucket written.
    let mut end = 0_i32;
    for (index, count) in span_indexes(spans).zip(counts.iter()) {
        if *count == empty {
            continue;
        }
        let gap = index.wrapping_sub(end);
        match new_spans.last_mut() {
            Some(span) if u32::try_from(gap).is_ok_and(|gap| gap <= empty_max) => {
                new_counts.resize(new_counts.len() + gap as usize, empty);
                span.length += gap as u32 + 1;
            }
            _ => new_spans.push(Span {
                offset: gap,
                length: 1,
            }),
        }
        new_counts.push(*count);
        end = index.wrapping_add(1);
    }
    *spans = new_spans;
    *counts = new_counts;
}
