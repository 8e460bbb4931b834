//! Latency of queries in quiet, and while the head is cut and blocks are compacted.
//!
//! `cargo bench -p e2e --bench latency` builds the release server, pushes history into it so that
//! blocks of ten minutes fall due, and asks all the while except when it pushes. A query is one
//! beside work if the thread that cuts and compacts was at it meanwhile, which its processor time
//! tells; all others are quiet ones: they find the same blocks. Prints the 50th and 99th percentile
//! of both kinds and their ratio. `FERULA_BENCH_SERIES` (20,000) sets the size,
//! `FERULA_BENCH_BLOCKS` (40) the number of cuts.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[path = "shared/binary.rs"]
mod binary;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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

/// How often the thread's processor time is read.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Work that is less than this apart is one piece.
const GAP: Duration = Duration::from_millis(100);
/// Pieces of less processor time are no cuts: the thread looks around every second.
const PIECE_MIN: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let series: u64 = number("FERULA_BENCH_SERIES", 20_000)?;
    let blocks: i64 = number("FERULA_BENCH_BLOCKS", 40)?;
    let program = binary::release_binary()?;
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("prometheus.yml"), CONFIG)?;
    let mut server = Server::spawn_program(&program, dir.path(), free_address()?, &FLAGS)?;
    server.wait_until_ready()?;
    let address = server.address();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let begin = (i64::try_from(now.as_millis())? - 2 * blocks * BLOCK_MS) / BLOCK_MS * BLOCK_MS;
    let watch = Watch::start(&server)?;

    // A head of one and a half blocks: nothing is due yet.
    let full = BLOCK_MS * 3 / 2 + STEP_MS;
    push(address, series, begin, begin + full - STEP_MS)?;
    let mut timings = Vec::new();
    for block in 0..blocks {
        // One step more, and a block falls due; nothing is pushed while the server works on it.
        let from = begin + full + block * BLOCK_MS;
        let before = truncations(&server)?;
        push(address, series, from, from)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = ask(address, from, stop.clone());
        thread::sleep(Duration::from_millis(1500));
        // The look at the metrics comes after the work, as a rule, and does not disturb it.
        let deadline = Instant::now() + Duration::from_secs(60);
        while truncations(&server)? <= before || watch.worked_within(Duration::from_millis(500))? {
            ensure!(Instant::now() < deadline, "no block was cut in time");
            thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Relaxed);
        timings.extend(asked.join().map_err(|_| anyhow!("asking panicked"))??);
        push(address, series, from + STEP_MS, from + BLOCK_MS - STEP_MS)?;
    }
    let pieces = watch.pieces()?;
    server.terminate()?;
    let beside_work = |(at, took): &Timing| {
        pieces
            .iter()
            .any(|(first, last)| *at + *took >= *first && at <= last)
    };
    let (busy, quiet): (Vec<Timing>, Vec<Timing>) = timings.into_iter().partition(beside_work);
    let working: Duration = pieces.iter().map(|(first, last)| *last - *first).sum();
    println!("{series} series; {blocks} cuts, {working:.1?} of work, pushing included");
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

fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    default: T,
) -> Result<T> {
    let text = std::env::var(name);
    text.map_or(Ok(default), |text| text.parse())
        .with_context(|| name.to_owned())
}

/// Watches the processor time of the thread that cuts and compacts.
struct Watch {
    /// Looks at which it had run since the one before, and how long.
    ran: Arc<Mutex<Vec<Timing>>>,
}

impl Watch {
    fn start(server: &Server) -> Result<Self> {
        let tasks = format!("/proc/{}/task", server.pid());
        let mut path = None;
        for task in std::fs::read_dir(&tasks)? {
            let task = task?.path();
            if std::fs::read_to_string(task.join("comm"))?.trim() == "tsdb" {
                path = Some(task.join("schedstat"));
            }
        }
        let path = path.context("no thread called tsdb")?;
        let ran = Arc::new(Mutex::new(Vec::new()));
        let seen = ran.clone();
        thread::spawn(move || {
            let mut before = Duration::ZERO;
            // Until the thread has ended.
            while let Ok(text) = std::fs::read_to_string(&path) {
                let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
                let now = Duration::from_nanos(nanos.unwrap_or(0));
                if let Ok(mut seen) = seen.lock()
                    && now > before
                {
                    seen.push((Instant::now(), now - before));
                    before = now;
                }
                thread::sleep(LOOK_EVERY);
            }
        });
        Ok(Self { ran })
    }

    /// Begin and end of each piece of work.
    fn pieces(&self) -> Result<Vec<(Instant, Instant)>> {
        let ran = self.ran.lock().map_err(|_| anyhow!("watching panicked"))?;
        let mut pieces: Vec<(Instant, Instant, Duration)> = Vec::new();
        for (at, took) in &*ran {
            match pieces.last_mut() {
                Some((_, last, sum)) if *at < *last + GAP => (*last, *sum) = (*at, *sum + *took),
                _ => pieces.push((*at - LOOK_EVERY, *at, *took)),
            }
        }
        pieces.retain(|(_, _, sum)| *sum >= PIECE_MIN);
        Ok(pieces
            .into_iter()
            .map(|(first, last, _)| (first, last))
            .collect())
    }

    /// Whether a piece ended so short a time ago, or has not ended.
    fn worked_within(&self, time: Duration) -> Result<bool> {
        let pieces = self.pieces()?;
        Ok(pieces.last().is_some_and(|(_, last)| last.elapsed() < time))
    }
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

/// How often the head was truncated.
fn truncations(server: &Server) -> Result<f64> {
    let page = server.get("/metrics")?.text();
    let name = "prometheus_tsdb_head_truncations_total ";
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.with_context(|| format!("no {name}"))?.parse()?)
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
