//! What a newcomer does first.

use anyhow::{Result, ensure};
use e2e::{Exporter, Server, wait_for};

#[test]
fn scrapes_itself_and_answers_the_requests_of_dashboards() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let exporter = Exporter::text(|| "# TYPE e2e_value gauge\ne2e_value{a=\"b\"} 42\n".to_owned())?;
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs:\n- job_name: e2e\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let server = Server::start(dir.path(), &config, &[])?;
    let result = wait_for("a sample", || {
        let result = server.query("e2e_value")?;
        Ok(result.get(0).is_some().then_some(result))
    })?;
    ensure!(result[0]["value"][1] == "42", "{result}");
    ensure!(result[0]["metric"]["job"] == "e2e", "{result}");
    ensure!(
        result[0]["metric"]["instance"] == exporter.address().to_string(),
        "{result}"
    );
    for path in [
        "/api/v1/labels",
        "/api/v1/label/__name__/values",
        "/api/v1/series?match[]=up",
        "/api/v1/metadata",
        "/api/v1/targets",
        "/api/v1/scrape_pools",
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/buildinfo",
        "/api/v1/format_query?query=up",
        "/api/v1/parse_query?query=up",
        // As people type it.
        "/api/v1/query?query=label_replace(up,\"a\",\"b\",\"c\",\"\")>0<2",
        "/api/v1/query_range?query=up&start=0&end=100&step=10",
    ] {
        let answer = server.get(path)?;
        ensure!(
            answer.status == 200,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        ensure!(
            answer.json()?["status"] == "success",
            "{path}: {}",
            answer.text()
        );
    }
    ensure!(server.get("/")?.status == 302, "/ leads to the page");
    for path in ["/query", "/metrics", "/-/healthy", "/-/ready"] {
        let answer = server.get(path)?;
        ensure!(
            answer.status == 200,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    Ok(())
}

#[test]
fn stops_cleanly_and_finds_its_data_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let exporter = Exporter::text(|| "e2e_value 7\n".to_owned())?;
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\n\
         scrape_configs:\n- job_name: e2e\n  static_configs: [{{targets: ['{}']}}]\n",
        exporter.address()
    );
    let mut server = Server::start(dir.path(), &config, &[])?;
    let before = wait_for("a sample", || {
        let result = server.query("e2e_value[1h]")?;
        Ok(result.get(0).map(e2e::samples_of))
    })?;
    let status = server.terminate()?;
    ensure!(
        status.success(),
        "ended with {status}:\n{}",
        server.log_text()
    );
    let server = Server::start(dir.path(), "scrape_configs: []\n", &[])?;
    let result = server.query("e2e_value[1h]")?;
    let after = e2e::samples_of(&result[0]);
    ensure!(
        before.iter().all(|sample| after.contains(sample)),
        "{before:?} not in {after:?}"
    );
    Ok(())
}
