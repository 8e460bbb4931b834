//! Reload is all or nothing.

use anyhow::{Result, ensure};
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
