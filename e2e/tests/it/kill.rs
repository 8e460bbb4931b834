//! `kill -9` at any moment loses no sample that a query could see before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{Exporter, Random, Seen, Server};

/// Series a scrape of the double exposes, all with the number of the scrape as value.
const SERIES: usize = 40;

const ALL: &str = "kill_series[1h]";

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
    let mut seen = Seen::default();
    for round in 0..rounds {
        let mut server = Server::start(dir.path(), &config, &flags)?;
        seen.ensure_all_in(&Seen::by(&server, ALL)?, "the next server")
            .with_context(|| format!("round {round}\n{}", server.log_text()))?;
        // Some rounds end before the first scrape.
        thread::sleep(Duration::from_millis(random.below(1_800)));
        seen = Seen::by(&server, ALL)?;
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
    let all = Seen::by(&server, ALL)?;
    seen.ensure_all_in(&all, "the last server")?;
    check_whole_scrapes(&all)?;
    let first = all
        .0
        .values()
        .next()
        .map_or(0, std::collections::BTreeMap::len);
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

/// A scrape is there with all its series or not at all.
fn check_whole_scrapes(all: &Seen) -> Result<()> {
    if all.0.len() != SERIES {
        bail!("{} series instead of {SERIES}", all.0.len());
    }
    let mut sets = all.0.values();
    let Some(first) = sets.next() else {
        return Ok(());
    };
    for times in sets {
        ensure!(times == first, "a scrape is there only in part");
    }
    Ok(())
}
