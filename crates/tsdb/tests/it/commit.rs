//! What transactions take, refuse and show.

use std::sync::Arc;

use model::sample::{SampleColumns, Value};
use model::staleness::STALE_NAN;
use model::{Exemplar, Histogram, Labels, MatchOp, Matcher, Metadata, MetricType, Span};
use stdx::cancel::CancelToken;
use storage::{AppendError, Appendable, Batch, BatchTimes, LabelHints, Queryable, SelectHints};
use tsdb::{Error, Options};

use crate::support::{add, commit, open, open_with, read, read_all, series};

#[test]
fn committed_samples_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (series("a", "1"), series("b", "1"));
    let db = open(dir.path());
    for step in 0..500 {
        let time = step * 15_000;
        assert_eq!(commit(&db, &[(&a, time, step as f64), (&b, time, 1.0)]), []);
    }
    let before = read_all(&db);
    assert_eq!(before[&a].len(), 500);
    db.close().unwrap();
    drop(db);
    assert_eq!(read_all(&open(dir.path())), before);
}

#[test]
fn nothing_is_visible_before_the_commit_or_after_a_rollback() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let a = series("a", "1");
    let mut appender = db.appender();
    add(&mut *appender, &[(&a, 1000, 1.0)]);
    assert!(read_all(&db).is_empty());
    appender.rollback();
    assert!(read_all(&db).is_empty());
    commit(&db, &[(&a, 2000, 2.0)]);
    assert_eq!(read_all(&db)[&a], [(2000, 2.0_f64.to_bits())]);
}

#[test]
fn a_view_does_not_see_later_commits() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let (a, b) = (series("a", "1"), series("b", "1"));
    commit(&db, &[(&a, 1000, 1.0)]);
    let querier = db.querier(0, 100_000).unwrap();
    for time in 2..10 {
        commit(&db, &[(&a, time * 1000, 2.0), (&b, time * 1000, 2.0)]);
    }
    let set = querier
        .select(true, &SelectHints::default(), &[], &CancelToken::new())
        .unwrap();
    assert_eq!(
        set.len(),
        1,
        "a series without visible samples is not selected"
    );
    let mut columns = SampleColumns::default();
    set.read(0, 0, 100_000, &mut columns).unwrap();
    assert_eq!(columns.timestamps, [1000]);
    set.read_last(0, 0, 100_000, &mut columns).unwrap();
    assert_eq!(columns.timestamps, [1000]);
    assert_eq!(read_all(&db)[&a].len(), 9);
}

#[test]
fn order_rules_are_those_of_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let a = series("a", "1");
    let hour = 3_600_000;
    commit(&db, &[(&a, 10 * hour, 1.0)]);
    assert_eq!(
        commit(&db, &[(&a, 10 * hour, 1.0)]),
        [],
        "the same sample again is fine"
    );
    assert_eq!(
        commit(&db, &[(&a, 10 * hour, 2.0)]),
        [(0, AppendError::duplicate_float(10 * hour, Some(1.0), 2.0))]
    );
    assert_eq!(
        commit(&db, &[(&a, 10 * hour - 1, 2.0)]),
        [(0, AppendError::OutOfOrder)]
    );
    assert_eq!(
        commit(&db, &[(&a, 9 * hour - 1, 2.0)]),
        [(0, AppendError::OutOfBounds)]
    );
    let b = series("b", "1");
    assert_eq!(
        commit(&db, &[(&b, 9 * hour, 2.0)]),
        [],
        "another series may be an hour late"
    );
    assert_eq!(
        commit(&db, &[(&b, 9 * hour - 1, 2.0)]),
        [(0, AppendError::OutOfBounds)]
    );
    // Within one transaction the first of two wins, silently.
    let c = series("c", "1");
    assert_eq!(
        commit(&db, &[(&c, 10 * hour, 1.0), (&c, 10 * hour, 2.0)]),
        []
    );
    assert_eq!(read_all(&db)[&c], [(10 * hour, 1.0_f64.to_bits())]);
}

#[test]
fn matchers_select_as_in_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let one = Labels::from_pairs([("__name__", "m"), ("l", "1")]);
    let two = Labels::from_pairs([("__name__", "m"), ("l", "2")]);
    let none = Labels::from_pairs([("__name__", "m")]);
    commit(&db, &[(&one, 1, 1.0), (&two, 1, 1.0), (&none, 1, 1.0)]);
    let check = |op, value: &str, expected: &[&Labels]| {
        let matchers = [
            Matcher::equal("__name__", "m"),
            Matcher::new(op, "l", value).unwrap(),
        ];
        let found: Vec<Labels> = read(&db, 0, 10, &matchers).into_keys().collect();
        let expected: Vec<Labels> = expected.iter().map(|labels| (*labels).clone()).collect();
        assert_eq!(found, expected, "{op} {value:?}");
        let alone = [Matcher::new(op, "l", value).unwrap()];
        assert_eq!(
            read(&db, 0, 10, &alone).into_keys().collect::<Vec<_>>(),
            expected
        );
    };
    check(MatchOp::Equal, "1", &[&one]);
    check(MatchOp::Equal, "3", &[]);
    check(MatchOp::Equal, "", &[&none]);
    check(MatchOp::NotEqual, "1", &[&none, &two]);
    check(MatchOp::NotEqual, "3", &[&none, &one, &two]);
    check(MatchOp::NotEqual, "", &[&one, &two]);
    check(MatchOp::Regex, "1|2", &[&one, &two]);
    check(MatchOp::Regex, "1|", &[&none, &one]);
    check(MatchOp::Regex, ".*", &[&none, &one, &two]);
    check(MatchOp::Regex, ".+", &[&one, &two]);
    check(MatchOp::NotRegex, "1|2", &[&none]);
    check(MatchOp::NotRegex, "1|", &[&two]);
    check(MatchOp::NotRegex, ".*", &[]);
    check(MatchOp::NotRegex, ".+", &[&none]);
    let absent = [Matcher::new(MatchOp::NotEqual, "nolabel", "x").unwrap()];
    assert_eq!(read(&db, 0, 10, &absent).len(), 3);
    let required = [Matcher::new(MatchOp::Regex, "nolabel", "x").unwrap()];
    assert_eq!(read(&db, 0, 10, &required).len(), 0);
}

#[test]
fn label_names_and_values_are_sorted_and_obey_matchers() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let all: Vec<Labels> = (0..30)
        .map(|i| series(&format!("m{}", i % 3), &i.to_string()))
        .collect();
    let samples: Vec<_> = all.iter().map(|labels| (labels, 5, 1.0)).collect();
    commit(&db, &samples);
    let querier = db.querier(0, 10).unwrap();
    let hints = LabelHints::default();
    let values =
        |name: &str, matchers: &[Matcher]| querier.label_values(name, &hints, matchers).unwrap().0;
    assert_eq!(values("__name__", &[]), ["m0", "m1", "m2"]);
    assert_eq!(values("instance", &[]).len(), 30);
    assert_eq!(
        values("instance", &[Matcher::equal("__name__", "m1")]).len(),
        10
    );
    assert_eq!(values("nothing", &[]), [""; 0]);
    let names = querier.label_names(&hints, &[]).unwrap().0;
    assert_eq!(names, ["__name__", "instance", "job"]);
    let names = querier
        .label_names(&hints, &[Matcher::equal("job", "other")])
        .unwrap()
        .0;
    assert_eq!(names, [""; 0]);
    let outside = db.querier(1000, 2000).unwrap();
    assert_eq!(outside.label_values("job", &hints, &[]).unwrap().0, [""; 0]);
}

#[test]
fn histograms_exemplars_and_metadata_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        exemplars_max: 10,
        ..Options::default()
    };
    let histogram = |count: u64| {
        Value::Histogram(Arc::new(Histogram {
            count,
            sum: count as f64,
            schema: 1,
            positive_spans: vec![Span {
                offset: 0,
                length: 1,
            }],
            positive_buckets: vec![count as i64],
            ..Histogram::default()
        }))
    };
    let labels = series("h", "1");
    let selectors = [vec![Matcher::equal("__name__", "h")]];
    let db = open_with(dir.path(), options());
    for step in 1..=3_u32 {
        let mut appender = db.appender();
        let series_ref = appender.series(&labels).unwrap();
        let metadata = Metadata {
            metric_type: MetricType::Histogram,
            unit: "seconds".to_owned(),
            help: "Help.".to_owned(),
        };
        appender.update_metadata(series_ref, &metadata).unwrap();
        let exemplar = Exemplar {
            labels: Labels::from_pairs([("trace_id", step.to_string())]),
            value: 0.5,
            timestamp: None,
        };
        let stale = step == 3;
        let batch = Batch {
            series: &[series_ref],
            times: BatchTimes::Same(i64::from(step) * 1000),
            values: &[STALE_NAN],
            histograms: &if stale {
                vec![]
            } else {
                vec![(0, histogram(u64::from(step)))]
            },
            start_timestamps: &[],
            exemplars: &[(0, exemplar)],
            reject_out_of_order: false,
        };
        let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
        appender
            .append(&batch, &mut refused, &mut exemplars)
            .unwrap();
        assert!(refused.is_empty() && exemplars.is_empty());
        appender.commit().unwrap();
    }
    let check = |db: &tsdb::Db| {
        let querier = db.querier(0, 10_000).unwrap();
        let set = querier
            .select(true, &SelectHints::default(), &[], &CancelToken::new())
            .unwrap();
        let mut columns = SampleColumns::default();
        set.read(0, 0, 10_000, &mut columns).unwrap();
        assert_eq!(columns.timestamps, [1000, 2000, 3000]);
        let Some(Value::Histogram(second)) = columns.histogram_at(1) else {
            panic!("a histogram");
        };
        let Value::Histogram(wanted) = histogram(2) else {
            panic!("a histogram");
        };
        assert!(second.same_data(&wanted));
        let hint = second.counter_reset_hint;
        assert_eq!(hint, model::histogram::CounterResetHint::NotCounterReset);
        assert!(matches!(columns.histogram_at(2), Some(Value::Histogram(_))));
        assert!(model::staleness::is_stale(columns.values[2]));
        let found = db.exemplars(0, 10_000, &selectors).unwrap();
        assert_eq!(found[0].exemplars.len(), 3);
        assert_eq!(found[0].labels, labels);
    };
    check(&db);
    drop(db);
    check(&open_with(dir.path(), options()));
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let registry = telemetry::Registry::new();
    let err = tsdb::Db::open(dir.path(), Options::default(), &registry).unwrap_err();
    assert!(matches!(err, Error::Locked));
    assert_eq!(
        err.to_string(),
        "lock DB directory: resource temporarily unavailable"
    );
    db.close().unwrap();
    assert!(!dir.path().join("lock").exists());
    let a = series("a", "1");
    let mut appender = db.appender();
    add(&mut *appender, &[(&a, 1, 1.0)]);
    assert!(
        matches!(appender.commit(), Err(AppendError::Io(_))),
        "closed is closed"
    );
    open(dir.path());
}

#[test]
fn parallel_transactions_and_views_keep_scrapes_whole() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let targets: Vec<Vec<Labels>> = (0..3)
        .map(|t| {
            (0..40)
                .map(|i| series(&format!("m{i}"), &t.to_string()))
                .collect()
        })
        .collect();
    std::thread::scope(|scope| {
        for target in &targets {
            scope.spawn(|| {
                for step in 1..200 {
                    let samples: Vec<_> = target
                        .iter()
                        .map(|labels| (labels, step * 1000, step as f64))
                        .collect();
                    assert_eq!(commit(&db, &samples), []);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..60 {
                let content = read_all(&db);
                for (t, target) in targets.iter().enumerate() {
                    let found: Vec<_> = target.iter().map(|labels| content.get(labels)).collect();
                    assert!(
                        found.iter().all(|f| *f == found[0]),
                        "torn scrape of target {t}"
                    );
                }
            }
        });
    });
    let content = read_all(&db);
    assert_eq!(content.len(), 120);
    assert!(content.values().all(|samples| samples.len() == 199));
    drop(db);
    assert_eq!(read_all(&open(dir.path())), content);
}
