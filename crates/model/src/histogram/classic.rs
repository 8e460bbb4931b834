//! Classic histograms: counts of all observations up to a bound, a series a bound. They become native
//! histograms with custom buckets, as the reference makes them.

use std::cmp::Ordering;
use std::sync::Arc;

use gocompat::float::format_g;

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, Span, deltas};
use crate::sample::Value;

/// Most empty buckets in a row that stay in a span of an integer histogram.
const EMPTY_BUCKETS_MAX: u32 = 2;

/// The first count that no integer bucket can have.
const INTEGER_COUNT_END: f64 = (1_u64 << 63) as f64;

/// Why a classic histogram cannot become a native one. The texts are the reference's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClassicError {
    /// A bucket below zero.
    #[error(
        "bucket count must be non-negative: le={}, count={}",
        format_g(*.bound),
        format_g(*.count)
    )]
    NegativeBucket {
        /// Upper bound of the bucket.
        bound: f64,
        /// Its count.
        count: f64,
    },
    /// A bound that is no number.
    #[error("bucket boundary must not be NaN")]
    NanBound,
    /// Fewer observations than none.
    #[error("count must be non-negative: count={}", format_g(*.count))]
    NegativeCount {
        /// The count given.
        count: f64,
    },
    /// The last bucket does not hold all observations.
    #[error(
        "count mismatch: count={} != le={} count={}",
        format_g(*.count),
        format_g(*.bound),
        format_g(*.bucket)
    )]
    CountMismatch {
        /// All observations.
        count: f64,
        /// Upper bound of the last bucket.
        bound: f64,
        /// Its count.
        bucket: f64,
    },
    /// A bucket holds fewer observations than a smaller one.
    #[error(
        "count is not cumulative: {} < {}",
        format_g(*.count),
        format_g(*.before)
    )]
    NotCumulative {
        /// Count of the bucket.
        count: f64,
        /// Count of the smaller one.
        before: f64,
    },
}

/// Which part of a classic histogram a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassicPart {
    /// Count of observations up to a bound.
    Bucket,
    /// Count of all observations.
    Count,
    /// Sum of all observations.
    Sum,
}

impl ClassicPart {
    /// The name of the histogram, and the part that a series of this name has of it.
    pub fn of_series(name: &str) -> Option<(&str, Self)> {
        [
            ("_bucket", Self::Bucket),
            ("_sum", Self::Sum),
            ("_count", Self::Count),
        ]
        .into_iter()
        .find_map(|(suffix, part)| Some((name.strip_suffix(suffix)?, part)))
    }

    /// The upper bound of a bucket, out of the label that tells it; `None` if that is no number. Other
    /// parts have none and give 0.
    pub fn upper_bound(self, label: &str) -> Option<f64> {
        match self {
            Self::Bucket => gocompat::float::parse(label)
                .ok()
                .filter(|bound| !bound.is_nan()),
            Self::Count | Self::Sum => Some(0.0),
        }
    }
}

/// A bucket as it is exposed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ClassicBucket {
    upper_bound: f64,
    /// Observations up to the bound.
    cumulative: f64,
}

/// The parts of a classic histogram, in whatever order they come. Keeps its memory.
#[derive(Debug, Default)]
pub struct ClassicHistogram {
    buckets: Vec<ClassicBucket>,
    /// Whether a bucket came after one with a higher bound: order, repetitions and counts are looked
    /// at in the end then, so that many such buckets take no more time than others.
    unsorted: bool,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

impl ClassicHistogram {
    /// Makes it one without parts.
    fn clear(&mut self) {
        self.buckets.clear();
        self.unsorted = false;
        self.count = None;
        self.sum = 0.0;
        self.error = None;
    }

    /// Adds a part with its value; `upper_bound` is that of a bucket.
    pub fn add(&mut self, part: ClassicPart, upper_bound: f64, value: f64) {
        match part {
            ClassicPart::Bucket => self.add_bucket(upper_bound, value),
            ClassicPart::Count => self.set_count(value),
            ClassicPart::Sum => self.set_sum(value),
        }
    }

    /// Adds the count of observations up to `upper_bound`. A bound that is there already stays as it
    /// is.
    pub fn add_bucket(&mut self, upper_bound: f64, cumulative: f64) {
        if self.error.is_some() {
            return;
        }
        if upper_bound.is_nan() {
            self.error = Some(ClassicError::NanBound);
            return;
        }
        if cumulative < 0.0 {
            self.error = Some(ClassicError::NegativeBucket {
                bound: upper_bound,
                count: cumulative,
            });
            return;
        }
        let bucket = ClassicBucket {
            upper_bound,
            cumulative,
        };
        match self.buckets.last() {
            Some(last) if !self.unsorted => {
                match last.upper_bound.partial_cmp(&upper_bound) {
                    Some(Ordering::Equal) => return,
                    Some(Ordering::Less) => self.error = check_cumulative(last, &bucket).err(),
                    _ => self.unsorted = true,
                }
                self.buckets.push(bucket);
            }
            _ => self.buckets.push(bucket),
        }
    }

    /// Sets the count of all observations.
    pub fn set_count(&mut self, count: f64) {
        if self.error.is_some() {
            return;
        }
        if count < 0.0 {
            self.error = Some(ClassicError::NegativeCount { count });
        } else {
            self.count = Some(count);
        }
    }

    /// Sets the sum of all observations.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The native histogram, never a plain number; afterwards there are no parts. Without a count the
    /// last bucket's is taken, without a last bucket one is made of the count.
    pub fn convert(&mut self) -> Result<Value, ClassicError> {
        let converted = self.converted();
        self.clear();
        converted
    }

    fn converted(&mut self) -> Result<Value, ClassicError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.sort()?;
        let last = self.buckets.last();
        let count = match (self.count, last) {
            (Some(count), _) => count,
            (None, Some(last)) => last.cumulative,
            (None, None) => 0.0,
        };
        let last = match last {
            Some(last) if last.upper_bound == f64::INFINITY => *last,
            _ => {
                let last = ClassicBucket {
                    upper_bound: f64::INFINITY,
                    cumulative: count,
                };
                self.buckets.push(last);
                last
            }
        };
        let cumulative = || self.buckets.iter().map(|bucket| bucket.cumulative);
        let whole = cumulative().chain([count]).all(is_integer_count);
        if count != last.cumulative {
            return Err(ClassicError::CountMismatch {
                count,
                bound: last.upper_bound,
                bucket: last.cumulative,
            });
        }
        // The last bound is implied.
        let bounds = self.buckets.iter().map(|bucket| bucket.upper_bound);
        let custom_values = Some(bounds.take(self.buckets.len() - 1).collect::<Arc<[f64]>>());
        let positive_spans = vec![Span {
            offset: 0,
            length: self.buckets.len() as u32,
        }];
        if whole {
            let mut histogram = Histogram {
                schema: CUSTOM_BUCKETS_SCHEMA,
                count: count as u64,
                sum: self.sum,
                positive_spans,
                positive_buckets: deltas(counts(cumulative().map(|count| count as i64))),
                custom_values,
                ..Histogram::default()
            };
            histogram.compact(EMPTY_BUCKETS_MAX);
            return Ok(Value::Histogram(Arc::new(histogram)));
        }
        let mut below = 0.0;
        let counts = cumulative().map(|count| count - std::mem::replace(&mut below, count));
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans,
            positive_buckets: counts.collect(),
            custom_values,
            ..FloatHistogram::default()
        };
        histogram.compact(0);
        Ok(Value::FloatHistogram(Arc::new(histogram)))
    }

    /// Brings buckets into order and checks what could not be checked before.
    fn sort(&mut self) -> Result<(), ClassicError> {
        if !self.unsorted {
            return Ok(());
        }
        let order = |one: &ClassicBucket, other: &ClassicBucket| {
            let bounds = one.upper_bound.partial_cmp(&other.upper_bound);
            bounds.unwrap_or(Ordering::Equal)
        };
        // Stable: of equal bounds the first one stays.
        self.buckets.sort_by(order);
        let same = |later: &mut ClassicBucket, earlier: &mut ClassicBucket| {
            later.upper_bound == earlier.upper_bound
        };
        self.buckets.dedup_by(same);
        self.unsorted = false;
        self.buckets.windows(2).try_for_each(|pair| match pair {
            [before, bucket] => check_cumulative(before, bucket),
            _ => Ok(()),
        })
    }
}

fn check_cumulative(before: &ClassicBucket, bucket: &ClassicBucket) -> Result<(), ClassicError> {
    if bucket.cumulative < before.cumulative {
        return Err(ClassicError::NotCumulative {
            count: bucket.cumulative,
            before: before.cumulative,
        });
    }
    Ok(())
}

/// Whether a count, which is not below zero, can be one of an integer histogram.
fn is_integer_count(count: f64) -> bool {
    count < INTEGER_COUNT_END && count.trunc() == count
}

/// Counts of buckets, of cumulative ones.
fn counts(cumulative: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    let mut below = 0_i64;
    cumulative.map(move |count| count.wrapping_sub(std::mem::replace(&mut below, count)))
}

#[cfg(test)]
mod tests;
