//! Buckets one by one, with their bounds.

use super::{FloatHistogram, Histogram, Span, bucket_upper_bound};

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether observations equal to the lower bound are in it.
    pub lower_inclusive: bool,
    /// Whether observations equal to the upper bound are in it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
    /// Index within its schema; 0 for the zero bucket.
    pub index: i32,
}

/// Buckets of one side, from the one nearest to zero outwards.
#[derive(Debug, Clone)]
pub struct BucketIter<'a> {
    spans: std::slice::Iter<'a, Span>,
    counts: std::slice::Iter<'a, f64>,
    schema: i32,
    custom_values: &'a [f64],
    positive: bool,
    /// Index of the next bucket.
    index: i32,
    /// Buckets left in the current span.
    left: u32,
}

impl Iterator for BucketIter<'_> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        while self.left == 0 {
            let span = self.spans.next()?;
            self.index = self.index.wrapping_add(span.offset);
            self.left = span.length;
        }
        let count = *self.counts.next()?;
        let index = self.index;
        self.left -= 1;
        self.index = index.wrapping_add(1);
        Some(self.bucket(index, count))
    }
}

impl BucketIter<'_> {
    fn bucket(&self, index: i32, count: f64) -> Bucket {
        let bound = |index| bucket_upper_bound(index, self.schema, self.custom_values);
        let (near, far) = (bound(index.wrapping_sub(1)), bound(index));
        let (lower, upper) = if self.positive {
            (near, far)
        } else {
            (-far, -near)
        };
        let custom = self.schema == super::CUSTOM_BUCKETS_SCHEMA;
        Bucket {
            lower,
            upper,
            lower_inclusive: if custom { index == 0 } else { lower < 0.0 },
            upper_inclusive: custom || upper > 0.0,
            count,
            index,
        }
    }
}

impl FloatHistogram {
    /// Buckets above the zero bucket, ascending; empty ones that the layout has are among them.
    pub fn positive_bucket_iter(&self) -> BucketIter<'_> {
        self.side(&self.positive_spans, &self.positive_buckets, true)
    }

    /// Buckets below the zero bucket, from zero on downwards.
    pub fn negative_bucket_iter(&self) -> BucketIter<'_> {
        self.side(&self.negative_spans, &self.negative_buckets, false)
    }

    /// The bucket around zero.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// All buckets in ascending order; the zero bucket only if it has observations.
    pub fn all_buckets(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = self.negative_bucket_iter().collect();
        buckets.reverse();
        if self.zero_count > 0.0 {
            buckets.push(self.zero_bucket());
        }
        buckets.extend(self.positive_bucket_iter());
        buckets
    }

    /// The listed bounds; none with an exponential schema.
    pub fn custom_bounds(&self) -> &[f64] {
        self.custom_values.as_deref().unwrap_or_default()
    }

    fn side<'a>(&'a self, spans: &'a [Span], counts: &'a [f64], positive: bool) -> BucketIter<'a> {
        BucketIter {
            spans: spans.iter(),
            counts: counts.iter(),
            schema: self.schema,
            custom_values: self.custom_bounds(),
            positive,
            index: 0,
            left: 0,
        }
    }
}

impl Histogram {
    /// The listed bounds; none with an exponential schema.
    pub fn custom_bounds(&self) -> &[f64] {
        self.custom_values.as_deref().unwrap_or_default()
    }
}

/// Indexes of the buckets that `spans` lay out.
pub(super) fn span_indexes(spans: &[Span]) -> impl Iterator<Item = i32> {
    let mut index = 0_i32;
    spans.iter().flat_map(move |span| {
        let first = index.wrapping_add(span.offset);
        index = first.wrapping_add(span.length as i32);
        (0..span.length).map(move |step| first.wrapping_add(step as i32))
    })
}
