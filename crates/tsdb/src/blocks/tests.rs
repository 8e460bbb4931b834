//! A directory of blocks through reloads, compactions, deletions and crashes.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Labels, Matcher, Timestamp};
use stdx::cancel::CancelToken;
use storage::merge::MergeQuerier;
use telemetry::Registry;

use super::{Blocks, BlocksOptions, Retention};
use crate::Error;
use crate::block::meta::{Meta, Parent};
use crate::compact::test_blocks::{Samples, labels, read_all, write_samples};

const HOUR: i64 = 60 * 60 * 1000;

fn options(retention: Retention) -> BlocksOptions {
    BlocksOptions {
        retention,
        ..BlocksOptions::default()
    }
}

fn open(dir: &Path, registry: &Registry) -> Blocks {
    Blocks::open(dir, options(Retention::default()), registry).unwrap()
}

fn hours(from: i64, to: i64, series: usize) -> Vec<(Labels, Samples)> {
    let times = (from * HOUR..to * HOUR).step_by(5 * 60 * 1000);
    let samples: Samples = times.map(|time| (time, time as f64)).collect();
    (0..series)
        .map(|number| (labels(number), samples.clone()))
        .collect()
}

/// A block of some hours with the given series.
fn write_hours(dir: &Path, from: i64, to: i64, series: usize) -> String {
    let block = write_samples(dir, from * HOUR, to * HOUR, &hours(from, to, series));
    block.meta().ulid.clone()
}

fn everything(blocks: &Blocks) -> BTreeMap<Labels, BTreeMap<Timestamp, f64>> {
    read_all(&MergeQuerier::new(blocks.queriers(i64::MIN, i64::MAX)))
}

fn folders(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn value(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name == name);
    family.unwrap_or_else(|| panic!("no {name}")).samples[0].value
}

#[test]
fn a_day_is_compacted_and_every_sample_stays() {
    let dir = tempfile::tempdir().unwrap();
    for from in (0..28).step_by(2) {
        write_hours(dir.path(), from, from + 2, 3);
    }
    let registry = Registry::new();
    let blocks = open(dir.path(), &registry);
    let before = everything(&blocks);
    let reader = MergeQuerier::new(blocks.queriers(i64::MIN, i64::MAX));
    let mut rounds = 0;
    while blocks.compact_blocks(0, &CancelToken::new()).unwrap() {
        rounds += 1;
    }
    let ranges: Vec<_> = blocks
        .list()
        .iter()
        .map(|block| {
            let meta = block.meta();
            (
                meta.min_time / HOUR,
                meta.max_time / HOUR,
                meta.compaction.level,
            )
        })
        .collect();
    assert_eq!(ranges, [(0, 18, 3), (18, 24, 2), (24, 26, 1), (26, 28, 1)]);
    assert_eq!(rounds, 5);
    assert_eq!(everything(&blocks), before);
    assert_eq!(read_all(&reader), before, "a reader from before");
    let names: Vec<String> = blocks
        .list()
        .iter()
        .map(|block| block.meta().ulid.clone())
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(folders(dir.path()), sorted);
    assert_eq!(value(&registry, "prometheus_tsdb_compactions_total"), 5.0);
    assert_eq!(value(&registry, "prometheus_tsdb_blocks_loaded"), 4.0);
    assert_eq!(value(&registry, "prometheus_tsdb_reloads_total"), 6.0);
    let bytes: u64 = blocks.list().iter().map(|block| block.file_bytes()).sum();
    assert_eq!(
        value(&registry, "prometheus_tsdb_storage_blocks_bytes"),
        bytes as f64
    );
}

#[test]
fn leftovers_go_at_the_start_and_other_folders_stay() {
    let dir = tempfile::tempdir().unwrap();
    let ulid = write_hours(dir.path(), 0, 2, 1);
    let gone = [
        "01M85PG032DTCKJW2SPJQ6BEMV.tmp-for-creation",
        "01M85PG032DTCKJW2SPJQ6BEMW.tmp-for-deletion",
        "01M85PG032DTCKJW2SPJQ6BEMX.tmp",
        "chunk_snapshot.000001.0000000001.tmp",
    ];
    let kept = [
        "lost+found",
        "x.tmp",
        "wal",
        "01M85PG032DTCKJW2SPJQ6BEM.tmp",
    ];
    for name in gone.iter().chain(&kept) {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let blocks = open(dir.path(), &Registry::new());
    assert_eq!(blocks.len(), 1);
    let mut expected: Vec<String> = kept.map(str::to_owned).to_vec();
    expected.push(ulid);
    expected.sort();
    assert_eq!(folders(dir.path()), expected);
}

#[test]
fn a_block_without_meta_is_skipped_and_a_damaged_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = write_hours(dir.path(), 0, 2, 1);
    let headless = write_hours(dir.path(), 2, 4, 1);
    std::fs::remove_file(dir.path().join(&headless).join("meta.json")).unwrap();
    let blocks = open(dir.path(), &Registry::new());
    assert_eq!(blocks.len(), 1);
    let damaged = write_hours(dir.path(), 4, 6, 1);
    std::fs::write(dir.path().join(&damaged).join("index"), b"short").unwrap();
    let err = blocks.reload(0).unwrap_err();
    assert!(matches!(err, Error::CorruptedBlocks(_)));
    assert!(
        err.to_string()
            .starts_with(&format!("corrupted block {damaged}: ")),
        "{err}"
    );
    assert_eq!(blocks.list()[0].meta().ulid, good);
    let registry = Registry::new();
    assert!(Blocks::open(dir.path(), options(Retention::default()), &registry).is_err());
    assert_eq!(
        value(&registry, "prometheus_tsdb_reloads_failures_total"),
        1.0
    );
    // Replaced by a block that has it as a parent, it goes.
    let child = write_hours(dir.path(), 4, 6, 1);
    let path = dir.path().join(&child).join("meta.json");
    let mut meta = Meta::parse(&std::fs::read(&path).unwrap()).unwrap();
    meta.compaction.parents = vec![crate::block::meta::Parent {
        ulid: damaged.clone(),
        ..Default::default()
    }];
    std::fs::write(&path, meta.to_text()).unwrap();
    blocks.reload(0).unwrap();
    assert_eq!(blocks.len(), 2);
    assert!(!folders(dir.path()).contains(&damaged));
}

#[test]
fn parents_left_by_a_crash_are_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    for from in [0, 2, 4, 6] {
        write_hours(dir.path(), from, from + 2, 1);
    }
    let copy = tempfile::tempdir().unwrap();
    let blocks = open(dir.path(), &Registry::new());
    let all = everything(&blocks);
    blocks.snapshot(&copy.path().join("s")).unwrap();
    assert!(blocks.compact_blocks(0, &CancelToken::new()).unwrap());
    // The parents are back, as if the removal had not been reached.
    for name in folders(&copy.path().join("s")) {
        let to = dir.path().join(&name);
        if !to.exists() {
            std::fs::rename(copy.path().join("s").join(&name), to).unwrap();
        }
    }
    assert_eq!(folders(dir.path()).len(), 5);
    let again = open(dir.path(), &Registry::new());
    assert_eq!(again.len(), 2);
    assert_eq!(folders(dir.path()).len(), 2);
    assert_eq!(everything(&again), all);
}

#[test]
fn retention_removes_the_oldest_blocks_and_never_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    for from in [0, 2, 4, 6] {
        write_hours(dir.path(), from, from + 2, 1);
    }
    let registry = Registry::new();
    let blocks = open(dir.path(), &registry);
    let starts = |blocks: &Blocks| -> Vec<i64> {
        let list = blocks.list();
        list.iter()
            .map(|block| block.meta().min_time / HOUR)
            .collect()
    };
    let time = |hours: i64| Retention {
        time_ms: hours * HOUR,
        ..Retention::default()
    };
    // 8 h - 2 h is not beyond 6 h and a bit, and is beyond 6 h.
    blocks.set_retention(Retention {
        time_ms: 6 * HOUR + 1,
        ..Retention::default()
    });
    blocks.reload(0).unwrap();
    assert_eq!(starts(&blocks), [0, 2, 4, 6]);
    blocks.set_retention(time(6));
    blocks.reload(0).unwrap();
    assert_eq!(starts(&blocks), [2, 4, 6]);
    assert_eq!(
        value(&registry, "prometheus_tsdb_time_retentions_total"),
        1.0
    );
    let sizes: Vec<u64> = blocks
        .list()
        .iter()
        .map(|block| block.file_bytes())
        .collect();
    let bytes = |bytes: u64| Retention {
        bytes,
        ..Retention::default()
    };
    blocks.set_retention(bytes(sizes.iter().sum()));
    blocks.reload(0).unwrap();
    assert_eq!(starts(&blocks), [2, 4, 6]);
    blocks.reload(1).unwrap();
    assert_eq!(starts(&blocks), [4, 6]);
    assert_eq!(
        value(&registry, "prometheus_tsdb_size_retentions_total"),
        1.0
    );
    // The percentage goes before the bytes: all of the file system is enough for everybody.
    blocks.set_retention(Retention {
        bytes: 1,
        percentage: 100.0,
        time_ms: 1,
    });
    blocks.reload(0).unwrap();
    assert_eq!(starts(&blocks), [6]);
    assert_eq!(
        value(&registry, "prometheus_tsdb_size_retentions_total"),
        1.0
    );
    assert_eq!(
        value(&registry, "prometheus_tsdb_retention_limit_bytes"),
        1.0
    );
}

#[test]
fn deleted_samples_are_unseen_at_once_and_gone_after_cleaning() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 3);
    write_hours(dir.path(), 2, 4, 3);
    let registry = Registry::new();
    let blocks = open(dir.path(), &registry);
    let mut expected = everything(&blocks);
    let before = MergeQuerier::new(blocks.queriers(i64::MIN, i64::MAX));
    let whole = expected.clone();
    blocks
        .delete(HOUR, 3 * HOUR, &[Matcher::equal("n", "0001")])
        .unwrap();
    blocks
        .delete(0, 2 * HOUR - 1, &[Matcher::equal("n", "0002")])
        .unwrap();
    expected
        .get_mut(&labels(1))
        .unwrap()
        .retain(|time, _| *time < HOUR || *time > 3 * HOUR);
    expected
        .get_mut(&labels(2))
        .unwrap()
        .retain(|time, _| *time >= 2 * HOUR);
    assert_eq!(everything(&blocks), expected);
    assert_eq!(read_all(&before), whole, "a view from before");
    let tombstones = |blocks: &Blocks| -> Vec<u64> {
        let list = blocks.list();
        list.iter()
            .map(|block| block.meta().stats.num_tombstones)
            .collect()
    };
    assert_eq!(tombstones(&blocks), [2, 1]);
    // Deletions survive a restart.
    let again = open(dir.path(), &Registry::new());
    assert_eq!(everything(&again), expected);
    assert_eq!(tombstones(&again), [2, 1]);
    drop(again);
    let parents: Vec<_> = blocks
        .list()
        .iter()
        .map(|block| block.meta().ulid.clone())
        .collect();
    blocks.clean_tombstones(0, &CancelToken::new()).unwrap();
    assert_eq!(everything(&blocks), expected);
    assert_eq!(tombstones(&blocks), [0, 0]);
    for (block, parent) in blocks.list().iter().zip(parents) {
        let meta = block.meta();
        assert_eq!(meta.compaction.level, 1);
        assert_eq!(meta.compaction.parents[0].ulid, parent);
        assert_eq!(meta.compaction.sources, std::slice::from_ref(&meta.ulid));
    }
    assert_eq!(folders(dir.path()).len(), 2);
}

#[test]
fn a_block_that_is_deleted_as_a_whole_is_removed_by_cleaning() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 2);
    let blocks = open(dir.path(), &Registry::new());
    blocks.delete(i64::MIN, i64::MAX, &[]).unwrap();
    blocks.clean_tombstones(0, &CancelToken::new()).unwrap();
    assert_eq!(blocks.len(), 0);
    assert_eq!(folders(dir.path()), [""; 0]);
}

#[test]
fn a_snapshot_is_a_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 2);
    write_hours(dir.path(), 2, 4, 2);
    let blocks = open(dir.path(), &Registry::new());
    let all = everything(&blocks);
    let snapshot = dir.path().join("snapshots").join("now");
    blocks.snapshot(&snapshot).unwrap();
    blocks.delete(i64::MIN, i64::MAX, &[]).unwrap();
    let copy = open(&snapshot, &Registry::new());
    assert_eq!(everything(&copy), all);
    assert!(everything(&blocks).is_empty());
    assert!(blocks.snapshot(dir.path()).is_err());
    assert!(
        blocks
            .snapshot(&dir.path().join("01M85PG032DTCKJW2SPJQ6BEMV"))
            .is_err()
    );
}

#[test]
fn blocks_whose_compaction_fails_are_marked_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = [0, 2, 4, 6]
        .map(|from| write_hours(dir.path(), from, from + 2, 1))
        .to_vec();
    let blocks = open(dir.path(), &Registry::new());
    drop(blocks);
    // The last byte of a chunk's checksum.
    let path = dir.path().join(&names[1]).join("chunks/000001");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let blocks = open(dir.path(), &Registry::new());
    assert!(blocks.compact_blocks(0, &CancelToken::new()).is_err());
    let failed: Vec<bool> = blocks
        .list()
        .iter()
        .map(|block| block.meta().compaction.failed)
        .collect();
    assert_eq!(failed, [true, true, true, false]);
    assert!(!blocks.compact_blocks(0, &CancelToken::new()).unwrap());
    assert_eq!(folders(dir.path()).len(), 4);
    let stopped = CancelToken::new();
    stopped.cancel();
    assert!(
        !open(dir.path(), &Registry::new())
            .compact_blocks(0, &stopped)
            .unwrap()
    );
}

#[test]
fn only_blocks_in_order_say_where_the_head_begins() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 1);
    let aside = write_hours(dir.path(), 2, 4, 1);
    let path = dir.path().join(&aside).join("meta.json");
    let mut meta = Meta::parse(&std::fs::read(&path).unwrap()).unwrap();
    meta.compaction.hints = vec![crate::block::meta::FROM_OUT_OF_ORDER.to_owned()];
    std::fs::write(&path, meta.to_text()).unwrap();
    let blocks = open(dir.path(), &Registry::new());
    assert_eq!(blocks.max_time(), Some(4 * HOUR));
    assert_eq!(blocks.in_order_max_time(), Some(2 * HOUR));
}

#[test]
fn a_block_merged_from_overlapping_ones_does_not_say_where_the_head_begins() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 1);
    let merged = write_hours(dir.path(), 2, 4, 1);
    let path = dir.path().join(&merged).join("meta.json");
    let mut meta = Meta::parse(&std::fs::read(&path).unwrap()).unwrap();
    // As the reference leaves it when it merged two blocks of late samples.
    let parent = |ulid: &str| Parent {
        ulid: ulid.to_owned(),
        min_time: 2 * HOUR,
        max_time: 4 * HOUR,
    };
    meta.compaction.level = 2;
    meta.compaction.sources = vec!["one".to_owned(), "other".to_owned()];
    meta.compaction.parents = vec![parent("one"), parent("other")];
    std::fs::write(&path, meta.to_text()).unwrap();
    let blocks = open(dir.path(), &Registry::new());
    assert_eq!(blocks.in_order_max_time(), Some(2 * HOUR));
    // The reference sees it too then.
    blocks.mark_unsure(Some(2 * HOUR)).unwrap();
    assert!(
        !Meta::parse(&std::fs::read(&path).unwrap())
            .unwrap()
            .is_in_order()
    );
    std::fs::write(&path, meta.to_text()).unwrap();
    let blocks = open(dir.path(), &Registry::new());
    // What was cut here is known.
    blocks.note_cut(3 * HOUR);
    assert_eq!(blocks.in_order_max_time(), Some(3 * HOUR));
    let again = open(dir.path(), &Registry::new());
    assert_eq!(again.in_order_max_time(), Some(3 * HOUR));
    again.note_cut(9 * HOUR);
    assert_eq!(
        again.in_order_max_time(),
        Some(4 * HOUR),
        "no block is there"
    );
    // Three side by side are no pile.
    meta.min_time = 0;
    meta.max_time = 6 * HOUR;
    meta.compaction.sources = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    meta.compaction.parents.clear();
    assert!(meta.is_surely_in_order(2 * HOUR));
    meta.compaction.sources.push("d".to_owned());
    assert!(!meta.is_surely_in_order(2 * HOUR));
}

#[test]
fn damage_of_the_note_of_a_cut_is_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 1);
    open(dir.path(), &Registry::new()).note_cut(HOUR);
    let note = dir.path().join("ferula_head.json");
    let text = std::fs::read(&note).unwrap();
    for end in 0..text.len() {
        std::fs::write(&note, &text[..end]).unwrap();
        let blocks = open(dir.path(), &Registry::new());
        assert_eq!(blocks.in_order_max_time(), Some(2 * HOUR));
    }
}

#[test]
fn memory_of_blocks_shows_and_goes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    write_hours(dir.path(), 0, 2, 50);
    let registry = Registry::new();
    let blocks = open(dir.path(), &registry);
    let shown = || value(&registry, "ferula_tsdb_blocks_memory_bytes");
    let opened = shown();
    // Four bytes for each symbol and each label pair at the least.
    assert!(opened >= 4.0 * 100.0, "{opened}");
    everything(&blocks);
    let read = shown();
    assert!(read > opened, "{read}");
    blocks.delete(0, HOUR, &[]).unwrap();
    assert!(shown() > read);
    blocks.delete(i64::MIN, i64::MAX, &[]).unwrap();
    blocks.clean_tombstones(0, &CancelToken::new()).unwrap();
    assert_eq!(shown(), 0.0);
}
