//! The head's life: chunks to files, ranges to blocks, the log cut short, series gone.

use std::path::Path;

use model::Matcher;
use tsdb::{Db, Options};

use crate::support::{Content, commit, open_with, read, read_all, series};

const HOUR: i64 = 3_600_000;

fn options() -> Options {
    Options {
        wal_segment_bytes: 64 * 1024,
        ..Options::default()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A sample a minute of three series that come after each other and one that stays.
fn fill(db: &Db, from: i64, to: i64) {
    for time in (from..to).step_by(60_000) {
        let churning = series("churning", &(time / (2 * HOUR)).to_string());
        let staying = series("staying", "a");
        let refused = commit(db, &[(&churning, time, time as f64), (&staying, time, 1.5)]);
        assert_eq!(refused, []);
    }
}

fn blocks(dir: &Path) -> usize {
    names(dir).iter().filter(|name| name.len() == 26).count()
}

#[test]
fn old_ranges_become_blocks_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Content::new();
    for time in (0..9 * HOUR).step_by(60_000) {
        let churning = series("churning", &(time / (2 * HOUR)).to_string());
        let bits = (time as f64).to_bits();
        expected.entry(churning).or_default().push((time, bits));
        let staying = expected.entry(series("staying", "a")).or_default();
        staying.push((time, 1.5_f64.to_bits()));
    }
    let db = open_with(dir.path(), options());
    for hour in 0..9 {
        fill(&db, hour * HOUR, (hour + 1) * HOUR);
        db.compact().unwrap();
    }
    assert_eq!(blocks(dir.path()), 3);
    assert_eq!(read_all(&db), expected);
    let stats = db.head_stats();
    assert_eq!(stats.min_time, 6 * HOUR);
    assert_eq!(stats.series_count, 3, "series without samples are gone");
    assert_eq!(stats.label_pair_count, 7 - 1);
    drop(db);
    let db = open_with(dir.path(), options());
    assert_eq!(read_all(&db), expected);
    fill(&db, 9 * HOUR, 14 * HOUR);
    db.compact().unwrap();
    // The first three have become one.
    assert_eq!(blocks(dir.path()), 4);
    assert_eq!(
        db.head_stats().series_count,
        2,
        "nor do they come back for long"
    );
    let count = |from: i64, to: i64| {
        let content = read(&db, from, to, &[Matcher::equal("__name__", "staying")]);
        content.values().map(Vec::len).sum::<usize>()
    };
    assert_eq!(count(0, 14 * HOUR), 14 * 60);
    assert_eq!(count(2 * HOUR - 1, 2 * HOUR), 1);
}

#[test]
fn the_log_keeps_no_segment_whose_samples_are_in_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    for hour in 0..12 {
        fill(&db, hour * HOUR, (hour + 1) * HOUR);
        db.compact().unwrap();
    }
    let wal = names(&dir.path().join("wal"));
    let checkpoints = wal
        .iter()
        .filter(|name| name.starts_with("checkpoint"))
        .count();
    assert_eq!(checkpoints, 1, "{wal:?}");
    assert!(wal.len() <= 4, "{wal:?}");
    let before = read_all(&db);
    drop(db);
    // Head chunk files are only a shortcut: the log has all that blocks have not.
    std::fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    assert_eq!(read_all(&open_with(dir.path(), options())), before);
}

#[test]
fn closed_chunks_are_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    fill(&db, 0, 5 * HOUR / 2);
    let before = read_all(&db);
    let in_memory = db.memory_stats().closed_chunk_bytes;
    db.write_head_chunks().unwrap();
    assert!(in_memory > 0 && db.memory_stats().closed_chunk_bytes == 0);
    assert_eq!(read_all(&db), before);
    assert_eq!(names(&dir.path().join("chunks_head")), ["000001"]);
    drop(db);
    let db = open_with(dir.path(), options());
    assert_eq!(read_all(&db), before);
    let file = dir.path().join("chunks_head/000001");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    drop(db);
    std::fs::write(&file, bytes).unwrap();
    let db = open_with(dir.path(), options());
    assert_eq!(read_all(&db), before, "the log fills the gap");
}

#[test]
fn a_view_keeps_what_it_sees_while_the_head_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    fill(&db, 0, 4 * HOUR);
    let expected = read_all(&db);
    std::thread::scope(|scope| {
        let (opened, wait) = std::sync::mpsc::channel();
        let (go_on, waiting) = std::sync::mpsc::channel::<()>();
        let reader = scope.spawn({
            let db = &db;
            move || {
                use storage::Queryable;
                let querier = db.querier(i64::MIN, i64::MAX).unwrap();
                let hints = storage::SelectHints::default();
                let never = stdx::cancel::CancelToken::new();
                let set = querier.select(true, &hints, &[], &never).unwrap();
                opened.send(()).unwrap();
                waiting.recv().unwrap();
                let mut columns = model::sample::SampleColumns::default();
                let mut count = 0;
                for index in 0..set.len() {
                    set.read(index, i64::MIN, i64::MAX, &mut columns).unwrap();
                    count += columns.len();
                }
                count
            }
        });
        wait.recv().unwrap();
        let cutting = scope.spawn(|| db.compact());
        // Others go on while the cut waits for the view or is through.
        assert_eq!(read_all(&db), expected);
        go_on.send(()).unwrap();
        let all: usize = expected.values().map(Vec::len).sum();
        assert_eq!(reader.join().unwrap(), all);
        cutting.join().unwrap().unwrap();
    });
    assert_eq!(read_all(&db), expected);
    assert_eq!(blocks(dir.path()), 1);
}

#[test]
fn deleted_samples_stay_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    fill(&db, 0, 2 * HOUR);
    db.delete(
        HOUR / 2,
        HOUR,
        &[vec![Matcher::equal("__name__", "staying")]],
    )
    .unwrap();
    let expected = read_all(&db);
    assert_eq!(expected[&series("staying", "a")].len(), 120 - 31);
    drop(db);
    let db = open_with(dir.path(), options());
    assert_eq!(read_all(&db), expected);
    fill(&db, 2 * HOUR, 5 * HOUR);
    db.compact().unwrap();
    assert_eq!(blocks(dir.path()), 1);
    let staying = [Matcher::equal("__name__", "staying")];
    let content = read(&db, 0, 2 * HOUR - 1, &staying);
    assert_eq!(content[&series("staying", "a")].len(), 120 - 31);
}
