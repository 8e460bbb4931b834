//! Remote reads of a store in memory.

use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, Histogram, Labels, Span};
use proptest::prelude::*;
use storage::memory_store::MemoryStore;
use storage::{Appendable, Batch, BatchTimes};

use super::*;
use crate::receive::encode::Writer;
use crate::receive::pack;
use crate::receive::wire::{Fields, Value as Field};

fn histogram(count: u64) -> Value {
    Value::Histogram(Arc::new(Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        count,
        sum: 1.5,
        positive_spans: vec![Span {
            offset: 0,
            length: 1,
        }],
        positive_buckets: vec![count as i64],
        ..Histogram::default()
    }))
}

/// Labels, and samples with their times.
type Given<'a> = (&'a [(&'a str, &'a str)], &'a [(i64, Value)]);

fn store(series: &[Given<'_>]) -> Arc<MemoryStore> {
    let store = MemoryStore::new();
    let mut appender = store.appender();
    for (labels, samples) in series {
        let labels = Labels::from_pairs(labels.iter().copied());
        let reference = appender.series(&labels).expect("taken");
        for (time, value) in *samples {
            let (number, histograms) = match value {
                Value::Float(number) => (*number, vec![]),
                other => (0.0, vec![(0, other.clone())]),
            };
            let batch = Batch {
                series: &[reference],
                times: BatchTimes::Same(*time),
                values: &[number],
                histograms: &histograms,
                start_timestamps: &[],
                exemplars: &[],
                reject_out_of_order: false,
            };
            appender
                .append(&batch, &mut Vec::new(), &mut Vec::new())
                .expect("taken");
        }
    }
    appender.commit().expect("committed");
    Arc::new(store)
}

fn reader(store: Arc<MemoryStore>, samples_max: u64, frame_bytes: usize) -> Reader {
    let external = Box::new(|| Labels::from_pairs([("region", "here"), ("x", "out")]));
    let options = ReadOptions {
        samples_max,
        frame_bytes,
    };
    Reader::new(store, external, options)
}

fn request(start: i64, end: i64, matchers: &[(u64, &str, &str)]) -> Vec<u8> {
    let mut query = Writer::default()
        .varint(1, start as u64)
        .varint(2, end as u64);
    for (kind, name, value) in matchers {
        let matcher = Writer::default()
            .varint(1, *kind)
            .bytes(2, name.as_bytes())
            .bytes(3, value.as_bytes());
        query = query.message(3, &matcher);
    }
    pack(&Writer::default().message(1, &query).bytes)
}

fn parts(message: &[u8], number: u32) -> Vec<&[u8]> {
    let fields = Fields::new(message).filter(move |(found, _)| *found == number);
    fields.map(|(_, value)| value.bytes()).collect()
}

fn labels(message: &[u8]) -> String {
    let pairs = parts(message, 1).into_iter().map(|label| {
        let text = |number| String::from_utf8(parts(label, number).concat()).expect("text");
        (text(1), text(2))
    });
    Labels::from_pairs(pairs).to_string()
}

/// Labels of the series of a sampled answer, and their numbers of samples and histograms.
fn sampled(reader: &Reader, body: &[u8]) -> Result<Vec<(String, usize, usize)>, ReadError> {
    let request = reader.request(body)?;
    let block = reader.sampled(&request, &CancelToken::new())?;
    let message = snappy::unpack(&block).expect("a block");
    let series = parts(&message, 1)
        .into_iter()
        .flat_map(|result| parts(result, 1));
    let counts = |series| {
        (
            labels(series),
            parts(series, 2).len(),
            parts(series, 4).len(),
        )
    };
    Ok(series.map(counts).collect())
}

const FLOATS: &[(i64, Value)] = &[
    (10, Value::Float(1.0)),
    (20, Value::Float(2.0)),
    (30, Value::Float(3.0)),
];

#[test]
fn series_come_with_external_labels_that_they_do_not_have() {
    let store = store(&[
        (&[("__name__", "a"), ("x", "own")], FLOATS),
        (&[("__name__", "a")], FLOATS),
    ]);
    let reader = reader(store, 0, 1 << 20);
    let found = sampled(&reader, &request(15, 30, &[(0, "__name__", "a")]));
    let own = r#"{__name__="a", region="here", x="own"}"#.to_owned();
    let other = r#"{__name__="a", region="here", x="out"}"#.to_owned();
    assert_eq!(found, Ok(vec![(other.clone(), 2, 0), (own, 2, 0)]));
    // Asking for an external label is asking for series without one of their own.
    let matchers = [(0, "__name__", "a"), (0, "region", "here"), (0, "x", "out")];
    let found = sampled(&reader, &request(0, 10, &matchers));
    assert_eq!(found, Ok(vec![(other, 1, 0)]));
    let elsewhere = [(0, "__name__", "a"), (0, "region", "there")];
    assert_eq!(sampled(&reader, &request(0, 99, &elsewhere)), Ok(vec![]));
    assert_eq!(sampled(&reader, &request(0, 99, &[])), Ok(vec![]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let reader = reader(store(&[(&[("__name__", "a")], FLOATS)]), 2, 1 << 20);
    let refused = |body: &[u8], status: u16, text: &str| {
        let expected = ReadError {
            status,
            text: text.to_owned(),
        };
        assert_eq!(sampled(&reader, body), Err(expected));
    };
    refused(b"", 400, "snappy: corrupt input");
    refused(&pack(b"\xff\xff"), 400, "unexpected EOF");
    let a = (0, "__name__", "a");
    refused(&request(0, 99, &[a]), 400, "exceeded sample limit (2)");
    assert!(sampled(&reader, &request(0, 20, &[a])).is_ok());
    refused(
        &request(0, 99, &[(9, "a", "b")]),
        500,
        "invalid matcher type",
    );
    let regex = "error parsing regexp: missing closing ): `(`";
    refused(&request(0, 99, &[(2, "a", "(")]), 500, regex);
}

/// Chunks of a streamed answer by series: encoding, first and last time, samples decoded.
type Streamed = Vec<(String, Vec<(u64, i64, i64)>, Vec<i64>)>;

fn streamed(reader: &Reader, body: &[u8]) -> (usize, Streamed) {
    let request = reader.request(body).expect("a request");
    let mut frames = Vec::new();
    let mut sink = |frame| {
        frames.push(frame);
        true
    };
    reader
        .streamed(&request, &CancelToken::new(), &mut sink)
        .expect("streamed");
    let mut all: Streamed = Vec::new();
    for frame in &frames {
        // Sizes here take one or two bytes.
        let size = if frame[0] < 0x80 { 1 } else { 2 };
        let (checksum, message) = frame[size..].split_at(4);
        assert_eq!(checksum, crc32c::crc32c(message).to_be_bytes());
        for series in parts(message, 1) {
            let name = labels(series);
            if all.last().is_none_or(|(last, ..)| *last != name) {
                all.push((name, Vec::new(), Vec::new()));
            }
            let (_, chunks, times) = all.last_mut().expect("pushed");
            for chunk in parts(series, 2) {
                let number = |wanted| {
                    let found = Fields::new(chunk).find(|(number, _)| *number == wanted);
                    found.map_or(0, |(_, value)| value.varint())
                };
                let kind = number(3);
                chunks.push((kind, number(1) as i64, number(2) as i64));
                let encoding = chunk::Encoding::try_from(kind as u8).expect("known");
                let mut columns = SampleColumns::default();
                let data = parts(chunk, 4).concat();
                chunk::decode(encoding, &data, i64::MIN, i64::MAX, &mut columns).expect("decoded");
                times.extend(columns.timestamps);
            }
        }
    }
    (frames.len(), all)
}

#[test]
fn streams_are_cut_into_chunks_and_frames() {
    let mixed = [
        (1, Value::Float(1.0)),
        (2, histogram(3)),
        (3, histogram(5)),
        (4, histogram(2)),
        (5, Value::Float(2.0)),
    ];
    let many: Vec<_> = (0..250).map(|at| (at, Value::Float(at as f64))).collect();
    let store = store(&[
        (&[("__name__", "many")], &many),
        (&[("__name__", "mixed")], &mixed),
    ]);
    let any = [(1, "__name__", "")];
    let (frames, found) = streamed(&reader(store.clone(), 1, 1 << 20), &request(0, 999, &any));
    assert_eq!(frames, 2);
    let [(_, many_chunks, many_times), (_, mixed_chunks, mixed_times)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(*many_chunks, [(1, 0, 119), (1, 120, 239), (1, 240, 249)]);
    assert_eq!(*many_times, (0..250).collect::<Vec<_>>());
    // A counter reset begins a chunk.
    assert_eq!(*mixed_chunks, [(1, 1, 1), (2, 2, 3), (2, 4, 4), (1, 5, 5)]);
    assert_eq!(*mixed_times, [1, 2, 3, 4, 5]);
    let (frames, again) = streamed(&reader(store.clone(), 0, 1), &request(0, 999, &any));
    assert_eq!((frames, again), (7, found));
    let (_, part) = streamed(&reader(store, 0, 1 << 20), &request(100, 130, &any));
    assert_eq!(part[0].1, [(1, 100, 130)]);
}

#[test]
fn a_client_that_leaves_ends_the_stream() {
    let reader = reader(store(&[(&[("__name__", "a")], FLOATS)]), 0, 1);
    let request = reader.request(&request(0, 99, &[(0, "__name__", "a")]));
    let mut frames = 0;
    let mut sink = |_| {
        frames += 1;
        false
    };
    let request = request.expect("a request");
    let streamed = reader.streamed(&request, &CancelToken::new(), &mut sink);
    assert_eq!((streamed, frames), (Ok(()), 1));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let reader = reader(store(&[(&[("__name__", "a")], FLOATS)]), 0, 1);
        if let Ok(request) = reader.request(&pack(&bytes)) {
            let _ = reader.sampled(&request, &CancelToken::new());
            let _ = reader.streamed(&request, &CancelToken::new(), &mut |_| true);
        }
        let _ = Fields::new(&bytes).all(|(_, value)| value != Field::Other);
    }
}
