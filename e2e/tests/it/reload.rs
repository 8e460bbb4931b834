//! Reload is all or nothing.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{Exporter, Server, http, wait_for};

fn config(job: &str, address: impl std::fmt::Display) -> String {
    format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs:\n- job_name: {job}\n  static_configs: [{{targets: ['{address}']}}]\n"
    )
}

#[test]
fn a_bad_configuration_leaves_the_old_one_running() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let exporter = Exporter::text(|| "e2e_value 1\n".to_owned())?;
    let server = Server::start(dir.path(), &config("one", exporter.address()), &[])?;
    std::fs::write(
        dir.path().join("prometheus.yml"),
        "scrape_configs: [{job_name: 1, nope: 2}]\n",
    )?;
    let answer = http::request(server.address(), "POST", "/-/reload", &[], b"")?;
    ensure!(answer.status == 500, "{} {}", answer.status, answer.text());
    ensure!(answer.text().contains("nope"), "{}", answer.text());
    let pools = server.get("/api/v1/scrape_pools")?.json()?;
    ensure!(pools["data"]["scrapePools"][0] == "one", "{pools}");
    let metrics = server.get("/metrics")?.text();
    ensure!(
        metrics.contains("prometheus_config_last_reload_successful 0"),
        "{metrics}"
    );

    std::fs::write(
        dir.path().join("prometheus.yml"),
        config("two", exporter.address()),
    )?;
    server.signal(rustix::process::Signal::HUP)?;
    wait_for("the new job", || {
        let pools = server.get("/api/v1/scrape_pools")?.json()?;
        Ok((pools["data"]["scrapePools"][0] == "two").then_some(()))
    })?;
    wait_for("a sample of the new job", || {
        Ok(server
            .query("e2e_value{job=\"two\"}")?
            .get(0)
            .is_some()
            .then_some(()))
    })
}

/// Encoding bytes of the chunks in a snapshot taken now.
fn encodings(server: &Server, dir: &Path) -> Result<BTreeSet<u8>> {
    let answer = http::request(
        server.address(),
        "POST",
        "/api/v1/admin/tsdb/snapshot",
        &[],
        b"",
    )?;
    ensure!(answer.status == 200, "{}", answer.text());
    let name = answer.json()?["data"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut found = BTreeSet::new();
    for block in std::fs::read_dir(dir.join("data/snapshots").join(name))? {
        let file = std::fs::read(block?.path().join("chunks/000001"))?;
        // Behind the header: length, encoding, data, checksum.
        let mut rest = file.get(8..).unwrap_or_default();
        while !rest.is_empty() {
            let (mut len, mut shift) = (0, 0);
            loop {
                let (byte, after) = rest.split_first().context("a length is cut off")?;
                rest = after;
                len |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if *byte < 0x80 {
                    break;
                }
            }
            found.insert(*rest.first().context("an encoding is cut off")?);
            rest = rest.get(1 + len + 4..).context("a chunk is cut off")?;
        }
    }
    Ok(found)
}

#[test]
fn floats_are_encoded_as_the_newest_configuration_says() -> Result<()> {
    const XOR: u8 = 1;
    const XOR2: u8 = 4;
    let dir = tempfile::tempdir()?;
    let exporter = Exporter::text(|| "e2e_value 1\n".to_owned())?;
    let with_encoding = |job: &str, encoding: &str| {
        let storage = format!("storage: {{tsdb: {{chunk_encoding: {{floats: {encoding}}}}}}}\n");
        storage + &config(job, exporter.address())
    };
    let admin = "--web.enable-admin-api";
    let has = |server: &Server, job: &str| {
        wait_for("a sample of the job", || {
            let found = server.query(&format!("e2e_value{{job=\"{job}\"}}"))?;
            Ok(found.get(0).is_some().then_some(()))
        })
    };
    let mut server = Server::start(dir.path(), &config("one", exporter.address()), &[admin])?;
    has(&server, "one")?;
    let found = encodings(&server, dir.path())?;
    ensure!(found == BTreeSet::from([XOR]), "{found:?}");
    std::fs::write(
        dir.path().join("prometheus.yml"),
        with_encoding("two", "xor2"),
    )?;
    let answer = http::request(server.address(), "POST", "/-/reload", &[], b"")?;
    ensure!(answer.status == 200, "{}", answer.text());
    has(&server, "two")?;
    let found = encodings(&server, dir.path())?;
    ensure!(found == BTreeSet::from([XOR, XOR2]), "{found:?}");
    server.terminate()?;

    // Start timestamps need the one that holds them: at the start, and at each reload.
    let incompatible = "float chunk encoding \"xor\" is incompatible with start-timestamp storage";
    let storing = "--enable-feature=st-storage";
    let mut refused = Server::spawn(dir.path(), &with_encoding("two", "xor"), &[storing])?;
    ensure!(!refused.wait()?.success(), "it started");
    let log = refused.log_text().replace('\\', "");
    ensure!(log.contains(incompatible), "{log}");
    let server = Server::start(dir.path(), &with_encoding("two", "xor2"), &[storing])?;
    std::fs::write(
        dir.path().join("prometheus.yml"),
        with_encoding("three", "xor"),
    )?;
    let answer = http::request(server.address(), "POST", "/-/reload", &[], b"")?;
    ensure!(answer.status == 500, "{}", answer.status);
    ensure!(answer.text().contains(incompatible), "{}", answer.text());
    let pools = server.get("/api/v1/scrape_pools")?.json()?;
    ensure!(pools["data"]["scrapePools"][0] == "two", "{pools}");
    Ok(())
}
