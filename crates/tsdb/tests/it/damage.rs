//! Torn and damaged logs: what was committed before the damage is there, the rest is not, and the
//! database goes on.

use std::fs;
use std::path::{Path, PathBuf};

use model::Labels;
use telemetry::Registry;
use tsdb::{Db, Options};

use crate::support::{Content, commit, open, read_all, series};

/// A log of a few transactions, as a crash would leave it.
struct Crashed {
    dir: tempfile::TempDir,
    /// Bytes of the log's only segment and content of the database, after each transaction.
    states: Vec<(usize, Content)>,
    bytes: Vec<u8>,
}

fn crashed() -> Crashed {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let all: Vec<Labels> = (0..2).map(|i| series("m", &i.to_string())).collect();
    let segment = dir.path().join("wal/00000000");
    let mut states = vec![(0, Content::new())];
    for step in 1..=4_i64 {
        let used = usize::try_from(step).unwrap().min(all.len());
        // Sevenths end with bytes that are not zero: a torn page reads as if filled with zeros,
        // and a record of which only zeros are missing is whole.
        let samples: Vec<_> = all[..used]
            .iter()
            .map(|labels| (labels, step * 1000, step as f64 / 7.0))
            .collect();
        assert_eq!(commit(&db, &samples), []);
        let size = usize::try_from(fs::metadata(&segment).unwrap().len()).unwrap();
        states.push((size, read_all(&db)));
    }
    let bytes = fs::read(&segment).unwrap();
    drop(db);
    Crashed { dir, states, bytes }
}

/// Puts `bytes` into a new directory as the only segment.
fn with_segment(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("wal")).unwrap();
    fs::write(dir.path().join("wal/00000000"), bytes).unwrap();
    dir
}

/// What an opened database reads. With `thorough` also checks that a write after it works and
/// that a second opening gives the same.
fn reopen(dir: &Path, thorough: bool) -> Content {
    let db = open(dir);
    let content = read_all(&db);
    if thorough {
        let after = series("after", "1");
        assert_eq!(commit(&db, &[(&after, 10_000, 1.0)]), []);
        let with_after = read_all(&db);
        drop(db);
        assert_eq!(read_all(&open(dir)), with_after);
    }
    content
}

#[test]
fn a_log_torn_at_any_byte_gives_the_transactions_before() {
    let crashed = crashed();
    for end in 0..=crashed.bytes.len() {
        let dir = with_segment(&crashed.bytes[..end]);
        let whole = crashed
            .states
            .iter()
            .rev()
            .find(|(size, _)| *size <= end)
            .unwrap();
        assert_eq!(reopen(dir.path(), end % 16 == 0), whole.1, "torn at {end}");
    }
    drop(crashed.dir);
}

#[test]
fn a_flipped_bit_costs_at_most_what_follows_it() {
    let crashed = crashed();
    let mut headers = Vec::new();
    let mut at = 0;
    while at + 7 <= crashed.bytes.len() {
        headers.push(at);
        let length = u16::from_be_bytes([crashed.bytes[at + 1], crashed.bytes[at + 2]]);
        at += 7 + usize::from(length);
    }
    for position in 0..crashed.bytes.len() {
        let mut damaged = crashed.bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        let dir = with_segment(&damaged);
        let content = reopen(dir.path(), position % 16 == 0);
        // The format's checksum does not cover the type byte: a flip there can turn a record into
        // one of an unknown type. Nothing may panic; all else is exact.
        if !headers.contains(&position) {
            let whole = crashed
                .states
                .iter()
                .rev()
                .find(|(size, _)| *size <= position)
                .unwrap();
            assert_eq!(content, whole.1, "flipped at {position}");
        }
    }
}

#[test]
fn damage_in_an_early_segment_drops_the_later_ones() {
    let dir = tempfile::tempdir().unwrap();
    let a = series("a", "1");
    for step in 1..=3 {
        let db = open(dir.path());
        commit(&db, &[(&a, step * 1000, 1.0)]);
    }
    let path: PathBuf = dir.path().join("wal/00000001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let registry = Registry::new();
    let db = Db::open(dir.path(), Options::default(), &registry).unwrap();
    assert_eq!(read_all(&db)[&a], [(1000, 1.0_f64.to_bits())]);
    let families = registry.gather();
    let corruptions = families
        .iter()
        .find(|family| family.name == "prometheus_tsdb_wal_corruptions_total");
    assert_eq!(corruptions.unwrap().samples[0].value, 1.0);
}

#[test]
fn a_checkpoint_is_read_before_the_segments_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let a = series("a", "1");
    let db = open(dir.path());
    commit(&db, &[(&a, 1000, 1.0)]);
    drop(db);
    let db = open(dir.path());
    commit(&db, &[(&a, 2000, 2.0)]);
    drop(db);
    let wal = dir.path().join("wal");
    fs::create_dir(wal.join("checkpoint.00000000")).unwrap();
    fs::rename(
        wal.join("00000000"),
        wal.join("checkpoint.00000000/00000000"),
    )
    .unwrap();
    let db = open(dir.path());
    assert_eq!(read_all(&db)[&a].len(), 2);
    drop(db);
    // Damage in a checkpoint is not repaired.
    let path = wal.join("checkpoint.00000000/00000000");
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let err = Db::open(dir.path(), Options::default(), &Registry::new()).unwrap_err();
    assert!(
        matches!(err, tsdb::Error::CorruptCheckpoint { .. }),
        "{err}"
    );
}
