//! `kill -9` at any moment loses no sample that a query could see before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::{Exporter, Random, Server, samples_of};

/// Series a scrape of the double exposes, all with the number of the scrape as value.
const SERIES: usize = 40;

/// Every sample seen: series, then time in milliseconds, then value.
type Seen = BTreeMap<String, BTreeMap<i64, String>>;

#[test]
fn loses_nothing_that_a_query_could_see() -> Result<()> {
    let rounds = if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        50
    } else {
        5
    };
    let mut random = Random::from_environment();
    let scrapes = Arc::new(AtomicU64::new(0));
    let counter = scrapes.clone();
    let exporter = Exporter::text(move || page(counter.fetch_add(1, Ordering::Relaxed)))?;
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
         scrape_configs:\n\
         - job_name: kill\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    // Kills meet the writing down of the head's memory, and starts read it.
    let flags = ["--storage.tsdb.head-snapshot-interval=100ms"];
    let dir = tempfile::tempdir()?;
    let mut seen = Seen::new();
    for round in 0..rounds {
        let mut server = Server::start(dir.path(), &config, &flags)?;
        let missing = compare(&seen, &samples(&server)?);
        ensure!(
            missing.is_empty(),
            "round {round}: lost {missing:?}\n{}",
            server.log_text()
        );
        // Some rounds end before the first scrape.
        thread::sleep(Duration::from_millis(random.below(1_800)));
        seen = samples(&server)?;
        if random.below(2) == 0 {
            thread::sleep(Duration::from_millis(random.below(150)));
        }
        server.kill()?;
    }
    // The last start reads the whole log.
    let server = Server::start(
        dir.path(),
        &config,
        &["--storage.tsdb.head-snapshot-interval=0s"],
    )?;
    let all = samples(&server)?;
    let missing = compare(&seen, &all);
    ensure!(missing.is_empty(), "lost {missing:?}");
    check_whole_scrapes(&all)?;
    let first = all.values().next().map_or(0, BTreeMap::len);
    ensure!(
        first >= rounds,
        "only {first} samples a series after {rounds} rounds"
    );
    Ok(())
}

fn page(scrape: u64) -> String {
    (0..SERIES)
        .map(|index| format!("kill_series{{index=\"{index}\"}} {scrape}\n"))
        .collect()
}

fn samples(server: &Server) -> Result<Seen> {
    let mut seen = Seen::new();
    for series in server
        .query("kill_series[1h]")?
        .as_array()
        .into_iter()
        .flatten()
    {
        let index = series["metric"]["index"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let times = seen.entry(index).or_default();
        for (seconds, value) in samples_of(series) {
            times.insert((seconds * 1000.0).round() as i64, value);
        }
    }
    Ok(seen)
}

/// Samples of `before` that `after` lacks or has otherwise.
fn compare(before: &Seen, after: &Seen) -> Vec<(String, i64, String)> {
    let mut missing = Vec::new();
    for (series, times) in before {
        for (time, value) in times {
            if after.get(series).and_then(|found| found.get(time)) != Some(value) {
                missing.push((series.clone(), *time, value.clone()));
            }
        }
    }
    missing
}

/// A scrape is there with all its series or not at all.
fn check_whole_scrapes(all: &Seen) -> Result<()> {
    if all.len() != SERIES {
        bail!("{} series instead of {SERIES}", all.len());
    }
    let mut sets = all.values();
    let Some(first) = sets.next() else {
        return Ok(());
    };
    for times in sets {
        ensure!(times == first, "a scrape is there only in part");
    }
    Ok(())
}
