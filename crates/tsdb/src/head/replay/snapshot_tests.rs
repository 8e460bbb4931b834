//! A start from a snapshot gives the head that a start from the whole log gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::sample::SampleColumns;
use model::{CounterResetHint, Labels};
use proptest::prelude::*;

use super::tests::{Step, new_head, on, step, write_steps};
use super::*;
use crate::head_chunks::HeadChunks;
use crate::memory_snapshot::folder::{Folder, Kind, Position};

/// What is in a head, by series: chunks and state, samples, deletions.
fn contents(head: &Head) -> BTreeMap<Labels, String> {
    let symbols = head.symbols.read();
    let snapshot = head.visibility.snapshot();
    let mut contents = BTreeMap::new();
    for slot in 0..head.series.len() {
        let strip = head.series.lock(slot).unwrap();
        let state = strip.series(slot).unwrap();
        let mut columns = SampleColumns::default();
        state
            .extract(Timestamp::MIN, Timestamp::MAX, &snapshot, &head.files)
            .decode(Timestamp::MIN, Timestamp::MAX, &mut columns)
            .unwrap();
        // A chunk of histograms out of a snapshot knows more of what came before it, and its end is
        // planned anew.
        let exact = if columns.histograms.is_empty() {
            format!("{state:?}")
        } else {
            String::new()
        };
        for (_, value) in &mut columns.histograms {
            if let Value::Histogram(histogram) = value {
                Arc::make_mut(histogram).counter_reset_hint = CounterResetHint::Unknown;
            }
        }
        let mut deleted = head.tombstones(slot).unwrap_or_default();
        deleted.sort_unstable();
        let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in deleted {
            match merged.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        let labels = label_sets::unpack(strip.label_set(slot), &symbols);
        let text = format!("{exact} {merged:?} {columns:?}");
        assert!(contents.insert(labels, text).is_none());
    }
    contents
}

fn exemplars(head: &Head) -> String {
    let ring = head.exemplars.read();
    let all: Vec<_> = ring.range(Timestamp::MIN, Timestamp::MAX).collect();
    format!("{all:?}")
}

fn open_files(dir: &Path) -> HeadChunks {
    HeadChunks::open(&dir.join("chunks_head"), 1 << 20).unwrap()
}

fn steps(len: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = step().prop_filter("what the format has no place for", |step| {
        !matches!(step, Step::Metadata(_))
    });
    prop::collection::vec(step, 0..len)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_snapshot_and_the_log_behind_it_are_as_good_as_the_log(
        mut before in steps(30),
        behind in steps(15),
        threads in 1..5_usize,
    ) {
        before.insert(0, Step::Series(1, 2000));
        let dir = tempfile::tempdir().unwrap();
        let wal_dir = dir.path().join("wal");
        let end = write_steps(&wal_dir, 0, &before, false);
        let head = new_head(open_files(dir.path()));
        replay(&head, &wal_dir, None, &on(2)).unwrap();
        head.write_chunks().unwrap();
        head.files.cut().unwrap();
        head.put_away(dir.path(), &wal_dir, end).unwrap();
        drop(head);
        write_steps(&wal_dir, end.segment + 1, &behind, false);

        let folder = Folder::last(dir.path(), &[Kind::Shared]).unwrap().unwrap();
        prop_assert_eq!(folder.position, end);
        let whole = new_head(open_files(dir.path()));
        replay(&whole, &wal_dir, None, &on(threads)).unwrap();
        let quick = new_head(open_files(dir.path()));
        let put_away = replay(&quick, &wal_dir, Some(&folder), &on(threads)).unwrap();
        prop_assert!(put_away.corruption.is_none());
        prop_assert_eq!(exemplars(&quick), exemplars(&whole));
        let range = |head: &Head| (head.min_time(), head.max_time());
        prop_assert_eq!(range(&quick), range(&whole));
        let (found, expected) = (contents(&quick), contents(&whole));
        for (labels, text) in &expected {
            prop_assert_eq!(found.get(labels), Some(text), "{:?}", labels);
        }
        prop_assert_eq!(found.len(), expected.len());
        prop_assert_eq!(quick.next_ref.into_inner(), whole.next_ref.into_inner());
    }

    #[test]
    fn another_programs_snapshot_does_not_bring_references_back(before in steps(20)) {
        let dir = tempfile::tempdir().unwrap();
        let wal_dir = dir.path().join("wal");
        let end = write_steps(&wal_dir, 0, &before, true);
        let expected = before.iter().fold(0, |highest, step| match step {
            Step::Series(first, count) => highest.max((first + count - 1).min(super::tests::REFS - 1)),
            _ => highest,
        });
        prop_assert_eq!(snapshot::highest_ref(&wal_dir, end).unwrap(), expected);
        let beginning = Position { segment: 0, offset: 0 };
        prop_assert_eq!(snapshot::highest_ref(&wal_dir, beginning).unwrap(), 0);
    }
}
