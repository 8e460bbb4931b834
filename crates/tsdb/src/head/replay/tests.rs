//! The same head from the same log, whatever the number of threads.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::sync::Arc;

use model::{Histogram, Labels, Metadata, Span};
use proptest::prelude::*;
use telemetry::Registry;

use super::*;
use crate::head::series::{ChunkEncodings, ChunkRules, STRIP_LEN};
use crate::head_chunks::HeadChunks;
use crate::memory_snapshot::folder::Position;
use crate::metrics::HeadMetrics;
use crate::wal::record::{
    TombstoneEntry, decode, encode_exemplars, encode_histograms, encode_metadata, encode_samples,
    encode_series, encode_tombstones, put_uvarint,
};
use crate::wal::{Compression, Writer, WriterMetrics, segment_path};

/// References that the log may name; some never get labels.
pub(super) const REFS: u64 = 3000;

/// Something that is logged.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Labels of references from the first number on; some are those of other references.
    Series(u64, u64),
    /// Samples of every n-th reference from the first on, at a time, several times.
    Samples {
        first: u64,
        stride: u64,
        count: u64,
        repeats: i64,
        time: i64,
    },
    Histograms(u64, i64),
    Metadata(u64),
    Exemplars(u64, i64),
    Tombstones(u64, i64),
    /// A kind that this version does not know.
    Unknown,
    /// A record that ends inside an entry.
    Damaged,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let time = || 0..20_000_000_i64;
    prop_oneof![
        6 => (1..REFS, 1..400_u64).prop_map(|(first, count)| Step::Series(first, count)),
        12 => (0..REFS, 1..9_u64, 1..3000_u64, 1..40_i64, time()).prop_map(
            |(first, stride, count, repeats, time)| Step::Samples {
                first, stride, count, repeats, time
            },
        ),
        2 => (1..REFS, time()).prop_map(|(first, time)| Step::Histograms(first, time)),
        1 => (1..REFS).prop_map(Step::Metadata),
        1 => (1..REFS, time()).prop_map(|(first, time)| Step::Exemplars(first, time)),
        1 => (1..REFS, time()).prop_map(|(first, time)| Step::Tombstones(first, time)),
        1 => Just(Step::Unknown),
    ]
}

/// With `shared`, a fifth of the references share their labels with another one.
fn labels(series_ref: u64, shared: bool) -> Labels {
    let number = if shared && series_ref.is_multiple_of(5) {
        series_ref / 2
    } else {
        series_ref
    };
    let mut pairs = vec![
        ("__name__", format!("m{}", number % 7)),
        ("instance", (number / 50).to_string()),
        ("number", number.to_string()),
    ];
    if number.is_multiple_of(3) {
        pairs.push(("third", "yes".to_owned()));
    }
    Labels::from_pairs(pairs)
}

fn records(step: &Step, shared: bool) -> Vec<Vec<u8>> {
    let refs = |first: u64, count: u64| (first..first + count).filter(|found| *found < REFS);
    match *step {
        Step::Series(first, count) => {
            let series: Vec<_> = refs(first, count)
                .map(|series_ref| (series_ref, labels(series_ref, shared)))
                .collect();
            let series = series.iter().map(|(number, labels)| (*number, labels));
            vec![encode_series(series)]
        }
        Step::Samples {
            first,
            stride,
            count,
            repeats,
            time,
        } => {
            let mut entries = Vec::new();
            for number in 0..count.min(12_000 / repeats as u64) {
                for repeat in 0..repeats {
                    entries.push(SampleEntry {
                        series_ref: (first + number * stride) % (REFS + 100),
                        timestamp: time + repeat * 15_000,
                        start: 0,
                        value: (number as f64 + repeat as f64).sqrt(),
                    });
                }
            }
            vec![encode_samples(entries.iter())]
        }
        Step::Histograms(first, time) => {
            let entry = |series_ref| HistogramEntry {
                series_ref,
                timestamp: time,
                start: 0,
                value: Value::Histogram(Arc::new(Histogram {
                    schema: (series_ref % 11) as i32,
                    count: 3,
                    sum: 1.5,
                    positive_spans: vec![Span {
                        offset: 0,
                        length: 2,
                    }],
                    positive_buckets: vec![1, 1],
                    ..Histogram::default()
                })),
            };
            let entries: Vec<_> = refs(first, 300).map(entry).collect();
            encode_histograms(&entries)
        }
        Step::Metadata(first) => {
            let metadata = |series_ref: u64| Metadata {
                help: format!("help {first} {series_ref}"),
                ..Metadata::default()
            };
            let entries: Vec<_> = refs(first, 40)
                .map(|found| (found, metadata(found)))
                .collect();
            vec![encode_metadata(
                entries.iter().map(|(found, metadata)| (*found, metadata)),
            )]
        }
        Step::Exemplars(first, time) => {
            let entry = |series_ref| ExemplarEntry {
                series_ref,
                timestamp: time,
                value: 0.5,
                labels: Labels::from_pairs([("trace", series_ref.to_string())]),
            };
            let entries: Vec<_> = refs(first, 20).map(entry).collect();
            vec![encode_exemplars(&entries)]
        }
        Step::Tombstones(first, time) => {
            let entry = |series_ref| TombstoneEntry {
                series_ref,
                mint: time,
                maxt: time + 60_000,
            };
            let entries: Vec<_> = refs(first, 20).map(entry).collect();
            vec![encode_tombstones(&entries)]
        }
        Step::Unknown => vec![vec![77, 1, 2, 3]],
        Step::Damaged => vec![vec![1, 0, 0]],
    }
}

/// Logs `steps` in `dir`, from segment `first` on; returns where the log ends.
pub(super) fn write_steps(dir: &Path, first: u32, steps: &[Step], shared: bool) -> Position {
    std::fs::create_dir_all(dir).unwrap();
    let metrics = WriterMetrics::new(&Registry::new(), "test_wal");
    let mut writer = Writer::create(dir, first, 1 << 20, Compression::Snappy, metrics).unwrap();
    for step in steps {
        let records = records(step, shared);
        if !records.is_empty() {
            writer.log(&records).unwrap();
        }
    }
    writer.close().unwrap();
    let segment = writer.segment();
    let file = std::fs::metadata(segment_path(dir, segment)).unwrap();
    Position {
        segment,
        offset: file.len(),
    }
}

/// A head whose blocks end at a million.
pub(super) fn new_head(files: HeadChunks) -> Head {
    let rules = ChunkRules {
        range_ms: 7_200_000,
        samples: 120,
        encodings: ChunkEncodings::default(),
    };
    let metrics = HeadMetrics::new(&Registry::new());
    let head = Head::new(rules, 50, Compression::None, files, metrics);
    head.set_begin(1_000_000);
    head
}

/// A replay by so many threads.
pub(super) fn on(threads: usize) -> Control {
    Control {
        threads,
        ..Control::default()
    }
}

/// Everything that a replay makes of the log in `dir`, as text.
fn dump(dir: &Path, threads: usize) -> String {
    // Closed chunks go to files in the order of their slots, so these are compared too.
    let chunks = tempfile::tempdir().unwrap();
    let head = new_head(HeadChunks::open(chunks.path(), 1 << 20).unwrap());
    let replayed = replay(&head, dir, None, &on(threads)).unwrap();
    let mut text = format!(
        "{:?} {:?} {:?} {:?}\n",
        replayed.newest,
        replayed.corruption,
        head.min_time(),
        head.max_time()
    );
    head.write_chunks().unwrap();
    for first in (0..head.series.len()).step_by(STRIP_LEN as usize) {
        writeln!(text, "{:?}", &*head.series.lock(first).unwrap()).unwrap();
        for slot in first..first + STRIP_LEN {
            writeln!(text, "{:?}", head.tombstones(slot)).unwrap();
        }
    }
    for series_ref in 0..REFS + 100 {
        write!(text, "{:?} ", head.series.refs.slot_of(series_ref)).unwrap();
        if series_ref < REFS {
            let found = head.find(&labels(series_ref, true));
            let slot = found.and_then(|found| head.series.refs.slot_of(found.0));
            let postings = head
                .slots(
                    &labels(series_ref, true)
                        .iter()
                        .map(|(name, value)| model::Matcher::equal(name, value))
                        .collect::<Vec<_>>(),
                    &CancelToken::new(),
                )
                .unwrap();
            if let Some(slot) = slot {
                assert!(postings.iter().any(|found| found == slot), "{series_ref}");
            }
            writeln!(text, "{found:?} {postings:?}").unwrap();
        }
    }
    let expired = head.expired.lock();
    let mut expired: Vec<_> = expired.iter().collect();
    expired.sort_by_key(|(series_ref, _)| **series_ref);
    writeln!(text, "{expired:?}").unwrap();
    let exemplars = head.exemplars.read();
    let mut series: Vec<_> = exemplars.all_series().collect();
    series.sort_by_key(|(series_ref, _)| *series_ref);
    writeln!(text, "{series:?}").unwrap();
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn threads_do_not_change_the_head(
        mut steps in prop::collection::vec(step(), 1..40),
        damaged_at in prop::option::weighted(0.3, 0..40_usize),
        torn in prop::option::weighted(0.3, 1..200_000_u64),
    ) {
        if let Some(at) = damaged_at {
            steps.insert(at.min(steps.len()), Step::Damaged);
        }
        // Most references are known from the beginning.
        steps.insert(0, Step::Series(1, REFS / 2));
        let dir = tempfile::tempdir().unwrap();
        write_steps(dir.path(), 0, &steps, true);
        if let Some(bytes) = torn {
            let (_, last) = wal::segments(dir.path()).unwrap().pop().unwrap();
            let file = OpenOptions::new().write(true).open(last).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len.saturating_sub(bytes)).unwrap();
        }
        let expected = dump(dir.path(), 1);
        for threads in [2, 3, 6, 40] {
            prop_assert!(dump(dir.path(), threads) == expected, "{threads} threads");
        }
    }
}

/// A series record with label sets as they come.
fn raw_series(sets: &[Vec<(Vec<u8>, Vec<u8>)>]) -> Vec<u8> {
    let mut record = vec![1];
    for (index, pairs) in sets.iter().enumerate() {
        record.extend_from_slice(&(index as u64 + 1).to_be_bytes());
        put_uvarint(&mut record, pairs.len() as u64);
        for (name, value) in pairs {
            for text in [name, value] {
                put_uvarint(&mut record, text.len() as u64);
                record.extend_from_slice(text);
            }
        }
    }
    record
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-c]{1,2}".prop_map(String::into_bytes),
        1 => Just(Vec::new()),
        1 => Just(vec![b'a', 0xff]),
        1 => Just("é".as_bytes().to_vec()),
    ]
}

proptest! {
    #[test]
    fn series_records_mean_what_their_entries_mean(
        sets in prop::collection::vec(prop::collection::vec((text(), text()), 0..5), 0..30),
        sort in any::<bool>(),
    ) {
        let mut sets = sets;
        if sort {
            sets.iter_mut().for_each(|set| set.sort());
        }
        let record = raw_series(&sets);
        let Record::Series(expected) = decode(&record).unwrap() else { unreachable!() };
        let files = tempfile::tempdir().unwrap();
        let head = Head::new(
            ChunkRules { range_ms: 7_200_000, samples: 120, encodings: ChunkEncodings::default() },
            0,
            Compression::None,
            HeadChunks::open(files.path(), 1 << 20).unwrap(),
            HeadMetrics::new(&Registry::new()),
        );
        let decoded = SeriesRecord::decode(&record).unwrap();
        let mut found = Vec::new();
        decoded.adopt(&head, |index, series| found.push((decoded.refs()[index], series.slot)));
        let known: Vec<_> = expected.iter().filter(|(_, labels)| !labels.is_empty()).collect();
        prop_assert_eq!(found.len(), known.len());
        let symbols = head.symbols.read();
        for ((series_ref, slot), (expected_ref, labels)) in found.iter().zip(known) {
            let strip = head.series.lock(*slot).unwrap();
            prop_assert_eq!(series_ref, expected_ref);
            prop_assert_eq!(&label_sets::unpack(strip.label_set(*slot), &symbols), labels);
        }
        // Damage anywhere is found as it is by the decoder of all records.
        for end in 1..record.len() {
            let whole = decode(&record[..end]).map(|_| ());
            prop_assert_eq!(SeriesRecord::decode(&record[..end]).map(|_| ()), whole);
        }
    }
}

#[test]
fn a_replay_that_is_told_to_stop_does() {
    let dir = tempfile::tempdir().unwrap();
    write_steps(dir.path(), 0, &[Step::Series(1, 10)], false);
    for threads in [1, 4] {
        let chunks = tempfile::tempdir().unwrap();
        let head = new_head(HeadChunks::open(chunks.path(), 1 << 20).unwrap());
        let control = on(threads);
        control.stop.cancel();
        let stopped = replay(&head, dir.path(), None, &control);
        assert!(matches!(stopped, Err(Error::Stopped(_))));
        assert_eq!(head.series.count(), 0);
    }
}
