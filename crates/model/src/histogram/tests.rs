//! Tests of `histogram`.

use std::sync::Arc;

use proptest::prelude::*;

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, Span};

fn spans(spans: &[(i32, u32)]) -> Vec<Span> {
    spans
        .iter()
        .map(|&(offset, length)| Span { offset, length })
        .collect()
}

fn two_sided() -> FloatHistogram {
    FloatHistogram {
        schema: 0,
        zero_threshold: 0.25,
        zero_count: 2.5,
        count: 10.0,
        sum: -3.75,
        positive_spans: spans(&[(0, 2), (1, 1)]),
        positive_buckets: vec![1.0, 0.0, 3.0],
        negative_spans: spans(&[(1, 1)]),
        negative_buckets: vec![3.5],
        ..FloatHistogram::default()
    }
}

#[test]
fn text_lists_buckets_in_ascending_order() {
    assert_eq!(
        two_sided().to_string(),
        "{count:10, sum:-3.75, [-2,-1):3.5, [-0.25,0.25]:2.5, (0.5,1]:1, (4,8]:3}"
    );
    assert_eq!(FloatHistogram::default().to_string(), "{count:0, sum:0}");
    let zero = FloatHistogram {
        zero_count: 1.0,
        ..FloatHistogram::default()
    };
    assert_eq!(zero.to_string(), "{count:0, sum:0, [-0,0]:1}");
    let custom = FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: 6.0,
        positive_spans: spans(&[(0, 3)]),
        positive_buckets: vec![1.0, 2.0, 3.0],
        custom_values: Some(Arc::from([0.5, 2.0])),
        ..FloatHistogram::default()
    };
    assert_eq!(
        custom.to_string(),
        "{count:6, sum:0, [-Inf,0.5]:1, (0.5,2]:2, (2,+Inf]:3}"
    );
}

#[test]
fn all_buckets_ascend() {
    let uppers: Vec<f64> = two_sided()
        .all_buckets()
        .iter()
        .map(|bucket| bucket.upper)
        .collect();
    assert_eq!(uppers, [-1.0, 0.25, 1.0, 2.0, 8.0]);
}

#[test]
fn compacting_drops_empty_buckets_and_joins_spans() {
    let check =
        |empty_max: u32, given: (&[(i32, u32)], &[f64]), expected: (&[(i32, u32)], &[f64])| {
            let mut histogram = FloatHistogram {
                positive_spans: spans(given.0),
                positive_buckets: given.1.to_vec(),
                ..FloatHistogram::default()
            };
            histogram.compact(empty_max);
            assert_eq!(histogram.positive_spans, spans(expected.0));
            assert_eq!(histogram.positive_buckets, expected.1);
        };
    check(
        0,
        (&[(-2, 1), (2, 3)], &[1.0, 0.0, 3.0, 0.0]),
        (&[(-2, 1), (3, 1)], &[1.0, 3.0]),
    );
    check(
        0,
        (&[(0, 1), (0, 1)], &[1.0, 2.0]),
        (&[(0, 2)], &[1.0, 2.0]),
    );
    check(0, (&[(5, 2)], &[0.0, 0.0]), (&[], &[]));
    check(
        2,
        (&[(0, 1), (2, 1), (3, 1)], &[1.0, 2.0, 3.0]),
        (&[(0, 4), (3, 1)], &[1.0, 0.0, 0.0, 2.0, 3.0]),
    );
    check(3, (&[], &[]), (&[], &[]));
    let mut integers = Histogram {
        positive_spans: spans(&[(0, 4)]),
        positive_buckets: vec![2, -2, 3, 1],
        ..Histogram::default()
    };
    integers.compact(0);
    assert_eq!(integers.positive_spans, spans(&[(0, 1), (1, 2)]));
    assert_eq!(integers.positive_buckets, [2, 1, 1]);
}

#[test]
fn equality_is_about_bits_and_layout() {
    let one = two_sided();
    let mut other = one.clone();
    other.positive_spans = spans(&[(0, 1), (0, 1), (0, 0), (1, 1)]);
    other.counter_reset_hint = super::CounterResetHint::Gauge;
    assert!(one.same_data(&other));
    other.sum = f64::NAN;
    let nan = other.clone();
    assert!(!one.same_data(&other));
    assert!(nan.same_data(&other));
    other.positive_spans = spans(&[(0, 3)]);
    assert!(!nan.same_data(&other));
}

#[test]
fn size_counts_every_part() {
    assert_eq!(FloatHistogram::default().size_bytes(), 168);
    assert_eq!(two_sided().size_bytes(), 168 + 8 * 7);
    assert_eq!(two_sided().sample_count(), 14);
}

/// A consistent integer histogram of two buckets.
fn integers() -> Histogram {
    Histogram {
        count: 2,
        sum: 1.0,
        positive_spans: spans(&[(0, 2)]),
        positive_buckets: vec![1, 0],
        ..Histogram::default()
    }
}

fn custom(bounds: &[f64]) -> Histogram {
    let custom_values = Some(Arc::from(bounds));
    Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_values,
        ..integers()
    }
}

#[test]
fn validation_uses_the_reference_words() {
    let check = |histogram: Histogram, message: &str| {
        let text = |result: Result<(), super::HistogramError>| {
            result.map_or_else(|err| err.to_string(), |()| String::new())
        };
        assert_eq!(text(histogram.validate()), message);
        if !message.contains("observations found") && !message.contains("bucket number") {
            assert_eq!(text(histogram.to_float().validate()), message);
        }
    };
    check(integers(), "");
    check(
        Histogram {
            sum: f64::NAN,
            count: 3,
            ..integers()
        },
        "",
    );
    check(
        Histogram {
            count: 3,
            ..integers()
        },
        "2 observations found in buckets, but the Count field is 3: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)",
    );
    check(
        Histogram {
            sum: f64::NAN,
            count: 1,
            ..integers()
        },
        "2 observations found in buckets, but the Count field is 1: histogram's observation count should be at least the number of observations found in the buckets",
    );
    check(
        Histogram {
            positive_spans: spans(&[(0, 3)]),
            ..integers()
        },
        "positive side: spans need 3 buckets, have 2 buckets: histogram spans specify different number of buckets than provided",
    );
    check(
        Histogram {
            positive_spans: spans(&[(-3, 1), (-1, 1)]),
            ..integers()
        },
        "positive side: span number 2 with offset -1: histogram has a span whose offset is negative",
    );
    check(
        Histogram {
            negative_spans: spans(&[(0, 2)]),
            negative_buckets: vec![1, -2],
            ..integers()
        },
        "negative side: bucket number 2 has observation count of -1: histogram has a bucket whose observation count is negative",
    );
    check(
        Histogram {
            schema: 9,
            ..integers()
        },
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema 9",
    );
    check(
        Histogram {
            schema: 0,
            ..custom(&[1.0])
        },
        "histogram with exponential schema must not have custom bounds",
    );
    check(custom(&[1.0]), "");
    // The first bound may be the lowest of all.
    check(custom(&[f64::NEG_INFINITY, 1.0]), "");
    check(
        custom(&[f64::NEG_INFINITY, f64::NEG_INFINITY]),
        "custom buckets: previous bound is -Inf and current is -Inf: histogram custom bounds must be in strictly increasing order",
    );
    check(
        custom(&[1.0, f64::NAN]),
        "custom buckets: histogram custom bounds must not be NaN",
    );
    check(
        custom(&[]),
        "custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 2: histogram custom bounds are too few",
    );
    check(
        custom(&[1.0, 1.0]),
        "custom buckets: previous bound is 1.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order",
    );
    check(
        custom(&[1.0, f64::INFINITY]),
        "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
    );
    check(
        Histogram {
            positive_spans: spans(&[(-1, 2)]),
            ..custom(&[1.0, 2.0])
        },
        "custom buckets: span number 1 with offset -1: histogram has a span whose offset is negative",
    );
    check(
        Histogram {
            zero_count: 1,
            ..custom(&[1.0])
        },
        "custom buckets: must have zero count of 0",
    );
    check(
        Histogram {
            zero_threshold: 1.0,
            ..custom(&[1.0])
        },
        "custom buckets: must have zero threshold of 0",
    );
    check(
        Histogram {
            negative_spans: spans(&[(0, 1)]),
            ..custom(&[1.0])
        },
        "custom buckets: must not have negative spans",
    );
    check(
        Histogram {
            negative_buckets: vec![1],
            ..custom(&[1.0])
        },
        "custom buckets: must not have negative buckets",
    );
}

proptest! {
    /// Compacting keeps every bucket that has observations where it was.
    #[test]
    fn compacting_keeps_observations(
        layout in prop::collection::vec((0..4_i32, 0..4_u32), 0..6),
        seed in prop::collection::vec(0..3_u8, 24),
        empty_max in 0..3_u32,
    ) {
        let length: usize = layout.iter().map(|(_, length)| *length as usize).sum();
        let mut histogram = FloatHistogram {
            positive_spans: spans(&layout),
            positive_buckets: seed.iter().take(length).map(|&count| f64::from(count)).collect(),
            ..FloatHistogram::default()
        };
        let full = |histogram: &FloatHistogram| -> Vec<(i32, f64)> {
            let buckets = histogram.positive_bucket_iter().filter(|bucket| bucket.count != 0.0);
            buckets.map(|bucket| (bucket.index, bucket.count)).collect()
        };
        let before = full(&histogram);
        histogram.compact(empty_max);
        prop_assert!(histogram.validate().is_ok());
        prop_assert_eq!(full(&histogram), before);
        let once = histogram.clone();
        histogram.compact(empty_max);
        prop_assert_eq!(histogram, once);
    }

    #[test]
    fn hostile_layouts_do_no_harm(
        layout in prop::collection::vec((any::<i32>(), any::<u32>()), 0..4),
        counts in prop::collection::vec(any::<i64>(), 0..6),
        schema in any::<i32>(),
    ) {
        let mut histogram = Histogram {
            schema,
            positive_spans: spans(&layout),
            positive_buckets: counts,
            ..Histogram::default()
        };
        let _ = histogram.validate();
        let _ = histogram.to_string();
        let _ = histogram.same_data(&histogram.clone());
        histogram.compact(1);
    }
}
