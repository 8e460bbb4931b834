//! The head's protocol under a model checker: transactions, queries, chunks that leave memory,
//! blocks that take over, slots that are used again, an agent's truncation, in many orders of events.
//!
//! Everything runs for real (log, files, blocks) on the checker's locks and atomics (`sync`); it
//! chooses at each of them who goes on. Orders are tried at random, with few switches between
//! threads first, as most mistakes need few; what it finds it prints as a schedule that
//! `shuttle::replay` repeats. It knows no weak memory: every atomic is as strong as can be.
//!
//! `cargo xtask ci model` runs it; with another number of orders: `FERULA_MODEL_ORDERS=N`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::sample::SampleColumns;
use model::{Labels, Matcher};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};
use stdx::cancel::CancelToken;
use storage::{AppendError, Appendable, Batch, BatchTimes, Querier, Queryable, SelectHints};
use telemetry::Registry;

use crate::agent::{Agent, AgentOptions};
use crate::wal::record::{Record, decode};
use crate::wal::{self, LogReader};
use crate::{Db, Options};

/// Milliseconds of a block: few, so that chunks close and blocks are due soon.
const BLOCK_MS: i64 = 100;
/// Orders tried by each scheduler, if nobody says otherwise.
const ORDERS: usize = 2000;
/// Switches between threads that an order of the first scheduler has.
const SWITCHES: usize = 3;

/// Runs `model` in many orders of events.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let orders = std::env::var("FERULA_MODEL_ORDERS").ok();
    let orders = orders.and_then(|text| text.parse().ok()).unwrap_or(ORDERS);
    let mut config = Config::new();
    // Real files are written on these stacks.
    config.stack_size = 1 << 20;
    config.max_steps = shuttle::MaxSteps::FailAfter(10_000_000);
    let model = Arc::new(model);
    let run = model.clone();
    let few_switches = PctScheduler::new(SWITCHES, orders);
    Runner::new(few_switches, config.clone()).run(move || run());
    Runner::new(RandomScheduler::new(orders), config).run(move || model());
}

/// A folder in memory, where that is possible: every order syncs files.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    dir.unwrap()
}

/// A database that lives as long as an order.
struct Fixture {
    db: Arc<Db>,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = folder();
        let options = Options {
            block_duration_ms: BLOCK_MS,
            block_duration_max_ms: BLOCK_MS,
            wal_segment_bytes: 64 * 1024,
            // A thread of the log's reader would be none of the checker's.
            replay_threads: 1,
            ..Options::default()
        };
        let db = Db::open(dir.path(), options, &Registry::new()).unwrap();
        Self {
            db: Arc::new(db),
            _dir: dir,
        }
    }
}

fn series(instance: &str) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("instance", instance)])
}

/// One transaction: a sample of each series at the same time, all of which must be taken.
fn commit(db: &impl Appendable, instances: &[&str], time: i64) {
    assert_eq!(try_commit(db, instances, time), []);
}

/// The same; returns the refusals.
fn try_commit(db: &impl Appendable, instances: &[&str], time: i64) -> Vec<(u32, AppendError)> {
    commit_batch(db, instances, time, false)
}

/// As [`try_commit`]; `strictly` refuses late samples also where there is a window for them.
fn commit_batch(
    db: &impl Appendable,
    instances: &[&str],
    time: i64,
    strictly: bool,
) -> Vec<(u32, AppendError)> {
    let mut appender = db.appender();
    let refs: Vec<_> = instances
        .iter()
        .map(|instance| appender.series(&series(instance)).unwrap())
        .collect();
    // The value says whose sample it is.
    let values: Vec<f64> = instances.iter().map(|one| value(one, time)).collect();
    let batch = Batch {
        series: &refs,
        times: BatchTimes::Same(time),
        values: &values,
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: strictly,
    };
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender
        .append(&batch, &mut refused, &mut exemplars)
        .unwrap();
    appender.commit().unwrap();
    refused
}

/// One transaction, in which series are looked up again that went before they were appended to.
fn commit_sturdily(store: &impl Appendable, instances: &[&str], time: i64) {
    let mut appender = store.appender();
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    for instance in instances {
        loop {
            let refs = [appender.series(&series(instance)).unwrap()];
            let batch = Batch {
                series: &refs,
                times: BatchTimes::Same(time),
                values: &[value(instance, time)],
                histograms: &[],
                start_timestamps: &[],
                exemplars: &[],
                reject_out_of_order: false,
            };
            appender
                .append(&batch, &mut refused, &mut exemplars)
                .unwrap();
            match refused.as_slice() {
                [] => break,
                [(_, AppendError::UnknownSeries)] => {}
                others => panic!("{others:?}"),
            }
        }
    }
    appender.commit().unwrap();
}

fn value(instance: &str, time: i64) -> f64 {
    let number: f64 = instance.parse().unwrap();
    number * 1e6 + time as f64
}

/// Times of the samples by instance; every sample must be one of its series.
fn read(querier: &dyn Querier) -> BTreeMap<String, Vec<i64>> {
    select(querier, &[])
}

/// The same for the series that satisfy `matchers`.
fn select(querier: &dyn Querier, matchers: &[Matcher]) -> BTreeMap<String, Vec<i64>> {
    let (hints, cancel) = (SelectHints::default(), CancelToken::new());
    let set = querier.select(true, &hints, matchers, &cancel).unwrap();
    let mut columns = SampleColumns::default();
    let mut found = BTreeMap::new();
    for index in 0..set.len() {
        set.read(index, i64::MIN, i64::MAX, &mut columns).unwrap();
        let labels = set.labels(index);
        if columns.is_empty() {
            continue;
        }
        let instance = labels.value("instance").unwrap().to_owned();
        let times = columns.timestamps.clone();
        for (time, number) in times.iter().zip(&columns.values) {
            assert_eq!(*number, value(&instance, *time), "of another series");
        }
        assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
        assert_eq!(found.insert(instance, times), None, "a series twice");
    }
    found
}

#[test]
fn a_transaction_is_seen_whole_or_not_at_all_and_a_query_sees_one_moment() {
    check(|| {
        let fixture = Fixture::new();
        let db = fixture.db.clone();
        commit(&*db, &["1", "2"], 80);
        let writer = thread::spawn({
            let db = db.clone();
            move || {
                // The second closes a chunk of each series.
                commit(&*db, &["1", "2"], 90);
                commit(&*db, &["1", "2"], 110);
            }
        });
        let flusher = thread::spawn({
            let db = db.clone();
            move || db.write_head_chunks().unwrap()
        });
        let other = thread::spawn({
            let db = db.clone();
            move || commit(&*db, &["3", "4"], 95)
        });
        for _ in 0..2 {
            let querier = db.querier(0, 1000).unwrap();
            let first = read(&*querier);
            assert_eq!(first.get("1"), first.get("2"), "half a transaction");
            assert_eq!(
                first.contains_key("3"),
                first.contains_key("4"),
                "half a transaction"
            );
            let times = first.get("1").unwrap();
            assert!([80, 90, 110].starts_with(times), "{times:?}");
            assert_eq!(read(&*querier), first, "two moments");
        }
        for handle in [writer, flusher, other] {
            handle.join().unwrap();
        }
        let all = read(&*db.querier(0, 1000).unwrap());
        assert_eq!(all["1"], [80, 90, 110]);
        assert_eq!(all["3"], [95]);
    });
}

#[test]
fn what_was_committed_is_in_the_head_or_in_a_block_once() {
    check(|| {
        let fixture = Fixture::new();
        let db = fixture.db.clone();
        commit(&*db, &["1"], 10);
        commit(&*db, &["1"], 120);
        commit(&*db, &["1"], 190);
        let cutter = thread::spawn({
            let db = db.clone();
            move || db.compact().unwrap()
        });
        let writer = thread::spawn({
            let db = db.clone();
            move || commit(&*db, &["1"], 200)
        });
        for _ in 0..2 {
            let querier = db.querier(0, 1000).unwrap();
            let times = read(&*querier).remove("1").unwrap();
            assert!([10, 120, 190, 200].starts_with(&times), "{times:?}");
            assert!(times.len() >= 3, "{times:?}");
        }
        cutter.join().unwrap();
        writer.join().unwrap();
        let times = read(&*db.querier(0, 1000).unwrap()).remove("1").unwrap();
        assert_eq!(times, [10, 120, 190, 200]);
    });
}

#[test]
fn a_block_is_cut_when_nobody_can_add_to_its_range_any_more() {
    check(|| {
        let fixture = Fixture::new();
        let db = fixture.db.clone();
        commit(&*db, &["1"], 10);
        commit(&*db, &["1"], 120);
        let writer = thread::spawn({
            let db = db.clone();
            // Taken if it begins before the newest sample is 190.
            move || try_commit(&*db, &["2"], 80).is_empty()
        });
        let cutter = thread::spawn({
            let db = db.clone();
            move || {
                commit(&*db, &["1"], 190);
                db.compact().unwrap();
            }
        });
        let was_taken = writer.join().unwrap();
        cutter.join().unwrap();
        let found = read(&*db.querier(0, 1000).unwrap());
        assert_eq!(found["1"], [10, 120, 190]);
        assert_eq!(found.get("2"), was_taken.then_some(&vec![80]));
    });
}

#[test]
fn a_slot_is_not_used_again_while_somebody_may_hold_it() {
    check(|| {
        let fixture = Fixture::new();
        let db = fixture.db.clone();
        // The first series will have no samples in the head.
        commit(&*db, &["1"], 10);
        commit(&*db, &["2"], 190);
        let cutter = thread::spawn({
            let db = db.clone();
            move || {
                db.compact().unwrap();
                // Truncation looks for slots that are free by now.
                commit(&*db, &["2"], 290);
                db.compact().unwrap();
            }
        });
        let writer = thread::spawn({
            let db = db.clone();
            move || {
                commit(&*db, &["3"], 290);
                commit(&*db, &["4"], 295);
            }
        });
        for _ in 0..2 {
            let found = read(&*db.querier(0, 1000).unwrap());
            assert_eq!(found["1"], [10]);
            assert!(found.contains_key("2"));
            // What does not reach into the blocks' time does not hold truncation back.
            let querier = db.querier(150, 1000).unwrap();
            let first = select(&*querier, &[Matcher::equal("instance", "1")]);
            assert_eq!(first, BTreeMap::new(), "the slot of another series");
        }
        cutter.join().unwrap();
        writer.join().unwrap();
        let found = read(&*db.querier(0, 1000).unwrap());
        assert_eq!(found["2"], [190, 290]);
        assert_eq!((&*found["3"], &*found["4"]), (&[290][..], &[295][..]));
    });
}

/// Labels and times that a reader of an agent's log finds.
fn logged(dir: &Path) -> Vec<(String, i64)> {
    let mut names = BTreeMap::new();
    let mut found = Vec::new();
    let checkpoint = wal::last_checkpoint(dir).unwrap();
    let first = checkpoint
        .as_ref()
        .map_or(0, |checkpoint| checkpoint.last_segment + 1);
    let parts = checkpoint
        .map(|checkpoint| (checkpoint.path, 0))
        .into_iter()
        .chain([(dir.to_owned(), first)]);
    for (number, (path, first)) in parts.enumerate() {
        let is_checkpoint = number == 0 && first == 0 && path != dir;
        let read = LogReader::open(&path, first)
            .unwrap()
            .for_each(|_, record| {
                match decode(record).unwrap() {
                    Record::Series(series) => names.extend(series),
                    Record::Samples(samples) if !is_checkpoint => {
                        found.extend(samples.iter().map(|sample| {
                            let labels: &Labels = &names[&sample.series_ref];
                            let instance = labels.value("instance").unwrap().to_owned();
                            (instance, sample.timestamp)
                        }));
                    }
                    _ => {}
                }
                Ok(())
            });
        read.unwrap();
    }
    found.sort();
    found
}

#[test]
fn an_agent_drops_no_young_sample_and_no_labels_that_are_needed() {
    check(|| {
        let dir = folder();
        let options = AgentOptions {
            // Two transactions add to one series in either order.
            out_of_order_window_ms: 5,
            ..AgentOptions::default()
        };
        let agent = Agent::open(dir.path(), options, &Registry::new()).unwrap();
        let agent = Arc::new(agent);
        commit(&*agent, &["1", "2"], 10);
        let cutter = thread::spawn({
            let agent = agent.clone();
            move || {
                // The second one finds segments to drop.
                agent.truncate(15, 15).unwrap();
                agent.truncate(15, 15).unwrap();
            }
        });
        // Quiet until it begins anew, while truncation may remove it.
        let writer = thread::spawn({
            let agent = agent.clone();
            move || {
                // Old: nothing but its series' newest time may be left of it.
                commit_sturdily(&*agent, &["5"], 12);
                commit_sturdily(&*agent, &["1", "4"], 20);
            }
        });
        commit_sturdily(&*agent, &["2", "4"], 21);
        commit_sturdily(&*agent, &["3"], 30);
        cutter.join().unwrap();
        writer.join().unwrap();
        let found = logged(&dir.path().join("wal"));
        let young: Vec<_> = found.iter().filter(|(_, time)| *time >= 15).collect();
        let wanted = [("1", 20), ("2", 21), ("3", 30), ("4", 20), ("4", 21)];
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(instance, time)| (instance.to_string(), *time))
            .collect();
        assert!(young.iter().copied().eq(&wanted), "{young:?}");
        // Refused, or begun anew: in both cases the agent knows.
        commit_batch(&*agent, &["5"], 12, true);
        drop(agent);
        let agent = Agent::open(dir.path(), AgentOptions::default(), &Registry::new()).unwrap();
        for (instance, time) in [("1", 20), ("2", 21), ("3", 30), ("4", 21), ("5", 12)] {
            let refused = try_commit(&agent, &[instance], time);
            assert_eq!(refused, [(0, AppendError::OutOfOrder)], "{instance}");
        }
    });
}
