//! What remains of a trimmed histogram.

use proptest::prelude::*;

use crate::histogram::sum::tests::{any_histogram, custom, histogram};

#[test]
fn a_bound_between_buckets_is_exact() {
    // (1, 2], (2, 4], (4, 8].
    let full = histogram(0, 1, &[1.0, 2.0, 4.0]);
    let low = full.trim_upper(2.0);
    assert_eq!((low.count, &low.positive_buckets), (1.0, &vec![1.0]));
    assert_eq!(low.sum, 2.0_f64.sqrt());
    let high = full.trim_lower(4.0);
    assert_eq!((high.count, &high.positive_buckets), (4.0, &vec![4.0]));
    assert_eq!(high.sum, 4.0 * 32.0_f64.sqrt());
}

#[test]
fn nothing_removed_changes_nothing() {
    let full = histogram(0, 1, &[1.0, 0.0, 4.0]);
    assert_eq!(full.trim_upper(f64::INFINITY), full);
    assert_eq!(full.trim_lower(f64::NEG_INFINITY), full);
    assert_eq!(full.trim_lower(0.0), full);
}

#[test]
fn a_bound_inside_a_bucket_interpolates() {
    let full = histogram(0, 1, &[4.0]);
    assert!((full.trim_upper(2.0_f64.sqrt()).count - 2.0).abs() < 1e-12);
    let linear = custom(&[2.0, 4.0], &[4.0, 4.0, 4.0]);
    assert_eq!(linear.trim_upper(3.0).positive_buckets, [4.0, 2.0]);
    assert_eq!(linear.trim_upper(3.0).sum, 4.0 + 5.0);
    assert_eq!(linear.trim_lower(3.0).positive_buckets, [2.0, 4.0]);
}

#[test]
fn observations_beyond_the_last_custom_bound_are_infinite() {
    let full = custom(&[-1.0, 2.0], &[3.0, 4.0, 5.0]);
    assert_eq!(full.trim_upper(1e9).count, 7.0);
    assert_eq!(full.trim_lower(1e9).count, 5.0);
    assert_eq!(full.trim_upper(-5.0).count, 3.0);
    assert_eq!(full.trim_lower(-5.0).count, 9.0);
}

proptest! {
    #[test]
    fn both_parts_make_up_the_whole(full in any_histogram(), bound in -9.0..9.0_f64) {
        let parts = full.trim_upper(bound).count + full.trim_lower(bound).count;
        prop_assert!((parts - full.count).abs() < 1e-9, "{parts}");
    }
}
