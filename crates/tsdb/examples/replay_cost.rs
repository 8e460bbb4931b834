//! Prints what a start costs: reading the log, and the first answer over all series.
//!
//! `cargo run --release -p tsdb --example replay_cost -- DIR [series] [samples]`
//!
//! The log is made in `DIR` if there is none: requests of a remote writer, 2000 series of five
//! samples each. It is left there for the next run.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use model::sample::SampleColumns;
use model::{Labels, Matcher};
use stdx::cancel::CancelToken;
use storage::{Appendable, Batch, BatchTimes, Queryable, SelectHints, SeriesRef};
use telemetry::Registry;
use tsdb::{Db, Options};

/// Series of one pod.
const POD_SERIES: usize = 500;
/// Series of one request.
const REQUEST_SERIES: usize = 2000;
/// Samples of a series in one request.
const REQUEST_SAMPLES: usize = 5;
const STEP_MS: i64 = 15_000;
const FIRST_MS: i64 = 1_700_000_000_000;

/// Labels of a microservice's pod: most of them belong to the pod.
fn labels(series: usize) -> Labels {
    let (pod, index) = (series / POD_SERIES, series % POD_SERIES);
    let service = pod % 50;
    let mut pairs = vec![
        (
            "__name__",
            format!("http_request_duration_seconds_{}", index / 24),
        ),
        ("cluster", "wal".to_owned()),
        ("container", format!("service-{service}")),
        ("env", "production".to_owned()),
        (
            "instance",
            format!("10.{}.{}.17:9100", pod / 256, pod % 256),
        ),
        ("job", format!("team/service-{service}")),
        ("namespace", format!("team-{}", pod % 30)),
        ("node", format!("node-{}", pod % 100)),
        ("pod", format!("service-{service}-7d9f8b6c5-{pod:05x}")),
        ("region", "eu-west-1".to_owned()),
    ];
    pairs.push(("handler", format!("/api/v1/handler/{}", index / 12 % 2)));
    pairs.push(("le", format!("{}", (index % 12) as f64 * 0.25)));
    Labels::from_pairs(pairs)
}

/// Constants, integer counters, gauges.
fn value(series: usize, step: usize) -> f64 {
    match series % 10 {
        0..=3 => series as f64,
        4 | 5 => (step * (series % 97 + 1)) as f64,
        6 | 7 => (step / (series % 13 + 2)) as f64,
        _ => ((series * 31 + step * 7) % 1000) as f64 * 0.37,
    }
}

/// Processor time of the process, seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) / 256.0
}

fn fill(dir: &Path, series_count: usize, samples: usize) -> Result<(), Box<dyn Error>> {
    let db = Db::open(dir, Options::default(), &Registry::new())?;
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    for first_step in (0..samples).step_by(REQUEST_SAMPLES) {
        for first in (0..series_count).step_by(REQUEST_SERIES) {
            let mut appender = db.appender();
            let mut refs: Vec<SeriesRef> = Vec::new();
            let (mut times, mut values) = (Vec::new(), Vec::new());
            for series in first..series_count.min(first + REQUEST_SERIES) {
                let series_ref = appender.series(&labels(series))?;
                for step in first_step..samples.min(first_step + REQUEST_SAMPLES) {
                    refs.push(series_ref);
                    times.push(FIRST_MS + step as i64 * STEP_MS);
                    values.push(value(series, step));
                }
            }
            let batch = Batch {
                series: &refs,
                times: BatchTimes::Each(&times),
                values: &values,
                histograms: &[],
                start_timestamps: &[],
                exemplars: &[],
                reject_out_of_order: false,
            };
            appender.append(&batch, &mut refused, &mut exemplars)?;
            appender.commit()?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("a directory is needed")?;
    let dir = Path::new(&dir);
    let mut number = |default| {
        let argument = arguments.next();
        argument
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (series_count, samples): (usize, usize) = (number(500_000), number(20));
    if !dir.join("wal").exists() {
        fill(dir, series_count, samples)?;
    }

    let timed = |what: &str, start: Instant, cpu: f64| {
        println!(
            "{what}: {:.2} s, CPU {:.2} s, resident {:.0} MiB",
            start.elapsed().as_secs_f64(),
            cpu_s() - cpu,
            resident_mib()
        );
    };
    let (start, cpu) = (Instant::now(), cpu_s());
    let db = Db::open(dir, Options::default(), &Registry::new())?;
    timed("open", start, cpu);

    let now = db.max_time().unwrap_or_default();
    let matchers = [Matcher::equal("cluster", "wal")];
    let cancel = CancelToken::new();
    let mut columns = SampleColumns::default();
    for sort in [false, true] {
        let querier = db.querier(now - 300_000 + 1, now)?;
        let (start, cpu) = (Instant::now(), cpu_s());
        let set = querier.select(sort, &SelectHints::default(), &matchers, &cancel)?;
        timed(&format!("select (sorted: {sort})"), start, cpu);
        let (start, cpu) = (Instant::now(), cpu_s());
        let mut read = 0;
        for index in 0..set.len() {
            set.read_last(index, now - 300_000 + 1, now, &mut columns)?;
            read += columns.len();
        }
        timed(&format!("newest of {read} series"), start, cpu);
        let (start, cpu) = (Instant::now(), cpu_s());
        let mut bytes = 0;
        for index in 0..set.len() {
            bytes += set.labels(index).as_bytes().len();
        }
        timed(&format!("{bytes} bytes of labels"), start, cpu);
        let (start, cpu) = (Instant::now(), cpu_s());
        let mut read = 0;
        for index in 0..set.len() {
            set.read(index, now - 300_000 + 1, now, &mut columns)?;
            read += columns.len();
        }
        timed(&format!("{read} samples of all series"), start, cpu);
    }
    Ok(())
}
