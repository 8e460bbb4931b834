//! While the log is read, targets are scraped and readers are told to wait.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use e2e::{Exporter, Server, http, samples_of, wait_for};

/// A target whose n-th page says n, and how many were asked for.
fn counting() -> Result<(Exporter, Arc<AtomicU64>)> {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let page = move || format!("early {}\n", count.fetch_add(1, Ordering::Relaxed));
    Ok((Exporter::text(page)?, asked))
}

fn config(job: &str, exporter: &Exporter) -> String {
    format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs:\n\
         - job_name: {job}\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    )
}

/// Makes the first segment of the log in `dir` a pipe: the server reads from it until the test has
/// written all it wants to.
fn hold_log(dir: &Path) -> Result<PathBuf> {
    let wal = dir.join("data/wal");
    fs::create_dir_all(&wal)?;
    let segment = wal.join("00000000");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &segment,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )?;
    Ok(segment)
}

/// A server that waits for its log in `dir`, and how its log goes on.
struct Held {
    segment: PathBuf,
    exporter: Exporter,
    server: Server,
    log: File,
}

impl Held {
    /// Starts it and waits until it has scraped `scrapes` times.
    fn start(dir: &Path, scrapes: u64) -> Result<Self> {
        let segment = hold_log(dir)?;
        let (exporter, asked) = counting()?;
        let mut server = Server::spawn(dir, &config("one", &exporter), &[])?;
        // Returns when the server reads, from what is like a disk that does not answer.
        let log = File::options().write(true).open(&segment)?;
        wait_for("scrapes before the log is read", || {
            server.ensure_running()?;
            Ok((asked.load(Ordering::Relaxed) >= scrapes).then_some(()))
        })?;
        Ok(Self {
            segment,
            exporter,
            server,
            log,
        })
    }
}

fn now_seconds() -> Result<f64> {
    Ok(SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64())
}

#[test]
fn what_is_scraped_before_the_log_is_read_is_there_afterwards() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Held {
        exporter,
        mut server,
        log,
        ..
    } = Held::start(dir.path(), 8)?;

    for path in ["/-/ready", "/api/v1/query?query=up", "/api/v1/targets"] {
        let answer = server.get(path)?;
        ensure!(answer.status == 503, "{path}: {}", answer.status);
        ensure!(answer.text() == "Service Unavailable", "{}", answer.text());
    }
    for path in ["/-/healthy", "/api/v1/status/walreplay"] {
        let answer = server.get(path)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
    }
    let metrics = server.get("/metrics")?.text();
    let kept = metrics
        .lines()
        .find_map(|line| line.strip_prefix("ferula_scrape_kept_bytes "));
    ensure!(kept.is_some_and(|kept| kept != "0"), "{metrics}");

    // A reload asked for now is done as soon as it can be.
    fs::write(dir.path().join("prometheus.yml"), config("two", &exporter))?;
    server.signal(rustix::process::Signal::HUP)?;

    let released = now_seconds()?;
    drop(log);
    server.wait_until_ready()?;
    let series = wait_for("the early samples", || {
        let found = server.query("early{job=\"one\"}[1h]")?;
        let samples = found.get(0).map(samples_of).unwrap_or_default();
        Ok((samples.len() >= 8).then_some(samples))
    })?;
    let early = series.iter().filter(|(time, _)| *time < released);
    ensure!(early.count() >= 8, "{series:?}, released at {released}");
    for (number, (_, value)) in series.iter().enumerate() {
        // The stale marker of the reload is no sample of a range.
        ensure!(*value == number.to_string(), "{series:?}");
    }
    let up = server.query("up{job=\"one\"}[1h]")?;
    let up = samples_of(&up[0]);
    ensure!(up.len() >= 8 && up.iter().all(|(_, value)| value == "1"));
    wait_for("the job of the reload", || {
        let found = server.query("early{job=\"two\"}")?;
        Ok(found.get(0).is_some().then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_server_that_still_reads_the_log_ends_when_it_is_told_to() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Held {
        segment,
        exporter,
        mut server,
        log,
    } = Held::start(dir.path(), 2)?;
    let answer = http::request(server.address(), "POST", "/-/quit", &[], b"")?;
    ensure!(answer.status == 200, "{}", answer.status);
    let begun = Instant::now();
    let status = server.wait()?;
    ensure!(status.success(), "{status}\n{}", server.log_text());
    ensure!(begun.elapsed() < Duration::from_secs(30));
    drop(log);

    // Nothing is left behind that a start would mind.
    fs::remove_file(&segment).context("the log is as it was")?;
    let server = Server::start(dir.path(), &config("one", &exporter), &[])?;
    wait_for("a sample", || {
        Ok(server.query("early")?.get(0).is_some().then_some(()))
    })
}
