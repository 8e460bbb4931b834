//! Samples out of order: taken within the window, logged, merged, made blocks.

use std::collections::BTreeMap;

use model::{Labels, Matcher};
use proptest::prelude::*;
use storage::AppendError;
use tsdb::{Db, Options};

use crate::support::{Content, cases, commit, open_with, read_all, series};

const HOUR: i64 = 3_600_000;

fn options() -> Options {
    Options {
        wal_segment_bytes: 64 * 1024,
        out_of_order_window_ms: 3 * HOUR,
        ..Options::default()
    }
}

#[test]
fn late_samples_are_taken_within_the_window_only() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    let one = series("m", "1");
    assert_eq!(commit(&db, &[(&one, 10 * HOUR, 1.0)]), []);
    assert_eq!(commit(&db, &[(&one, 7 * HOUR, 2.0)]), []);
    let refused = commit(&db, &[(&one, 7 * HOUR - 1, 3.0)]);
    assert_eq!(refused, [(0, AppendError::TooOld)]);
    assert_eq!(
        commit(&db, &[(&one, 7 * HOUR, 9.0)]),
        [],
        "the first one stays"
    );
    let two = series("m", "2");
    assert_eq!(
        commit(&db, &[(&two, 8 * HOUR, 4.0)]),
        [],
        "a series that is new"
    );
    let expected = |value: f64| value.to_bits();
    let content = Content::from([
        (
            one,
            vec![(7 * HOUR, expected(2.0)), (10 * HOUR, expected(1.0))],
        ),
        (two, vec![(8 * HOUR, expected(4.0))]),
    ]);
    assert_eq!(read_all(&db), content);
    drop(db);
    assert_eq!(read_all(&open_with(dir.path(), options())), content);
    let without = Options::default();
    let db = open_with(dir.path(), without);
    assert_eq!(
        read_all(&db),
        content,
        "what was taken is there without a window too"
    );
}

#[derive(Debug, Clone)]
enum Step {
    /// Series, milliseconds behind the newest time (before it if negative), value.
    Commit(Vec<(u8, i64, u8)>),
    Advance(i64),
    /// Samples of a series are deleted: which, from how long ago, for how long.
    Delete(u8, i64, i64),
    Cut,
    WriteChunks,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let sample = (0..6_u8, -600_000..9_000_000_i64, any::<u8>());
    prop_oneof![
        10 => prop::collection::vec(sample, 1..60).prop_map(Step::Commit),
        3 => (0..4 * HOUR).prop_map(Step::Advance),
        2 => (0..6_u8, -600_000..9_000_000_i64, 0..9_000_000_i64)
            .prop_map(|(pick, behind, length)| Step::Delete(pick, behind, length)),
        2 => Just(Step::Cut),
        1 => Just(Step::WriteChunks),
        1 => Just(Step::Restart),
    ]
}

type Oracle = BTreeMap<Labels, BTreeMap<i64, u64>>;

fn content(oracle: &Oracle) -> Content {
    oracle
        .iter()
        .filter(|(_, samples)| !samples.is_empty())
        .map(|(labels, samples)| {
            let samples = samples.iter().map(|(time, bits)| (*time, *bits)).collect();
            (labels.clone(), samples)
        })
        .collect()
}

fn some(db: &Db) -> Content {
    let mut content = read_all(db);
    content.retain(|_, samples| !samples.is_empty());
    content
}

proptest! {
    #![proptest_config(cases(16))]
    #[test]
    fn late_samples_are_there_once_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut db = open_with(dir.path(), options());
        let all: Vec<Labels> = (0..6).map(|i| series("m", &i.to_string())).collect();
        let mut oracle = Oracle::new();
        let mut now = 100 * HOUR;
        for step in steps {
            match step {
                Step::Commit(picks) => {
                    // Values follow from series and time: which of two samples wins is no matter.
                    let value = |pick: u8, time: i64| (i64::from(pick) * 1_000 + time % 977) as f64;
                    let rows: Vec<_> = picks
                        .iter()
                        .map(|(pick, behind, _)| {
                            let time = now - behind;
                            (&all[usize::from(*pick)], time, value(*pick, time))
                        })
                        .collect();
                    let newest = db.max_time();
                    let refused = commit(&db, &rows);
                    for (index, (labels, time, value)) in rows.iter().enumerate() {
                        let was_refused = refused.iter().any(|(at, _)| *at as usize == index);
                        if was_refused {
                            let bound = newest.unwrap_or(i64::MIN).saturating_sub(3 * HOUR);
                            prop_assert!(*time < bound, "{time} {bound} {refused:?}");
                        } else {
                            let samples = oracle.entry((*labels).clone()).or_default();
                            samples.insert(*time, value.to_bits());
                        }
                    }
                }
                Step::Advance(by) => now += by,
                Step::Delete(pick, behind, length) => {
                    let (mint, maxt) = (now - behind, now - behind + length);
                    let selector = vec![Matcher::equal("instance", &pick.to_string())];
                    db.delete(mint, maxt, &[selector]).unwrap();
                    if let Some(samples) = oracle.get_mut(&all[usize::from(pick)]) {
                        samples.retain(|time, _| !(mint..=maxt).contains(time));
                    }
                }
                Step::Cut => db.compact().unwrap(),
                Step::WriteChunks => db.write_head_chunks().unwrap(),
                Step::Restart => {
                    drop(db);
                    db = open_with(dir.path(), options());
                }
            }
            prop_assert_eq!(some(&db), content(&oracle));
        }
        drop(db);
        prop_assert_eq!(some(&open_with(dir.path(), options())), content(&oracle));
    }
}

#[test]
fn what_is_sent_again_after_a_delete_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    let one = series("m", "0");
    for minute in 0..100 {
        commit(&db, &[(&one, 10 * HOUR + minute * 60_000, 1.0)]);
        // Some late ones are in chunks, some in the list.
        commit(&db, &[(&one, 9 * HOUR + minute * 20_000, 1.0)]);
    }
    db.delete(0, 20 * HOUR, &[vec![Matcher::equal("instance", "0")]])
        .unwrap();
    assert!(read_all(&db).values().all(Vec::is_empty));
    commit(&db, &[(&one, 10 * HOUR, 2.0), (&one, 9 * HOUR, 3.0)]);
    let expected = [(9 * HOUR, 3_f64.to_bits()), (10 * HOUR, 2_f64.to_bits())];
    assert_eq!(read_all(&db)[&one], expected);
    drop(db);
    let db = open_with(dir.path(), options());
    assert_eq!(read_all(&db)[&one], expected);
    db.compact().unwrap();
    assert_eq!(read_all(&db)[&one], expected);
}

#[test]
fn a_late_sample_beside_the_newest_one_keeps_both() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_with(dir.path(), options());
    let (one, other) = (series("m", "0"), series("m", "3"));
    commit(&db, &[(&one, 358_638_386, 1.0), (&one, 352_799_999, 2.0)]);
    commit(&db, &[(&other, 369_438_387, 3.0), (&one, 367_199_999, 4.0)]);
    commit(&db, &[(&one, 367_199_998, 5.0), (&other, 368_990_919, 6.0)]);
    let before = read_all(&db);
    assert_eq!(before[&one].len(), 4);
    db.compact().unwrap();
    assert_eq!(read_all(&db), before);
    drop(db);
    assert_eq!(read_all(&open_with(dir.path(), options())), before);
}
