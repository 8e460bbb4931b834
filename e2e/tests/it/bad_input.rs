//! Starts that must fail with a sentence the user can act on.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Result, ensure};
use e2e::Server;
use e2e::server::free_address;

const EMPTY: &str = "scrape_configs: []\n";

/// Starts a server that must end by itself, unsuccessfully, naming `expected` in its output.
fn check_refused(dir: &Path, config: &str, flags: &[&str], expected: &[&str]) -> Result<()> {
    let mut server = Server::spawn(dir, config, flags)?;
    let status = server.wait()?;
    let log = server.log_text();
    ensure!(!status.success(), "ended well:\n{log}");
    for text in expected {
        ensure!(log.contains(text), "{text:?} is not in:\n{log}");
    }
    Ok(())
}

#[test]
fn a_locked_data_directory_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let first = Server::start(dir.path(), EMPTY, &[])?;
    check_refused(dir.path(), EMPTY, &[], &["lock DB directory"])?;
    ensure!(
        first.get("/-/healthy")?.status == 200,
        "the first server went down"
    );
    Ok(())
}

#[test]
fn a_port_in_use_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(dir.path().join("prometheus.yml"), EMPTY)?;
    let mut server = Server::spawn_at(dir.path(), taken.local_addr()?, &[])?;
    let status = server.wait()?;
    let log = server.log_text();
    ensure!(!status.success(), "ended well:\n{log}");
    ensure!(log.contains("address already in use"), "{log}");
    Ok(())
}

#[test]
fn a_missing_configuration_file_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::spawn_at(dir.path(), free_address()?, &[])?;
    let status = server.wait()?;
    ensure!(status.code() == Some(2), "ended with {status}");
    let log = server.log_text();
    ensure!(
        log.contains("prometheus.yml") && log.contains("no such file or directory"),
        "{log}"
    );
    Ok(())
}

#[test]
fn an_unknown_field_is_named_with_its_line() -> Result<()> {
    let dir = tempfile::tempdir()?;
    check_refused(
        dir.path(),
        "global:\n  scrape_intervall: 5s\n",
        &[],
        &["line 2", "scrape_intervall"],
    )
}

#[test]
fn a_section_that_is_not_built_yet_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config =
        "scrape_configs:\n- job_name: a\n  kuma_sd_configs: [{server: 'http://localhost:1'}]\n";
    check_refused(dir.path(), config, &[], &["kuma_sd_configs"])
}

#[test]
fn damage_in_the_middle_of_the_log_is_repaired_and_said() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let exporter = e2e::Exporter::text(|| "e2e_value 1\n".to_owned())?;
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
         scrape_configs:\n- job_name: e2e\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let mut server = Server::start(dir.path(), &config, &[])?;
    e2e::wait_for("ten samples", || {
        let result = server.query("count_over_time(e2e_value[1h])")?;
        let count = result[0]["value"][1]
            .as_str()
            .and_then(|text| text.parse::<u32>().ok());
        Ok((count >= Some(10)).then_some(()))
    })?;
    server.kill()?;
    let segment = dir.path().join("data/wal/00000000");
    let mut bytes = std::fs::read(&segment)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&segment, &bytes)?;
    let server = Server::start(dir.path(), &config, &[])?;
    ensure!(
        server.log_text().contains("corrupt"),
        "{}",
        server.log_text()
    );
    let result = server.query("count_over_time(e2e_value[1h])")?;
    ensure!(
        result.get(0).is_some(),
        "nothing of the good half is there: {result}"
    );
    Ok(())
}
