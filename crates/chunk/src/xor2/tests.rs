//! XOR2 chunks: exact bytes, round trips, damaged input.

use proptest::prelude::*;

use model::sample::SampleColumns;
use model::staleness::STALE_NAN;

use super::*;

/// Time, start, value.
type Sample = (i64, i64, f64);

fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut appender = Appender::new();
    for (timestamp, start, value) in samples {
        let before = bytes.len();
        appender.append(&mut bytes, *timestamp, *start, *value);
        assert!(bytes.len() - before <= SAMPLE_BYTES_MAX + HEADER_LEN);
    }
    bytes
}

fn decode_all(bytes: &[u8]) -> Result<Vec<(i64, i64, u64)>, DecodeError> {
    let mut columns = SampleColumns::default();
    decode(bytes, i64::MIN, i64::MAX, &mut columns)?;
    let starts = &columns.start_timestamps;
    assert!(starts.is_empty() || starts.len() == columns.len());
    let start = |index: usize| starts.get(index).copied().unwrap_or(0);
    let samples = columns.timestamps.iter().zip(&columns.values).enumerate();
    Ok(samples
        .map(|(index, (time, value))| (*time, start(index), value.to_bits()))
        .collect())
}

/// Bits as text, blanks ignored, to bytes.
fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |chunk: &[u8]| {
        let filled = (0..8).map(|at| chunk.get(at).is_some_and(|bit| *bit == b'1'));
        filled.fold(0, |byte, bit| byte << 1 | u8::from(bit))
    };
    digits.chunks(8).map(byte).collect()
}

const ONE: &str = "00111111 11110000 00000000 00000000 00000000 00000000 00000000 00000000";
/// 1.0 against 2.0: one leading zero, eleven bits.
const ONE_TO_TWO: &str = "00001 001011 11111111111";

fn check(samples: &[Sample], header: u8, stream: &[&str]) {
    let mut expected = vec![0, samples.len() as u8, header];
    expected.extend(bits(&stream.concat()));
    assert_eq!(encode(samples), expected, "{samples:?}");
    let read = samples
        .iter()
        .map(|(t, start, v)| (*t, *start, v.to_bits()));
    assert_eq!(decode_all(&expected).unwrap(), read.collect::<Vec<_>>());
}

#[test]
fn times_and_values_have_the_bits_of_the_format() {
    // Time 10 is varint 20; the second sample is 15 later and unchanged, or not.
    let first = ["00010100", ONE, "00001111"];
    let stream = |rest: &'static [&'static str]| -> Vec<&str> { [&first[..], rest].concat() };
    check(&[(10, 0, 1.0), (25, 0, 1.0)], 0, &stream(&["0"]));
    check(
        &[(10, 0, 1.0), (25, 0, 2.0)],
        0,
        &stream(&["110", ONE_TO_TWO]),
    );
    check(&[(10, 0, 1.0), (25, 0, STALE_NAN)], 0, &stream(&["111"]));
    // On time: unchanged, changed with and within a window, stale, the value before.
    check(
        &[
            (10, 0, 1.0),
            (25, 0, 1.0),
            (40, 0, 1.0),
            (55, 0, 2.0),
            (70, 0, 1.0),
            (85, 0, STALE_NAN),
            (100, 0, 1.0),
        ],
        0,
        &stream(&[
            "0",
            "0",
            "10 1",
            ONE_TO_TWO,
            "10 0 11111111111",
            "11111",
            "0",
        ]),
    );
    // Late by 1, early by 4096, early by 4097, late beyond 20 bits.
    let late = [
        (10, 0, 1.0),
        (25, 0, 1.0),
        (41, 0, 1.0),
        (41 + 16 - 4096, 0, 1.0),
    ];
    check(
        &late,
        0,
        &stream(&["0", "110 0000000000001 0", "110 1000000000000 0"]),
    );
    let far = [(10, 0, 1.0), (25, 0, 1.0), (40 + 4096, 0, 1.0)];
    check(&far, 0, &stream(&["0", "1110 00000001000000000000 0"]));
    let farther = [(10, 0, 1.0), (25, 0, 1.0), (40 + (1 << 19), 0, STALE_NAN)];
    let field = "0000000000000000000000000000000000000000000010000000000000000000";
    check(
        &farther,
        0,
        &[&first[..], &["0", "11110", field, "111"]].concat(),
    );
}

#[test]
fn start_timestamps_have_the_bits_of_the_format() {
    // 10 - 3 is varint 14. The second start is the same: no field.
    let known = ["00010100", ONE, "00001110"];
    check(&[(10, 3, 1.0)], 0x80, &known);
    let second = [&known[..], &["00001111", "0"]].concat();
    check(&[(10, 3, 1.0), (25, 3, 1.0)], 0x80, &second);
    // 10 - 8 = 2 is varbit 10 010.
    let changed = [&known[..], &["00001111", "0", "10 010"]].concat();
    check(&[(10, 3, 1.0), (25, 8, 1.0)], 0x81, &changed);
    // The distance grows by 15 when the start stays: varbit 110 001111.
    let stays = [&changed[..], &["0", "110 001111"]].concat();
    check(&[(10, 3, 1.0), (25, 8, 1.0), (40, 8, 1.0)], 0x81, &stays);
    // The first start comes late: 25 - 24 is varbit 10 001.
    let late = ["00010100", ONE, "00001111", "0", "0", "10 001"];
    check(&[(10, 0, 1.0), (25, 0, 1.0), (40, 24, 1.0)], 0x02, &late);
}

#[test]
fn the_field_begins_at_sample_127_whether_needed_or_not() {
    let samples = |count: i64, start: i64| -> Vec<Sample> {
        (0..count).map(|at| (at * 15, start, 1.0)).collect()
    };
    assert_eq!(encode(&samples(127, 0))[2], 0);
    assert_eq!(encode(&samples(128, 0))[2], 0x7f);
    assert_eq!(encode(&samples(300, 7))[2], 0xff);
    let mut changes = samples(400, 0);
    changes[200].1 = 5;
    let bytes = encode(&changes);
    assert_eq!(bytes[2], 0x7f);
    let read = decode_all(&bytes).unwrap();
    let starts: Vec<i64> = read.iter().map(|sample| sample.1).collect();
    let expected: Vec<i64> = changes.iter().map(|sample| sample.1).collect();
    assert_eq!(starts, expected);
}

#[test]
fn a_stale_first_sample_leaves_zero_to_compare_with() {
    let read = decode_all(&encode(&[(1, 0, STALE_NAN), (2, 0, 0.0), (3, 0, 1.0)])).unwrap();
    let values: Vec<u64> = read.iter().map(|sample| sample.2).collect();
    assert_eq!(values, [STALE_NAN, 0.0, 1.0].map(f64::to_bits));
    // Unchanged against 0.0 is one bit.
    let stale = STALE_NAN.to_bits();
    let stream = format!("00000010 {stale:064b} 00000001 0");
    let mut expected = vec![0, 2, 0];
    expected.extend(bits(&stream));
    assert_eq!(encode(&[(1, 0, STALE_NAN), (2, 0, 0.0)]), expected);
}

#[test]
fn a_range_read_gives_the_samples_inside() {
    let samples: Vec<Sample> = (0..100).map(|i| (i * 10, i * 10 - 5, i as f64)).collect();
    let mut columns = SampleColumns::default();
    decode(&encode(&samples), 205, 230, &mut columns).unwrap();
    assert_eq!(columns.timestamps, [210, 220, 230]);
    assert_eq!(columns.start_timestamps, [205, 215, 225]);
    assert_eq!(columns.values, [21.0, 22.0, 23.0]);
}

#[test]
fn every_truncation_is_an_error() {
    let samples: Vec<Sample> = (0..40)
        .map(|i| (i * 15_000 + i % 3, i / 7 * 1000, (i as f64).sqrt()))
        .collect();
    let bytes = encode(&samples);
    for end in 0..bytes.len() {
        assert!(decode_all(&bytes[..end]).is_err(), "cut at {end}");
    }
}

fn delta() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(15_000),
        1 => 14_990..15_010_i64,
        1 => 1..200_000_i64,
        1 => 1..1_i64 << 40
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-100..100_i32).prop_map(f64::from),
        Just(STALE_NAN),
        Just(1.0),
    ]
}

fn start() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0), 2 => Just(1000), 1 => 0..1_i64 << 40, 1 => any::<i64>()]
}

proptest! {
    #[test]
    fn samples_come_back_bit_for_bit_and_chunks_go_on(
        first in -1_i64 << 40..1_i64 << 40,
        steps in prop::collection::vec((delta(), start(), value()), 1..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut timestamp = first;
        let samples: Vec<Sample> = steps
            .into_iter()
            .map(|(delta, start, value)| { timestamp += delta; (timestamp, start, value) })
            .collect();
        let bytes = encode(&samples);
        let expected: Vec<_> = samples.iter().map(|(t, start, v)| (*t, *start, v.to_bits())).collect();
        prop_assert_eq!(decode_all(&bytes).unwrap(), expected);
        let cut = cut.index(samples.len()) + 1;
        let (mut appender, mut again) = reopen(&encode(&samples[..cut])).unwrap();
        for (timestamp, start, value) in &samples[cut..] {
            appender.append(&mut again, *timestamp, *start, *value);
        }
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_all(&bytes);
        let _ = reopen(&bytes);
    }
}
