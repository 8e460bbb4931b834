//! The log of an agent: what it takes, what a restart knows, what truncation leaves, damage, kills;
//! and, where the reference is at hand (`$FERULA_PEERS/bin/prometheus`), both read what the other
//! wrote.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use model::sample::Value;
use model::{Exemplar, Histogram, Labels, Metadata};
use storage::{AppendError, Appendable, Batch, BatchTimes, SeriesRef};
use telemetry::Registry;
use tsdb::Error;
use tsdb::agent::{Agent, AgentOptions};
use tsdb::wal::record::{Record, decode};
use tsdb::wal::{Compression, LogReader, last_checkpoint, segments};

use crate::support::series;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn options() -> AgentOptions {
    AgentOptions {
        wal_segment_bytes: 32 * 1024,
        ..AgentOptions::default()
    }
}

fn open(dir: &Path) -> Agent {
    Agent::open(dir, options(), &Registry::new()).unwrap()
}

fn batch<'a>(refs: &'a [SeriesRef], times: &'a [i64], values: &'a [f64]) -> Batch<'a> {
    Batch {
        series: refs,
        times: BatchTimes::Each(times),
        values,
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: false,
    }
}

/// One transaction; returns the refusals.
fn try_commit(
    agent: &Agent,
    samples: &[(&Labels, i64, f64)],
) -> Result<Vec<(u32, AppendError)>, AppendError> {
    let mut appender = agent.appender();
    let refs: Vec<_> = samples
        .iter()
        .map(|(labels, ..)| appender.series(labels).unwrap())
        .collect();
    let times: Vec<i64> = samples.iter().map(|(_, time, _)| *time).collect();
    let values: Vec<f64> = samples.iter().map(|(.., value)| *value).collect();
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender.append(&batch(&refs, &times, &values), &mut refused, &mut exemplars)?;
    appender.commit()?;
    Ok(refused)
}

fn commit(agent: &Agent, samples: &[(&Labels, i64, f64)]) -> Vec<(u32, AppendError)> {
    try_commit(agent, samples).unwrap()
}

/// What a reader of the log finds: floats by labels, as the sending side would.
fn logged(dir: &Path) -> BTreeMap<Labels, Vec<(i64, f64)>> {
    let wal = dir.join("wal");
    let mut names: BTreeMap<u64, Labels> = BTreeMap::new();
    let mut found: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    let checkpoint = last_checkpoint(&wal).unwrap();
    if let Some(checkpoint) = &checkpoint {
        let mut reader = LogReader::open(&checkpoint.path, 0).unwrap();
        reader
            .for_each(|_, record| {
                if let Ok(Record::Series(series)) = decode(record) {
                    names.extend(series);
                }
                Ok(())
            })
            .unwrap();
    }
    let first = checkpoint.map_or(0, |checkpoint| checkpoint.last_segment + 1);
    let mut reader = LogReader::open(&wal, first).unwrap();
    reader
        .for_each(|_, record| {
            match decode(record).unwrap() {
                Record::Series(series) => names.extend(series),
                Record::Samples(samples) => {
                    for sample in samples {
                        let labels = &names[&sample.series_ref];
                        let samples = found.entry(labels.clone()).or_default();
                        samples.push((sample.timestamp, sample.value));
                    }
                }
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    found
}

fn segment_numbers(dir: &Path) -> Vec<u32> {
    let found = segments(&dir.join("wal")).unwrap();
    found.iter().map(|(number, _)| *number).collect()
}

#[test]
fn only_samples_behind_the_newest_one_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let one = series("m", "1");
    assert_eq!(commit(&agent, &[(&one, 100, 1.0)]), []);
    let late = [(0, AppendError::OutOfOrder)];
    assert_eq!(commit(&agent, &[(&one, 99, 1.0)]), late);
    // A repetition too, unlike in a database.
    assert_eq!(commit(&agent, &[(&one, 100, 1.0)]), late);
    assert_eq!(commit(&agent, &[(&one, 101, 2.0), (&one, 101, 3.0)]), []);
    drop(agent);
    let agent = open(dir.path());
    assert_eq!(commit(&agent, &[(&one, 101, 4.0)]), late, "as before");
    assert_eq!(commit(&agent, &[(&one, 102, 5.0)]), []);
    assert_eq!(agent.series_count(), 1);
    let expected = [(100, 1.0), (101, 2.0), (101, 3.0), (102, 5.0)];
    assert_eq!(logged(dir.path())[&one], expected);
    drop(agent);
    let with_window = AgentOptions {
        out_of_order_window_ms: 50,
        ..options()
    };
    let agent = Agent::open(dir.path(), with_window, &Registry::new()).unwrap();
    assert_eq!(commit(&agent, &[(&one, 53, 6.0)]), []);
    assert_eq!(commit(&agent, &[(&one, 52, 6.0)]), late);
}

#[test]
fn a_zero_comes_with_a_start_behind_the_newest_sample() {
    let dir = tempfile::tempdir().unwrap();
    let options = AgentOptions {
        start_timestamps_as_zeros: true,
        ..options()
    };
    let agent = Agent::open(dir.path(), options, &Registry::new()).unwrap();
    let labels = series("m", "1");
    // Behind nothing, again the same, behind the sample before, not before its own sample.
    for (time, start) in [(100, 50), (200, 50), (300, 250), (400, 400)] {
        let mut appender = agent.appender();
        let refs = [appender.series(&labels).unwrap()];
        let times = [time];
        let batch = Batch {
            start_timestamps: &[start],
            ..batch(&refs, &times, &[7.0])
        };
        let mut refused = Vec::new();
        appender
            .append(&batch, &mut refused, &mut Vec::new())
            .unwrap();
        assert_eq!(refused, []);
        appender.commit().unwrap();
    }
    let expected = [50, 100, 200, 250, 300, 400].map(|time| {
        let value = if time % 100 == 50 { 0.0 } else { 7.0 };
        (time, value)
    });
    assert_eq!(logged(dir.path())[&labels], expected);
}

#[test]
fn every_kind_of_sample_is_logged_as_the_reference_does() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let labels = series("h", "1");
    let mut appender = agent.appender();
    let series_ref = appender.series(&labels).unwrap();
    let histogram = Arc::new(Histogram::default());
    let histograms = [(0, Value::Histogram(histogram))];
    let exemplar = |value: f64| Exemplar {
        labels: Labels::from_pairs([("trace", "x")]),
        value,
        timestamp: Some(7),
    };
    let exemplars = [(0, exemplar(1.0)), (0, exemplar(1.0)), (0, exemplar(2.0))];
    let refs = [series_ref];
    let batch = Batch {
        histograms: &histograms,
        exemplars: &exemplars,
        ..batch(&refs, &[10], &[0.0])
    };
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender
        .append(&batch, &mut refused, &mut exemplars)
        .unwrap();
    assert_eq!((refused, exemplars), (vec![], vec![]));
    appender
        .update_metadata(series_ref, &Metadata::default())
        .unwrap();
    appender.commit().unwrap();
    let mut kinds = Vec::new();
    let mut reader = LogReader::open(&dir.path().join("wal"), 0).unwrap();
    reader
        .for_each(|_, record| {
            kinds.push(record[0]);
            if let Ok(Record::Exemplars(exemplars)) = decode(record) {
                assert_eq!(exemplars.len(), 2, "a repetition is dropped");
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(kinds, [1, 7, 4], "series, histograms, exemplars");
    // What was rolled back is no repetition.
    let mut appender = agent.appender();
    appender
        .append_exemplar(series_ref, &exemplar(3.0))
        .unwrap();
    appender.rollback();
    let mut appender = agent.appender();
    appender
        .append_exemplar(series_ref, &exemplar(3.0))
        .unwrap();
    appender.commit().unwrap();
    let mut count = 0;
    let mut reader = LogReader::open(&dir.path().join("wal"), 0).unwrap();
    reader
        .for_each(|_, record| {
            if let Ok(Record::Exemplars(exemplars)) = decode(record) {
                count += exemplars.len();
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 3);
}

#[test]
fn truncation_drops_what_is_old_and_keeps_the_labels_that_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let (old, young) = (series("old", "1"), series("young", "1"));
    let noise = |time: i64| (time as f64).sqrt();
    let mut expected = Vec::new();
    for time in (0..4 * HOUR).step_by(1000) {
        let mut rows = vec![(&young, time, noise(time))];
        if time < HOUR {
            rows.push((&old, time, noise(time)));
        }
        assert_eq!(commit(&agent, &rows), []);
        expected.push((time, noise(time)));
    }
    let before = segment_numbers(dir.path());
    assert!(before.len() > 4);
    agent.truncate(2 * HOUR, 4 * HOUR).unwrap();
    assert_eq!(agent.series_count(), 1, "the other one was quiet");
    let after = segment_numbers(dir.path());
    assert!(after[0] > before[0]);
    // What is not old is all there, with its labels.
    let found = logged(dir.path());
    let young_samples = &found[&young];
    let kept_from = young_samples[0].0;
    assert!(kept_from < 2 * HOUR, "whole segments");
    let kept = expected.iter().filter(|(time, _)| *time >= kept_from);
    assert!(kept.eq(young_samples.iter()));
    drop(agent);

    let agent = open(dir.path());
    // As with the reference, labels that a segment may need make a series until it is found quiet.
    assert_eq!(agent.series_count(), 2);
    let newest = 4 * HOUR - 1000;
    let refused = commit(&agent, &[(&young, newest, 0.0)]);
    assert_eq!(refused, [(0, AppendError::OutOfOrder)]);
    assert_eq!(commit(&agent, &[(&old, 0, 0.0)]), [], "it begins anew");
    // Everything is old now; series without samples in the log are known from the checkpoint.
    agent.truncate(HOUR, 9 * HOUR).unwrap();
    agent.truncate(4 * HOUR - 1000, 9 * HOUR).unwrap();
    agent.truncate(4 * HOUR - 1000, 9 * HOUR).unwrap();
    assert_eq!(agent.series_count(), 1);
    drop(agent);
    let agent = open(dir.path());
    let refused = commit(&agent, &[(&young, newest, 0.0)]);
    assert_eq!(refused, [(0, AppendError::OutOfOrder)]);
}

#[test]
fn labels_of_a_series_that_went_stay_while_a_segment_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let (gone, other) = (series("gone", "1"), series("other", "1"));
    assert_eq!(commit(&agent, &[(&gone, 10, 1.0)]), []);
    agent.truncate(0, 100).unwrap();
    // In a later segment than its labels.
    assert_eq!(commit(&agent, &[(&gone, 20, 2.0), (&other, HOUR, 1.0)]), []);
    agent.truncate(30, HOUR).unwrap();
    assert_eq!(agent.series_count(), 1);
    let found = logged(dir.path());
    assert_eq!(found[&gone], [(20, 2.0)], "its segment has younger samples");
    // With labels it had before it comes under another reference; a restart knows both.
    assert_eq!(commit(&agent, &[(&gone, 40, 3.0)]), []);
    drop(agent);
    let agent = open(dir.path());
    assert_eq!(agent.series_count(), 2);
    assert_eq!(logged(dir.path())[&gone], [(20, 2.0), (40, 3.0)]);
    agent.truncate(35, HOUR).unwrap();
    let found = logged(dir.path());
    assert_eq!(found[&gone], [(20, 2.0), (40, 3.0)]);
}

#[test]
fn a_sample_from_the_future_does_not_keep_its_segment_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let (one, ahead) = (series("m", "1"), series("m", "ahead"));
    assert_eq!(
        commit(&agent, &[(&one, HOUR, 1.0), (&ahead, 1000 * HOUR, 1.0)]),
        []
    );
    agent.truncate(0, HOUR).unwrap();
    assert_eq!(commit(&agent, &[(&one, 3 * HOUR, 1.0)]), []);
    agent.truncate(2 * HOUR, 3 * HOUR).unwrap();
    let found = logged(dir.path());
    assert_eq!(found[&one], [(3 * HOUR, 1.0)]);
    assert_eq!(found.get(&ahead), None);
    assert_eq!(agent.series_count(), 2);
}

#[test]
fn how_old_the_log_may_get_is_the_operators_choice() {
    let dir = tempfile::tempdir().unwrap();
    let chosen = AgentOptions {
        retention_min_ms: 10 * MINUTE,
        retention_max_ms: 30 * MINUTE,
        truncate_frequency_ms: 20 * MINUTE,
        ..options()
    };
    let agent = Agent::open(dir.path(), chosen, &Registry::new()).unwrap();
    assert_eq!(
        agent.truncation_time(9 * HOUR, 9 * HOUR),
        9 * HOUR - 10 * MINUTE
    );
    assert_eq!(agent.truncation_time(0, 9 * HOUR), 9 * HOUR - 30 * MINUTE);
    drop(agent);
    let agent = open(dir.path());
    assert_eq!(agent.truncation_time(0, 9 * HOUR), 5 * HOUR);
    assert_eq!(agent.truncate_frequency_ms(), 2 * HOUR);
}

#[test]
fn the_log_is_truncated_by_itself_up_to_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let often = AgentOptions {
        retention_min_ms: 1,
        truncate_frequency_ms: 5,
        ..options()
    };
    // A log that changes is not read: listing it may fail for that.
    let numbers = || segments(&dir.path().join("wal")).unwrap_or_default();
    let truncating = |sent: i64| {
        let agent = Agent::open(dir.path(), often.clone(), &Registry::new()).unwrap();
        agent.keep_truncating(move || sent).unwrap();
        agent
    };
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = i64::try_from(since.as_millis()).unwrap();
    let (old, young) = (series("m", "old"), series("m", "young"));

    // Nothing was sent, and nothing is older than the longest retention: four hours.
    let agent = truncating(i64::MIN);
    assert_eq!(commit(&agent, &[(&old, now - HOUR, 1.0)]), []);
    assert_eq!(commit(&agent, &[(&young, now, 1.0)]), []);
    until(|| numbers().last().is_some_and(|(last, _)| *last >= 3));
    drop(agent);
    let found = logged(dir.path());
    assert_eq!(found[&old], [(now - HOUR, 1.0)]);
    assert_eq!(found[&young], [(now, 1.0)]);
    let last = *segment_numbers(dir.path()).last().unwrap();

    let agent = truncating(now + MINUTE);
    until(|| numbers().first().is_some_and(|(first, _)| *first > last));
    agent.close().unwrap();
    assert_eq!(logged(dir.path()), BTreeMap::new());
    let left = segment_numbers(dir.path());
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(segment_numbers(dir.path()), left, "it ends with the log");
}

fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_series_stays_while_a_transaction_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let one = series("m", "1");
    let mut appender = agent.appender();
    let series_ref = appender.series(&one).unwrap();
    agent.truncate(HOUR, HOUR).unwrap();
    let (mut refused, mut exemplars) = (Vec::new(), Vec::new());
    appender
        .append(
            &batch(&[series_ref], &[5], &[1.0]),
            &mut refused,
            &mut exemplars,
        )
        .unwrap();
    agent.truncate(HOUR, HOUR).unwrap();
    appender.commit().unwrap();
    assert_eq!(refused, []);
    assert_eq!(logged(dir.path())[&one], [(5, 1.0)]);
    agent.truncate(HOUR, HOUR).unwrap();
    assert_eq!(agent.series_count(), 0);
    let mut appender = agent.appender();
    appender
        .append(
            &batch(&[series_ref], &[6], &[1.0]),
            &mut refused,
            &mut exemplars,
        )
        .unwrap();
    assert_eq!(refused, [(0, AppendError::UnknownSeries)]);
}

#[test]
fn a_second_agent_is_kept_out_and_a_closed_one_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let second = Agent::open(dir.path(), options(), &Registry::new());
    assert!(matches!(second, Err(Error::Locked)));
    agent.close().unwrap();
    let refused = try_commit(&agent, &[(&series("m", "1"), 1, 1.0)]);
    assert!(matches!(refused, Err(AppendError::Io(_))), "{refused:?}");
    open(dir.path());
}

#[test]
fn a_torn_or_damaged_log_gives_what_lies_before_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::open(
        dir.path(),
        AgentOptions {
            wal_compression: Compression::None,
            ..options()
        },
        &Registry::new(),
    )
    .unwrap();
    let all: Vec<Labels> = (0..3).map(|i| series("m", &i.to_string())).collect();
    let segment = dir.path().join("wal/00000000");
    let mut states = vec![(0, BTreeMap::new())];
    for step in 1..=3_i64 {
        let rows: Vec<_> = all
            .iter()
            .map(|labels| (labels, step * 1000, step as f64 / 7.0))
            .collect();
        assert_eq!(commit(&agent, &rows), []);
        let size = std::fs::metadata(&segment).unwrap().len() as usize;
        states.push((size, logged(dir.path())));
    }
    let bytes = std::fs::read(&segment).unwrap();
    let check = |bytes: &[u8], good: usize, case: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("wal")).unwrap();
        std::fs::write(dir.path().join("wal/00000000"), bytes).unwrap();
        let agent = open(dir.path());
        let found = logged(dir.path());
        let (_, whole) = states.iter().rfind(|(size, _)| *size <= good).unwrap();
        for (labels, samples) in whole {
            let there = found.get(labels).map_or(&[][..], Vec::as_slice);
            assert!(there.starts_with(samples), "{case}: {there:?}");
        }
        // It goes on.
        let after = series("after", "1");
        assert_eq!(commit(&agent, &[(&after, 1, 1.0)]), []);
        drop(agent);
        open(dir.path());
        assert_eq!(logged(dir.path())[&after], [(1, 1.0)], "{case}");
    };
    // Every few bytes: the log itself is tested at each.
    for end in (0..=bytes.len()).step_by(5) {
        check(&bytes[..end], end, &format!("torn at {end}"));
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        check(&damaged, at, &format!("flipped at {at}"));
    }
}

#[test]
fn a_damaged_checkpoint_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let agent = open(dir.path());
    let one = series("m", "1");
    assert_eq!(commit(&agent, &[(&one, 1, 1.0)]), []);
    assert_eq!(commit(&agent, &[(&one, HOUR, 1.0)]), []);
    agent.truncate(2, 1).unwrap();
    drop(agent);
    let checkpoint = last_checkpoint(&dir.path().join("wal")).unwrap().unwrap();
    let file = checkpoint.path.join("00000000");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let opened = Agent::open(dir.path(), options(), &Registry::new());
    assert!(matches!(opened, Err(Error::CorruptCheckpoint { .. })));
}

/// What the test below kills: commits without end, and says what was committed.
#[test]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("FERULA_AGENT_WRITER") else {
        return;
    };
    let agent = open(Path::new(&dir));
    let mut time = agent.series_count() as i64 * 1_000_000;
    let all: Vec<Labels> = (0..20).map(|i| series("k", &i.to_string())).collect();
    let mut out = std::io::stdout().lock();
    loop {
        time += 1;
        let rows: Vec<_> = all.iter().map(|labels| (labels, time, 0.5)).collect();
        if try_commit(&agent, &rows).is_ok_and(|refused| refused.is_empty()) {
            writeln!(out, "committed {time}").unwrap();
            out.flush().unwrap();
        }
        if time % 300 == 0 {
            agent.truncate(time - 100, time).unwrap();
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "agent::writes_until_it_is_killed", "--nocapture"])
            .env("FERULA_AGENT_WRITER", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 50 + 317 * round;
        let mut newest = 0_i64;
        let mut count = 0;
        let mut take = |line: String| {
            if let Some(time) = line.strip_prefix("committed ") {
                newest = time.parse().unwrap();
                count += 1;
            }
            count
        };
        for line in lines.by_ref() {
            if take(line.unwrap()) >= wanted {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| {
            take(line);
        });
        assert!(newest > 0, "it never committed");
        let agent = open(dir.path());
        let refused = commit(&agent, &[(&series("k", "7"), newest, 1.0)]);
        assert_eq!(refused, [(0, AppendError::OutOfOrder)], "it is known");
        assert_eq!(agent.series_count(), 20);
        drop(agent);
        let found = logged(dir.path());
        for labels in (0..20).map(|i| series("k", &i.to_string())) {
            let times: Vec<i64> = found[&labels].iter().map(|(time, _)| *time).collect();
            // All that is younger than what truncation may take.
            let from = times[0].max(newest - 100);
            assert!(from <= newest - 49, "{times:?}");
            for time in from..=newest {
                assert!(times.contains(&time), "{time} of {labels:?}");
            }
        }
    }
}

/// The reference's agent, scraping itself.
struct Reference {
    child: std::process::Child,
    port: u16,
}

impl Reference {
    fn start(dir: &Path, data: &Path, scrape: bool) -> Option<Self> {
        let program = PathBuf::from(std::env::var_os("FERULA_PEERS")?).join("bin/prometheus");
        if !program.exists() {
            return None;
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = dir.join("agent.yml");
        let job = if scrape {
            format!(
                "scrape_configs:\n- job_name: self\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
                 static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            )
        } else {
            String::new()
        };
        std::fs::write(&config, job).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new(program)
            .arg("--agent")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.agent.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(Self { child, port })
    }

    /// The value of one of its metrics, once it answers.
    fn metric(&self, name: &str) -> f64 {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(value) = self.try_metric(name) {
                return value;
            }
            assert!(Instant::now() < deadline, "no {name}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_metric(&self, name: &str) -> Option<f64> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = "GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    /// Asks it to end and waits until it has.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_reference_and_we_open_each_others_directories() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data-agent");
    let Some(reference) = Reference::start(dir.path(), &data, true) else {
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while reference.metric("prometheus_agent_active_series ") < 100.0 {
        assert!(Instant::now() < deadline, "it does not scrape");
        std::thread::sleep(Duration::from_millis(100));
    }
    let there = reference.metric("prometheus_agent_active_series ");
    reference.stop();

    // Ours opens it, goes on and truncates.
    let agent = open(&data);
    let count = agent.series_count();
    assert!(count as f64 >= there, "{count} of {there}");
    let now = 2_000_000_000_000;
    let ours: Vec<Labels> = (0..500).map(|i| series("ours", &i.to_string())).collect();
    for step in 0..200 {
        let rows: Vec<_> = ours
            .iter()
            .map(|labels| (labels, now + step, (step as f64).sqrt()))
            .collect();
        assert_eq!(commit(&agent, &rows), []);
    }
    let up = logged(&data);
    let up = up.keys().find(|labels| labels.metric_name() == "up");
    let up = up.unwrap().clone();
    let refused = commit(&agent, &[(&up, 1, 1.0)]);
    assert_eq!(
        refused,
        [(0, AppendError::OutOfOrder)],
        "its times are known"
    );
    agent.truncate(1, now + 300).unwrap();
    agent.truncate(now + 100, now + 300).unwrap();
    assert_eq!(agent.series_count(), 500, "its own series went");
    assert!(last_checkpoint(&data.join("wal")).unwrap().is_some());
    drop(agent);
    // With labels that the open segment may have needed.
    let count = open(&data).series_count();
    assert!(count >= 500, "{count}");

    // The reference opens that.
    let reference = Reference::start(dir.path(), &data, false).unwrap();
    let active = reference.metric("prometheus_agent_active_series ");
    assert_eq!(active, count as f64);
    assert_eq!(reference.metric("prometheus_agent_corruptions_total "), 0.0);
    reference.stop();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("WAL checkpoint loaded"), "{log}");
    assert!(!log.contains("repair"), "{log}");
    assert!(!log.contains("level=ERROR"), "{log}");
    let agent = open(&data);
    agent.truncate(now + 100, now + 300).unwrap();
    assert_eq!(agent.series_count(), 500);
}
