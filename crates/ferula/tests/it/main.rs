//! The binary as its users start it: a process, flags, a port, a data directory.

mod process;

use std::net::TcpListener;

use process::{Server, config, run};

#[test]
fn starts_answers_and_ends_when_asked() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut server = Server::start(dir.path(), &config(""), &["--web.enable-lifecycle"]);
    let (status, body) = server.get("/-/ready");
    assert_eq!(
        (status, body.as_str()),
        (200, "Prometheus Server is Ready.\n")
    );
    let (status, body) = server.get("/api/v1/query?query=1%2B1&time=7");
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[7,\"2\"]}}"
        )
    );
    assert!(server.get("/metrics").1.contains("prometheus_ready 1\n"));
    assert!(
        server
            .get("/api/v1/status/buildinfo")
            .1
            .contains("\"revision\":\"ferula-")
    );
    assert_eq!(server.request("POST", "/-/quit").0, 200);
    assert_eq!(server.wait(), Some(0));
    assert!(
        server.log().contains("msg=\"See you next time!\""),
        "{}",
        server.log()
    );
}

#[test]
fn scrapes_itself_and_keeps_what_it_scraped_over_a_restart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let flags = [
        "--web.enable-lifecycle",
        "--scrape.discovery-reload-interval=10ms",
    ];
    let mut server = Server::start(dir.path(), &config(""), &flags);
    let job = format!(
        "- job_name: own\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  static_configs: [{{targets: ['{}']}}]\n",
        server.address()
    );
    server.configure(&config(&job));
    assert_eq!(server.request("POST", "/-/reload"), (200, String::new()));
    server.until("/api/v1/query?query=up", "\"1\"]");
    server.until("/api/v1/targets", "\"health\":\"up\"");
    assert_eq!(server.request("POST", "/-/quit").0, 200);
    assert_eq!(server.wait(), Some(0));
    let server = Server::start(dir.path(), &config(""), &[]);
    assert!(
        server
            .get("/api/v1/query?query=count_over_time(up[1h])")
            .1
            .contains("\"value\"")
    );
}

#[test]
fn a_bad_file_leaves_the_old_configuration_in_place() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(dir.path(), &config(""), &["--web.enable-lifecycle"]);
    let before = server.get("/api/v1/status/config").1;
    server.configure("global: {scrape_interval: x}\n");
    let (status, body) = server.request("POST", "/-/reload");
    assert_eq!(status, 500);
    assert!(
        body.starts_with("failed to reload config: couldn't load configuration (--config.file=")
            && body.ends_with("not a valid duration string: \"x\"\n"),
        "{body}"
    );
    assert_eq!(server.get("/api/v1/status/config").1, before);
    assert!(
        server
            .get("/metrics")
            .1
            .contains("prometheus_config_last_reload_successful 0\n")
    );
    server.configure(&config("- job_name: new\n"));
    assert_eq!(server.request("PUT", "/-/reload").0, 200);
    assert!(server.get("/api/v1/scrape_pools").1.contains("[\"new\"]"));
    assert!(
        server
            .get("/metrics")
            .1
            .contains("prometheus_config_last_reload_successful 1\n")
    );
}

#[test]
fn a_port_in_use_ends_the_server_with_a_clear_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let outcome = run(
        dir.path(),
        &config(""),
        &[&format!("--web.listen-address={address}")],
    );
    assert_eq!(outcome.status.code(), Some(1));
    let log = String::from_utf8_lossy(&outcome.stderr);
    let expected = format!("listen tcp {address}: bind: address already in use");
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn a_locked_directory_ends_the_server_with_a_clear_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(dir.path(), &config(""), &[]);
    let outcome = run(
        dir.path(),
        &config(""),
        &["--web.listen-address=127.0.0.1:0"],
    );
    assert_eq!(outcome.status.code(), Some(1));
    let log = String::from_utf8_lossy(&outcome.stderr);
    let expected = "opening storage failed: lock DB directory: resource temporarily unavailable";
    assert!(log.contains(expected), "{log}");
    assert_eq!(server.get("/-/healthy").0, 200);
}

#[test]
fn what_cannot_be_used_ends_the_server_with_the_references_codes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let check = |text: &str, flags: &[&str], code: i32, expected: &str| {
        let outcome = run(dir.path(), text, flags);
        let log = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{flags:?} {log}");
        assert!(log.contains(expected), "{flags:?} {log}");
    };
    check(
        "global: {x: 1}\n",
        &[],
        2,
        "field x not found in type config.",
    );
    check(
        "remote_write: [{url: http://x}]\n",
        &[],
        2,
        "not supported yet by this version: remote_write",
    );
    check(
        "",
        &["--nope"],
        1,
        "prometheus: error: unknown long flag '--nope'",
    );
    check(
        "",
        &["--query.timeout=x"],
        2,
        "not a valid duration string: \"x\"",
    );
    check(
        "",
        &["--storage.agent.path=x"],
        3,
        "can only be used in agent mode",
    );
    check(
        "",
        &["--web.config.file=x"],
        1,
        "--web.config.file is not supported yet",
    );
}

#[test]
fn signals_reload_and_end() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut server = Server::start(dir.path(), &config(""), &[]);
    server.configure(&config("- job_name: new\n"));
    server.signal(rustix::process::Signal::HUP);
    server.until("/api/v1/scrape_pools", "[\"new\"]");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}
