//! Series notation: values, repetition, histograms, start timestamps, refusals.

use model::{CounterResetHint, Labels, Span, staleness};

use super::{SequenceValue, parse_series_desc};

fn floats(text: &str) -> Vec<f64> {
    let series = parse_series_desc(text).unwrap();
    series
        .values
        .iter()
        .map(|value| match value {
            SequenceValue::Float(value) => *value,
            // No test sequence holds this number.
            SequenceValue::Omitted => -999.0,
            other => panic!("not a float: {other:?}"),
        })
        .collect()
}

fn error(text: &str) -> String {
    parse_series_desc(text).unwrap_err().to_string()
}

#[test]
fn labels_come_before_values() {
    let series = parse_series_desc("m{a=\"b\",} 1").unwrap();
    assert_eq!(
        series.metric,
        Labels::from_pairs([("__name__", "m"), ("a", "b")])
    );
    let series = parse_series_desc("{\"a.b\", c='d'}").unwrap();
    assert_eq!(
        series.metric,
        Labels::from_pairs([("__name__", "a.b"), ("c", "d")])
    );
    assert!(series.values.is_empty());
}

#[test]
fn numbers_repeat_and_grow() {
    assert_eq!(floats("m 1 2.5 -3e2"), [1.0, 2.5, -300.0]);
    assert_eq!(floats("m 1x2 5"), [1.0, 1.0, 1.0, 5.0]);
    assert_eq!(floats("m 1+2x3"), [1.0, 3.0, 5.0, 7.0]);
    assert_eq!(floats("m -1-0.5x2"), [-1.0, -1.5, -2.0]);
    assert_eq!(floats("m 0x3"), [0.0; 4]);
    assert_eq!(floats("m _ _x2 7\t"), [-999.0, -999.0, -999.0, 7.0]);
    assert_eq!(floats("m Inf -inf"), [f64::INFINITY, f64::NEG_INFINITY]);
    assert!(floats("m NaN")[0].is_nan());
}

#[test]
fn stale_is_the_stale_marker() {
    let series = parse_series_desc("m 1 stale").unwrap();
    let SequenceValue::Float(value) = series.values[1] else {
        panic!("not a float")
    };
    assert!(staleness::is_stale(value));
}

#[test]
fn histograms_are_described_by_keys() {
    let text = "m {{schema:1 sum:-0.3 count:3 z_bucket:4 z_bucket_w:0.1 offset:-2 \
                buckets:[5 6] n_offset:1 n_buckets:[7] counter_reset_hint:gauge}}";
    let series = parse_series_desc(text).unwrap();
    let [
        SequenceValue::Histogram {
            histogram,
            hint_set: true,
        },
    ] = &series.values[..]
    else {
        panic!("not one histogram: {series:?}")
    };
    assert_eq!(
        (histogram.schema, histogram.sum, histogram.count),
        (1, -0.3, 3.0)
    );
    assert_eq!((histogram.zero_count, histogram.zero_threshold), (4.0, 0.1));
    assert_eq!(
        histogram.positive_spans,
        [Span {
            offset: -2,
            length: 2
        }]
    );
    assert_eq!(histogram.positive_buckets, [5.0, 6.0]);
    assert_eq!(
        histogram.negative_spans,
        [Span {
            offset: 1,
            length: 1
        }]
    );
    assert_eq!(histogram.counter_reset_hint, CounterResetHint::Gauge);
}

#[test]
fn histograms_repeat_and_grow() {
    let series = parse_series_desc("m {{}}x2 {{sum:1 buckets:[1]}}+{{sum:2 buckets:[1 1]}}x2");
    let series = series.unwrap();
    assert_eq!(series.values.len(), 6);
    let SequenceValue::Histogram { histogram, .. } = &series.values[5] else {
        panic!()
    };
    assert_eq!(histogram.sum, 5.0);
    assert_eq!(histogram.positive_buckets, [3.0, 2.0]);
    assert_eq!(
        histogram.positive_spans,
        [Span {
            offset: 0,
            length: 2
        }]
    );
}

#[test]
fn a_finer_step_is_widened_to_the_base() {
    let series = parse_series_desc("m {{schema:0 buckets:[1]}}+{{schema:1 buckets:[1 1 1]}}x1");
    let series = series.unwrap();
    let SequenceValue::Histogram { histogram, .. } = &series.values[1] else {
        panic!()
    };
    assert_eq!(histogram.positive_buckets, [2.0, 2.0]);
    let coarser = "m {{schema:1 buckets:[1]}}+{{schema:0 buckets:[1]}}x1";
    assert_eq!(
        error(coarser),
        "1:3: parse error: error combining histograms: cannot merge from schema 0 to 1"
    );
}

#[test]
fn start_timestamps_are_durations_before_the_sample() {
    let series = parse_series_desc("m{a=\"b\"}@st _ -30s-1mx2 0 +1m -59999msx1 1ms").unwrap();
    assert!(series.start_timestamps);
    let offsets: Vec<_> = series
        .values
        .iter()
        .map(|value| match value {
            SequenceValue::StartOffset(offset) => Some(*offset),
            _ => None,
        })
        .collect();
    let some = [-30_000, -90_000, -150_000, 0, 60_000, -59_999, -59_999, 1].map(Some);
    assert_eq!(offsets[0], None);
    assert_eq!(offsets[1..], some);
}

#[test]
fn refusals_say_what_and_where() {
    for (text, expected) in [
        (
            "m 1 foo",
            "1:5: parse error: unexpected identifier \"foo\" in series values, expected number or \"stale\"",
        ),
        (
            "m 1 $",
            "1:5: parse error: unexpected character in series sequence: '$'",
        ),
        (
            "m 1x99999999999999999999",
            "1:5: parse error: invalid repetition in series values: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
        (
            "m 1x9999999",
            "1:5: parse error: invalid repetition in series values: more than 1000000 values",
        ),
        (
            "m {{sum:1 sum:2}}",
            "1:11: parse error: duplicate key \"sum\" in histogram",
        ),
        (
            "m {{sum 1}}",
            "1:5: parse error: missing `:` for histogram descriptor",
        ),
        (
            "m {{summ:1}}",
            "1:5: parse error: bad histogram descriptor found: \"summ\"",
        ),
        (
            "m {{buckets:[1 ;]}}",
            "1:16: parse error: invalid character in buckets description: ';'",
        ),
        (
            "m {{sum:1",
            "1:10: parse error: histogram description incomplete unexpected: '\u{fffd}'",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn broken_input_never_panics() {
    let seed = "m{a=\"b\"}@st _ -30s-1mx2 {{schema:0 buckets:[1 2]}}+{{sum:1}}x3 1+2x3 é stale";
    for end in (0..=seed.len()).filter(|end| seed.is_char_boundary(*end)) {
        let _ = parse_series_desc(&seed[..end]);
        for byte in [b'x', b'{', b'-', b' ', b'9', b':'] {
            let mut changed = seed.as_bytes()[..end].to_vec();
            changed.push(byte);
            changed.extend_from_slice(&seed.as_bytes()[end..]);
            let _ = parse_series_desc(&String::from_utf8_lossy(&changed));
        }
    }
}
