//! Records of snapshots: exact bytes, round trips, damage.

use std::sync::Arc;

use chunk::xor;
use model::{FloatHistogram, Histogram, Span};
use proptest::prelude::*;

use super::*;

fn labels() -> Labels {
    Labels::from_pairs([("__name__", "up"), ("job", "a")])
}

fn chunk_bytes() -> Vec<u8> {
    let (mut open, mut bytes) = (xor::Appender::new(), Vec::new());
    for step in 0..3 {
        open.append(&mut bytes, 1000 + step * 15_000, step as f64);
    }
    bytes
}

fn histogram() -> Histogram {
    Histogram {
        count: 3,
        sum: 1.5,
        positive_spans: vec![Span {
            offset: 0,
            length: 2,
        }],
        positive_buckets: vec![1, 1],
        ..Histogram::default()
    }
}

/// One record of each kind.
fn records() -> Vec<Vec<u8>> {
    let data = chunk_bytes();
    let open = |encoding| OpenChunk {
        mint: 1000,
        maxt: 31_000,
        encoding,
        data: &data,
    };
    let float = Value::Float(2.0);
    let integer = Value::Histogram(Arc::new(histogram()));
    let floats = Value::FloatHistogram(Arc::new(FloatHistogram::from(&histogram())));
    let mut tombstones = Tombstones::default();
    tombstones.add(7, (5, 10));
    tombstones.add(900, (-5, 0));
    let exemplar = ExemplarEntry {
        series_ref: 7,
        timestamp: 5,
        value: 0.5,
        labels: labels(),
    };
    vec![
        encode_series(7, &labels(), None),
        encode_series(7, &labels(), Some((&open(Encoding::Xor), &float))),
        encode_series(8, &labels(), Some((&open(Encoding::Histogram), &integer))),
        encode_series(
            9,
            &labels(),
            Some((&open(Encoding::FloatHistogram), &floats)),
        ),
        encode_tombstones(&tombstones),
        encode_snapshot_exemplars(&[exemplar]),
        encode_snapshot_metadata([(7, &Metadata::default())]),
        encode_other_references([(7, &labels())]),
    ]
}

#[test]
fn a_series_record_has_the_bytes_of_the_format() {
    let data = chunk_bytes();
    let open = OpenChunk {
        mint: 1000,
        maxt: 31_000,
        encoding: Encoding::Xor,
        data: &data,
    };
    let record = encode_series(7, &labels(), Some((&open, &Value::Float(2.0))));
    let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0, 7, 2];
    for text in ["__name__", "up", "job", "a"] {
        expected.push(text.len() as u8);
        expected.extend(text.as_bytes());
    }
    expected.extend([0; 8]);
    expected.push(1);
    expected.extend(1000_i64.to_be_bytes());
    expected.extend(31_000_i64.to_be_bytes());
    expected.extend([1, data.len() as u8]);
    expected.extend(&data);
    expected.extend([0; 56]);
    expected.extend(2.0_f64.to_be_bytes());
    assert_eq!(record, expected);
    let Ok(SnapshotRecord::Series(series)) = decode(&record) else {
        panic!("a series is expected");
    };
    assert_eq!((series.series_ref, series.open), (7, Some(open)));
}

#[test]
fn records_come_back_and_shorter_or_longer_ones_are_errors() {
    for record in records() {
        let whole = format!("{:?}", decode(&record).unwrap());
        assert!(
            whole.contains('7') || whole.contains('8') || whole.contains('9'),
            "{whole}"
        );
        for end in 0..record.len() {
            // A list may end before its first entry, which says nothing.
            let shorter = decode(&record[..end]);
            let empty = match &shorter {
                Ok(SnapshotRecord::Exemplars(found)) => found.is_empty(),
                Ok(SnapshotRecord::Metadata(found)) => found.is_empty(),
                Ok(SnapshotRecord::OtherReferences(found)) => found.is_empty(),
                _ => false,
            };
            assert!(shorter.is_err() || empty, "{end} bytes of {whole}");
        }
        let longer = [&record[..], &[0]].concat();
        assert!(decode(&longer).is_err(), "{whole}");
    }
    assert_eq!(decode(&[6, 0]).unwrap_err(), SnapshotError::Type(6));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..7_u8) {
        let _ = decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        let _ = decode(&bytes);
    }
}
