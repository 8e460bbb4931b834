//! One benchmark a stage of a sample's way: parse, append, replay, select, query.

use std::hint::black_box;
use std::time::Duration;

use bench::{INTERVAL_MS, SERIES, START, create, page, scrape};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exposition::{Entry, Format, Parser};
use model::Matcher;
use model::sample::SampleColumns;
use promql::{Engine, EngineOptions, QueryOptions};
use stdx::cancel::CancelToken;
use storage::{Queryable, SelectHints};
use telemetry::Registry;
use tsdb::{Db, Options};

/// Scrapes stored before reading is measured: one hour.
const STEPS: usize = 240;

fn open(dir: &std::path::Path) -> Db {
    Db::open(dir, Options::default(), &Registry::new()).expect("a fresh directory opens")
}

fn filled(dir: &std::path::Path) -> Db {
    let db = open(dir);
    let series = create(&db).expect("series are taken");
    for step in 0..STEPS {
        scrape(&db, &series, step).expect("samples are taken");
    }
    db
}

fn parse_text(criterion: &mut Criterion) {
    let page = page(17);
    let mut group = criterion.benchmark_group("parse_text");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.bench_function("page", |bencher| {
        bencher.iter(|| {
            let mut parser = Parser::new(Format::Text, page.as_bytes());
            let mut sum = 0.0;
            while let Ok(Some(entry)) = parser.next_entry() {
                if let Entry::Series(series) = entry {
                    sum += series.value;
                }
            }
            black_box(sum)
        });
    });
    group.finish();
}

fn append(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path());
    let series = create(&db).expect("series are taken");
    let mut step = 0;
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.bench_function("scrape", |bencher| {
        bencher.iter(|| {
            scrape(&db, &series, step).expect("samples are taken");
            step += 1;
        });
    });
    group.finish();
}

fn wal_replay(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    drop(filled(dir.path()));
    let mut group = criterion.benchmark_group("wal_replay");
    group
        .throughput(Throughput::Elements((SERIES * STEPS) as u64))
        .sample_size(10);
    group.bench_function("hour", |bencher| {
        bencher.iter(|| black_box(open(dir.path())));
    });
    group.finish();
}

fn select(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = filled(dir.path());
    let matchers = [Matcher::equal("code", "201")];
    let mut columns = SampleColumns::default();
    let mut group = criterion.benchmark_group("select");
    group.throughput(Throughput::Elements((SERIES / 5 * STEPS) as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let querier = db.querier(i64::MIN, i64::MAX).expect("the store is open");
            let set = querier
                .select(
                    true,
                    &SelectHints::default(),
                    &matchers,
                    &CancelToken::new(),
                )
                .expect("series are selected");
            let mut samples = 0;
            for index in 0..set.len() {
                set.read(index, i64::MIN, i64::MAX, &mut columns)
                    .expect("samples are read");
                samples += columns.len();
            }
            black_box(samples)
        });
    });
    group.finish();
}

fn promql_range(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = filled(dir.path());
    let engine = Engine::new(EngineOptions::default());
    let end = START + STEPS as i64 * INTERVAL_MS;
    let mut group = criterion.benchmark_group("promql_range");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(5));
    for (name, text) in [
        (
            "sum_rate",
            "sum by (handler) (rate(http_request_duration_seconds_bucket[5m]))",
        ),
        (
            "quantile",
            "histogram_quantile(0.9, sum by (handler, le) (rate(http_request_duration_seconds_bucket[5m])))",
        ),
        (
            "join",
            "http_request_duration_seconds_bucket * on (handler, code, le) http_request_duration_seconds_bucket",
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let query = engine
                    .range_query(&db, &QueryOptions::default(), text, (START, end, 60_000))
                    .expect("the expression parses");
                black_box(
                    query
                        .exec(&CancelToken::new())
                        .value
                        .expect("the query succeeds"),
                )
            });
        });
    }
    group.finish();
}

criterion_group!(stages, parse_text, append, wal_replay, select, promql_range);
criterion_main!(stages);
