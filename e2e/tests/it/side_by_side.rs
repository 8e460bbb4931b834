//! Ferula beside a real Prometheus on the same real targets, scraped every second.
//!
//! Runs where `FERULA_PEERS` names a folder with the peers' programs in `bin/`; for
//! `FERULA_SIDE_BY_SIDE_SECONDS` (default 20).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use e2e::server::free_address;
use e2e::{Server, http};
use serde_json::Value;

/// Queries whose answers may differ only by what different scrape moments allow, and how much of
/// the larger value that is; the window is long against the scrape interval.
const QUERIES: &[(&str, f64)] = &[
    ("rate(node_cpu_seconds_total[WINDOW])", 0.15),
    ("sum by (mode) (rate(node_cpu_seconds_total[WINDOW]))", 0.15),
    ("topk(3, node_filesystem_size_bytes)", 0.0),
    (
        "node_uname_info * on (instance) group_left (version) node_exporter_build_info",
        0.0,
    ),
    ("count by (job) (up)", 0.0),
    ("count({__name__=~\"node_.+\"})", 0.02),
    (
        "histogram_quantile(0.9, sum by (le) (increase(prometheus_http_request_duration_seconds_bucket[WINDOW])))",
        0.5,
    ),
    ("sum(rate(prometheus_http_requests_total[WINDOW]))", 0.25),
    ("max_over_time(node_memory_MemTotal_bytes[WINDOW])", 0.0),
];

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn answers_as_the_reference_does_on_the_same_targets() -> Result<()> {
    let Some(peers) = std::env::var_os("FERULA_PEERS").map(PathBuf::from) else {
        println!("left out: FERULA_PEERS names no folder with the peers");
        return Ok(());
    };
    let seconds: u64 = std::env::var("FERULA_SIDE_BY_SIDE_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20);
    let node = free_address()?;
    let _exporter = Running(
        Command::new(peers.join("bin/prometheus-node-exporter"))
            .arg(format!("--web.listen-address={node}"))
            // Other tests mount file systems there, for moments that only one side may see.
            .arg(format!(
                "--collector.filesystem.mount-points-exclude=^{}/",
                std::env::temp_dir().display()
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start node_exporter")?,
    );
    let (ours_at, theirs_at) = (free_address()?, free_address()?);
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
         - job_name: node\n  static_configs: [{{targets: ['{node}']}}]\n\
         - job_name: ferula\n  static_configs: [{{targets: ['{ours_at}']}}]\n"
    );
    let (our_dir, their_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::write(our_dir.path().join("prometheus.yml"), &config)?;
    std::fs::write(their_dir.path().join("prometheus.yml"), &config)?;
    let mut ours = Server::spawn_at(our_dir.path(), ours_at, &[])?;
    ours.wait_until_ready()?;
    let mut theirs = spawn_reference(&peers, their_dir.path(), theirs_at)?;
    theirs.wait_until_ready()?;
    thread::sleep(Duration::from_secs(seconds));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() - 1.0;

    compare_series(&ours, &theirs)?;
    compare_scrapes(&ours, &theirs, now, seconds)?;
    let window = format!("{}s", (seconds / 2).clamp(10, 60));
    for (query, tolerance) in QUERIES {
        let query = query.replace("WINDOW", &window);
        let (our_answer, their_answer) = (at(&ours, &query, now)?, at(&theirs, &query, now)?);
        compare_answers(&query, *tolerance, &our_answer, &their_answer)?;
        println!("agrees ({} series): {query}", our_answer.len());
    }
    Ok(())
}

fn spawn_reference(peers: &Path, dir: &Path, address: std::net::SocketAddr) -> Result<Server> {
    Server::spawn_program(&peers.join("bin/prometheus"), dir, address, &[])
}

/// Both know the same series of the common targets.
fn compare_series(ours: &Server, theirs: &Server) -> Result<()> {
    let names = |server: &Server| -> Result<BTreeSet<String>> {
        let matcher = http::encode("{job=~\"node|ferula\"}");
        let json = server
            .get(&format!("/api/v1/series?match[]={matcher}"))?
            .json()?;
        Ok(json["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect())
    };
    let (our_names, their_names) = (names(ours)?, names(theirs)?);
    let only_ours: Vec<_> = our_names.difference(&their_names).take(10).collect();
    let only_theirs: Vec<_> = their_names.difference(&our_names).take(10).collect();
    println!(
        "series: {} here, {} there",
        our_names.len(),
        their_names.len()
    );
    // The label values of the server's own metrics can appear between two scrapes.
    let allowed = 5;
    ensure!(
        only_ours.len() <= allowed && only_theirs.len() <= allowed,
        "only here: {only_ours:?}\nonly there: {only_theirs:?}"
    );
    println!("only here: {only_ours:?}; only there: {only_theirs:?}");
    Ok(())
}

/// Nobody missed a scrape, and every scrape succeeded.
fn compare_scrapes(ours: &Server, theirs: &Server, now: f64, seconds: u64) -> Result<()> {
    let window = seconds.saturating_sub(5);
    for (name, server) in [("ferula", ours), ("reference", theirs)] {
        let counts = at(
            server,
            &format!("count_over_time(up{{job=\"node\"}}[{window}s])"),
            now,
        )?;
        let least = at(
            server,
            &format!("min_over_time(up{{job=\"node\"}}[{window}s])"),
            now,
        )?;
        let count = counts.values().next().copied().unwrap_or_default();
        let up = least.values().next().copied().unwrap_or_default();
        println!("{name}: {count} scrapes in {window} s, least up {up}");
        ensure!(
            count >= window as f64 - 1.0,
            "{name} missed scrapes: {count} in {window} s"
        );
        ensure!(up == 1.0 || name == "reference", "{name}: a scrape failed");
    }
    Ok(())
}

/// An instant query's vector: labels as text, value.
fn at(server: &Server, query: &str, time: f64) -> Result<BTreeMap<String, f64>> {
    let path = format!("/api/v1/query?query={}&time={time:.3}", http::encode(query));
    let json = server.get(&path)?.json()?;
    ensure!(json["status"] == "success", "{query}: {json}");
    let mut answer = BTreeMap::new();
    for element in json["data"]["result"].as_array().into_iter().flatten() {
        let value = element["value"][1].as_str().unwrap_or_default().parse()?;
        answer.insert(element["metric"].to_string(), value);
    }
    Ok(answer)
}

fn compare_answers(
    query: &str,
    tolerance: f64,
    ours: &BTreeMap<String, f64>,
    theirs: &BTreeMap<String, f64>,
) -> Result<()> {
    ensure!(!theirs.is_empty(), "{query}: the reference has no answer");
    let (our_keys, their_keys): (Vec<_>, Vec<_>) = (ours.keys().collect(), theirs.keys().collect());
    ensure!(
        our_keys == their_keys,
        "{query}: {our_keys:?} instead of {their_keys:?}"
    );
    for (labels, ours) in ours {
        let Some(theirs) = theirs.get(labels) else {
            continue;
        };
        // A counter of hundredths of a second moves in steps: small rates differ by a step.
        let allowed =
            tolerance * ours.abs().max(theirs.abs()) + if tolerance > 0.0 { 0.05 } else { 0.0 };
        let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
        ensure!(
            same || (ours - theirs).abs() <= allowed,
            "{query} {labels}: {ours} instead of {theirs}"
        );
    }
    Ok(())
}
