//! Ten queries that would hurt a server, at once, beside scrapes: each is answered or refused with
//! a reason, memory stays within its limit, no scrape is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use e2e::remote_write::{self, Sample};
use e2e::{Exporter, Server, http, wait_for};

const SERIES: usize = 40_000;
const SAMPLES: i64 = 4;

/// In KiB, as the process status counts.
const MEMORY_MAX: u64 = 1 << 20;

const FLAGS: [&str; 4] = [
    "--enable-feature=promql-experimental-functions",
    "--web.enable-remote-write-receiver",
    "--memory.limit=1GB",
    "--query.timeout=20s",
];

/// Expression, and whether it is asked over a range of 11,000 steps.
fn queries() -> Vec<(String, bool)> {
    let giant_regex: String = (0..3_000).map(|i| format!("(a{i}|b.*{i})|")).collect();
    let all = "{__name__=~\".+\"}";
    vec![
        (all.to_owned(), true),
        (format!("rate({all}[5m])"), true),
        (format!("count_values(\"value\", {all})"), true),
        (
            format!("{all} * on(group) group_left() (sum by (group) ({all}) > bool {all})"),
            false,
        ),
        (
            format!("sum by (series) ({all}) and sum by (series) ({all})"),
            true,
        ),
        (format!("quantile_over_time(0.9, ({all})[2h:1s])"), false),
        (
            format!("max_over_time(sum_over_time(({all})[1h:1s])[1h:1s])"),
            false,
        ),
        (
            format!("{{__name__=~\".+\",series=~\"{giant_regex}\"}}"),
            false,
        ),
        (
            format!("label_replace({all}, \"copy\", \"$1$1$1$1\", \"series\", \"(.*)\")"),
            true,
        ),
        (
            format!("sort_by_label(topk(100000, {all}), \"series\", \"group\")"),
            true,
        ),
    ]
}

#[test]
fn ten_hostile_queries_at_once_do_no_harm() -> Result<()> {
    let scrapes = Arc::new(AtomicU64::new(0));
    let counter = scrapes.clone();
    let exporter = Exporter::text(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        "calm_series 1\n".to_owned()
    })?;
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n\
         - job_name: calm\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path(), &config, &FLAGS)?;
    let address = server.address();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = i64::try_from(now.as_millis())?;
    fill(address, now)?;
    wait_for("the first scrape", || {
        Ok((scrapes.load(Ordering::Relaxed) > 0).then_some(()))
    })?;

    let end = now / 1000;
    let asking: Vec<_> = queries()
        .into_iter()
        .map(|(query, is_range)| {
            thread::spawn(move || -> Result<(String, u16, String)> {
                let encoded = http::encode(&query);
                let (path, body) = if is_range {
                    let start = end - 10_999;
                    let body = format!("query={encoded}&start={start}&end={end}&step=1");
                    ("/api/v1/query_range", body)
                } else {
                    ("/api/v1/query", format!("query={encoded}&time={end}"))
                };
                let headers = [("Content-Type", "application/x-www-form-urlencoded")];
                let mut answer = http::request(address, "POST", path, &headers, body.as_bytes())?;
                answer.body.truncate(2_000);
                let query: String = query.chars().take(60).collect();
                Ok((query, answer.status, answer.text()))
            })
        })
        .collect();
    for asked in asking {
        let (query, status, text) = asked.join().map_err(|_| anyhow!("asking panicked"))??;
        let text: String = text.chars().take(300).collect();
        println!("{query}: {status} {text}");
        let answered = status == 200 && text.contains("\"status\":\"success\"");
        let refused = (400..600).contains(&status)
            && text.contains("\"status\":\"error\"")
            && text.contains("\"error\":\"");
        ensure!(answered || refused, "{query}: {status} {text}");
    }

    let peak = peak_memory(server.pid())?;
    println!("peak memory {} MiB", peak / 1024);
    ensure!(peak < MEMORY_MAX, "{peak} KiB of memory");
    // The last scrape may not be in yet.
    let scraped = scrapes.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(1_500));
    let found = server.query("count_over_time(calm_series[1h])")?;
    let found: u64 = found[0]["value"][1].as_str().context("no count")?.parse()?;
    ensure!(found >= scraped, "{found} of {scraped} scrapes are there");
    let down = server.query("min_over_time(up{job=\"calm\"}[1h])")?;
    ensure!(down[0]["value"][1] == "1", "a scrape failed: {down}");
    let due = server.query(
        "(max_over_time(timestamp(calm_series)[1h:1s]) - min_over_time(timestamp(calm_series)[1h:1s])) + 1",
    )?;
    let due: f64 = due[0]["value"][1].as_str().context("no span")?.parse()?;
    ensure!(
        found as f64 >= due.floor() - 1.0,
        "{found} scrapes in {due} seconds"
    );
    server.terminate()?;
    Ok(())
}

fn fill(address: std::net::SocketAddr, now: i64) -> Result<()> {
    let all: Vec<usize> = (0..SERIES).collect();
    for age in (0..SAMPLES).rev() {
        for part in all.chunks(5_000) {
            let sample = |index: &usize| Sample {
                labels: [
                    ("__name__", format!("hostile_{}", index % 7)),
                    ("group", (index % 100).to_string()),
                    ("series", index.to_string()),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
                timestamp: now - age * 60_000,
                value: *index as f64 + age as f64 / 7.0,
            };
            let samples: Vec<Sample> = part.iter().map(sample).collect();
            let status = remote_write::send(address, &samples)?;
            ensure!(status < 300, "remote write answered {status}");
        }
    }
    Ok(())
}

/// Most resident memory so far, in KiB.
fn peak_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no VmHWM")?.parse()?)
}
