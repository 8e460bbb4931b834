//! XOR chunks: exact bytes, round trips, damaged input.

use proptest::prelude::*;

use model::sample::SampleColumns;
use model::staleness::STALE_NAN;

use super::*;

fn encode(samples: &[(i64, f64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut appender = Appender::new();
    for (timestamp, value) in samples {
        appender.append(&mut bytes, *timestamp, *value);
    }
    bytes
}

fn decode_all(bytes: &[u8]) -> Result<Vec<(i64, u64)>, DecodeError> {
    let mut columns = SampleColumns::default();
    decode(bytes, i64::MIN, i64::MAX, &mut columns)?;
    Ok(columns
        .timestamps
        .into_iter()
        .zip(columns.values.iter().map(|v| v.to_bits()))
        .collect())
}

#[test]
fn bytes_are_those_of_the_format() {
    // Count 3; t 1000 as varint 2000; 1.0; delta 15; unchanged; dod 1, then 1.0 -> 2.0:
    // xor 0x7ff0…, leading 1, significant 11.
    let bytes = encode(&[(1000, 1.0), (1015, 1.0), (1031, 2.0)]);
    let mut expected = vec![0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 15];
    // 0 | 10 00000000000001 | 11 00001 001011 11111111111
    expected.extend([
        0b0100_0000,
        0b0000_0000,
        0b1110_0001,
        0b0010_1111,
        0b1111_1111,
        0b1000_0000,
    ]);
    assert_eq!(bytes, expected);
}

#[test]
fn widest_fields_and_special_values_come_back() {
    let samples = [
        (i64::MIN, f64::NAN),
        (0, STALE_NAN),
        (1, -0.0),
        (i64::MAX, 0.0),
        (i64::MAX, f64::INFINITY),
        (5, f64::MIN_POSITIVE),
    ];
    // Times outside the accepted range decode too; only the order stops a range read.
    let mut columns = SampleColumns::default();
    decode(&encode(&samples), i64::MIN, i64::MAX, &mut columns).unwrap();
    let got: Vec<_> = columns.values.iter().map(|v| v.to_bits()).collect();
    let expected: Vec<_> = samples.iter().map(|(_, v)| v.to_bits()).collect();
    assert_eq!(got, expected);
    assert_eq!(columns.timestamps, samples.map(|(t, _)| t));
}

#[test]
fn a_sample_never_takes_more_than_the_stated_bytes() {
    let mut bytes = Vec::new();
    let mut appender = Appender::new();
    for step in 0..200_i64 {
        let before = bytes.len();
        let value = f64::from_bits(if step % 2 == 0 { 1 } else { 1 << 63 });
        appender.append(&mut bytes, step.wrapping_mul(i64::MAX / 3), value);
        assert!(bytes.len() - before <= SAMPLE_BYTES_MAX);
    }
}

#[test]
fn a_range_read_gives_the_samples_inside() {
    let samples: Vec<_> = (0..100).map(|i| (i * 10, i as f64)).collect();
    let mut columns = SampleColumns::default();
    decode(&encode(&samples), 205, 250, &mut columns).unwrap();
    assert_eq!(columns.timestamps, [210, 220, 230, 240, 250]);
    assert_eq!(columns.values, [21.0, 22.0, 23.0, 24.0, 25.0]);
}

#[test]
fn every_truncation_is_an_error_or_a_prefix() {
    let samples: Vec<_> = (0..40)
        .map(|i| (i * 15_000 + i % 3, (i as f64).sqrt()))
        .collect();
    let bytes = encode(&samples);
    for end in 0..bytes.len() {
        assert!(decode_all(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_reopened_chunk_continues_with_the_same_bytes() {
    let samples: Vec<_> = (0..60)
        .map(|i| (i * 15_000, (i * i) as f64 * 0.1))
        .collect();
    let (mut appender, mut bytes) = reopen(&encode(&samples[..30])).unwrap();
    for (timestamp, value) in &samples[30..] {
        appender.append(&mut bytes, *timestamp, *value);
    }
    assert_eq!(bytes, encode(&samples));
}

fn delta() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(15_000),
        14_990..15_010_i64,
        1..200_000_i64,
        1..1_i64 << 40
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

proptest! {
    #[test]
    fn samples_come_back_bit_for_bit(
        start in -1_i64 << 40..1_i64 << 40,
        steps in prop::collection::vec((delta(), value()), 0..300),
    ) {
        let mut timestamp = start;
        let samples: Vec<_> = steps
            .into_iter()
            .map(|(delta, value)| { timestamp += delta; (timestamp, value) })
            .collect();
        let bytes = encode(&samples);
        let expected: Vec<_> = samples.iter().map(|(t, v)| (*t, v.to_bits())).collect();
        if samples.is_empty() {
            prop_assert!(bytes.is_empty());
        } else {
            prop_assert_eq!(decode_all(&bytes).unwrap(), expected);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_all(&bytes);
        let _ = reopen(&bytes);
        let _ = resume(bytes, 30);
    }

    #[test]
    fn a_resumed_chunk_is_as_if_it_had_not_been_put_away(
        deltas in prop::collection::vec((delta(), value()), 1..80),
        cut in 1..80_usize,
        nth in 0..80_u16,
        trailing in 0..3_usize,
    ) {
        let mut time = 0;
        let samples: Vec<_> = deltas
            .into_iter()
            .map(|(delta, value)| {
                time += delta;
                (time, value)
            })
            .collect();
        let cut = cut.min(samples.len());
        let mut whole = encode(&samples[..cut]);
        whole.resize(whole.len() + trailing, 0xff);
        let resumed = resume(whole, nth).unwrap();
        prop_assert_eq!(resumed.first, samples[0].0);
        let expected = samples[..cut].get(usize::from(nth)).map(|(time, _)| *time);
        prop_assert_eq!(resumed.nth, expected);
        let (mut appender, mut bytes) = (resumed.appender, resumed.bytes);
        prop_assert_eq!(&bytes, &encode(&samples[..cut]));
        for (timestamp, value) in &samples[cut..] {
            appender.append(&mut bytes, *timestamp, *value);
        }
        prop_assert_eq!(bytes, encode(&samples));
    }
}

/// The layout field by field, sample by sample: what the quick decoder must give.
fn decode_plainly(
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let Some((header, data)) = bytes.split_first_chunk::<2>() else {
        return Err(DecodeError::UnexpectedEnd);
    };
    let count = u16::from_be_bytes(*header);
    if count == 0 {
        return Ok(());
    }
    let mut reader = BitReader::new(data);
    let mut timestamp = reader.read_varint()?;
    let mut value = reader.read_bits(64)?;
    let mut window = Window::NONE;
    let mut delta = 0_u64;
    let mut index = 0_u16;
    loop {
        if timestamp > maxt {
            return Ok(());
        }
        if timestamp >= mint {
            columns.push_float(timestamp, f64::from_bits(value));
        }
        index += 1;
        if index == count {
            return Ok(());
        }
        delta = match index {
            1 => reader.read_uvarint()?,
            _ => delta.wrapping_add(read_dod(&mut reader)? as u64),
        };
        timestamp = timestamp.wrapping_add(delta as i64);
        value = read_value(&mut reader, value, &mut window)?;
    }
}

/// Samples in runs: on time or not, unchanged or not, now and then far off.
fn runs() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let run = (0..6_u8, 0..5_u8, 1..40_usize, any::<i64>(), any::<u64>());
    prop::collection::vec(run, 0..8).prop_map(|runs| {
        let (mut samples, mut time, mut delta, mut value) = (Vec::new(), 1_000_000, 15_000, 1.0);
        for (clock, kind, len, any_time, any_bits) in runs {
            for step in 0..len {
                delta = match clock {
                    0..=2 => delta,
                    3 => 15_000 + (any_time >> (step % 50 + 10)) % 3,
                    4 => 15_000 + any_time % 500_000,
                    _ => any_time.wrapping_mul(step as i64),
                };
                value = match kind {
                    0 | 1 => value,
                    2 => value + (step * 3) as f64,
                    3 => value * 1.1,
                    _ => f64::from_bits(any_bits.rotate_left(step as u32 * 7)),
                };
                time = i64::wrapping_add(time, delta);
                samples.push((time, value));
            }
        }
        samples
    })
}

/// What a decoder gives: outcome, times, bits of values, start timestamps.
type Decoded = (Result<(), DecodeError>, Vec<i64>, Vec<u64>, Vec<i64>);

fn both(bytes: &[u8], mint: i64, maxt: i64, start: i64) -> [Decoded; 2] {
    [decode, decode_plainly].map(|decode| {
        let mut columns = SampleColumns::default();
        columns.push_float(0, 0.5);
        if start != 0 {
            columns.set_last_start_timestamp(start);
        }
        let outcome = decode(bytes, mint, maxt, &mut columns);
        let values = columns.values.iter().map(|value| value.to_bits());
        let values = values.collect();
        (
            outcome,
            columns.timestamps,
            values,
            columns.start_timestamps,
        )
    })
}

proptest! {
    #[test]
    fn quick_and_plain_decoding_agree(samples in runs(), cut: prop::sample::Index, start in 0..2_i64) {
        let bytes = encode(&samples);
        let time = |index: usize| samples.get(index).map_or(0, |(time, _)| *time);
        let (from, to) = (cut.index(samples.len() + 1) / 2, cut.index(samples.len() + 1));
        for (mint, maxt) in [(i64::MIN, i64::MAX), (time(from), time(to)), (time(to), time(from))] {
            let [quick, plain] = both(&bytes, mint, maxt, start);
            prop_assert_eq!(&quick, &plain);
        }
    }

    #[test]
    fn quick_and_plain_decoding_agree_on_damage(
        samples in runs(),
        cut: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = encode(&samples);
        bytes.truncate(cut.index(bytes.len() + 1));
        for (at, flip) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
        }
        let [quick, plain] = both(&bytes, i64::MIN, i64::MAX, 0);
        prop_assert_eq!(quick, plain);
    }

    #[test]
    fn quick_and_plain_decoding_agree_on_anything(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let [quick, plain] = both(&bytes, i64::MIN, i64::MAX, 0);
        prop_assert_eq!(quick, plain);
    }
}
