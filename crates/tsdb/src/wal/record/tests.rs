//! Records: exact bytes, round trips, damage.

use std::sync::Arc;

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::{FloatHistogram, Histogram, MetricType, Span};
use proptest::prelude::*;

use super::*;

fn labels() -> Labels {
    Labels::from_pairs([("__name__", "up"), ("job", "a")])
}

fn integer(schema: i32) -> Value {
    let custom = schema == CUSTOM_BUCKETS_SCHEMA;
    Value::Histogram(Arc::new(Histogram {
        schema,
        zero_threshold: 0.001,
        zero_count: 2,
        count: 12,
        sum: 18.4,
        positive_spans: vec![
            Span {
                offset: -3,
                length: 2,
            },
            Span {
                offset: 1,
                length: 2,
            },
        ],
        negative_spans: vec![Span {
            offset: 0,
            length: 1,
        }],
        positive_buckets: vec![1, 2, -1, 0],
        negative_buckets: vec![7],
        custom_values: custom.then(|| [0.1, 1.0].into()),
        ..Histogram::default()
    }))
}

fn float(schema: i32) -> Value {
    let Value::Histogram(histogram) = integer(schema) else {
        unreachable!()
    };
    Value::FloatHistogram(Arc::new(FloatHistogram::from(&*histogram)))
}

/// One record of each kind.
fn samples() -> Vec<Vec<u8>> {
    let labels = labels();
    let metadata = Metadata {
        metric_type: MetricType::Counter,
        unit: "seconds".to_owned(),
        help: "Help.".to_owned(),
    };
    let entries = [SampleEntry {
        series_ref: 7,
        timestamp: 1000,
        start: 400,
        value: 1.5,
    }];
    let exemplars = [ExemplarEntry {
        series_ref: 1,
        timestamp: 5,
        value: 0.5,
        labels: labels.clone(),
    }];
    let histograms: Vec<_> = [integer(1), float(1), integer(-53), float(-53)]
        .into_iter()
        .map(|value| HistogramEntry {
            series_ref: 3,
            timestamp: -9,
            start: -70,
            value,
        })
        .collect();
    let mut records = vec![
        encode_series([(7, &labels)]),
        encode_samples(entries.iter()),
        encode_tombstones(&[TombstoneEntry {
            series_ref: 1,
            mint: -5,
            maxt: 9,
        }]),
        encode_exemplars(&exemplars),
        encode_metadata([(300, &metadata)]),
    ];
    records.extend(encode_histograms(&histograms));
    records.push(encode_samples_v2(entries.iter()));
    records.extend(encode_histograms_v2(&histograms));
    records
}

#[test]
fn series_and_samples_have_the_bytes_of_the_format() {
    let records = samples();
    let (series, samples) = (&records[0], &records[1]);
    assert_eq!(
        series,
        b"\x01\0\0\0\0\0\0\0\x07\x02\x08__name__\x02up\x03job\x01a"
    );
    assert_eq!(
        samples,
        b"\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\x03\xe8\0\0\x3f\xf8\0\0\0\0\0\0"
    );
}

#[test]
fn every_kind_comes_back() {
    let decoded: Vec<Record> = samples()
        .iter()
        .map(|record| decode(record).unwrap())
        .collect();
    assert_eq!(decoded[0], Record::Series(vec![(7, labels())]));
    assert_eq!(
        decoded[2],
        Record::Tombstones(vec![TombstoneEntry {
            series_ref: 1,
            mint: -5,
            maxt: 9
        }])
    );
    let Record::Metadata(metadata) = &decoded[4] else {
        panic!("{:?}", decoded[4])
    };
    assert_eq!(
        (metadata[0].0, metadata[0].1.unit.as_str()),
        (300, "seconds")
    );
    // Kinds go to records of their own: integer, custom integer, float, custom float.
    let values: Vec<Value> = decoded[5..9]
        .iter()
        .map(|record| match record {
            Record::Histograms(entries) => entries[0].value.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(values, [integer(1), integer(-53), float(1), float(-53)]);
    // The second version has start timestamps, and one record for all integer histograms.
    let Record::Samples(samples) = &decoded[9] else {
        panic!("{:?}", decoded[9])
    };
    assert_eq!((samples[0].start, samples[0].value), (400, 1.5));
    let histograms: Vec<Vec<(i64, Value)>> = decoded[10..]
        .iter()
        .map(|record| match record {
            Record::Histograms(entries) => entries
                .iter()
                .map(|entry| (entry.start, entry.value.clone()))
                .collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        histograms,
        [
            [(-70, integer(1)), (-70, integer(-53))],
            [(-70, float(1)), (-70, float(-53))]
        ]
    );
}

#[test]
fn second_framing_has_the_bytes_of_the_format() {
    // Reference 5 at 100 with start 40; then reference +1 at 110: same start; then none; then +3.
    let value = 1.0_f64.to_be_bytes();
    let mut record = vec![kind::SAMPLES_V2];
    for entry in [
        &[10, 0xc8, 1, 80][..],
        &[2, 20, 1],
        &[0, 40, 0],
        &[1, 60, 2, 6],
    ] {
        record.extend(entry);
        record.extend(value);
    }
    let Record::Samples(found) = decode(&record).unwrap() else {
        panic!("samples")
    };
    let samples = found;
    let found: Vec<_> = samples
        .iter()
        .map(|entry| (entry.series_ref, entry.timestamp, entry.start))
        .collect();
    assert_eq!(
        found,
        [(5, 100, 40), (6, 110, 40), (6, 120, 0), (5, 130, 43)]
    );
    assert_eq!(encode_samples_v2(samples.iter()), record);
}

#[test]
fn labels_out_of_order_or_not_utf8_are_put_right() {
    let record = b"\x01\0\0\0\0\0\0\0\x01\x03\x01b\x01\xff\x01a\x01x\x01c\0";
    let expected = Labels::from_pairs([("a", "x"), ("b", "\u{fffd}")]);
    assert_eq!(decode(record), Ok(Record::Series(vec![(1, expected)])));
}

#[test]
fn unknown_and_empty_records_are_no_errors() {
    assert_eq!(decode(&[]), Ok(Record::Unknown(0)));
    assert_eq!(decode(&[99, 1, 2]), Ok(Record::Unknown(99)));
    assert_eq!(decode(&[kind::SAMPLES]), Ok(Record::Samples(vec![])));
    assert_eq!(decode(&[kind::HISTOGRAMS]), Ok(Record::Histograms(vec![])));
}

#[test]
fn truncated_and_flipped_records_never_panic() {
    for record in samples() {
        for end in 0..record.len() {
            let _ = decode(&record[..end]);
        }
        for position in 0..record.len() {
            for bit in 0..8 {
                let mut damaged = record.clone();
                damaged[position] ^= 1 << bit;
                let _ = decode(&damaged);
            }
        }
    }
}

proptest! {
    #[test]
    fn samples_come_back(
        entries in prop::collection::vec(
            (any::<u64>(), any::<i64>(), prop_oneof![Just(0), Just(7), any::<i64>()], any::<u64>()),
            0..50,
        ),
    ) {
        let entries: Vec<SampleEntry> = entries
            .into_iter()
            .map(|(series_ref, timestamp, start, bits)| SampleEntry {
                series_ref,
                timestamp,
                start,
                value: f64::from_bits(bits & !(1 << 52)),
            })
            .collect();
        let second = decode(&encode_samples_v2(entries.iter()));
        prop_assert_eq!(second, Ok(Record::Samples(entries.clone())));
        let without: Vec<_> =
            entries.iter().map(|entry| SampleEntry { start: 0, ..*entry }).collect();
        prop_assert_eq!(decode(&encode_samples(entries.iter())), Ok(Record::Samples(without)));
    }

    #[test]
    fn arbitrary_records_never_panic(kind in 0..15_u8, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[vec![kind], body].concat());
    }
}
