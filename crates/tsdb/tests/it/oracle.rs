//! A database against a map.

use std::collections::BTreeMap;

use model::Matcher;
use proptest::prelude::*;

use crate::support::{Content, add, cases, open, read, read_all, series};
use storage::Appendable;

/// What happens to the database.
#[derive(Debug, Clone)]
enum Step {
    /// Samples for some series at times ahead of (or behind) the newest one of all.
    Commit(Vec<(u8, i64, u8)>),
    Rollback(Vec<(u8, i64, u8)>),
    Restart,
    /// Closed chunks go to files.
    WriteChunks,
    /// Time passes, and what is due becomes a block.
    Cut(i64),
    /// Samples of a series are deleted.
    Delete(u8, i64, i64),
    Check(i64, i64, u8),
}

fn samples() -> impl Strategy<Value = Vec<(u8, i64, u8)>> {
    prop::collection::vec((0..40_u8, -2000..90_000_i64, any::<u8>()), 0..30)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => samples().prop_map(Step::Commit),
        1 => samples().prop_map(Step::Rollback),
        1 => Just(Step::Restart),
        1 => Just(Step::WriteChunks),
        2 => (0..9_000_000_i64).prop_map(Step::Cut),
        1 => (any::<u8>(), 0..400_000_i64, 0..400_000_i64)
            .prop_map(|(pick, from, length)| Step::Delete(pick, from, length)),
        2 => (0..400_000_i64, 0..400_000_i64, any::<u8>())
            .prop_map(|(from, length, pick)| Step::Check(from, length, pick)),
    ]
}

proptest! {
    #![proptest_config(cases(24))]
    #[test]
    fn reads_what_was_committed(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut db = open(dir.path());
        let all: Vec<_> =
            (0..40).map(|i| series(&format!("m{}", i % 4), &i.to_string())).collect();
        let mut expected = Content::new();
        let mut newest: BTreeMap<u8, i64> = BTreeMap::new();
        let mut now = 10_000_000;
        for step in steps {
            match step {
                Step::Commit(picks) => {
                    let rows: Vec<_> = picks
                        .iter()
                        .map(|(pick, ahead, value)| {
                            (&all[usize::from(*pick)], now + ahead, f64::from(*value))
                        })
                        .collect();
                    // Half a block behind the newest sample, and not before the last block.
                    let bound = db.max_time().map_or(i64::MIN, |time| time - 3_600_000);
                    let mut appender = db.appender();
                    let refused = add(&mut *appender, &rows);
                    appender.commit().unwrap();
                    for (index, (pick, ahead, value)) in picks.iter().enumerate() {
                        let time = now + ahead;
                        let late = newest.get(pick).is_some_and(|newest| time <= *newest) || time < bound;
                        let was_refused = refused.iter().any(|(at, _)| *at as usize == index);
                        prop_assert!(!was_refused || late);
                        if !late {
                            newest.insert(*pick, time);
                            expected
                                .entry(all[usize::from(*pick)].clone())
                                .or_default()
                                .push((time, f64::from(*value).to_bits()));
                        }
                    }
                    now += 30_000;
                }
                Step::Rollback(picks) => {
                    let mut appender = db.appender();
                    let rows: Vec<_> = picks
                        .iter()
                        .map(|(pick, ahead, value)| {
                            (&all[usize::from(*pick)], now + ahead, f64::from(*value))
                        })
                        .collect();
                    add(&mut *appender, &rows);
                    appender.rollback();
                }
                Step::WriteChunks => db.write_head_chunks().unwrap(),
                Step::Cut(ahead) => {
                    now += ahead;
                    db.compact().unwrap();
                }
                Step::Delete(pick, back, length) => {
                    let (mint, maxt) = (now - back, now - back + length);
                    let instance = (pick % 40).to_string();
                    let selector = vec![Matcher::equal("instance", &instance)];
                    db.delete(mint, maxt, &[selector]).unwrap();
                    for (labels, samples) in &mut expected {
                        if labels.value("instance") == Some(&*instance) {
                            samples.retain(|(time, _)| !(mint..=maxt).contains(time));
                        }
                    }
                }
                Step::Restart => {
                    drop(db);
                    db = open(dir.path());
                }
                Step::Check(from, length, pick) => {
                    let (mint, maxt) = (10_000_000 + from, 10_000_000 + from + length);
                    let name = format!("m{}", pick % 4);
                    let got = read(&db, mint, maxt, &[Matcher::equal("__name__", &name)]);
                    let mut wanted = Content::new();
                    for (labels, samples) in &expected {
                        let inside: Vec<_> = samples
                            .iter()
                            .filter(|(time, _)| (mint..=maxt).contains(time))
                            .copied()
                            .collect();
                        if labels.metric_name() == name && !inside.is_empty() {
                            wanted.insert(labels.clone(), inside);
                        }
                    }
                    let got: Content =
                        got.into_iter().filter(|(_, samples)| !samples.is_empty()).collect();
                    prop_assert_eq!(got, wanted);
                }
            }
        }
        let some = |content: Content| -> Content {
            content.into_iter().filter(|(_, samples)| !samples.is_empty()).collect()
        };
        let expected = some(expected);
        prop_assert_eq!(some(read_all(&db)), expected.clone());
        drop(db);
        prop_assert_eq!(some(read_all(&open(dir.path()))), expected);
    }
}
