//! What is planned, as tables: blocks by first and last hour.

use std::sync::Arc;

use super::{block_ranges, plan};
use crate::block::meta::Meta;

const HOUR: i64 = 60 * 60 * 1000;

fn meta(from: i64, to: i64) -> Meta {
    let text = format!(
        r#"{{"ulid": "{from}-{to}", "minTime": {}, "maxTime": {}, "version": 1}}"#,
        from * HOUR,
        to * HOUR
    );
    Meta::parse(text.as_bytes()).unwrap()
}

fn planned(metas: Vec<Meta>) -> Vec<String> {
    let metas: Vec<_> = metas.into_iter().map(Arc::new).collect();
    let plan = plan(&metas, &block_ranges(2 * HOUR, 60 * HOUR), true);
    plan.iter().map(|meta| meta.ulid.clone()).collect()
}

fn check(blocks: &[(i64, i64)], expected: &[(i64, i64)]) {
    let name = |(from, to): &(i64, i64)| format!("{from}-{to}");
    let expected: Vec<String> = expected.iter().map(name).collect();
    // The order of the directory does not matter.
    for rotated in 0..blocks.len().max(1) {
        let mut metas: Vec<Meta> = blocks.iter().map(|(from, to)| meta(*from, *to)).collect();
        metas.rotate_left(rotated);
        assert_eq!(planned(metas), expected, "{blocks:?}");
    }
}

#[test]
fn ranges_triple_up_to_the_largest() {
    assert_eq!(block_ranges(2, 60), [2, 6, 18, 54]);
    assert_eq!(block_ranges(2, 54), [2, 6, 18, 54]);
    assert_eq!(block_ranges(2, 53), [2, 6, 18]);
    assert_eq!(block_ranges(2, 2), [2]);
    assert_eq!(block_ranges(2, 1), [2]);
    assert_eq!(block_ranges(1, i64::MAX).len(), 10);
}

#[test]
fn a_full_stretch_is_compacted_without_the_newest_block() {
    check(&[], &[]);
    check(&[(0, 2)], &[]);
    check(&[(0, 2), (2, 4), (4, 6)], &[]);
    check(&[(0, 2), (2, 4), (4, 6), (6, 8)], &[(0, 2), (2, 4), (4, 6)]);
}

#[test]
fn a_stretch_with_gaps_waits_until_something_newer_than_it_is_there() {
    check(&[(0, 2), (4, 6), (6, 8)], &[(0, 2), (4, 6)]);
    check(&[(0, 2), (2, 4), (6, 8)], &[]);
    check(&[(0, 2), (2, 4), (6, 8), (8, 10)], &[(0, 2), (2, 4)]);
    check(&[(0, 2), (6, 8), (12, 14), (18, 20)], &[]);
}

#[test]
fn stretches_are_aligned_whatever_the_blocks_begin_with() {
    check(&[(2, 4), (4, 6), (6, 8), (8, 10)], &[(2, 4), (4, 6)]);
    check(
        &[(1, 2), (2, 4), (4, 6), (6, 8), (8, 10)],
        &[(1, 2), (2, 4), (4, 6)],
    );
    check(
        &[(-6, -4), (-4, -2), (-2, 0), (0, 2)],
        &[(-6, -4), (-4, -2), (-2, 0)],
    );
}

#[test]
fn larger_ranges_follow_when_smaller_ones_have_nothing_to_do() {
    check(
        &[(0, 6), (6, 12), (12, 18), (18, 20)],
        &[(0, 6), (6, 12), (12, 18)],
    );
    check(
        &[(0, 6), (6, 12), (12, 14), (14, 16), (16, 18), (18, 20)],
        &[(12, 14), (14, 16), (16, 18)],
    );
    check(
        &[(0, 18), (18, 36), (36, 54), (54, 56)],
        &[(0, 18), (18, 36), (36, 54)],
    );
    // Nothing is larger than the largest range.
    check(&[(0, 54), (54, 108), (108, 162), (162, 164)], &[]);
}

#[test]
fn blocks_across_a_border_are_left_out() {
    check(
        &[(0, 2), (4, 8), (8, 10), (10, 12), (12, 14), (14, 16)],
        &[(8, 10), (10, 12)],
    );
}

#[test]
fn overlapping_blocks_come_first() {
    check(&[(0, 4), (2, 6)], &[(0, 4), (2, 6)]);
    check(
        &[(0, 2), (2, 4), (4, 6), (6, 8), (7, 9), (9, 11)],
        &[(6, 8), (7, 9)],
    );
    // One that lies in another, and a third that overlaps only the longer of them.
    check(
        &[(0, 20), (1, 2), (10, 30), (30, 40)],
        &[(0, 20), (1, 2), (10, 30)],
    );
    check(&[(0, 2), (1, 3), (5, 7), (6, 8)], &[(0, 2), (1, 3)]);
}

#[test]
fn without_merging_overlaps_are_not_looked_at() {
    let metas: Vec<_> = [meta(0, 4), meta(2, 6)].map(Arc::new).to_vec();
    assert!(plan(&metas, &[2 * HOUR, 6 * HOUR], false).is_empty());
}

#[test]
fn a_stretch_with_a_failed_block_is_left_alone() {
    let mut metas: Vec<Meta> = [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14)]
        .map(|(from, to)| meta(from, to))
        .to_vec();
    metas[1].compaction.failed = true;
    assert_eq!(planned(metas), ["6-8", "8-10", "10-12"]);
}

#[test]
fn blocks_with_many_deletions_are_written_anew() {
    let deleted = |from, to, tombstones, series| {
        let mut meta = meta(from, to);
        (meta.stats.num_tombstones, meta.stats.num_series) = (tombstones, series);
        meta
    };
    // The ranges are 2, 6, 18, 54 hours: large is from 18 hours on.
    let newest = || meta(54, 56);
    let large = |tombstones| vec![deleted(0, 18, tombstones, 100), newest()];
    assert_eq!(planned(large(5)), [""; 0]);
    assert_eq!(planned(large(6)), ["0-18"]);
    let small = |tombstones| vec![deleted(0, 6, tombstones, 100), newest()];
    assert_eq!(planned(small(99)), [""; 0]);
    assert_eq!(planned(small(100)), ["0-6"]);
    // A small block hides the older ones.
    let hidden = vec![deleted(0, 18, 50, 100), deleted(18, 20, 1, 100), newest()];
    assert_eq!(planned(hidden), [""; 0]);
    let newest_itself = vec![deleted(0, 18, 50, 100)];
    assert_eq!(planned(newest_itself), [""; 0]);
}
