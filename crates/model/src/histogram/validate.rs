//! Whether a histogram is consistent, with the reference's messages.

use gocompat::float::{format_f_precision, format_g};

use super::{FloatHistogram, Histogram, Span, is_exponential_schema};

/// What is wrong with a histogram.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// A schema that does not exist.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, \
         or -53 for custom buckets, got schema {0}"
    )]
    Schema(i32),
    /// Something wrong above zero.
    #[error("positive side: {0}")]
    PositiveSide(BucketsError),
    /// Something wrong below zero.
    #[error("negative side: {0}")]
    NegativeSide(BucketsError),
    /// Something wrong with custom buckets.
    #[error("custom buckets: {0}")]
    Custom(BucketsError),
    /// Custom buckets have no zero bucket.
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    /// Custom buckets have no zero bucket.
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    /// Custom buckets have one side.
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    /// Custom buckets have one side.
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
    /// Bounds are computed and listed.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
    /// More observations in the buckets than in all.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's \
         observation count should be at least the number of observations found in the buckets"
    )]
    CountNotBigEnough {
        /// Sum of the buckets.
        in_buckets: u64,
        /// The count given.
        count: u64,
    },
    /// Not as many observations in the buckets as in all.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's \
         observation count should equal the number of observations found in the buckets (in \
         absence of NaN)"
    )]
    CountMismatch {
        /// Sum of the buckets.
        in_buckets: u64,
        /// The count given.
        count: u64,
    },
}

/// What is wrong with one side's buckets.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BucketsError {
    /// Spans overlap.
    #[error(
        "span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    NegativeOffset {
        /// Counted from one.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// Spans and buckets do not fit.
    #[error(
        "spans need {need} buckets, have {have} buckets: histogram spans specify different number \
         of buckets than provided"
    )]
    SpansMismatch {
        /// Sum of the spans.
        need: u64,
        /// Buckets given.
        have: usize,
    },
    /// A bucket below zero.
    #[error(
        "bucket number {number} has observation count of {count}: histogram has a bucket whose \
         observation count is negative"
    )]
    NegativeCount {
        /// Counted from one.
        number: usize,
        /// Its count, as text.
        count: String,
    },
    /// Listed bounds out of order.
    #[error(
        "previous bound is {previous} and current is {current}: histogram custom bounds must be in \
         strictly increasing order"
    )]
    BoundsOrder {
        /// The bound before.
        previous: String,
        /// The bound that is not greater.
        current: String,
    },
    /// A bound that is no number.
    #[error("histogram custom bounds must not be NaN")]
    NanBound,
    /// The last bound, which is implied, is listed.
    #[error(
        "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    InfiniteBound,
    /// More buckets than bounds allow.
    #[error(
        "only {bounds} custom bounds defined which is insufficient to cover total span length of \
         {length}: histogram custom bounds are too few"
    )]
    TooFewBounds {
        /// Bounds given.
        bounds: usize,
        /// Buckets that the spans reach over.
        length: u64,
    },
}

impl Histogram {
    /// Checks layout and counts.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let custom = self.uses_custom_buckets();
        check_shape(&Shape {
            schema: self.schema,
            custom_values: self.custom_values.as_deref(),
            positive: (&self.positive_spans, self.positive_buckets.len()),
            negative: (&self.negative_spans, self.negative_buckets.len()),
            zero_count_is_zero: self.zero_count == 0,
            zero_threshold: self.zero_threshold,
        })?;
        let mut in_buckets = self.zero_count;
        if !custom {
            let sum = sum_deltas(&self.negative_buckets).map_err(HistogramError::NegativeSide)?;
            in_buckets = in_buckets.wrapping_add(sum);
        }
        let sum = sum_deltas(&self.positive_buckets).map_err(HistogramError::PositiveSide)?;
        in_buckets = in_buckets.wrapping_add(sum);
        let count = self.count;
        if self.sum.is_nan() {
            // Observations of NaN are counted and in no bucket.
            if in_buckets > count {
                return Err(HistogramError::CountNotBigEnough { in_buckets, count });
            }
        } else if in_buckets != count {
            return Err(HistogramError::CountMismatch { in_buckets, count });
        }
        Ok(())
    }
}

impl FloatHistogram {
    /// Checks layout and buckets. The count is not compared with the buckets: sums of floats would
    /// give false alarms.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let custom = self.uses_custom_buckets();
        check_shape(&Shape {
            schema: self.schema,
            custom_values: self.custom_values.as_deref(),
            positive: (&self.positive_spans, self.positive_buckets.len()),
            negative: (&self.negative_spans, self.negative_buckets.len()),
            zero_count_is_zero: self.zero_count == 0.0,
            zero_threshold: self.zero_threshold,
        })?;
        if !custom {
            check_counts(&self.negative_buckets).map_err(HistogramError::NegativeSide)?;
        }
        check_counts(&self.positive_buckets).map_err(HistogramError::PositiveSide)
    }
}

/// What both kinds of histogram have in common.
struct Shape<'a> {
    schema: i32,
    custom_values: Option<&'a [f64]>,
    /// Spans and number of buckets.
    positive: (&'a [Span], usize),
    negative: (&'a [Span], usize),
    zero_count_is_zero: bool,
    zero_threshold: f64,
}

fn check_shape(shape: &Shape<'_>) -> Result<(), HistogramError> {
    if shape.schema == super::CUSTOM_BUCKETS_SCHEMA {
        let bounds = shape.custom_values.unwrap_or_default();
        check_bounds(bounds, shape.positive).map_err(HistogramError::Custom)?;
        return match shape {
            Shape {
                zero_count_is_zero: false,
                ..
            } => Err(HistogramError::CustomZeroCount),
            Shape { zero_threshold, .. } if *zero_threshold != 0.0 => {
                Err(HistogramError::CustomZeroThreshold)
            }
            Shape {
                negative: ([_, ..], _),
                ..
            } => Err(HistogramError::CustomNegativeSpans),
            Shape {
                negative: (_, 1..), ..
            } => Err(HistogramError::CustomNegativeBuckets),
            _ => Ok(()),
        };
    }
    if !is_exponential_schema(shape.schema) {
        return Err(HistogramError::Schema(shape.schema));
    }
    check_spans(shape.positive, true).map_err(HistogramError::PositiveSide)?;
    check_spans(shape.negative, true).map_err(HistogramError::NegativeSide)?;
    if shape.custom_values.is_some() {
        return Err(HistogramError::ExponentialWithBounds);
    }
    Ok(())
}

/// Checks that spans do not overlap (the first may start below zero if `first_is_free`) and that
/// they lay out as many buckets as there are.
fn check_spans((spans, have): (&[Span], usize), first_is_free: bool) -> Result<(), BucketsError> {
    for (index, span) in spans.iter().enumerate() {
        if span.offset < 0 && !(first_is_free && index == 0) {
            return Err(BucketsError::NegativeOffset {
                number: index + 1,
                offset: span.offset,
            });
        }
    }
    let need: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if need != have as u64 {
        return Err(BucketsError::SpansMismatch { need, have });
    }
    Ok(())
}

fn check_bounds(bounds: &[f64], positive: (&[Span], usize)) -> Result<(), BucketsError> {
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err(BucketsError::NanBound);
    }
    let unordered = bounds.windows(2).find_map(|pair| match pair {
        [previous, current] if current <= previous => Some((*previous, *current)),
        _ => None,
    });
    if let Some((previous, current)) = unordered {
        let text = |bound| format_f_precision(bound, 6);
        let (previous, current) = (text(previous), text(current));
        return Err(BucketsError::BoundsOrder { previous, current });
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(BucketsError::InfiniteBound);
    }
    check_spans(positive, false)?;
    let reach = |span: &Span| u64::from(span.length) + u64::from(span.offset.unsigned_abs());
    let length: u64 = positive.0.iter().map(reach).sum();
    if (bounds.len() as u64) + 1 < length {
        return Err(BucketsError::TooFewBounds {
            bounds: bounds.len(),
            length,
        });
    }
    Ok(())
}

fn sum_deltas(deltas: &[i64]) -> Result<u64, BucketsError> {
    let (mut count, mut sum) = (0_i64, 0_u64);
    for (index, delta) in deltas.iter().enumerate() {
        count = count.wrapping_add(*delta);
        if count < 0 {
            let count = count.to_string();
            return Err(BucketsError::NegativeCount {
                number: index + 1,
                count,
            });
        }
        sum = sum.wrapping_add(count as u64);
    }
    Ok(sum)
}

fn check_counts(counts: &[f64]) -> Result<(), BucketsError> {
    match counts.iter().position(|count| *count < 0.0) {
        Some(index) => Err(BucketsError::NegativeCount {
            number: index + 1,
            count: format_g(counts[index]),
        }),
        None => Ok(()),
    }
}
