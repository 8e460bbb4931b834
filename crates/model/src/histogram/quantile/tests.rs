//! Estimates against values that real Prometheus 3.5.3 gave, and their laws.

use proptest::prelude::*;

use super::*;
use crate::Span;
use crate::histogram::sum::tests::{any_histogram, custom, histogram};

/// All three kinds of bucket.
fn example() -> FloatHistogram {
    FloatHistogram {
        count: 17.0,
        sum: 3.0,
        zero_threshold: 0.5,
        zero_count: 2.0,
        negative_spans: vec![Span {
            offset: 0,
            length: 3,
        }],
        negative_buckets: vec![1.0, 2.0, 2.0],
        ..histogram(1, 0, &[3.0, 4.0, 3.0])
    }
}

#[test]
fn quantiles_are_the_references() {
    let check = |phi, expected: f64| assert_eq!(example().quantile(phi).0, expected, "{phi}");
    check(0.05, -1.7260807994544762);
    check(0.3, -0.4500000000000002);
    check(0.9, 1.6433806291715807);
    check(-0.1, f64::NEG_INFINITY);
    check(1.1, f64::INFINITY);
    assert!(example().quantile(f64::NAN).0.is_nan());
    assert!(FloatHistogram::default().quantile(0.5).0.is_nan());
}

#[test]
fn fractions_are_the_references() {
    assert_eq!(example().fraction(-1.1, 1.2).0, 0.5090758436276525);
    assert_eq!(example().fraction(-0.2, 0.3).0, 0.058823529411764705);
    assert_eq!(example().fraction(1.0, 1.0).0, 0.0);
    assert!(example().fraction(f64::NAN, 1.0).0.is_nan());
}

#[test]
fn variance_is_the_references() {
    assert_eq!(example().variance(), 1.4093333935641703);
    assert_eq!(
        custom(&[1.0, 2.0], &[3.0, 4.0, 3.0]).variance(),
        f64::INFINITY
    );
}

#[test]
fn custom_buckets_are_linear_and_infinite_ones_end_at_their_finite_bound() {
    let histogram = custom(&[-1.0, 2.0], &[3.0, 4.0, 3.0]);
    assert_eq!(histogram.quantile(0.1).0, -1.0);
    assert_eq!(histogram.quantile(0.5).0, 0.5);
    assert_eq!(histogram.quantile(0.95).0, 2.0);
    assert_eq!(histogram.fraction(f64::NEG_INFINITY, 5.0).0, 0.7);
    assert_eq!(custom(&[2.0, 4.0], &[4.0, 4.0]).quantile(0.25).0, 1.0);
}

#[test]
fn one_sided_histograms_have_half_a_zero_bucket() {
    let mut histogram = histogram(0, 1, &[0.0]);
    (
        histogram.zero_threshold,
        histogram.zero_count,
        histogram.count,
    ) = (1.0, 4.0, 4.0);
    assert_eq!(histogram.quantile(0.5).0, 0.5);
    assert_eq!(histogram.fraction(-1.0, 0.25).0, 0.25);
}

#[test]
fn observations_of_nan_stand_above_all() {
    let mut histogram = histogram(0, 1, &[4.0]);
    (histogram.count, histogram.sum) = (8.0, f64::NAN);
    let (value, nans) = histogram.quantile(0.25);
    assert_eq!(nans, NanObservations::Skewed);
    assert!((value - 2.0_f64.sqrt()).abs() < 1e-12);
    let (value, nans) = histogram.quantile(0.75);
    assert!(value.is_nan());
    assert_eq!(nans, NanObservations::Result);
    assert_eq!(histogram.fraction(0.0, f64::INFINITY), (0.5, true));
}

proptest! {
    #[test]
    fn quantiles_grow_with_phi(histogram in any_histogram(), a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        let (low, high) = (histogram.quantile(a.min(b)).0, histogram.quantile(a.max(b)).0);
        // Counting from the other end at 0.5 rounds differently.
        prop_assert!(low.is_nan() || low <= high + 1e-9 * high.abs(), "{low} {high}");
    }

    #[test]
    fn fractions_are_shares(histogram in any_histogram(), a in -9.0..9.0_f64, b in -9.0..9.0_f64) {
        let (share, _) = histogram.fraction(a.min(b), a.max(b));
        prop_assert!(share.is_nan() || (-1e-9..=1.0).contains(&share), "{share}");
    }
}
