//! Processor time of scraping protobuf, ours beside the reference's, on the same pages.
//!
//! `FERULA_BENCH_PEER=…/prometheus cargo bench -p e2e --bench protobuf` builds the release server,
//! serves pages of 1,000 series (classic histograms, counters, gauges; compressed, values that move)
//! at so many targets, and has one server after the other scrape them. Prints seconds of processor
//! time a million samples, and their ratio. `FERULA_BENCH_TARGETS` (200) and `FERULA_BENCH_SECONDS`
//! (60) set the size.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[path = "shared/binary.rs"]
mod binary;
#[path = "shared/pages.rs"]
mod pages;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::Server;
use e2e::server::free_address;

use pages::{Page, SERIES};

/// Pages that differ; target `n` shows number `n` modulo this.
const PAGES: usize = 16;
/// Time between scrapes of a target, and between changes of the pages.
const INTERVAL: Duration = Duration::from_secs(5);
/// Scrapes of each target before the measuring begins.
const WARM_UP: u32 = 4;

const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Of `/proc`, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The bodies as they go over the wire.
type Bodies = Arc<RwLock<Vec<Arc<Vec<u8>>>>>;

fn main() -> Result<()> {
    let number = |name: &str, default: usize| {
        let text = std::env::var(name);
        text.map_or(Ok(default), |text| text.parse())
            .with_context(|| name.to_owned())
    };
    let targets = number("FERULA_BENCH_TARGETS", 200)?;
    let seconds = number("FERULA_BENCH_SECONDS", 60)?;
    let peer =
        std::env::var_os("FERULA_BENCH_PEER").context("FERULA_BENCH_PEER names no program")?;
    let ours = binary::release_binary()?;
    let bodies = moving_pages()?;
    println!("{targets} targets of {SERIES} series, every {INTERVAL:?}, for {seconds} s");
    let mut figures = Vec::new();
    for (name, program) in [("reference", PathBuf::from(peer)), ("ferula", ours)] {
        let measured = measure(
            &program,
            &bodies,
            targets,
            Duration::from_secs(seconds as u64),
        )?;
        println!(
            "{name:>9}: {:.3} CPU s/M samples ({} scrapes, {:.2} CPU s)",
            measured.0, measured.1, measured.2
        );
        figures.push(measured.0);
    }
    if let [reference, ours] = figures[..] {
        println!("    ratio: {:.3}", ours / reference);
    }
    Ok(())
}

/// Processor seconds a million samples, scrapes, processor seconds.
fn measure(
    program: &Path,
    bodies: &Bodies,
    targets: usize,
    duration: Duration,
) -> Result<(f64, u64, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let scrapes = Arc::new(AtomicU64::new(0));
    serve(listener, bodies.clone(), scrapes.clone());
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("prometheus.yml"), config(address, targets))?;
    let mut server = Server::spawn_program(program, dir.path(), free_address()?, &[])?;
    server.wait_until_ready()?;
    thread::sleep(INTERVAL * WARM_UP);
    let (before, cpu_before) = (scrapes.load(Ordering::Relaxed), cpu_seconds(server.pid())?);
    thread::sleep(duration);
    let scraped = scrapes.load(Ordering::Relaxed) - before;
    let cpu = cpu_seconds(server.pid())? - cpu_before;
    let expected = duration.as_secs() / INTERVAL.as_secs() * targets as u64;
    ensure!(
        scraped + targets as u64 >= expected,
        "{scraped} scrapes instead of {expected}"
    );
    let up = server.query("count(up == 1)")?;
    let up = up.to_string();
    ensure!(
        up.contains(&format!("\"{targets}\"")),
        "not all targets are up: {up}"
    );
    server.terminate()?;
    let samples = scraped as f64 * SERIES as f64;
    Ok((cpu / (samples / 1e6), scraped, cpu))
}

fn config(address: SocketAddr, targets: usize) -> String {
    let interval = INTERVAL.as_secs();
    let mut text = format!(
        "global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}\n\
         scrape_configs:\n- job_name: bench\n  scrape_protocols: [PrometheusProto]\n  static_configs:\n"
    );
    for target in 0..targets {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  - targets: ['{address}']\n    labels: {{__metrics_path__: /{target}, instance: 'pod-{target}', \
             cluster: bench, namespace: shop}}"
        );
    }
    text
}

/// Pages that a thread changes every interval.
fn moving_pages() -> Result<Bodies> {
    let mut pages: Vec<Page> = (0..PAGES).map(|number| Page::new(number as u64)).collect();
    let packed = |pages: &[Page]| -> Result<Vec<Arc<Vec<u8>>>> {
        pages
            .iter()
            .map(|page| Ok(Arc::new(gzip(&page.protobuf())?)))
            .collect()
    };
    let bodies = Arc::new(RwLock::new(packed(&pages)?));
    let moved = bodies.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(INTERVAL);
            pages.iter_mut().for_each(Page::step);
            let Ok(next) = packed(&pages) else { return };
            if let Ok(mut bodies) = moved.write() {
                *bodies = next;
            }
        }
    });
    Ok(bodies)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn serve(listener: TcpListener, bodies: Bodies, scrapes: Arc<AtomicU64>) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (bodies, scrapes) = (bodies.clone(), scrapes.clone());
            // A thread a connection: they sleep nearly always.
            let _ = thread::Builder::new()
                .stack_size(128 << 10)
                .spawn(move || answer(&stream, &bodies, &scrapes));
        }
    });
}

/// Answers requests until the connection ends.
fn answer(stream: &TcpStream, bodies: &Bodies, scrapes: &AtomicU64) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut path = String::new();
        if lines.read_line(&mut path)? == 0 {
            return Ok(());
        }
        let (mut takes_gzip, mut takes_protobuf) = (false, false);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            takes_gzip |= line.starts_with("accept-encoding:") && line.contains("gzip");
            takes_protobuf |= line.starts_with("accept:") && line.contains("proto=");
            if line.is_empty() {
                break;
            }
        }
        if !takes_gzip || !takes_protobuf {
            bail!("a request for something else");
        }
        let target = path
            .split(['/', ' '])
            .nth(2)
            .and_then(|number| number.parse::<usize>().ok());
        let body = {
            let bodies = bodies
                .read()
                .map_err(|_| anyhow::anyhow!("the pages are gone"))?;
            let body = bodies.get(target.context("no target")? % PAGES);
            body.context("no page")?.clone()
        };
        let mut whole = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Encoding: gzip\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        whole.extend_from_slice(&body);
        let mut out = stream;
        out.write_all(&whole)?;
        scrapes.fetch_add(1, Ordering::Relaxed);
    }
}

/// User and system time of a process.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit(')').next().context("no fields")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || -> Result<f64> { Ok(fields.next().context("too few fields")?.parse()?) };
    Ok((next()? + next()?) / TICKS_PER_SECOND)
}
