//! Native histograms: sparse buckets of exponentially growing (or custom) width.
//!
//! Layout as in the reference's native histogram specification: *spans* say which bucket indexes
//! are present, buckets follow in the order of the spans. Arithmetic lives in submodules of its own.

mod bounds;
mod buckets;
mod classic;
mod compact;
mod equal;
mod quantile;
mod reset;
mod resolution;
mod sum;
mod text;
mod trim;
mod validate;

use std::sync::Arc;

pub use bounds::bucket_upper_bound;
pub use buckets::{Bucket, BucketIter};
pub use classic::{ClassicError, ClassicHistogram, ClassicPart};
pub use quantile::NanObservations;
pub use resolution::coarser_index;
pub use sum::{HistogramMean, HistogramSum, IncompatibleSchemas, SumRemarks};
pub use validate::HistogramError;

/// Schema of histograms whose bucket bounds are listed explicitly (`custom_values`).
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;
/// Smallest (coarsest) exponential schema.
pub const EXPONENTIAL_SCHEMA_MIN: i32 = -4;
/// Largest (finest) exponential schema.
pub const EXPONENTIAL_SCHEMA_MAX: i32 = 8;
/// Finest exponential schema that may be met: those above [`EXPONENTIAL_SCHEMA_MAX`] are reserved
/// and reduced to it on the way in.
pub const EXPONENTIAL_SCHEMA_RESERVED_MAX: i32 = 52;

/// What is known about whether a histogram counter was reset before this sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum CounterResetHint {
    /// Nothing known: compare with the sample before.
    #[default]
    Unknown = 0,
    /// There was a reset.
    CounterReset = 1,
    /// There was none.
    NotCounterReset = 2,
    /// A gauge histogram: resets have no meaning.
    Gauge = 3,
}

/// A run of consecutive buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Gap to the end of the previous span, or the start index for the first one.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// A native histogram with integer counts; buckets are deltas to the previous bucket.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Reset knowledge.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: bucket bounds grow by 2^(2^-schema); -53 means `custom_values`.
    pub schema: i32,
    /// Width of the zero bucket: observations in [-threshold, threshold].
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of all observations; the stale NaN marks staleness.
    pub sum: f64,
    /// Layout of `positive_buckets`.
    pub positive_spans: Vec<Span>,
    /// Layout of `negative_buckets`.
    pub negative_spans: Vec<Span>,
    /// First bucket's count, then differences.
    pub positive_buckets: Vec<i64>,
    /// First bucket's count, then differences.
    pub negative_buckets: Vec<i64>,
    /// Upper bounds, ascending, without +Inf; only with [`CUSTOM_BUCKETS_SCHEMA`].
    pub custom_values: Option<Arc<[f64]>>,
}

/// A native histogram with float counts; buckets are absolute.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FloatHistogram {
    /// Reset knowledge.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: bucket bounds grow by 2^(2^-schema); -53 means `custom_values`.
    pub schema: i32,
    /// Width of the zero bucket: observations in [-threshold, threshold].
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; the stale NaN marks staleness.
    pub sum: f64,
    /// Layout of `positive_buckets`.
    pub positive_spans: Vec<Span>,
    /// Layout of `negative_buckets`.
    pub negative_spans: Vec<Span>,
    /// Absolute counts.
    pub positive_buckets: Vec<f64>,
    /// Absolute counts.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds, ascending, without +Inf; only with [`CUSTOM_BUCKETS_SCHEMA`].
    pub custom_values: Option<Arc<[f64]>>,
}

impl From<&Histogram> for FloatHistogram {
    fn from(histogram: &Histogram) -> Self {
        Self {
            counter_reset_hint: histogram.counter_reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count as f64,
            count: histogram.count as f64,
            sum: histogram.sum,
            positive_spans: histogram.positive_spans.clone(),
            negative_spans: histogram.negative_spans.clone(),
            positive_buckets: absolute(&histogram.positive_buckets),
            negative_buckets: absolute(&histogram.negative_buckets),
            custom_values: histogram.custom_values.clone(),
        }
    }
}

/// What an integer histogram keeps of its counts: the first one, then differences.
pub fn deltas(counts: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut before = 0_i64;
    let counts = counts.into_iter();
    counts
        .map(|count| count.wrapping_sub(std::mem::replace(&mut before, count)))
        .collect()
}

/// Running sums of bucket deltas, as floats.
fn absolute(deltas: &[i64]) -> Vec<f64> {
    let mut count = 0_i64;
    deltas
        .iter()
        .map(|delta| {
            count = count.wrapping_add(*delta);
            count as f64
        })
        .collect()
}

impl Histogram {
    /// The same histogram with float counts.
    pub fn to_float(&self) -> FloatHistogram {
        FloatHistogram::from(self)
    }

    /// Whether bounds are listed rather than computed.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}

impl FloatHistogram {
    /// Whether bounds are listed rather than computed.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Bytes that the reference counts for one histogram when it limits the samples of a query: a
    /// pointer, the fixed part with five slices, 8 bytes for each span, bucket and bound.
    pub fn size_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let buckets = self.positive_buckets.len() + self.negative_buckets.len();
        let bounds = self.custom_values.as_ref().map_or(0, |bounds| bounds.len());
        168 + 8 * (spans + buckets + bounds)
    }

    /// Samples that one histogram counts as where samples are limited: one for 16 bytes.
    pub fn sample_count(&self) -> usize {
        (self.size_bytes() + 8) / 16
    }
}

/// Whether `schema` is one of exponential buckets.
pub fn is_exponential_schema(schema: i32) -> bool {
    (EXPONENTIAL_SCHEMA_MIN..=EXPONENTIAL_SCHEMA_MAX).contains(&schema)
}

#[cfg(test)]
mod tests;
