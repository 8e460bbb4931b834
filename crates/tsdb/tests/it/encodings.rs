//! How the head encodes chunks, and start timestamps on their way from an appender to a block.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chunk::Encoding;
use model::sample::{SampleColumns, Value};
use model::{FloatHistogram, Histogram, Labels, Span};
use stdx::cancel::CancelToken;
use storage::{Appendable, Batch, BatchTimes, Queryable, SelectHints};
use tsdb::block::{Block, is_block_name};
use tsdb::wal::record::{Record, decode};
use tsdb::wal::{LogReader, segments};
use tsdb::{Db, Error, FloatEncoding, Options};

use crate::support::{commit, open_with, read_all, series};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

fn xor2() -> Options {
    Options {
        wal_segment_bytes: 64 * 1024,
        float_encoding: FloatEncoding::Xor2,
        out_of_order_window_ms: 3 * HOUR,
        ..Options::default()
    }
}

fn with_starts() -> Options {
    Options {
        histogram_start_timestamps: true,
        store_start_timestamps: true,
        ..xor2()
    }
}

/// Labels, time, start, value.
type Row = (Labels, i64, i64, Value);

fn histogram(count: u64, float: bool) -> Value {
    let histogram = Histogram {
        schema: 1,
        count,
        sum: count as f64,
        positive_spans: vec![Span {
            offset: 0,
            length: 1,
        }],
        positive_buckets: vec![count as i64],
        ..Histogram::default()
    };
    if float {
        Value::FloatHistogram(Arc::new(FloatHistogram::from(&histogram)))
    } else {
        Value::Histogram(Arc::new(histogram))
    }
}

/// A float and both kinds of histogram a minute, whose start changes now and then; one series
/// without a start.
fn rows(from: i64, to: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    for time in (from..to).step_by(MINUTE as usize) {
        let start = time / (20 * MINUTE) * 20 * MINUTE - 7;
        let count = (time / MINUTE) as u64;
        let float = Value::Float(count as f64);
        rows.push((series("f", "1"), time, start, float.clone()));
        rows.push((series("none", "1"), time, 0, float));
        rows.push((series("h", "1"), time, start, histogram(count, false)));
        rows.push((series("fh", "1"), time, start, histogram(count, true)));
    }
    rows
}

fn commit_rows(db: &Db, rows: &[Row]) {
    let mut appender = db.appender();
    let refs: Vec<_> = rows
        .iter()
        .map(|row| appender.series(&row.0).unwrap())
        .collect();
    let times: Vec<i64> = rows.iter().map(|row| row.1).collect();
    let starts: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let number = |value: &Value| match value {
        Value::Float(number) => *number,
        _ => 0.0,
    };
    let values: Vec<f64> = rows.iter().map(|row| number(&row.3)).collect();
    let histograms: Vec<(u32, Value)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| !matches!(row.3, Value::Float(_)))
        .map(|(at, row)| (at as u32, row.3.clone()))
        .collect();
    let batch = Batch {
        series: &refs,
        times: BatchTimes::Each(&times),
        values: &values,
        histograms: &histograms,
        start_timestamps: &starts,
        exemplars: &[],
        reject_out_of_order: false,
    };
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender
        .append(&batch, &mut refused, &mut exemplars)
        .unwrap();
    assert_eq!(refused, []);
    appender.commit().unwrap();
}

/// Time, start and value of a sample; of a histogram its count.
type Sample = (i64, i64, String);

fn described(time: i64, start: i64, value: &Value) -> Sample {
    let value = match value {
        Value::Float(number) => number.to_string(),
        Value::Histogram(histogram) => format!("h{}", histogram.count),
        Value::FloatHistogram(histogram) => format!("fh{}", histogram.count),
    };
    (time, start, value)
}

fn expected(rows: &[Row]) -> BTreeMap<Labels, Vec<Sample>> {
    let mut content: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for (labels, time, start, value) in rows {
        let samples = content.entry(labels.clone()).or_default();
        samples.push(described(*time, *start, value));
        samples.sort();
    }
    content
}

fn samples(columns: &SampleColumns) -> Vec<Sample> {
    (0..columns.len())
        .map(|at| {
            let start = columns.start_timestamps.get(at).copied().unwrap_or(0);
            let float = Value::Float(columns.values[at]);
            let value = columns.histogram_at(at).unwrap_or(&float);
            described(columns.timestamps[at], start, value)
        })
        .collect()
}

fn content(db: &Db) -> BTreeMap<Labels, Vec<Sample>> {
    let querier = db.querier(i64::MIN, i64::MAX).unwrap();
    let (hints, cancel) = (SelectHints::default(), CancelToken::new());
    let set = querier.select(true, &hints, &[], &cancel).unwrap();
    let mut content = BTreeMap::new();
    let mut columns = SampleColumns::default();
    for index in 0..set.len() {
        set.read(index, i64::MIN, i64::MAX, &mut columns).unwrap();
        let all = samples(&columns);
        set.read_last(index, i64::MIN, i64::MAX, &mut columns)
            .unwrap();
        assert_eq!(samples(&columns), all[all.len() - 1..]);
        content.insert(set.labels(index), all);
    }
    content
}

/// Encoding and bytes of the chunks of each series in all blocks of a folder.
fn block_chunks(dir: &Path) -> BTreeMap<String, Vec<(Encoding, Vec<u8>)>> {
    let mut found: BTreeMap<String, Vec<(Encoding, Vec<u8>)>> = BTreeMap::new();
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| is_block_name(name))
        .collect();
    names.sort();
    for name in names {
        let block = Block::open(&dir.join(name)).unwrap();
        let mut position = 0;
        while let Some(series) = block.index().series_at(position).unwrap() {
            position += 1;
            let labels = block.index().labels(series).unwrap();
            for meta in block.index().chunks(series).unwrap() {
                let (encoding, bytes) = block.chunks().chunk(meta.chunk_ref).unwrap();
                let chunks = found.entry(labels.metric_name().to_owned()).or_default();
                chunks.push((encoding, bytes.to_vec()));
            }
        }
    }
    found
}

/// The chunks of head and blocks.
fn all_chunks(db: &Db) -> BTreeMap<String, Vec<(Encoding, Vec<u8>)>> {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    db.snapshot(&copy, true).unwrap();
    block_chunks(&copy)
}

fn encodings(db: &Db, name: &str) -> Vec<Encoding> {
    let chunks = all_chunks(db);
    chunks[name].iter().map(|(encoding, _)| *encoding).collect()
}

/// Type bytes of the records with samples.
fn record_kinds(dir: &Path) -> Vec<u8> {
    let mut kinds = Vec::new();
    let first = segments(dir).unwrap()[0].0;
    let mut reader = LogReader::open(dir, first).unwrap();
    reader
        .for_each(|_, record| {
            if let Ok(Record::Samples(_) | Record::Histograms(_)) = decode(record) {
                kinds.push(record[0]);
            }
            Ok(())
        })
        .unwrap();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn without_a_choice_nothing_has_start_timestamps() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(
        dir.path(),
        Options {
            wal_segment_bytes: 64 * 1024,
            ..Options::default()
        },
    );
    let rows = rows(0, HOUR);
    commit_rows(&db, &rows);
    let without: Vec<Row> = rows
        .into_iter()
        .map(|(labels, time, _, value)| (labels, time, 0, value))
        .collect();
    assert_eq!(content(&db), expected(&without));
    assert_eq!(encodings(&db, "f"), [Encoding::Xor]);
    assert_eq!(encodings(&db, "h"), [Encoding::Histogram]);
    assert_eq!(encodings(&db, "fh"), [Encoding::FloatHistogram]);
    assert_eq!(record_kinds(&dir.path().join("wal")), [2, 7, 8]);
}

#[test]
fn start_timestamps_are_kept_through_restarts_files_and_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), with_starts());
    let mut all = rows(HOUR, 5 * HOUR);
    commit_rows(&db, &all);
    // Late ones too, in a list and in chunks.
    let late: Vec<Row> = rows(3 * HOUR, 4 * HOUR)
        .into_iter()
        .map(|(labels, time, start, value)| (labels, time + 1, start.min(time) - 1, value))
        .collect();
    commit_rows(&db, &late);
    all.extend(late);
    assert_eq!(content(&db), expected(&all));
    assert_eq!(record_kinds(&dir.path().join("wal")), [11, 12, 13]);
    assert_eq!(record_kinds(&dir.path().join("wbl")), [11, 12, 13]);
    let chunks = all_chunks(&db);
    let kinds = |name: &str| -> Vec<Encoding> {
        let mut kinds: Vec<_> = chunks[name].iter().map(|(encoding, _)| *encoding).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds("f"), [Encoding::Xor2]);
    assert_eq!(kinds("none"), [Encoding::Xor2]);
    assert_eq!(kinds("h"), [Encoding::HistogramSt]);
    assert_eq!(kinds("fh"), [Encoding::FloatHistogramSt]);

    drop(db);
    // The log alone gives the same chunks.
    std::fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    let db = open_with(dir.path(), with_starts());
    assert_eq!(content(&db), expected(&all));
    assert!(chunks == all_chunks(&db), "replay makes the same chunks");
    db.write_head_chunks().unwrap();
    drop(db);
    let db = open_with(dir.path(), with_starts());
    assert_eq!(content(&db), expected(&all));

    // Blocks: in-order and late ones, then merged.
    let more = rows(5 * HOUR, 30 * HOUR);
    commit_rows(&db, &more);
    all.extend(more);
    for _ in 0..4 {
        db.compact().unwrap();
    }
    let in_blocks = block_chunks(dir.path());
    assert!(in_blocks["f"].len() > 3);
    assert!(
        in_blocks["f"]
            .iter()
            .all(|(kind, _)| *kind == Encoding::Xor2)
    );
    assert_eq!(content(&db), expected(&all));
    drop(db);
    assert_eq!(
        content(&open_with(dir.path(), with_starts())),
        expected(&all)
    );
    // And they are read by who makes none.
    assert_eq!(
        content(&open_with(dir.path(), Options::default())).len(),
        expected(&all).len()
    );
}

#[test]
fn start_timestamps_that_are_not_stored_end_with_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), xor2());
    let rows: Vec<Row> = rows(0, HOUR)
        .into_iter()
        .filter(|row| matches!(row.3, Value::Float(_)))
        .collect();
    commit_rows(&db, &rows);
    assert_eq!(content(&db), expected(&rows), "chunks have them");
    assert_eq!(record_kinds(&dir.path().join("wal")), [2]);
    drop(db);
    let without: Vec<Row> = rows
        .into_iter()
        .map(|(labels, time, _, value)| (labels, time, 0, value))
        .collect();
    let db = open_with(dir.path(), xor2());
    assert_eq!(content(&db), expected(&without), "the log has not");
}

#[test]
fn another_encoding_waits_for_the_next_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), Options::default());
    let one = series("m", "1");
    let fill = |from: i64, to: i64| {
        for time in (from..to).step_by(MINUTE as usize) {
            assert_eq!(commit(&db, &[(&one, time, time as f64)]), []);
        }
    };
    fill(0, HOUR);
    db.set_float_encoding(Some(FloatEncoding::Xor2)).unwrap();
    fill(HOUR, 2 * HOUR);
    assert_eq!(encodings(&db, "m"), [Encoding::Xor], "it goes on");
    fill(2 * HOUR, 3 * HOUR);
    assert_eq!(encodings(&db, "m"), [Encoding::Xor, Encoding::Xor2]);
    db.set_float_encoding(None).unwrap();
    fill(3 * HOUR, 5 * HOUR);
    let expected = [Encoding::Xor, Encoding::Xor2, Encoding::Xor];
    assert_eq!(
        encodings(&db, "m"),
        expected,
        "as the database was opened with"
    );
    let before = read_all(&db);
    assert_eq!(before[&one].len(), 300);
    drop(db);
    assert_eq!(read_all(&open_with(dir.path(), xor2())), before);
}

#[test]
fn stored_start_timestamps_need_chunks_that_hold_them() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Options {
        float_encoding: FloatEncoding::Xor,
        ..with_starts()
    };
    let open = |options| Db::open(dir.path(), options, &telemetry::Registry::new());
    let error = open(refused).unwrap_err();
    assert_eq!(
        error.to_string(),
        "float chunk encoding \"xor\" is incompatible with start-timestamp storage; XOR chunks do \
         not store start timestamps, use \"xor2\""
    );
    let db = open(with_starts()).unwrap();
    let refused = db.set_float_encoding(Some(FloatEncoding::Xor));
    assert!(matches!(refused, Err(Error::StartTimestampsNeedXor2)));
    commit_rows(&db, &rows(0, HOUR));
    assert_eq!(encodings(&db, "f"), [Encoding::Xor2], "nothing changed");
}

#[test]
fn blocks_that_overlap_are_merged_in_the_encoding_of_the_moment() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(
        dir.path(),
        Options {
            float_encoding: FloatEncoding::Xor,
            ..xor2()
        },
    );
    let one = series("m", "1");
    let at = |time: i64| (&one, time, time as f64);
    for time in (0..6 * HOUR).step_by(MINUTE as usize) {
        assert_eq!(commit(&db, &[at(time)]), []);
        if time % HOUR == 0 && time > HOUR {
            assert_eq!(commit(&db, &[at(time - HOUR + 7)]), [], "a late one");
        }
    }
    db.set_float_encoding(Some(FloatEncoding::Xor2)).unwrap();
    let before = read_all(&db);
    db.compact().unwrap();
    db.compact().unwrap();
    let kinds: Vec<Encoding> = block_chunks(dir.path())["m"]
        .iter()
        .map(|(kind, _)| *kind)
        .collect();
    assert!(kinds.contains(&Encoding::Xor2), "{kinds:?}");
    assert_eq!(read_all(&db), before);
}

#[test]
fn a_snapshot_of_the_heads_memory_has_start_timestamps_too() {
    let dir = tempfile::tempdir().unwrap();
    let with_snapshot = || Options {
        memory_snapshot: true,
        ..with_starts()
    };
    let db = open_with(dir.path(), with_snapshot());
    let mut all = rows(HOUR, 90 * MINUTE);
    commit_rows(&db, &all);
    db.close().unwrap();
    drop(db);
    let registry = telemetry::Registry::new();
    let db = Db::open(dir.path(), with_snapshot(), &registry).unwrap();
    let families = registry.gather();
    let failures = families
        .iter()
        .find(|family| family.name == "prometheus_tsdb_snapshot_replay_error_total");
    assert_eq!(
        failures.unwrap().samples[0].value.to_bits(),
        0_f64.to_bits()
    );
    assert_eq!(content(&db), expected(&all));
    assert_eq!(encodings(&db, "h"), [Encoding::HistogramSt]);
    assert_eq!(encodings(&db, "fh"), [Encoding::FloatHistogramSt]);
    // The chunks go on.
    let more = rows(90 * MINUTE, 100 * MINUTE);
    commit_rows(&db, &more);
    all.extend(more);
    assert_eq!(content(&db), expected(&all));
    assert_eq!(encodings(&db, "h"), [Encoding::HistogramSt]);
    assert_eq!(encodings(&db, "fh"), [Encoding::FloatHistogramSt]);
}

/// Time and value of each sample of a series; of a histogram its count.
fn of_series(db: &Db, name: &str) -> Vec<(i64, String)> {
    let content = content(db);
    let samples = content.get(&series(name, "1")).cloned().unwrap_or_default();
    let pairs = samples.into_iter().map(|(time, _, value)| (time, value));
    pairs.collect()
}

#[test]
fn a_zero_comes_before_the_first_sample_and_after_each_restart_of_a_counter() {
    let options = |window_ms: i64| Options {
        start_timestamps_as_zeros: true,
        out_of_order_window_ms: window_ms,
        ..Options::default()
    };
    let values = |count: u64| {
        [
            ("f", Value::Float(count as f64)),
            ("h", histogram(count, false)),
            ("fh", histogram(count, true)),
        ]
    };
    // A window for late samples takes no late zeros.
    for window_ms in [0, 3 * HOUR] {
        let dir = tempfile::tempdir().unwrap();
        let db = open_with(dir.path(), options(window_ms));
        let t0 = 100 * HOUR;
        for (time, start, count) in [
            (t0, t0 - MINUTE, 5),
            // Same start; none; a new one; one in the future; one of the time itself.
            (t0 + MINUTE, t0 - MINUTE, 6),
            (t0 + 2 * MINUTE, 0, 7),
            (t0 + 3 * MINUTE, t0 + 2 * MINUTE + 1, 3),
            (t0 + 4 * MINUTE, t0 + 5 * MINUTE, 4),
            (t0 + 5 * MINUTE, t0 + 5 * MINUTE, 5),
        ] {
            let rows: Vec<Row> = values(count)
                .into_iter()
                .map(|(name, value)| (series(name, "1"), time, start, value))
                .collect();
            commit_rows(&db, &rows);
        }
        let expected = [
            (t0 - MINUTE, 0),
            (t0, 5),
            (t0 + MINUTE, 6),
            (t0 + 2 * MINUTE, 7),
            (t0 + 2 * MINUTE + 1, 0),
            (t0 + 3 * MINUTE, 3),
            (t0 + 4 * MINUTE, 4),
            (t0 + 5 * MINUTE, 5),
        ];
        for (name, prefix) in [("f", ""), ("h", "h"), ("fh", "fh")] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(time, count)| (*time, format!("{prefix}{count}")))
                .collect();
            assert_eq!(of_series(&db, name), expected);
        }
        // A start long ago makes no zero, and an empty head does not begin there.
        drop(db);
        let dir = tempfile::tempdir().unwrap();
        let db = open_with(dir.path(), options(window_ms));
        let row = (series("f", "1"), t0, t0 - 50 * HOUR, Value::Float(1.0));
        commit_rows(&db, &[row]);
        assert_eq!(of_series(&db, "f"), [(t0, "1".to_owned())]);
    }
}

#[test]
fn a_zero_is_no_late_sample_where_no_chunk_is_open() {
    let options = || Options {
        start_timestamps_as_zeros: true,
        out_of_order_window_ms: 3 * HOUR,
        ..Options::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let t0 = 100 * HOUR;
    let row = |minute: i64, start: i64| {
        let value = Value::Float(minute as f64);
        (series("f", "1"), t0 + minute * MINUTE, start, value)
    };
    let db = open_with(dir.path(), options());
    for minute in 0..120 {
        commit_rows(&db, &[row(minute, 0)]);
    }
    drop(db);
    let (log, kept) = (dir.path().join("wal"), dir.path().join("kept"));
    std::fs::create_dir(&kept).unwrap();
    for file in std::fs::read_dir(&log).unwrap() {
        let file = file.unwrap();
        if file.path().is_file() {
            std::fs::copy(file.path(), kept.join(file.file_name())).unwrap();
        }
    }
    // The first sample of the next chunk closes the one before, and is lost with the end of the log.
    let db = open_with(dir.path(), options());
    commit_rows(&db, &[row(120, 0)]);
    drop(db);
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&kept, &log).unwrap();
    let db = open_with(dir.path(), options());
    assert_eq!(of_series(&db, "f").len(), 120);
    commit_rows(&db, &[row(121, t0 + 100 * MINUTE + MINUTE / 2)]);
    let found = of_series(&db, "f");
    assert_eq!(found.len(), 121, "{found:?}");
}
