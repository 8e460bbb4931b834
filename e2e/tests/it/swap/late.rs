//! The same with samples that are pushed, many of them late, to both programs in turn: what was
//! acknowledged is there afterwards, whoever reads the directory. (The reference by itself loses
//! late samples when it is killed while it makes blocks of them; the log has them still, and
//! `ferula`, which always reads next here, finds them.)

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use e2e::remote_write::{self, Sample};
use e2e::server::{binary, free_address};
use e2e::{Random, Seen, Server, http};

use super::{FLAGS, OUR_FLAG, reference, rounds};

const ALL: &str = "{__name__=\"late\"}[2h]";

/// Half of the series get samples in order, half get most of theirs late.
const SERIES: u64 = 16;

/// This one is deleted now and then; what of it is left does not matter. (The reference leaves
/// late samples of the head.)
const DELETED: u64 = SERIES - 1;

/// How late a sample may be, in milliseconds: several blocks.
const LATEST_MS: u64 = 20_000;

const CONFIG: &str = "storage: {tsdb: {out_of_order_time_window: 10m}}\n";

const FERULA: &str = "ferula";

/// Sends until told to stop or until nobody answers.
struct Sender {
    random: Random,
    /// No two samples of a series have the same time.
    sent: BTreeSet<(u64, i64)>,
    count: u64,
    /// Fraction of the values: tells who was sent a sample.
    mark: f64,
    acknowledged: Seen,
}

impl Sender {
    fn run(mut self, address: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Result<Self>> {
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let samples = self.samples()?;
                // No answer: killed, and nobody knows what was taken.
                let Ok(status) = remote_write::send(address, &samples) else {
                    break;
                };
                // A sample of a time whose block is cut already may be refused, with all around it.
                if status < 300 {
                    self.acknowledge(&samples);
                }
                thread::sleep(Duration::from_millis(self.random.below(30)));
            }
            Ok(self)
        })
    }

    fn samples(&mut self) -> Result<Vec<Sample>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let now = i64::try_from(now.as_millis())?;
        let mut samples = Vec::new();
        for index in 0..SERIES {
            let late = match index % 2 {
                0 => 0,
                _ => i64::try_from(self.random.below(LATEST_MS))?,
            };
            let timestamp = now - late;
            if !self.sent.insert((index, timestamp)) {
                continue;
            }
            self.count += 1;
            let label = |name: &str, value: String| (name.to_owned(), value);
            samples.push(Sample {
                labels: vec![
                    label("__name__", "late".to_owned()),
                    label("index", index.to_string()),
                ],
                timestamp,
                value: self.count as f64 + self.mark,
            });
        }
        Ok(samples)
    }

    fn acknowledge(&mut self, samples: &[Sample]) {
        let deleted = DELETED.to_string();
        for sample in samples {
            if sample.labels.iter().any(|(_, value)| *value == deleted) {
                continue;
            }
            let labels = sample.labels.iter().map(|(n, v)| (n.clone(), v.clone()));
            let metric: serde_json::Map<_, _> = labels.map(|(n, v)| (n, v.into())).collect();
            let metric = serde_json::Value::from(metric).to_string();
            let times = self.acknowledged.0.entry(metric).or_default();
            times.insert(sample.timestamp, sample.value.to_string());
        }
    }
}

/// Runs `program` on the directory: what was acknowledged before is there; then more is sent for
/// some milliseconds, and it is killed in the middle of that.
fn visit(program: &Path, who: &str, dir: &Path, mut sender: Sender, ms: u64) -> Result<Sender> {
    let mut flags = FLAGS.to_vec();
    flags.push("--web.enable-remote-write-receiver");
    if who == FERULA {
        flags.push(OUR_FLAG);
    }
    let mut server = Server::spawn_program(program, dir, free_address()?, &flags)?;
    server.wait_until_ready().with_context(|| who.to_owned())?;
    sender
        .acknowledged
        .ensure_all_in(&Seen::by(&server, ALL)?, who)?;
    let snapshot = sender.random.below(4) == 0;
    if sender.random.below(2) == 0 {
        let path = format!("/api/v1/admin/tsdb/delete_series?match[]=late{{index=\"{DELETED}\"}}");
        http::request(
            server.address(),
            "POST",
            &path.replace('"', "%22"),
            &[],
            b"",
        )?;
    }
    sender.mark = if who == FERULA { 0.0 } else { 0.5 };
    let stop = Arc::new(AtomicBool::new(false));
    let address = server.address();
    let sending = sender.run(address, stop.clone());
    thread::sleep(Duration::from_millis(ms));
    if snapshot {
        thread::spawn(move || {
            let _ = http::request(address, "POST", "/api/v1/admin/tsdb/snapshot", &[], b"");
        });
    }
    server.kill()?;
    stop.store(true, Ordering::Relaxed);
    sending.join().map_err(|_| anyhow!("the sender panicked"))?
}

#[test]
fn no_kill_and_no_swap_loses_a_pushed_or_late_sample() -> Result<()> {
    let Some(reference) = reference() else {
        println!("left out: no reference in $FERULA_PEERS/bin");
        return Ok(());
    };
    let ferula = binary()?;
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("prometheus.yml"), CONFIG)?;
    let mut sender = Sender {
        random: Random::from_environment(),
        sent: BTreeSet::new(),
        count: 0,
        mark: 0.0,
        acknowledged: Seen::default(),
    };
    for round in 0..rounds(6)? {
        let (long, short) = (sender.random.below(3_500), sender.random.below(1_000));
        let place = || format!("round {round}: {}", dir.path().display());
        sender = visit(&ferula, FERULA, dir.path(), sender, long).with_context(place)?;
        sender =
            visit(&reference, "the reference", dir.path(), sender, short).with_context(place)?;
    }
    let sent = sender
        .acknowledged
        .0
        .values()
        .map(std::collections::BTreeMap::len);
    println!("{} samples acknowledged", sent.sum::<usize>());
    ensure!(
        sender.acknowledged.0.len() as u64 == SERIES - 1,
        "all series"
    );
    Ok(())
}
