//! Whether two histograms hold the same data.

use super::buckets::span_indexes;
use super::{FloatHistogram, Histogram, Span};

impl FloatHistogram {
    /// Whether all but the reset hint is the same: values by their bits, spans by the layout they
    /// describe. A bucket that is there and empty differs from one that is not there.
    pub fn same_data(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.count.to_bits() == other.count.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && self.zero_threshold == other.zero_threshold
            && self.zero_count.to_bits() == other.zero_count.to_bits()
            && (!self.uses_custom_buckets()
                || same_bits(self.custom_bounds(), other.custom_bounds()))
            && same_layout(&self.positive_spans, &other.positive_spans)
            && same_layout(&self.negative_spans, &other.negative_spans)
            && same_bits(&self.positive_buckets, &other.positive_buckets)
            && same_bits(&self.negative_buckets, &other.negative_buckets)
    }
}

impl Histogram {
    /// Like [`FloatHistogram::same_data`].
    pub fn same_data(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.count == other.count
            && self.sum.to_bits() == other.sum.to_bits()
            && self.zero_threshold == other.zero_threshold
            && self.zero_count == other.zero_count
            && (!self.uses_custom_buckets()
                || same_bits(self.custom_bounds(), other.custom_bounds()))
            && same_layout(&self.positive_spans, &other.positive_spans)
            && same_layout(&self.negative_spans, &other.negative_spans)
            && self.positive_buckets == other.positive_buckets
            && self.negative_buckets == other.negative_buckets
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

fn same_layout(a: &[Span], b: &[Span]) -> bool {
    if a == b {
        return true;
    }
    let count = |spans: &[Span]| spans.iter().map(|span| u64::from(span.length)).sum::<u64>();
    // Layouts of hostile length differ without being walked.
    count(a) == count(b) && count(a) < 1 << 24 && span_indexes(a).eq(span_indexes(b))
}
