//! Which changes are resets.

use super::*;
use crate::histogram::sum::tests::{custom, histogram};

fn check(previous: &FloatHistogram, current: &FloatHistogram, expected: bool) {
    assert_eq!(
        current.detect_reset(previous),
        expected,
        "{previous:?} to {current:?}"
    );
}

#[test]
fn counts_that_fall_are_resets() {
    let previous = histogram(0, 1, &[1.0, 2.0]);
    check(&previous, &previous, false);
    check(&previous, &histogram(0, 1, &[1.0, 1.0]), true);
    check(&previous, &histogram(0, 1, &[9.0, 1.0]), true);
    check(&previous, &histogram(0, 0, &[7.0, 1.0, 2.0]), false);
    // A used bucket is gone, an empty one may go.
    check(&previous, &histogram(0, 2, &[9.0]), true);
    check(
        &histogram(0, 1, &[0.0, 2.0]),
        &histogram(0, 2, &[2.0]),
        false,
    );
}

#[test]
fn hints_decide() {
    let previous = histogram(0, 1, &[1.0, 2.0]);
    let with = |counter_reset_hint, buckets: &[f64]| FloatHistogram {
        counter_reset_hint,
        ..histogram(0, 1, buckets)
    };
    check(
        &previous,
        &with(CounterResetHint::CounterReset, &[9.0, 9.0]),
        true,
    );
    check(
        &previous,
        &with(CounterResetHint::NotCounterReset, &[0.0, 1.0]),
        false,
    );
    check(&previous, &with(CounterResetHint::Gauge, &[0.0, 1.0]), true);
}

#[test]
fn resolution_only_gets_coarser() {
    let fine = histogram(1, 1, &[1.0, 2.0]);
    let coarse = histogram(0, 1, &[3.0]);
    check(&fine, &coarse, false);
    check(&coarse, &fine, true);
    check(&histogram(1, 1, &[1.0, 3.0]), &coarse, true);
}

#[test]
fn the_zero_bucket_only_gets_wider() {
    let wider = |threshold, zero| FloatHistogram {
        zero_threshold: threshold,
        zero_count: zero,
        count: 9.0,
        ..histogram(0, 2, &[2.0])
    };
    let previous = histogram(0, 1, &[1.0, 2.0]);
    check(&previous, &wider(2.0, 1.0), false);
    check(&previous, &wider(2.0, 0.0), true);
    // The threshold would cut a populated bucket.
    check(&previous, &wider(1.5, 1.0), true);
    check(
        &wider(2.0, 1.0),
        &FloatHistogram {
            count: 9.0,
            ..previous
        },
        true,
    );
}

#[test]
fn custom_buckets_are_compared_at_common_bounds() {
    let previous = custom(&[1.0, 2.0], &[1.0, 2.0, 3.0]);
    check(&previous, &custom(&[2.0, 4.0], &[3.0, 1.0, 2.0]), false);
    check(&previous, &custom(&[2.0, 4.0], &[2.0, 2.0, 2.0]), true);
    check(&previous, &custom(&[1.0, 2.0], &[1.0, 3.0, 2.0]), true);
    check(&previous, &histogram(0, 1, &[9.0]), true);
}
