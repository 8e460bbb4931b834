//! A full disk: appends fail with a clear error, queries go on, writing resumes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::{Exporter, Server, wait_for};

/// A small file system of its own, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this user may not mount.
    fn new(dir: &Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir)
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self(dir.to_path_buf()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn queries_go_on_and_writing_resumes_when_space_returns() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    std::fs::create_dir(&data)?;
    let Some(_mount) = Mount::new(&data, "4m") else {
        println!("left out: this user may not mount a small file system");
        return Ok(());
    };
    // Values without a pattern, so that the log grows fast.
    let exporter = Exporter::text(|| {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.subsec_nanos());
        (0..500)
            .map(|i| format!("full{{i=\"{i}\"}} {}.{nanos}\n", i * 7919 % 1000))
            .collect()
    })?;
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
         scrape_configs:\n- job_name: full\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let mut server = Server::start(dir.path(), &config, &[])?;
    let ballast = data.join("ballast");
    wait_for("the first samples", || {
        Ok(server.query("full")?.get(0).is_some().then_some(()))
    })?;
    std::fs::write(&ballast, vec![0_u8; 3 << 20])?;
    wait_for("the disk to be full", || {
        Ok(server
            .log_text()
            .to_lowercase()
            .contains("no space left on device")
            .then_some(()))
    })?;
    let during = server.query("count(count_over_time(full[1h]))")?;
    ensure!(during.is_array(), "{during}");
    let seen = e2e::samples_of(&server.query("full{i=\"7\"}[1h]")?[0]);
    ensure!(!seen.is_empty(), "the samples from before are gone");

    std::fs::remove_file(&ballast)?;
    let newest = seen.last().map_or(0.0, |sample| sample.0);
    wait_for("writing to resume", || {
        let now = e2e::samples_of(&server.query("full{i=\"7\"}[1h]")?[0]);
        Ok(now
            .last()
            .is_some_and(|sample| sample.0 > newest + 0.5)
            .then_some(()))
    })?;
    let seen = e2e::samples_of(&server.query("full{i=\"7\"}[1h]")?[0]);
    server.kill()?;
    let server = Server::start(dir.path(), &config, &[])?;
    let after = e2e::samples_of(&server.query("full{i=\"7\"}[1h]")?[0]);
    let lost: Vec<_> = seen
        .iter()
        .filter(|sample| !after.contains(sample))
        .collect();
    ensure!(lost.is_empty(), "lost after the restart: {lost:?}");
    Ok(())
}
