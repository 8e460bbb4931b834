//! `kill -9` at any moment, then the reference on the same directory, then back: nothing that was
//! visible is lost, and neither program refuses what the other left. Blocks are so short that most
//! kills meet a cut, a compaction, a checkpoint, a truncation or a snapshot, and the head's memory is
//! written down every second.
//!
//! Needs the reference's binary in `$FERULA_PEERS/bin`; says so and passes without it.

mod late;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::server::free_address;
use e2e::{Exporter, Random, Seen, Server, http};

/// Series that stay.
const SERIES: u64 = 20;
/// Scrapes after which the churning series are others.
const CHURN_SCRAPES: u64 = 15;

const FLAGS: [&str; 3] = [
    "--storage.tsdb.min-block-duration=2s",
    "--storage.tsdb.max-block-duration=18s",
    "--web.enable-admin-api",
];

/// Ours alone: the head's memory is written down all the time.
const OUR_FLAG: &str = "--storage.tsdb.head-snapshot-interval=100ms";

const ALL: &str = "{__name__=~\"swap_.*\"}[2h]";

fn page(scrape: u64) -> String {
    let staying = (0..SERIES).map(|index| format!("swap_series{{index=\"{index}\"}} {scrape}\n"));
    let era = scrape / CHURN_SCRAPES;
    let churning =
        (0..5).map(|index| format!("swap_churn{{index=\"{index}\",era=\"{era}\"}} {scrape}\n"));
    staying.chain(churning).collect()
}

fn reference() -> Option<PathBuf> {
    let program = PathBuf::from(std::env::var_os("FERULA_PEERS")?).join("bin/prometheus");
    program.exists().then_some(program)
}

/// How often to kill and swap: `FERULA_SWAP_ROUNDS`, else 200 in slow tests, else `short`.
fn rounds(short: u64) -> Result<u64> {
    match std::env::var("FERULA_SWAP_ROUNDS") {
        Ok(text) => text.parse().context("FERULA_SWAP_ROUNDS"),
        Err(_) if std::env::var_os("RUN_SLOW_TESTS").is_some() => Ok(200),
        Err(_) => Ok(short),
    }
}

/// Opens the directory with the reference and compares.
fn visit(program: &Path, dir: &Path, seen: &Seen, random: &mut Random) -> Result<()> {
    let mut server = Server::spawn_program(program, dir, free_address()?, &FLAGS)?;
    server.wait_until_ready().context("the reference")?;
    seen.ensure_all_in(&Seen::by(&server, ALL)?, "the reference")?;
    thread::sleep(Duration::from_millis(random.below(400)));
    server.kill()
}

#[test]
fn no_kill_and_no_swap_loses_a_sample() -> Result<()> {
    let Some(program) = reference() else {
        println!("left out: no reference in $FERULA_PEERS/bin");
        return Ok(());
    };
    let rounds = rounds(6)?;
    let mut random = Random::from_environment();
    let scrapes = Arc::new(AtomicU64::new(0));
    let counter = scrapes.clone();
    let exporter = Exporter::text(move || page(counter.fetch_add(1, Ordering::Relaxed)))?;
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
         scrape_configs:\n\
         - job_name: swap\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let our_flags = [&FLAGS[..], &[OUR_FLAG]].concat();
    let dir = tempfile::tempdir()?;
    let mut seen = Seen::default();
    for round in 0..rounds {
        let mut server = Server::start(dir.path(), &config, &our_flags)
            .with_context(|| format!("round {round}"))?;
        seen.ensure_all_in(&Seen::by(&server, ALL)?, "the next server")
            .with_context(|| format!("round {round}\n{}", server.log_text()))?;
        thread::sleep(Duration::from_millis(random.below(3_500)));
        if random.below(4) == 0 {
            // The kill may come in the middle of it; its answer does not matter.
            let address = server.address();
            thread::spawn(move || {
                let _ = http::request(address, "POST", "/api/v1/admin/tsdb/snapshot", &[], b"");
            });
        }
        seen.append(Seen::by(&server, ALL)?);
        thread::sleep(Duration::from_millis(random.below(100)));
        server.kill()?;
        visit(&program, dir.path(), &seen, &mut random)
            .with_context(|| format!("round {round}: {}", dir.path().display()))?;
    }
    let blocks = std::fs::read_dir(dir.path().join("data"))?
        .flatten()
        .filter(|entry| entry.path().join("meta.json").exists())
        .count();
    ensure!(blocks > 0 || rounds < 3, "blocks were cut");
    Ok(())
}
