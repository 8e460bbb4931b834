//! Snapshots of the head's memory: what was there is there again, from the snapshot or, where that
//! cannot be trusted, from the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use model::Labels;
use tsdb::{Db, FloatEncoding, Options};

use crate::support::{Content, commit, open_with, read_all, series};

fn options() -> Options {
    Options {
        wal_segment_bytes: 64 * 1024,
        memory_snapshot: true,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Db {
    open_with(dir, options())
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("chunk_snapshot."))
        .collect();
    found.sort();
    found
}

/// A second of a few hundred series.
fn fill(db: &Db, from: i64, to: i64) {
    let all: Vec<Labels> = (0..300).map(|i| series("m", &i.to_string())).collect();
    for step in from..to {
        let samples: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(index, labels)| (labels, step * 15_000, (step + index as i64) as f64 / 7.0))
            .collect();
        assert_eq!(commit(db, &samples), []);
    }
}

/// A closed database: chunks in files, a snapshot, a log. Returns what it held.
fn put_away(dir: &Path) -> Content {
    let db = open(dir);
    fill(&db, 1, 200);
    db.delete(
        30_000,
        60_000,
        &[vec![model::Matcher::equal("instance", "7")]],
    )
    .unwrap();
    let content = read_all(&db);
    drop(db);
    content
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Snapshots that could not be used, by the metric.
fn failures(registry: &telemetry::Registry) -> f64 {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name == "prometheus_tsdb_snapshot_replay_error_total")
        .unwrap();
    family.samples[0].value
}

#[test]
fn a_snapshot_stands_for_the_log_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let expected = put_away(dir.path());
    assert_eq!(snapshots(dir.path()).len(), 1);
    // Proof that the beginning of the log is not needed.
    let mut segments: Vec<_> = fs::read_dir(dir.path().join("wal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    assert!(segments.len() > 2, "{segments:?}");
    let without = tempfile::tempdir().unwrap();
    copy(dir.path(), without.path());
    for segment in &segments[..segments.len() - 1] {
        let name = segment.file_name().unwrap();
        fs::write(without.path().join("wal").join(name), b"").unwrap();
    }
    let db = open(without.path());
    assert_eq!(read_all(&db), expected);
    fill(&db, 200, 260);
    let more = read_all(&db);
    drop(db);
    // One snapshot takes the place of the other.
    assert_eq!(snapshots(without.path()).len(), 1);
    assert_eq!(read_all(&open(without.path())), more);
}

#[test]
fn open_xor2_chunks_are_put_away_too() {
    let options = || Options {
        float_encoding: FloatEncoding::Xor2,
        ..options()
    };
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    fill(&db, 1, 200);
    let expected = read_all(&db);
    drop(db);
    let registry = telemetry::Registry::new();
    let db = Db::open(dir.path(), options(), &registry).unwrap();
    assert_eq!(failures(&registry).to_bits(), 0_f64.to_bits());
    assert_eq!(read_all(&db), expected);
    fill(&db, 200, 260);
    let more = read_all(&db);
    drop(db);
    assert_eq!(read_all(&open_with(dir.path(), options())), more);
}

#[test]
fn without_the_option_snapshots_are_neither_written_nor_read() {
    let dir = tempfile::tempdir().unwrap();
    let expected = put_away(dir.path());
    let [snapshot] = &snapshots(dir.path())[..] else {
        panic!("one snapshot is expected");
    };
    fs::write(snapshot.join("00000000"), b"nonsense").unwrap();
    let without = Options {
        memory_snapshot: false,
        ..options()
    };
    let db = open_with(dir.path(), without.clone());
    assert_eq!(read_all(&db), expected);
    fill(&db, 200, 210);
    let more = read_all(&db);
    drop(db);
    assert_eq!(snapshots(dir.path()).len(), 1);
    assert_eq!(read_all(&open(dir.path())), more);
}

#[test]
fn what_is_logged_behind_a_snapshot_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    put_away(dir.path());
    // A run that ends without a snapshot, after chunks went to files.
    let copied = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    fill(&db, 200, 420);
    db.write_head_chunks().unwrap();
    fill(&db, 420, 450);
    let expected = read_all(&db);
    copy(dir.path(), copied.path());
    assert_eq!(snapshots(copied.path()), {
        let names = snapshots(dir.path());
        let names = names
            .iter()
            .map(|path| copied.path().join(path.file_name().unwrap()));
        names.collect::<Vec<_>>()
    });
    let registry = telemetry::Registry::new();
    let again = Db::open(copied.path(), options(), &registry).unwrap();
    assert_eq!(read_all(&again), expected);
    assert_eq!(failures(&registry), 0.0);
    drop(again);
    assert_eq!(read_all(&open(copied.path())), expected);
}

#[test]
fn what_is_written_down_while_samples_come_in_is_as_good_as_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let private = Options {
        memory_snapshot: false,
        snapshot_interval_ms: 1,
        ..options()
    };
    let db = open_with(dir.path(), private.clone());
    let stop = AtomicBool::new(false);
    for round in 0..6_i64 {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let db = &db;
                    scope.spawn(move || {
                        for step in round * 150..(round + 1) * 150 {
                            let stays = series("m", &writer.to_string());
                            let churns = series("churn", &format!("{writer}-{}", step / 20));
                            let time = step * 15_000 + 1000;
                            let value = (step * 7 + writer) as f64 / 3.0;
                            let samples: Vec<_> = [&stays, &churns]
                                .into_iter()
                                .map(|labels| (labels, time, value))
                                .collect();
                            assert_eq!(commit(db, &samples), []);
                        }
                    })
                })
                .collect();
            let db = &db;
            let stop = &stop;
            let writing = scope.spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    db.write_down().unwrap();
                }
            });
            db.write_down().unwrap();
            let deleted = vec![model::Matcher::equal("instance", "1")];
            db.delete(round * 2_000_000, round * 2_000_000 + 40_000, &[deleted])
                .unwrap();
            for writer in writers {
                writer.join().unwrap();
            }
            stop.store(true, Ordering::Release);
            writing.join().unwrap();
        });
        stop.store(false, Ordering::Release);
        let expected = read_all(&db);
        // As a crash would leave it.
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let registry = telemetry::Registry::new();
        let again = Db::open(copied.path(), private.clone(), &registry).unwrap();
        assert_eq!(read_all(&again), expected, "round {round}");
        assert_eq!(failures(&registry), 0.0);
        // From the log alone, behind a start from the snapshot.
        drop(again);
        let whole = Options {
            snapshot_interval_ms: 0,
            ..private.clone()
        };
        assert_eq!(read_all(&open_with(copied.path(), whole)), expected);
    }
}

#[test]
fn a_snapshot_is_not_used_without_the_chunks_it_was_made_beside() {
    let dir = tempfile::tempdir().unwrap();
    let private = Options {
        memory_snapshot: false,
        snapshot_interval_ms: 1,
        ..options()
    };
    let db = open_with(dir.path(), private.clone());
    fill(&db, 1, 300);
    db.write_down().unwrap();
    fill(&db, 300, 310);
    let expected = read_all(&db);
    let files: Vec<_> = fs::read_dir(dir.path().join("chunks_head"))
        .unwrap()
        .collect();
    assert!(!files.is_empty());
    for what in ["gone", "empty", "shorter"] {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let newest = copied.path().join("chunks_head/000001");
        let bytes = fs::read(&newest).unwrap();
        match what {
            "gone" => fs::remove_file(&newest).unwrap(),
            "empty" => fs::write(&newest, &bytes[..8]).unwrap(),
            _ => fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap(),
        }
        let registry = telemetry::Registry::new();
        let again = Db::open(copied.path(), private.clone(), &registry).unwrap();
        assert_eq!(read_all(&again), expected, "{what}");
        assert_eq!(failures(&registry), 1.0, "{what}");
    }
}

#[test]
fn a_damaged_snapshot_costs_nothing_but_time() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let all: Vec<Labels> = (0..3).map(|i| series("m", &i.to_string())).collect();
    for step in 1..40_i64 {
        let samples: Vec<_> = all
            .iter()
            .map(|l| (l, step * 1000, step as f64 / 7.0))
            .collect();
        assert_eq!(commit(&db, &samples), []);
    }
    let expected = read_all(&db);
    drop(db);
    let [snapshot] = &snapshots(dir.path())[..] else {
        panic!("one snapshot is expected");
    };
    let file = snapshot.join("00000000");
    let bytes = fs::read(&file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (mut tried, mut fell_back) = (0, 0);
    for position in (0..used).step_by(7) {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        let target = copied.path().join(file.strip_prefix(dir.path()).unwrap());
        fs::write(&target, &damaged).unwrap();
        let registry = telemetry::Registry::new();
        let db = Db::open(copied.path(), options(), &registry).unwrap();
        assert_eq!(read_all(&db), expected, "flipped at {position}");
        tried += 1;
        fell_back += u32::from(failures(&registry) > 0.0);
    }
    // A padding byte may go unseen.
    assert!(fell_back + 4 > tried, "{fell_back} of {tried}");
    // The end is missing: without its deletions it is no whole snapshot.
    for end in (0..used).step_by(23) {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let target = copied.path().join(file.strip_prefix(dir.path()).unwrap());
        fs::write(&target, &bytes[..end]).unwrap();
        assert_eq!(read_all(&open(copied.path())), expected, "torn at {end}");
    }
}

#[test]
fn a_snapshot_beside_another_log_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    put_away(dir.path());
    // The same numbers of segments, other contents: as after a repair by another program.
    let other = tempfile::tempdir().unwrap();
    let without = Options {
        memory_snapshot: false,
        ..options()
    };
    let db = open_with(other.path(), without);
    fill(&db, 1000, 1300);
    let expected = read_all(&db);
    drop(db);
    for snapshot in snapshots(dir.path()) {
        copy(&snapshot, &other.path().join(snapshot.file_name().unwrap()));
    }
    let registry = telemetry::Registry::new();
    let db = Db::open(other.path(), options(), &registry).unwrap();
    assert_eq!(read_all(&db), expected);
    assert_eq!(failures(&registry), 1.0);
}

#[test]
fn a_log_that_ends_before_a_snapshot_removes_it() {
    let dir = tempfile::tempdir().unwrap();
    put_away(dir.path());
    fs::remove_dir_all(dir.path().join("wal")).unwrap();
    fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    let db = open(dir.path());
    assert_eq!(read_all(&db), Content::new());
    assert_eq!(snapshots(dir.path()), Vec::<PathBuf>::new());
}
