//! Targets that mean harm: each fails alone, with a reason, and the server lives.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::exporter::Answer;
use e2e::{Exporter, Server, wait_for};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";

fn hostile() -> Vec<(&'static str, Answer)> {
    vec![
        (
            "endless",
            Arc::new(|stream| {
                write!(stream, "{HEAD}\r\n")?;
                let line = b"endless_series 1\n".repeat(4096);
                loop {
                    stream.write_all(&line)?;
                }
            }),
        ),
        (
            "endless_line",
            Arc::new(|stream| {
                write!(stream, "{HEAD}\r\nlong_line{{a=\"")?;
                let piece = [b'x'; 65_536];
                loop {
                    stream.write_all(&piece)?;
                }
            }),
        ),
        (
            "bad_gzip",
            Arc::new(|stream| {
                write!(
                    stream,
                    "{HEAD}Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
                )
            }),
        ),
        (
            "slow_loris",
            Arc::new(|stream| {
                write!(stream, "{HEAD}Content-Length: 1000\r\n\r\n")?;
                loop {
                    stream.write_all(b"#")?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }),
        ),
        (
            "invalid_utf8",
            Arc::new(|stream| {
                write!(stream, "{HEAD}Content-Length: 18\r\n\r\n")?;
                stream.write_all(b"bad{a=\"\xff\xfe\"} 1\n ")
            }),
        ),
        (
            "redirect_loop",
            Arc::new(|stream| {
                write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\n\r\n"
                )
            }),
        ),
        (
            "closes_at_once",
            Arc::new(|_| Err(std::io::ErrorKind::Other.into())),
        ),
    ]
}

#[test]
fn each_fails_alone_and_the_server_lives() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let good = Exporter::text(|| "good 1\n".to_owned())?;
    let mut config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, body_size_limit: 8MB}}\n\
         scrape_configs:\n- job_name: good\n  static_configs: [{{targets: ['{}']}}]\n",
        good.address()
    );
    let mut exporters = Vec::new();
    for (name, answer) in hostile() {
        let exporter = Exporter::raw(answer)?;
        config.push_str(&format!(
            "- job_name: {name}\n  static_configs: [{{targets: ['{}']}}]\n",
            exporter.address()
        ));
        exporters.push((name, exporter));
    }
    config.push_str("- job_name: unreachable\n  static_configs: [{targets: ['127.0.0.1:1']}]\n");
    let server = Server::start(dir.path(), &config, &[])?;
    let names = exporters
        .iter()
        .map(|(name, _)| *name)
        .chain(["unreachable"]);
    for name in names {
        wait_for("the target to be down", || {
            let up = server.query(&format!("up{{job=\"{name}\"}}"))?;
            Ok((up[0]["value"][1] == "0").then_some(()))
        })?;
        let targets = server
            .get(&format!("/api/v1/targets?scrapePool={name}"))?
            .json()?;
        let error = targets["data"]["activeTargets"][0]["lastError"]
            .as_str()
            .unwrap_or_default();
        ensure!(
            !error.is_empty(),
            "{name} is down without a reason: {targets}"
        );
        println!("{name}: {error}");
    }
    let before = server.query("count_over_time(up{job=\"good\"}[1h])")?;
    ensure!(before.get(0).is_some(), "{before}");
    let bad_up = server.query("min_over_time(up{job=\"good\"}[1h])")?;
    ensure!(
        bad_up[0]["value"][1] == "1",
        "the good target suffered: {bad_up}"
    );
    let stored = server.query("{__name__=~\"endless_series|long_line|bad\"}")?;
    ensure!(
        stored.get(0).is_none(),
        "stored from a failed scrape: {stored}"
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    let peak_kib: u64 = peak
        .split_whitespace()
        .nth(1)
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    ensure!(
        peak_kib < 500_000,
        "hostile targets made the server grow: {peak}"
    );
    Ok(())
}
