//! Resolution changes keep observations.

use proptest::prelude::*;

use super::*;
use crate::histogram::sum::tests::{any_histogram, histogram};

proptest! {
    #[test]
    fn reducing_keeps_counts(full in any_histogram(), schema in -4..=8_i32) {
        let reduced = full.copy_to_schema(schema);
        prop_assert_eq!(reduced.schema, full.schema.min(schema));
        let total = |counts: &[f64]| counts.iter().sum::<f64>();
        prop_assert_eq!(total(&reduced.positive_buckets), total(&full.positive_buckets));
        prop_assert_eq!(total(&reduced.negative_buckets), total(&full.negative_buckets));
        prop_assert!(reduced.validate().is_ok());
    }

    #[test]
    fn a_coarse_bucket_holds_the_fine_one(index in -2000..2000_i32, from in -3..=8_i32, by in 1..4_i32) {
        let to = (from - by).max(-4);
        let coarse = coarser_index(index, from, to);
        let bound = |index, schema| bucket_upper_bound(index, schema, &[]);
        prop_assert!(bound(index, from) <= bound(coarse, to));
        prop_assert!(bound(index - 1, from) >= bound(coarse - 1, to));
    }
}

#[test]
fn integer_histograms_reduce_as_float_ones() {
    let integer = Histogram {
        schema: 2,
        positive_spans: vec![
            Span {
                offset: -3,
                length: 3,
            },
            Span {
                offset: 2,
                length: 2,
            },
        ],
        positive_buckets: vec![1, 2, -1, 5, 0],
        ..Histogram::default()
    };
    let reduced = integer.copy_to_schema(0);
    assert_eq!(reduced.to_float(), integer.to_float().copy_to_schema(0));
    assert_eq!(
        reduced.positive_spans,
        [Span {
            offset: 0,
            length: 2
        }]
    );
    assert_eq!(reduced.positive_buckets, [6, 8]);
}

#[test]
fn a_threshold_inside_a_populated_bucket_grows() {
    // (1, 2], (2, 4] with nothing in the second.
    let histogram = histogram(0, 1, &[3.0, 0.0]);
    assert_eq!(histogram.zero_count_for_threshold(0.5), (0.0, 0.5));
    assert_eq!(histogram.zero_count_for_threshold(1.5), (3.0, 2.0));
    assert_eq!(histogram.zero_count_for_threshold(3.0), (3.0, 3.0));
}

#[test]
fn bounds_are_intersected() {
    assert_eq!(
        *common_bounds(&[1.0, 2.0, 3.0], &[0.0, 2.0, 2.5, 3.0, 9.0]),
        [2.0, 3.0]
    );
    assert!(common_bounds(&[1.0], &[5.0, 10.0]).is_empty());
}
