//! Sums checked by hand and by their laws.

use proptest::prelude::*;

use super::*;
use crate::Span;

/// A histogram at `schema` with `positive` buckets from index `offset` on; count and sum fit.
pub(in crate::histogram) fn histogram(
    schema: i32,
    offset: i32,
    positive: &[f64],
) -> FloatHistogram {
    let count = positive.iter().sum();
    FloatHistogram {
        schema,
        count,
        sum: 2.0 * count,
        positive_spans: vec![Span {
            offset,
            length: positive.len() as u32,
        }],
        positive_buckets: positive.to_vec(),
        ..FloatHistogram::default()
    }
}

pub(in crate::histogram) fn custom(bounds: &[f64], buckets: &[f64]) -> FloatHistogram {
    FloatHistogram {
        custom_values: Some(bounds.into()),
        ..histogram(crate::histogram::CUSTOM_BUCKETS_SCHEMA, 0, buckets)
    }
}

prop_compose! {
    /// Exponential histograms of whole counts, in which the buckets make up the count.
    pub(in crate::histogram) fn any_histogram()(
        schema in -4..=8_i32,
        threshold in prop_oneof![Just(0.0), Just(0.001), Just(0.5), Just(3.0)],
        zero_count in 0..9_u8,
        offset in -20..20_i32,
        positive in prop::collection::vec(0..5_u8, 0..20),
        negative in prop::collection::vec(0..5_u8, 0..20),
    ) -> FloatHistogram {
        let side = |counts: &[u8]| -> Vec<f64> { counts.iter().map(|c| f64::from(*c)).collect() };
        let mut result = histogram(schema, offset, &side(&positive));
        result.negative_buckets = side(&negative);
        result.negative_spans = vec![Span { offset, length: negative.len() as u32 }];
        result.count += result.negative_buckets.iter().sum::<f64>();
        // Nothing below the threshold may be in buckets: it is widened to what is there.
        let zero = FloatHistogram {
            schema,
            zero_threshold: threshold,
            zero_count: f64::from(zero_count),
            count: f64::from(zero_count),
            ..FloatHistogram::default()
        };
        (result, _) = result.add(&zero).unwrap();
        result
    }
}

fn in_buckets(histogram: &FloatHistogram) -> f64 {
    let buckets = histogram
        .positive_buckets
        .iter()
        .chain(&histogram.negative_buckets);
    buckets.sum::<f64>() + histogram.zero_count
}

proptest! {
    #[test]
    fn addition_commutes(a in any_histogram(), b in any_histogram()) {
        let (one, _) = a.add(&b).unwrap();
        let (other, _) = b.add(&a).unwrap();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn no_observation_is_lost_or_made(a in any_histogram(), b in any_histogram()) {
        let (sum, remarks) = a.add(&b).unwrap();
        prop_assert_eq!(sum.count, a.count + b.count);
        prop_assert_eq!(in_buckets(&sum), a.count + b.count);
        prop_assert_eq!(remarks, SumRemarks::default());
    }

    #[test]
    fn what_is_added_can_be_subtracted(a in any_histogram()) {
        let (sum, _) = a.add(&a).unwrap();
        let (back, _) = sum.subtract(&a).unwrap();
        let mut compact = a.clone();
        prop_assert!(back.same_data(compact.compact(0)));
    }

    #[test]
    fn the_mean_of_equals_is_the_same(a in any_histogram(), more in 1..5_u8) {
        let mut mean = HistogramMean::new(&a);
        for _ in 0..more {
            mean.add(&a).unwrap();
        }
        let mut compact = a.clone();
        prop_assert!(mean.finish().same_data(compact.compact(0)));
    }
}

#[test]
fn the_coarser_schema_wins() {
    // Schema 1: (1, 1.41], (1.41, 2], (2, 2.83]; schema 0: (1, 2], (2, 4].
    let (sum, _) = histogram(1, 1, &[1.0, 2.0, 4.0])
        .add(&histogram(0, 1, &[8.0, 16.0]))
        .unwrap();
    assert_eq!(sum.schema, 0);
    assert_eq!(
        sum.positive_spans,
        [Span {
            offset: 1,
            length: 2
        }]
    );
    assert_eq!(sum.positive_buckets, [11.0, 20.0]);
    assert_eq!((sum.count, sum.sum), (31.0, 62.0));
}

#[test]
fn the_wider_zero_bucket_takes_buckets_in() {
    let mut wide = histogram(0, 3, &[1.0]);
    (wide.zero_threshold, wide.zero_count, wide.count) = (1.5, 5.0, 6.0);
    // Buckets (0.5, 1], (1, 2], (2, 4]: the threshold lies in the second and grows to 2.
    let (sum, _) = wide.add(&histogram(0, 0, &[1.0, 2.0, 4.0])).unwrap();
    assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, 8.0));
    assert_eq!(
        sum.positive_spans,
        [Span {
            offset: 2,
            length: 2
        }]
    );
    assert_eq!(sum.positive_buckets, [4.0, 1.0]);
    assert_eq!(sum.count, 13.0);
}

#[test]
fn custom_bounds_meet_at_those_both_have() {
    let a = custom(&[1.0, 2.0, 5.0], &[1.0, 2.0, 3.0, 4.0]);
    let b = custom(&[2.0, 3.0, 5.0], &[10.0, 20.0, 30.0, 40.0]);
    let (sum, remarks) = a.add(&b).unwrap();
    assert!(remarks.bounds_reconciled);
    assert_eq!(sum.custom_bounds(), [2.0, 5.0]);
    assert_eq!(sum.positive_buckets, [13.0, 53.0, 44.0]);
    let (_, same) = a.add(&a).unwrap();
    assert!(!same.bounds_reconciled);
}

#[test]
fn custom_and_exponential_do_not_mix() {
    let custom = custom(&[1.0], &[1.0]);
    assert_eq!(
        custom.add(&histogram(0, 1, &[1.0])),
        Err(IncompatibleSchemas)
    );
    assert_eq!(
        histogram(0, 1, &[1.0]).subtract(&custom),
        Err(IncompatibleSchemas)
    );
}

#[test]
fn reset_hints_combine() {
    use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
    let check = |a, b, hint, collision| {
        let with = |counter_reset_hint| FloatHistogram {
            counter_reset_hint,
            ..histogram(0, 1, &[1.0])
        };
        for (a, b) in [(a, b), (b, a)] {
            let (sum, remarks) = with(a).add(&with(b)).unwrap();
            assert_eq!(
                (sum.counter_reset_hint, remarks.reset_collision),
                (hint, collision)
            );
        }
    };
    check(Unknown, Unknown, Unknown, false);
    check(CounterReset, CounterReset, CounterReset, false);
    check(Gauge, NotCounterReset, Gauge, false);
    check(Unknown, CounterReset, Unknown, false);
    check(CounterReset, NotCounterReset, Unknown, true);
}

#[test]
fn small_counts_survive_large_ones() {
    let mut sum = HistogramSum::new(&histogram(0, 1, &[1.0]));
    for count in [1e100, 1.0, -1e100] {
        sum.add(&histogram(0, 1, &[count])).unwrap();
    }
    let sum = sum.finish();
    assert_eq!((sum.count, sum.positive_buckets), (2.0, vec![2.0]));
}

#[test]
fn the_mean_does_not_overflow() {
    let large = histogram(0, 1, &[8e307]);
    let large = FloatHistogram {
        sum: 8e307,
        ..large
    };
    let mut mean = HistogramMean::new(&large);
    for _ in 0..3 {
        mean.add(&large).unwrap();
    }
    let mean = mean.finish();
    assert!((mean.sum / 8e307 - 1.0).abs() < 1e-12, "{}", mean.sum);
}

#[test]
fn scaling_keeps_layout_except_through_zero() {
    let mut histogram = histogram(0, 1, &[1.0, 2.0]);
    histogram.multiply(-2.0);
    assert_eq!(histogram.positive_buckets, [-2.0, -4.0]);
    assert_eq!(histogram.counter_reset_hint, CounterResetHint::Gauge);
    histogram.divide(0.0);
    assert!(histogram.positive_buckets.is_empty() && histogram.positive_spans.is_empty());
    assert_eq!(histogram.count, f64::NEG_INFINITY);
}
