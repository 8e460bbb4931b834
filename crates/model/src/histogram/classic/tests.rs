//! Tests of `classic`.

use proptest::prelude::*;

use super::*;

/// Parts as a page has them; a bound of `None` is the count.
fn classic(buckets: &[(f64, f64)], count: Option<f64>, sum: f64) -> ClassicHistogram {
    let mut classic = ClassicHistogram::default();
    for (bound, count) in buckets {
        classic.add_bucket(*bound, *count);
    }
    if let Some(count) = count {
        classic.set_count(count);
    }
    classic.set_sum(sum);
    classic
}

/// Bounds, counts of buckets (gaps filled), count, sum; whether it is of integers.
fn taken_apart(value: &Value) -> (bool, Vec<f64>, Vec<f64>, f64, f64) {
    let (whole, histogram) = match value {
        Value::Histogram(histogram) => {
            histogram.validate().unwrap();
            (true, histogram.to_float())
        }
        Value::FloatHistogram(histogram) => {
            histogram.validate().unwrap();
            (false, FloatHistogram::clone(histogram))
        }
        Value::Float(number) => panic!("{number}"),
    };
    assert_eq!(histogram.schema, CUSTOM_BUCKETS_SCHEMA);
    let bounds = histogram.custom_values.as_deref().unwrap_or_default();
    let mut counts = vec![0.0; bounds.len() + 1];
    let mut at = 0_usize;
    let mut buckets = histogram.positive_buckets.iter();
    for span in &histogram.positive_spans {
        at += span.offset as usize;
        for _ in 0..span.length {
            counts[at] = *buckets.next().unwrap();
            at += 1;
        }
    }
    let bounds = bounds.to_vec();
    (whole, bounds, counts, histogram.count, histogram.sum)
}

/// Whether it is of integers, bounds, counts, count; or an error.
type Expected<'a> = Result<(bool, &'a [f64], &'a [f64], f64), &'a str>;

#[track_caller]
fn check(buckets: &[(f64, f64)], count: Option<f64>, expected: Expected<'_>) {
    let found = classic(buckets, count, 1.5).convert();
    match (found, expected) {
        (Ok(value), Ok((whole, bounds, counts, count))) => {
            let expected = (whole, bounds.to_vec(), counts.to_vec(), count, 1.5);
            assert_eq!(taken_apart(&value), expected);
        }
        (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
        (found, _) => panic!("{found:?}"),
    }
}

const INF: f64 = f64::INFINITY;

#[test]
fn parts_become_one_histogram() {
    check(
        &[(1.0, 2.0), (2.0, 2.0), (4.0, 5.0), (INF, 7.0)],
        Some(7.0),
        Ok((true, &[1.0, 2.0, 4.0], &[2.0, 0.0, 3.0, 2.0], 7.0)),
    );
    // Bounds below zero, the lowest of all.
    check(
        &[(-INF, 1.0), (-1.0, 1.0), (0.0, 3.0), (INF, 3.0)],
        Some(3.0),
        Ok((true, &[-INF, -1.0, 0.0], &[1.0, 0.0, 2.0, 0.0], 3.0)),
    );
    // Only the bucket of all; nothing at all.
    check(&[(INF, 3.0)], Some(3.0), Ok((true, &[], &[3.0], 3.0)));
    check(&[], None, Ok((true, &[], &[0.0], 0.0)));
}

#[test]
fn missing_parts_follow_from_others() {
    // No last bucket, no count, neither of them.
    check(
        &[(1.0, 2.0)],
        Some(7.0),
        Ok((true, &[1.0], &[2.0, 5.0], 7.0)),
    );
    check(
        &[(1.0, 2.0), (INF, 7.0)],
        None,
        Ok((true, &[1.0], &[2.0, 5.0], 7.0)),
    );
    check(&[(1.0, 2.0)], None, Ok((true, &[1.0], &[2.0, 0.0], 2.0)));
    check(&[], Some(4.0), Ok((true, &[], &[4.0], 4.0)));
}

#[test]
fn parts_of_an_observation_make_a_float_histogram() {
    check(
        &[(1.0, 0.5), (INF, 2.0)],
        Some(2.0),
        Ok((false, &[1.0], &[0.5, 1.5], 2.0)),
    );
    check(
        &[(1.0, 2.0)],
        Some(2.5),
        Ok((false, &[1.0], &[2.0, 0.5], 2.5)),
    );
    check(&[(INF, INF)], None, Ok((false, &[], &[INF], INF)));
    // More than an integer histogram can count in one bucket.
    let large = 2.0_f64.powi(63);
    check(&[(INF, large)], None, Ok((false, &[], &[large], large)));
}

#[test]
fn order_and_repetitions_do_not_matter() {
    check(
        &[(4.0, 5.0), (INF, 7.0), (1.0, 2.0), (4.0, 6.0), (2.0, 2.0)],
        Some(7.0),
        Ok((true, &[1.0, 2.0, 4.0], &[2.0, 0.0, 3.0, 2.0], 7.0)),
    );
    check(
        &[(1.0, 2.0), (1.0, 1.0), (INF, 7.0), (INF, 9.0)],
        Some(7.0),
        Ok((true, &[1.0], &[2.0, 5.0], 7.0)),
    );
    // Both zeros are one bound.
    check(
        &[(0.0, 2.0), (-0.0, 1.0), (INF, 2.0)],
        None,
        Ok((true, &[0.0], &[2.0, 0.0], 2.0)),
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    check(
        &[(1.0, -1.0)],
        None,
        Err("bucket count must be non-negative: le=1, count=-1"),
    );
    check(
        &[(f64::NAN, 1.0)],
        None,
        Err("bucket boundary must not be NaN"),
    );
    check(&[], Some(-1.0), Err("count must be non-negative: count=-1"));
    check(
        &[(1.0, 2.0), (2.0, 1.0)],
        None,
        Err("count is not cumulative: 1 < 2"),
    );
    check(
        &[(2.0, 1.0), (1.0, 2.0)],
        None,
        Err("count is not cumulative: 1 < 2"),
    );
    check(
        &[(1.0, 2.0), (INF, 3.0)],
        Some(4.0),
        Err("count mismatch: count=4 != le=+Inf count=3"),
    );
    check(
        &[],
        Some(f64::NAN),
        Err("count mismatch: count=NaN != le=+Inf count=NaN"),
    );
    // The first mistake is the one that is told.
    check(
        &[(1.0, -1.0), (f64::NAN, 1.0)],
        Some(-1.0),
        Err("bucket count must be non-negative: le=1, count=-1"),
    );
}

#[test]
fn nothing_is_left_for_the_next_one() {
    let mut parts = classic(&[(2.0, 1.0), (1.0, 2.0)], Some(9.0), 4.0);
    parts.convert().unwrap_err();
    parts.add_bucket(1.0, 3.0);
    let value = parts.convert().unwrap();
    assert_eq!(
        taken_apart(&value),
        (true, vec![1.0], vec![3.0, 0.0], 3.0, 0.0)
    );
}

proptest! {
    /// Whatever the order, the cumulative counts come back.
    #[test]
    fn cumulative_counts_come_back(
        increments in prop::collection::vec((0_u32..5, 0_u32..4), 1..20),
        halves in any::<bool>(),
        rotation in 0_usize..20,
    ) {
        let unit = if halves { 0.5 } else { 1.0 };
        let (mut bound, mut count) = (-3.0, 0.0);
        let mut buckets = Vec::new();
        for (width, more) in &increments {
            bound += f64::from(*width) + 0.25;
            count += f64::from(*more) * unit;
            buckets.push((bound, count));
        }
        buckets.push((INF, count));
        let mut shuffled = buckets.clone();
        shuffled.rotate_left(rotation % buckets.len());
        let value = classic(&shuffled, Some(count), 2.0).convert().unwrap();
        let (whole, bounds, counts, all, sum) = taken_apart(&value);
        prop_assert_eq!(whole, buckets.iter().all(|(_, count)| count.fract() == 0.0));
        prop_assert_eq!((all, sum), (count, 2.0));
        let mut below = 0.0;
        let found = bounds.iter().copied().chain([INF]).zip(&counts).map(|(bound, count)| {
            below += count;
            (bound, below)
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), buckets);
    }
}
