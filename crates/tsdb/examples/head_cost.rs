//! Prints what series and samples cost in the head: bytes and nanoseconds of processor time.
//!
//! `cargo run --release -p tsdb --example head_cost -- [series] [scrapes]`
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::error::Error;

use model::sample::SampleColumns;
use model::{Labels, Matcher};
use stdx::cancel::CancelToken;
use storage::{Appendable, Batch, BatchTimes, Queryable, SelectHints, SeriesRef};
use telemetry::Registry;
use tsdb::{Db, Options};

/// Series of one target.
const TARGET_SERIES: usize = 1000;

/// Ten labels, of which most belong to the target.
fn labels(target: usize, index: usize) -> Labels {
    Labels::from_pairs([
        (
            "__name__",
            format!("http_request_duration_seconds_metric_{}", index / 20),
        ),
        ("cluster", "production-eu-west-1".to_owned()),
        ("code", [200, 204, 404, 500][index % 4].to_string()),
        ("container", format!("service-{}", target % 50)),
        ("handler", format!("/api/v1/handler/{}", index % 20)),
        (
            "instance",
            format!("10.{}.{}.17:9100", target / 256, target % 256),
        ),
        ("job", format!("job-{}", target % 20)),
        ("method", ["GET", "POST"][index % 2].to_owned()),
        ("namespace", format!("team-{}", target % 30)),
        (
            "pod",
            format!("service-{}-7d9f8b6c5-{target:05x}", target % 50),
        ),
    ])
}

/// Constants, integer counters, gauges.
fn value(series: usize, scrape: usize) -> f64 {
    match series % 10 {
        0..=3 => series as f64,
        4 | 5 => (scrape * (series % 97 + 1)) as f64,
        6 | 7 => (scrape / (series % 13 + 2)) as f64,
        _ => ((series * 31 + scrape * 7) % 1000) as f64 * 0.37,
    }
}

/// Processor time of the main thread, nanoseconds: the figures hold on a busy machine too.
fn cpu_ns() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .unwrap_or(f64::NAN)
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let argument = |at: usize, default| {
        std::env::args()
            .nth(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (series_count, scrapes): (usize, usize) = (argument(1, 200_000), argument(2, 240));
    let targets = series_count / TARGET_SERIES;
    let dir = tempfile::tempdir()?;
    let db = Db::open(dir.path(), Options::default(), &Registry::new())?;
    let resident_before = resident_bytes();

    let start = cpu_ns();
    let mut refs: Vec<Vec<SeriesRef>> = Vec::new();
    for target in 0..targets {
        let mut appender = db.appender();
        let found: Result<Vec<_>, _> = (0..TARGET_SERIES)
            .map(|index| appender.series(&labels(target, index)))
            .collect();
        refs.push(found?);
        appender.rollback();
    }
    let per = |count: usize| (cpu_ns() - start) / count as f64;
    println!(
        "create series: {:.0} ns (labels included)",
        per(series_count)
    );
    println!(
        "resident after creation: {:.0} B/series",
        (resident_bytes() - resident_before) / series_count as f64
    );

    let start = cpu_ns();
    let mut values = vec![0.0; TARGET_SERIES];
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    for scrape in 0..scrapes {
        for (target, refs) in refs.iter().enumerate() {
            for (index, slot) in values.iter_mut().enumerate() {
                *slot = value(target * TARGET_SERIES + index, scrape);
            }
            let batch = Batch {
                series: refs,
                times: BatchTimes::Same(1_700_000_000_000 + scrape as i64 * 15_000 + target as i64),
                values: &values,
                histograms: &[],
                start_timestamps: &[],
                exemplars: &[],
                reject_out_of_order: false,
            };
            let mut appender = db.appender();
            appender.append(&batch, &mut refused, &mut exemplars)?;
            appender.commit()?;
        }
    }
    let samples = series_count * scrapes;
    println!(
        "append and commit: {:.1} ns/sample",
        (cpu_ns() - start) / samples as f64
    );
    let memory = db.memory_stats();
    let per_series = |bytes: usize| bytes as f64 / series_count as f64;
    println!(
        "resident: {:.0} B/series",
        (resident_bytes() - resident_before) / series_count as f64
    );
    println!(
        "by part, B/series: state and labels {:.1}, open chunks {:.1}, closed chunks {:.1}, symbols {:.1}, postings {:.1}, index {:.1}",
        per_series(memory.series_bytes),
        per_series(memory.open_chunk_bytes),
        per_series(memory.closed_chunk_bytes),
        per_series(memory.symbol_bytes),
        per_series(memory.postings_bytes),
        per_series(memory.index_bytes)
    );

    let cancel = CancelToken::new();
    let querier = db.querier(i64::MIN, i64::MAX)?;
    let mut columns = SampleColumns::default();
    for (what, last) in [("read all", false), ("read last", true)] {
        let start = cpu_ns();
        let set = querier.select(false, &SelectHints::default(), &[], &cancel)?;
        let mut read = 0;
        for index in 0..set.len() {
            if last {
                set.read_last(index, i64::MIN, i64::MAX, &mut columns)?;
            } else {
                set.read(index, i64::MIN, i64::MAX, &mut columns)?;
            }
            read += columns.len();
        }
        println!("{what}: {:.1} ns/sample", (cpu_ns() - start) / read as f64);
    }
    let start = cpu_ns();
    let matchers = [
        Matcher::equal("__name__", "http_request_duration_seconds_metric_7"),
        Matcher::equal("job", "job-3"),
    ];
    let set = querier.select(true, &SelectHints::default(), &matchers, &cancel)?;
    println!(
        "select {} series sorted: {:.0} us",
        set.len(),
        (cpu_ns() - start) / 1e3
    );
    drop((set, querier));

    db.close()?;
    drop(db);
    let wal: u64 = std::fs::read_dir(dir.path().join("wal"))?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    println!("log: {:.2} B/sample", wal as f64 / samples as f64);
    let start = cpu_ns();
    let db = Db::open(dir.path(), Options::default(), &Registry::new())?;
    println!(
        "replay: {:.1} ns/sample",
        (cpu_ns() - start) / samples as f64
    );
    drop(db);
    Ok(())
}
