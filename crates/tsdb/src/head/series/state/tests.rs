//! When chunks are closed.

use super::*;

const HOUR: i64 = 3_600_000;
const RULES: ChunkRules = ChunkRules {
    range_ms: 2 * HOUR,
    samples: 120,
    encodings: ChunkEncodings {
        floats: FloatEncoding::Xor,
        histogram_starts: false,
        store_starts: false,
    },
};

fn filled(times: impl Iterator<Item = i64>, value: impl Fn(i64) -> f64) -> SeriesState {
    let mut state = SeriesState::new(1);
    for time in times {
        let appended = state.append((time, 0), Value::Float(value(time)), 0, u64::MAX, RULES);
        assert_ne!(appended, Appended::Refused);
    }
    state
}

fn closed(state: &SeriesState) -> Vec<(i64, i64)> {
    state
        .unwritten_chunks()
        .map(|chunk| (chunk.mint, chunk.maxt))
        .collect()
}

#[test]
fn chunks_share_the_range_evenly() {
    // Every 15 s: 480 samples in two hours make four chunks of 120.
    let state = filled((0..481).map(|i| i * 15_000), |_| 1.0);
    let expected: Vec<_> = (0..4)
        .map(|i| (i * HOUR / 2, (i + 1) * HOUR / 2 - 15_000))
        .collect();
    assert_eq!(closed(&state), expected);
}

#[test]
fn a_chunk_ends_with_the_block_range() {
    let state = filled([HOUR, 2 * HOUR - 1, 2 * HOUR, 3 * HOUR].into_iter(), |_| {
        1.0
    });
    assert_eq!(closed(&state), [(HOUR, 2 * HOUR - 1)]);
    let state = filled([-1, 0].into_iter(), |_| 1.0);
    assert_eq!(
        closed(&state),
        [],
        "division towards zero: -1 and 0 share a range"
    );
}

#[test]
fn a_chunk_never_holds_more_than_twice_the_aim() {
    // Slow for the first quarter, then fast: the planned end is far away.
    let slow = (0..31).map(|i| i * 60_000);
    let fast = (1..400).map(|i| 30 * 60_000 + i * 10);
    let state = filled(slow.chain(fast), |_| 1.0);
    let first = state.unwritten_chunks().next().unwrap();
    assert_eq!(chunk::sample_count(first.encoding, &first.data), Ok(240));
}

#[test]
fn a_chunk_is_closed_when_its_bytes_are_too_many() {
    let noise = |time: i64| {
        let mixed = (time as u64 ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        f64::from_bits((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    };
    // Too few samples for any other reason; noise takes about ten bytes each.
    let state = filled((0..119).map(|i| i * 59_000 + i * i % 997), noise);
    assert_eq!(closed(&state).len(), 1);
    let bytes = &state.unwritten_chunks().next().unwrap().data;
    assert!((1006..1025).contains(&bytes.len()), "{}", bytes.len());
}

#[test]
fn repeats_are_told_from_other_values() {
    let state = filled([5].into_iter(), |_| f64::NAN);
    let nan = Value::Float(f64::NAN);
    assert_eq!(state.fit(5, &nan, 0, None), Ok(Fit::Repeated));
    assert_eq!(
        state.fit(5, &Value::Float(0.0), 0, None),
        Err(AppendError::duplicate_float(5, Some(f64::NAN), 0.0))
    );
    assert_eq!(state.fit(6, &nan, 0, None), Ok(Fit::New));
    assert_eq!(state.fit(4, &nan, 0, None), Err(AppendError::OutOfOrder));
    assert_eq!(state.fit(4, &nan, 5, None), Err(AppendError::OutOfBounds));
    assert_eq!(state.fit(4, &nan, 5, Some(4)), Ok(Fit::Late));
    assert_eq!(state.fit(3, &nan, 0, Some(4)), Err(AppendError::TooOld));
}
