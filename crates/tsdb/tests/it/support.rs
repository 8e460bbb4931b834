//! Short forms for what the tests do all the time.

use std::collections::BTreeMap;
use std::path::Path;

use model::sample::SampleColumns;
use model::{Labels, Matcher};
use proptest::prelude::ProptestConfig;
use stdx::cancel::CancelToken;
use storage::{
    AppendError, Appendable, Appender, Batch, BatchTimes, Queryable, SelectHints, SeriesRef,
};
use telemetry::Registry;
use tsdb::{Db, Options};

/// Samples by series: times and bits of values.
pub(crate) type Content = BTreeMap<Labels, Vec<(i64, u64)>>;

pub(crate) fn open(dir: &Path) -> Db {
    open_with(
        dir,
        Options {
            wal_segment_bytes: 64 * 1024,
            ..Options::default()
        },
    )
}

pub(crate) fn open_with(dir: &Path, options: Options) -> Db {
    Db::open(dir, options, &Registry::new()).unwrap()
}

pub(crate) fn series(name: &str, instance: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("instance", instance), ("job", "test")])
}

/// Adds samples to a transaction and returns the refusals.
pub(crate) fn add(
    appender: &mut dyn Appender,
    samples: &[(&Labels, i64, f64)],
) -> Vec<(u32, AppendError)> {
    let refs: Vec<SeriesRef> = samples
        .iter()
        .map(|(labels, ..)| appender.series(labels).unwrap())
        .collect();
    let times: Vec<i64> = samples.iter().map(|(_, timestamp, _)| *timestamp).collect();
    let values: Vec<f64> = samples.iter().map(|(.., value)| *value).collect();
    let batch = Batch {
        series: &refs,
        times: BatchTimes::Each(&times),
        values: &values,
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: false,
    };
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender
        .append(&batch, &mut refused, &mut exemplars)
        .unwrap();
    refused
}

/// One transaction with these samples; returns the refusals.
pub(crate) fn commit(db: &Db, samples: &[(&Labels, i64, f64)]) -> Vec<(u32, AppendError)> {
    let mut appender = db.appender();
    let refused = add(&mut *appender, samples);
    appender.commit().unwrap();
    refused
}

/// Everything that `matchers` select in a range.
pub(crate) fn read(db: &Db, mint: i64, maxt: i64, matchers: &[Matcher]) -> Content {
    let querier = db.querier(mint, maxt).unwrap();
    let hints = SelectHints::default();
    let set = querier
        .select(true, &hints, matchers, &CancelToken::new())
        .unwrap();
    let mut columns = SampleColumns::default();
    let mut content = Content::new();
    let mut before: Option<Labels> = None;
    for index in 0..set.len() {
        set.read(index, mint, maxt, &mut columns).unwrap();
        let labels = set.labels(index);
        assert!(
            before.is_none_or(|before| before < labels),
            "selections are sorted"
        );
        before = Some(labels.clone());
        let values = columns.values.iter().map(|value| value.to_bits());
        let samples: Vec<_> = columns.timestamps.iter().copied().zip(values).collect();
        let newest = samples.last().copied();
        set.read_last(index, mint, maxt, &mut columns).unwrap();
        let last = columns
            .timestamps
            .first()
            .map(|t| (*t, columns.values[0].to_bits()));
        assert_eq!(last, newest, "the newest sample is the last one");
        content.insert(labels, samples);
    }
    content
}

/// Everything.
pub(crate) fn read_all(db: &Db) -> Content {
    read(db, i64::MIN, i64::MAX, &[])
}

/// As many cases as `PROPTEST_CASES` says, for longer runs on demand; else so few that CI is quick.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    let cases = if asked { default.cases } else { few };
    ProptestConfig { cases, ..default }
}
