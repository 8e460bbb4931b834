//! Blocks merged, against a map of all samples.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chunk::Encoding;
use model::{Labels, MatchOp, Matcher, Timestamp};
use proptest::prelude::*;

use super::{BlocksSource, lineage};
use crate::block::Block;
use crate::block::meta::Compaction;
use crate::compact::test_blocks::{Samples, labels, read_block, write_samples};
use crate::compact::{WriteOptions, write_block};

type Written = BTreeMap<Labels, BTreeMap<Timestamp, f64>>;

fn merge(dir: &Path, blocks: &[Arc<Block>]) -> Option<(Compaction, Written)> {
    let metas: Vec<_> = blocks.iter().map(|block| block.meta()).collect();
    let (range, compaction) = lineage(&metas);
    let mut source = BlocksSource::new(blocks, Encoding::Xor);
    let meta = write_block(
        dir,
        &mut source,
        range,
        compaction,
        &WriteOptions::default(),
    )
    .unwrap()?;
    Some((meta.compaction, read_block(&dir.join(&meta.ulid))))
}

#[test]
fn lineage_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let one = write_samples(dir.path(), 0, 100, &[(labels(0), vec![(1, 1.0)])]);
    let two = write_samples(dir.path(), 100, 200, &[(labels(1), vec![(150, 1.0)])]);
    let (compaction, samples) = merge(dir.path(), &[one.clone(), two.clone()]).unwrap();
    assert_eq!(compaction.level, 2);
    let mut names = [one.meta().ulid.clone(), two.meta().ulid.clone()];
    let parents: Vec<_> = compaction
        .parents
        .iter()
        .map(|parent| &parent.ulid)
        .collect();
    assert_eq!(parents, [&names[0], &names[1]]);
    names.sort();
    assert_eq!(compaction.sources, names);
    assert_eq!(samples.len(), 2);
}

#[test]
fn symbols_of_series_that_are_gone_stay_and_samples_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let series = [
        (labels(0), vec![(1, 1.0), (2, 2.0)]),
        (labels(1), vec![(5, 5.0)]),
    ];
    let block = write_samples(dir.path(), 0, 100, &series);
    let matcher = Matcher::new(MatchOp::Equal, "n", "0001").unwrap();
    block.delete(0, 50, &[matcher]).unwrap();
    block.delete(2, 2, &[]).unwrap();
    let (_, samples) = merge(dir.path(), &[block]).unwrap();
    let expected = Written::from([(labels(0), BTreeMap::from([(1, 1.0)]))]);
    assert_eq!(samples, expected);
}

#[test]
fn of_two_samples_at_one_time_the_first_block_that_has_begun_wins() {
    let dir = tempfile::tempdir().unwrap();
    let run = |value: f64| -> Samples { (0..10).map(|time| (time, value)).collect() };
    let blocks =
        [1.0, 2.0].map(|value| write_samples(dir.path(), 0, 100, &[(labels(0), run(value))]));
    let (_, samples) = merge(dir.path(), &blocks).unwrap();
    let values: Vec<f64> = samples[&labels(0)].values().copied().collect();
    assert_eq!(values, [1.0; 10]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_merge_has_every_sample_that_is_not_deleted_once(
        blocks in prop::collection::vec(
            prop::collection::btree_map(0..6_usize, prop::collection::btree_set(0..2000_i64, 1..300), 1..5),
            1..4,
        ),
        deletions in prop::collection::vec((0..4_usize, 0..6_usize, 0..2000_i64, 0..300_i64), 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Written::new();
        let mut opened = Vec::new();
        for (number, series) in blocks.iter().enumerate() {
            let of_block: Vec<(usize, usize, i64, i64)> =
                deletions.iter().filter(|deletion| deletion.0 == number).copied().collect();
            // Values say the time: which of two samples wins is the reference's business.
            let rows: Vec<(Labels, Samples)> = series
                .iter()
                .map(|(name, times)| (labels(*name), times.iter().map(|time| (*time, *time as f64)).collect()))
                .collect();
            let block = write_samples(dir.path(), 0, 2000, &rows);
            for (_, name, from, len) in &of_block {
                let matcher = Matcher::equal("n", &format!("{name:04}"));
                block.delete(*from, from + len, &[matcher]).unwrap();
            }
            for (name, times) in series {
                let deleted = |time: &i64| of_block.iter().any(|(_, of, from, len)| {
                    of == name && from <= time && *time <= from + len
                });
                let kept: Vec<_> = times.iter().filter(|time| !deleted(time)).collect();
                if !kept.is_empty() {
                    let samples = expected.entry(labels(*name)).or_default();
                    samples.extend(kept.iter().map(|time| (**time, **time as f64)));
                }
            }
            opened.push(block);
        }
        let merged = merge(dir.path(), &opened).map(|(_, samples)| samples);
        prop_assert_eq!(merged.unwrap_or_default(), expected);
    }
}
