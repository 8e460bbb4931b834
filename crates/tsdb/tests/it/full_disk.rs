//! A full disk in every kind of write: a clear error, queries that go on, writing that resumes, and
//! nothing lost of what was acknowledged.
//!
//! Each test begins anew with one page more of free space until its work succeeds at once, so that
//! every write of it is the one that fails. They are left out where this user may not mount a small
//! file system.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::Matcher;
use storage::Appendable;
use telemetry::Registry;
use tsdb::agent::{Agent, AgentOptions};
use tsdb::{Db, Error, Options};

use crate::support::{Content, add, commit, open_with, read, read_all, series};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const PAGE: usize = 4096;
/// More pages than any of the work needs.
const PAGES_MAX: usize = 200;

/// A small file system of its own, unmounted when dropped.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// `None` where this user may not mount.
    #[expect(clippy::print_stdout, reason = "a test that is left out should say so")]
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(dir.path())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            println!("left out: this user may not mount a small file system");
        }
        mounted.then_some(Self { dir })
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }

    /// Leaves so many pages free.
    fn fill(&self, pages: usize) {
        let file = || {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(self.ballast())
                .unwrap()
        };
        while file().write_all(&[1; PAGE]).is_ok() {}
        let len = file().metadata().unwrap().len();
        let keep = len / PAGE as u64 * PAGE as u64 - (pages * PAGE) as u64;
        file().set_len(keep).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.dir.path())
            .status();
    }
}

fn options() -> Options {
    Options {
        wal_segment_bytes: 32 * 1024,
        out_of_order_window_ms: 3 * HOUR,
        ..Options::default()
    }
}

/// A sample a minute of a few series, with values that take room.
fn fill(db: &Db, from: i64, to: i64) {
    let all: Vec<_> = (0..8).map(|i| series("m", &i.to_string())).collect();
    for time in (from..to).step_by(MINUTE as usize) {
        let value = |i: usize| ((time as f64) + i as f64).sqrt();
        let rows: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(i, labels)| (labels, time, value(i)))
            .collect();
        assert_eq!(commit(db, &rows), []);
    }
}

fn is_full(text: &str) -> bool {
    text.contains("No space left on device")
}

/// Prepares a database, then does `work` with ever more free space until it succeeds at once. What
/// `prepare` brought must be there all the time, after a second attempt with space, and after a
/// restart. `expected` says what the work makes of the contents.
fn with_every_write_failing(
    prepare: impl Fn(&Db),
    work: impl Fn(&Db, &Path) -> Result<(), Error>,
    expected: impl Fn(Content) -> Content,
) {
    let mut failures = 0;
    for pages in 0..PAGES_MAX {
        let Some(disk) = Disk::new() else { return };
        let db = open_with(&disk.data(), options());
        prepare(&db);
        let before = read_all(&db);
        disk.fill(pages);
        let done = work(&db, disk.dir.path());
        let succeeded = done.is_ok();
        if let Err(err) = done {
            assert!(is_full(&err.to_string()), "{err}");
            failures += 1;
            let during = read_all(&db);
            assert!(
                during == before || during == expected(before.clone()),
                "with {pages} pages"
            );
        }
        disk.free();
        // Samples after it are as safe as those before.
        let labels = series("after", "1");
        let newest = db.max_time().unwrap();
        let (one, late) = (series("m", "1"), newest - HOUR + 11);
        assert_eq!(
            commit(&db, &[(&labels, newest, 1.0), (&one, late, 5.5)]),
            []
        );
        let add_after = |mut content: Content| {
            content.insert(labels.clone(), vec![(newest, 1.0_f64.to_bits())]);
            let samples = content.entry(one.clone()).or_default();
            samples.push((late, 5.5_f64.to_bits()));
            samples.sort_unstable();
            content
        };
        let wanted = add_after(expected(before.clone()));
        if !succeeded {
            // A crash now leaves the one or the other.
            let copy = disk.dir.path().join("copy");
            copy_dir(&disk.data(), &copy);
            let crashed = read_all(&open_with(&copy, options()));
            let unchanged = add_after(before);
            assert!(
                crashed == wanted || crashed == unchanged,
                "after a crash, with {pages} pages"
            );
            std::fs::remove_dir_all(&copy).unwrap();
            work(&db, disk.dir.path()).unwrap();
        }
        assert_eq!(read_all(&db), wanted, "with {pages} pages");
        drop(db);
        let again = open_with(&disk.data(), options());
        assert_eq!(read_all(&again), wanted, "after a restart, {pages} pages");
        if succeeded {
            assert!(failures > 0, "it never failed");
            return;
        }
    }
    panic!("it never succeeded");
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy_dir(&path, &to.join(name));
        } else if name != "lock" {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn unchanged(content: Content) -> Content {
    content
}

#[test]
fn head_chunks_stay_in_memory_until_there_is_space() {
    with_every_write_failing(
        |db| fill(db, 0, 5 * HOUR),
        |db, _| db.write_head_chunks(),
        unchanged,
    );
}

/// Cutting a block, truncating the head, the checkpoint and the next segment.
#[test]
fn a_block_is_cut_when_there_is_space() {
    with_every_write_failing(|db| fill(db, 0, 4 * HOUR), |db, _| db.compact(), unchanged);
}

#[test]
fn blocks_of_late_samples_are_cut_when_there_is_space() {
    with_every_write_failing(
        |db| {
            fill(db, HOUR, 3 * HOUR);
            let all: Vec<_> = (0..4).map(|i| series("m", &i.to_string())).collect();
            // More than a list for some, less for others.
            for step in 0..50 {
                let rows: Vec<_> = all
                    .iter()
                    .take(if step < 10 { 4 } else { 2 })
                    .map(|labels| (labels, HOUR + step * MINUTE + 7, step as f64))
                    .collect();
                assert_eq!(commit(db, &rows), []);
            }
            fill(db, 3 * HOUR, 5 * HOUR);
        },
        |db, _| db.compact(),
        unchanged,
    );
}

#[test]
fn blocks_are_compacted_when_there_is_space() {
    with_every_write_failing(
        |db| {
            for part in 0..4 {
                fill(db, part * 2 * HOUR, (part + 1) * 2 * HOUR);
                db.compact().unwrap();
            }
            // The third block makes the next call merge them; it is cut now.
            fill(db, 8 * HOUR, 10 * HOUR);
        },
        |db, _| db.compact(),
        unchanged,
    );
}

#[test]
fn deletions_are_whole_in_head_and_blocks_when_there_is_space() {
    let matchers = || vec![Matcher::equal("instance", "3")];
    // What a deletion that failed has hidden so far stays hidden: it can only be repeated.
    for pages in 0..PAGES_MAX {
        let Some(disk) = Disk::new() else { return };
        let db = open_with(&disk.data(), options());
        fill(&db, 0, 4 * HOUR);
        db.compact().unwrap();
        let before = read_all(&db);
        disk.fill(pages);
        let delete = |db: &Db| db.delete(HOUR, 3 * HOUR, &[matchers()]);
        let done = delete(&db);
        let succeeded = done.is_ok();
        if let Err(err) = done {
            assert!(is_full(&err.to_string()), "{err}");
            let others = |content: &Content| -> Content {
                let mut content = content.clone();
                content.remove(&series("m", "3"));
                content
            };
            assert_eq!(others(&read_all(&db)), others(&before));
        }
        disk.free();
        delete(&db).unwrap();
        let mut wanted = before;
        let hidden = wanted.get_mut(&series("m", "3")).unwrap();
        hidden.retain(|(time, _)| !(HOUR..=3 * HOUR).contains(time));
        assert_eq!(read_all(&db), wanted);
        drop(db);
        assert_eq!(read_all(&open_with(&disk.data(), options())), wanted);
        if succeeded {
            assert!(pages > 0, "it never failed");
            return;
        }
    }
    panic!("it never succeeded");
}

#[test]
fn tombstones_are_cleaned_when_there_is_space() {
    with_every_write_failing(
        |db| {
            fill(db, 0, 4 * HOUR);
            db.compact().unwrap();
            let matchers = vec![Matcher::equal("instance", "3")];
            db.delete(HOUR, 3 * HOUR / 2, &[matchers]).unwrap();
        },
        |db, _| db.clean_tombstones(),
        unchanged,
    );
}

#[test]
fn a_snapshot_that_fails_harms_nothing() {
    with_every_write_failing(
        |db| {
            fill(db, 0, 4 * HOUR);
            db.compact().unwrap();
        },
        |db, dir| {
            let copy = dir.join("snapshot");
            let _ = std::fs::remove_dir_all(&copy);
            db.snapshot(&copy, true)?;
            let elsewhere = tempfile::tempdir().unwrap();
            copy_dir(&copy, elsewhere.path());
            let snapshot = open_with(elsewhere.path(), options());
            let mut wanted = read_all(db);
            // Late samples of the head are not in it, as with the reference.
            for samples in wanted.values_mut() {
                samples.retain(|(time, _)| time % 1000 == 0);
            }
            assert_eq!(read_all(&snapshot), wanted);
            Ok(())
        },
        unchanged,
    );
}

/// Late samples go to a log of their own and to chunk files; what failed is sent again.
#[test]
fn late_samples_that_were_refused_can_be_sent_again() {
    for pages in 0..4 {
        let Some(disk) = Disk::new() else { return };
        let db = open_with(&disk.data(), options());
        fill(&db, 0, 3 * HOUR);
        let all: Vec<_> = (0..8).map(|i| series("m", &i.to_string())).collect();
        let late = |db: &Db, step: i64| -> Result<(), String> {
            let rows: Vec<_> = all
                .iter()
                .map(|labels| (labels, HOUR + step * 1000 + 7, (step as f64).sqrt()))
                .collect();
            let mut appender = db.appender();
            assert_eq!(add(&mut *appender, &rows), []);
            appender.commit().map_err(|err| err.to_string())
        };
        // Lists fill and are written in between.
        for step in 0..20 {
            late(&db, step).unwrap();
        }
        disk.fill(pages);
        let mut failed = Vec::new();
        for step in 20..600 {
            if let Err(text) = late(&db, step) {
                assert!(is_full(&text), "{text}");
                failed.push(step);
            }
        }
        assert!(!failed.is_empty());
        let during = read(&db, HOUR + 7, HOUR + 7, &[]);
        assert_eq!(during[&all[0]], [(HOUR + 7, 0)]);
        disk.free();
        for step in failed {
            late(&db, step).unwrap();
        }
        // New lists after those that could not be named in the log.
        for step in 600..700 {
            late(&db, step).unwrap();
        }
        let before = read_all(&db);
        let late_count = |content: &Content| {
            let times = content[&all[5]].iter().filter(|(time, _)| time % 1000 == 7);
            times.count()
        };
        assert_eq!(late_count(&before), 700);
        // As after a crash: nothing is closed.
        let copy = disk.dir.path().join("copy");
        copy_dir(&disk.data(), &copy);
        assert_eq!(read_all(&open_with(&copy, options())), before);
    }
}

/// The write-ahead log itself, down to the last page.
#[test]
fn commits_fail_whole_and_go_on_when_there_is_space() {
    let Some(disk) = Disk::new() else { return };
    let db = open_with(&disk.data(), options());
    fill(&db, 0, HOUR);
    disk.fill(3);
    let labels: Vec<_> = (0..200).map(|i| series("full", &i.to_string())).collect();
    let mut taken = 0_i64;
    let mut refused = 0;
    for step in 0..100 {
        let time = HOUR + step * 1000;
        let value = (step as f64).sqrt();
        let rows: Vec<_> = labels.iter().map(|labels| (labels, time, value)).collect();
        let mut appender = db.appender();
        assert_eq!(add(&mut *appender, &rows), []);
        match appender.commit() {
            Ok(()) => taken += 1,
            Err(err) => {
                assert!(is_full(&err.to_string()), "{err}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && taken > 0, "{taken} taken, {refused} refused");
    let during = read_all(&db);
    assert_eq!(during[&labels[7]].len() as i64, taken);
    disk.free();
    let rows: Vec<_> = labels
        .iter()
        .map(|labels| (labels, 2 * HOUR, 1.0))
        .collect();
    assert_eq!(commit(&db, &rows), []);
    let after = read_all(&db);
    drop(db);
    assert_eq!(read_all(&open_with(&disk.data(), options())), after);
}

/// An agent's log: commits fail whole, truncation leaves what it cannot replace.
#[test]
fn an_agent_goes_on_when_there_is_space() {
    for pages in 0..PAGES_MAX {
        let Some(disk) = Disk::new() else { return };
        let options = AgentOptions {
            wal_segment_bytes: 32 * 1024,
            ..AgentOptions::default()
        };
        let open = || Agent::open(&disk.data(), options.clone(), &Registry::new()).unwrap();
        let agent = open();
        let all: Vec<_> = (0..100).map(|i| series("m", &i.to_string())).collect();
        let append = |agent: &Agent, time: i64| {
            let mut appender = agent.appender();
            let rows: Vec<_> = all.iter().map(|labels| (labels, time, 0.5)).collect();
            let refused = add(&mut *appender, &rows);
            (refused.len(), appender.commit())
        };
        for time in 0..300 {
            assert_eq!(append(&agent, time), (0, Ok(())));
        }
        disk.fill(pages);
        let truncated = agent.truncate(200, 300);
        let is_done = truncated.is_ok();
        if let Err(err) = truncated {
            assert!(is_full(&err.to_string()), "{err}");
        }
        let (_, committed) = append(&agent, 300);
        if let Err(err) = &committed {
            assert!(is_full(&err.to_string()), "{err}");
        }
        disk.free();
        let known = if committed.is_ok() { all.len() } else { 0 };
        assert_eq!(append(&agent, 300), (known, Ok(())), "all or nothing");
        agent.truncate(200, 300).unwrap();
        drop(agent);
        let agent = open();
        assert_eq!(agent.series_count(), all.len());
        assert_eq!(append(&agent, 300).0, all.len(), "nothing is forgotten");
        if is_done && pages > 0 {
            return;
        }
    }
    panic!("it never succeeded");
}
