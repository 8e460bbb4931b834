//! Native histograms on their way into a batch: coarser where a job wants them so, bounded always.

use std::cmp::Ordering;
use std::sync::Arc;

use model::histogram::{
    EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN, EXPONENTIAL_SCHEMA_RESERVED_MAX,
    is_exponential_schema,
};
use model::sample::Value;
use model::{Exemplar, FloatHistogram, Histogram};

use crate::options::JobOptions;

/// Most bytes of memory that the native histograms of one body may take: small messages become large
/// structures.
pub(super) const BODY_HISTOGRAM_BYTES_MAX: usize = 1 << 30;

/// The growth of buckets of the finest schema: what is asked for where nothing is.
const FINEST_BUCKET_FACTOR: f64 = 1.002_71;

/// The finest schema whose buckets grow at least by `factor`.
pub(crate) fn schema_max(factor: f64) -> i32 {
    let factor = if factor > 1.0 {
        factor
    } else {
        FINEST_BUCKET_FACTOR
    };
    let schema = -factor.log2().log2();
    (schema.floor() as i32).clamp(EXPONENTIAL_SCHEMA_MIN, EXPONENTIAL_SCHEMA_MAX)
}

/// What both kinds of histogram tell.
trait Native: Sized {
    fn schema(&self) -> i32;
    fn bucket_count(&self) -> usize;
    fn at_schema(&self, schema: i32) -> Self;
}

impl Native for Histogram {
    fn schema(&self) -> i32 {
        self.schema
    }

    fn bucket_count(&self) -> usize {
        self.positive_buckets.len() + self.negative_buckets.len()
    }

    fn at_schema(&self, schema: i32) -> Self {
        self.copy_to_schema(schema)
    }
}

impl Native for FloatHistogram {
    fn schema(&self) -> i32 {
        self.schema
    }

    fn bucket_count(&self) -> usize {
        self.positive_buckets.len() + self.negative_buckets.len()
    }

    fn at_schema(&self, schema: i32) -> Self {
        self.copy_to_schema(schema)
    }
}

/// The histogram as coarse as `options` want it; `None` if it cannot have as few buckets as it may.
pub(super) fn limited(value: Value, options: &JobOptions) -> Option<Value> {
    match value {
        Value::Float(_) => Some(value),
        Value::Histogram(histogram) => fitting(histogram, options).map(Value::Histogram),
        Value::FloatHistogram(histogram) => fitting(histogram, options).map(Value::FloatHistogram),
    }
}

fn fitting<H: Native>(mut histogram: Arc<H>, options: &JobOptions) -> Option<Arc<H>> {
    let schema_max = options.native_histogram_schema_max;
    if (schema_max + 1..=EXPONENTIAL_SCHEMA_RESERVED_MAX).contains(&histogram.schema()) {
        histogram = Arc::new(histogram.at_schema(schema_max));
    }
    let limit = options.native_histogram_bucket_limit;
    while limit > 0 && histogram.bucket_count() > limit {
        let schema = histogram.schema();
        if !is_exponential_schema(schema) || schema == EXPONENTIAL_SCHEMA_MIN {
            return None;
        }
        histogram = Arc::new(histogram.at_schema(schema - 1));
    }
    Some(histogram)
}

/// The sum of a histogram's observations; the stale NaN there marks staleness.
pub(super) fn sum(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::Histogram(histogram) => histogram.sum,
        Value::FloatHistogram(histogram) => histogram.sum,
    }
}

/// Bytes of memory it takes.
pub(super) fn bytes(value: &Value) -> usize {
    let lists = |spans: [usize; 2], buckets: usize| 8 * (spans[0] + spans[1] + buckets);
    let bounds = |bounds: &Option<Arc<[f64]>>| bounds.as_ref().map_or(0, |bounds| 8 * bounds.len());
    match value {
        Value::Float(_) => 0,
        Value::Histogram(histogram) => {
            let spans = [&histogram.positive_spans, &histogram.negative_spans];
            size_of::<Histogram>()
                + bounds(&histogram.custom_values)
                + lists(spans.map(Vec::len), histogram.bucket_count())
        }
        Value::FloatHistogram(histogram) => {
            let spans = [&histogram.positive_spans, &histogram.negative_spans];
            size_of::<FloatHistogram>()
                + bounds(&histogram.custom_values)
                + lists(spans.map(Vec::len), histogram.bucket_count())
        }
    }
}

/// The order in which the exemplars of one series are added, as in the reference.
pub(super) fn exemplar_order(one: &Exemplar, other: &Exemplar) -> Ordering {
    let values = || one.value.partial_cmp(&other.value);
    one.timestamp
        .cmp(&other.timestamp)
        .then_with(|| values().unwrap_or(Ordering::Equal))
        .then_with(|| one.labels.cmp(&other.labels))
}

#[cfg(test)]
mod tests {
    use model::Span;

    use super::*;

    #[test]
    fn a_factor_asks_for_a_schema() {
        for (factor, schema) in [
            (0.0, 8),
            (1.0, 8),
            (1.002, 8),
            (1.0027, 8),
            (1.003, 7),
            (1.1, 2),
            (1.09, 3),
            (2.0, 0),
            (4.0, -1),
            (17.0, -3),
            (65_536.0, -4),
            (1e300, -4),
            (f64::NAN, 8),
        ] {
            assert_eq!(schema_max(factor), schema, "{factor}");
        }
    }

    fn histogram(schema: i32) -> Value {
        Value::Histogram(Arc::new(Histogram {
            schema,
            count: 8,
            positive_spans: vec![Span {
                offset: 1,
                length: 8,
            }],
            positive_buckets: vec![1, 0, 0, 0, 0, 0, 0, 0],
            ..Histogram::default()
        }))
    }

    #[track_caller]
    fn check(value: Value, limit: usize, schema_max: i32, expected: Option<(i32, usize)>) {
        let options = JobOptions {
            native_histogram_bucket_limit: limit,
            native_histogram_schema_max: schema_max,
            ..JobOptions::default()
        };
        let found = limited(value, &options).map(|value| match value {
            Value::Histogram(histogram) => (histogram.schema, histogram.bucket_count()),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn histograms_get_coarser_until_they_fit() {
        check(histogram(3), 0, 8, Some((3, 8)));
        check(histogram(3), 8, 8, Some((3, 8)));
        check(histogram(3), 7, 8, Some((2, 4)));
        check(histogram(3), 1, 8, Some((0, 1)));
        check(histogram(3), 0, 1, Some((1, 2)));
        check(histogram(10), 0, 8, Some((8, 2)));
        check(histogram(-4), 7, 8, None);
        check(histogram(-3), 3, 8, None);
        check(histogram(-53), 7, 8, None);
        check(histogram(-53), 8, -4, Some((-53, 8)));
    }
}
