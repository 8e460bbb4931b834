//! Latency of queries in quiet, and while the head is cut and blocks are compacted.
//!
//! `cargo bench -p e2e --bench latency` builds the release server, pushes history into it so that
//! blocks of ten minutes fall due, and asks all the while. Prints the 50th and 99th percentile of both
//! kinds of moments and their ratio. `FERULA_BENCH_SERIES` (20,000) sets the size.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use e2e::remote_write::{self, Sample};
use e2e::server::free_address;
use e2e::{Server, http};

const CONFIG: &str = "global: {scrape_interval: 1h}\n";
const FLAGS: [&str; 3] = [
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.min-block-duration=10m",
    "--storage.tsdb.max-block-duration=90m",
];
/// Samples are this far apart.
const STEP_MS: i64 = 15_000;
/// Blocks that fall due, one after another.
const BLOCKS: i64 = 20;
const BLOCK_MS: i64 = 600_000;

/// What a dashboard asks; `time` is the newest pushed moment.
const QUERIES: [&str; 4] = [
    "sum by (group) (rate(bench_total[5m]))",
    "bench_total{series=\"17\"}",
    "count(bench_total{group=\"3\"})",
    "max_over_time(bench_total{group=\"5\"}[10m])",
];

/// A measured query: when it began, how long it took.
type Timing = (Instant, Duration);

fn main() -> Result<()> {
    let series: u64 = std::env::var("FERULA_BENCH_SERIES")
        .map_or(Ok(20_000), |text| text.parse())
        .context("FERULA_BENCH_SERIES")?;
    let program = release_binary()?;
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("prometheus.yml"), CONFIG)?;
    let mut server = Server::spawn_program(&program, dir.path(), free_address()?, &FLAGS)?;
    server.wait_until_ready()?;
    let address = server.address();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let begin = (i64::try_from(now.as_millis())? - 2 * BLOCKS * BLOCK_MS) / BLOCK_MS * BLOCK_MS;

    // A head of one and a half blocks: nothing is due yet.
    let full = BLOCK_MS * 3 / 2 + STEP_MS;
    push(address, series, begin, begin + full - STEP_MS)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = ask(address, begin + full - STEP_MS, stop.clone());
    thread::sleep(Duration::from_secs(20));
    stop.store(true, Ordering::Relaxed);
    let quiet = asked.join().map_err(|_| anyhow!("asking panicked"))??;

    // One step more, and a block falls due; nothing is pushed while the server works on it.
    let mut busy = Vec::new();
    let mut working = Duration::ZERO;
    for block in 0..BLOCKS {
        let from = begin + full + block * BLOCK_MS;
        let before = work_done(&server)?;
        push(address, series, from, from)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = ask(address, from, stop.clone());
        let deadline = Instant::now() + Duration::from_secs(60);
        // From when work is seen to when it has been over for a moment.
        let (mut first, mut last) = (None, None);
        while Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
            let after = work_done(&server)?;
            if after.1 > before.1 && last.is_none() {
                let took = Duration::from_secs_f64(after.0 - before.0);
                first = Instant::now().checked_sub(took + Duration::from_millis(50));
                last = Some(Instant::now());
            }
            if last.is_some_and(|last| last.elapsed() > Duration::from_millis(500)) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        let timings = asked.join().map_err(|_| anyhow!("asking panicked"))??;
        let (first, last) = first.zip(last).context("no block was cut in time")?;
        working += last - first;
        push(address, series, from + STEP_MS, from + BLOCK_MS - STEP_MS)?;
        busy.extend(
            timings
                .into_iter()
                .filter(|(at, took)| *at + *took >= first && *at <= last),
        );
    }
    server.terminate()?;
    println!("{series} series; {BLOCKS} cuts, {working:.1?} of work beside queries");
    let [quiet50, quiet99] = percentiles(&quiet)?;
    let [busy50, busy99] = percentiles(&busy)?;
    println!(
        "quiet: {} queries, p50 {quiet50:?}, p99 {quiet99:?}",
        quiet.len()
    );
    println!(
        "cutting: {} queries, p50 {busy50:?}, p99 {busy99:?}",
        busy.len()
    );
    println!(
        "ratio: p50 {:.2}, p99 {:.2}",
        busy50.as_secs_f64() / quiet50.as_secs_f64(),
        busy99.as_secs_f64() / quiet99.as_secs_f64()
    );
    Ok(())
}

/// Asks in turn until told to stop.
fn ask(
    address: std::net::SocketAddr,
    time_ms: i64,
    stop: Arc<AtomicBool>,
) -> thread::JoinHandle<Result<Vec<Timing>>> {
    thread::spawn(move || {
        let mut timings = Vec::new();
        let end = time_ms / 1000;
        for query in QUERIES.iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (start, query) = (end - 600, http::encode(query));
            let path = format!("/api/v1/query_range?query={query}&start={start}&end={end}&step=15");
            let began = Instant::now();
            let answer = http::get(address, &path)?;
            ensure!(answer.status == 200, "{path}: {}", answer.text());
            timings.push((began, began.elapsed()));
            thread::sleep(Duration::from_millis(5));
        }
        Ok(timings)
    })
}

fn push(address: std::net::SocketAddr, series: u64, from: i64, to: i64) -> Result<()> {
    let mut time = from;
    while time <= to {
        let all: Vec<u64> = (0..series).collect();
        for part in all.chunks(5_000) {
            let sample = |index: &u64| Sample {
                labels: [
                    ("__name__", "bench_total".to_owned()),
                    ("group", (index % 100).to_string()),
                    ("series", index.to_string()),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
                timestamp: time,
                value: (time - from + i64::try_from(*index).unwrap_or(0)) as f64,
            };
            let samples: Vec<Sample> = part.iter().map(sample).collect();
            let status = remote_write::send(address, &samples)?;
            ensure!(status < 300, "remote write answered {status}");
        }
        time += STEP_MS;
    }
    Ok(())
}

/// Seconds spent compacting, and how often the head was truncated.
fn work_done(server: &Server) -> Result<(f64, f64)> {
    let page = server.get("/metrics")?.text();
    let value = |name: &str| -> Result<f64> {
        let line = page.lines().find(|line| line.starts_with(name));
        let text = line.and_then(|line| line.rsplit(' ').next());
        Ok(text.with_context(|| format!("no {name}"))?.parse()?)
    };
    Ok((
        value("prometheus_tsdb_compaction_duration_seconds_sum ")?,
        value("prometheus_tsdb_head_truncations_total ")?,
    ))
}

fn percentiles(timings: &[Timing]) -> Result<[Duration; 2]> {
    let mut times: Vec<Duration> = timings.iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).copied()
    };
    Ok([
        at(0.5).context("no queries")?,
        at(0.99).context("no queries")?,
    ])
}

fn release_binary() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("FERULA_BENCH_PROGRAM") {
        return Ok(program.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "ferula"])
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "cargo build ended with {status}");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/ferula"))
}
