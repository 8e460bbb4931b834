//! Which encoding and how many chunks samples become.

use model::sample::SampleColumns;

use super::*;

/// Times are 0, 1, …; start timestamps are given.
fn encoded(starts: &[Timestamp], choice: Choice, samples_max: u16) -> Vec<(Encoding, u16)> {
    let mut columns = SampleColumns::default();
    for (time, start) in starts.iter().enumerate() {
        columns.push_float(time as i64, 1.0);
        if *start != 0 {
            columns.set_last_start_timestamp(*start);
        }
    }
    let (mut chunks, mut data) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::new(samples_max, choice);
    for index in 0..columns.len() {
        encoder
            .add(&columns, index, &mut chunks, &mut data)
            .unwrap();
    }
    encoder.finish(&mut chunks, &mut data);
    let mut read = SampleColumns::default();
    let mut counts = Vec::new();
    for chunk in &chunks {
        let bytes = &data[chunk.start..chunk.end];
        chunk::decode(chunk.encoding, bytes, i64::MIN, i64::MAX, &mut read).unwrap();
        counts.push((
            chunk.encoding,
            chunk::sample_count(chunk.encoding, bytes).unwrap(),
        ));
    }
    assert_eq!(read.timestamps, columns.timestamps);
    if !columns.start_timestamps.is_empty() {
        assert_eq!(read.start_timestamps, columns.start_timestamps);
    }
    counts
}

#[test]
fn floats_are_encoded_as_configured_and_no_start_timestamp_is_lost() {
    use Encoding::{Xor, Xor2};
    let none = [0; 6];
    let some = [0, 0, -5, -5, 0, -3];
    let floats = Choice::Floats;
    assert_eq!(encoded(&none, floats(Xor), 120), [(Xor, 6)]);
    assert_eq!(encoded(&none, floats(Xor), 4), [(Xor, 4), (Xor, 2)]);
    assert_eq!(encoded(&none, floats(Xor2), 120), [(Xor2, 6)]);
    assert_eq!(encoded(&some, floats(Xor), 120), [(Xor, 2), (Xor2, 4)]);
    assert_eq!(encoded(&some, floats(Xor2), 120), [(Xor2, 6)]);
    assert_eq!(encoded(&some, Choice::Same(Xor2), 120), [(Xor2, 6)]);
}
