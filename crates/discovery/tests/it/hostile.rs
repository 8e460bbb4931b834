//! Answers that are huge, slow, broken or of other kinds: a clear error, and what was found stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use discovery::config::DockerSdConfig;
use discovery::providers::docker::DockerDiscoverer;
use discovery::refresh::Poll as _;
use telemetry::Registry;

use crate::http_double::{answer, json, serve};
use crate::support::{addresses, configs, start};

/// What a poll of a daemon with this answer to the list of containers says.
async fn error_of(reply: Vec<u8>) -> String {
    let server = serve(move |asked| {
        let reply = reply.clone();
        async move {
            match asked.path() {
                "/_ping" => answer("200 OK", &[], ""),
                _ => reply,
            }
        }
    })
    .await;
    poll(&format!(
        "{{host: 'http://{server}', refresh_interval: 1s}}"
    ))
    .await
}

async fn poll(config: &str) -> String {
    let configs = configs(&format!("docker_sd_configs: [{config}]"));
    let config: DockerSdConfig = configs
        .docker_sd_configs
        .iter()
        .next()
        .cloned()
        .expect("one");
    let environment = discovery::providers::Environment {
        metrics: discovery::metrics::ProviderMetrics::new(&Registry::new()),
        user_agent: "t".to_owned(),
        config_name: "job".to_owned(),
    };
    let mut docker = DockerDiscoverer::new(&config, &environment).expect("a client");
    docker.poll().await.expect_err("a failure").to_string()
}

#[tokio::test]
async fn errors_say_what_was_wrong_with_an_answer() {
    let listing = "error while listing containers: ";
    let cases: [(Vec<u8>, &str); 8] = [
        (json("["), "EOF while parsing a list"),
        (json("{}"), "invalid type: map, expected a sequence"),
        (
            json(r#"[{"Ports":[{"PrivatePort":70000}]}]"#),
            "invalid value: integer `70000`, expected u16",
        ),
        (
            json(r#"[{"Labels":{"a":1}}]"#),
            "invalid type: integer `1`, expected a string",
        ),
        (json(&"[".repeat(100_000)), "invalid type: sequence"),
        (
            answer(
                "500 Internal Server Error",
                &[],
                r#"{"message":"no swarm\n"}"#,
            ),
            "Error response from daemon: no swarm",
        ),
        (
            answer("404 Not Found", &[], "page not found\n"),
            "Error response from daemon: page not found",
        ),
        (
            answer("502 Bad Gateway", &[], ""),
            "request returned Bad Gateway for API route and version http://",
        ),
    ];
    for (reply, expected) in cases {
        let error = error_of(reply).await;
        assert!(error.starts_with(listing), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let endless = "HTTP/1.1 500 No\r\nContent-Length: 99999999999\r\n\r\n".to_owned();
    let error = error_of((endless + &"x".repeat(1 << 20)).into_bytes()).await;
    assert!(error.len() < 20_000, "{} bytes", error.len());
}

#[tokio::test]
async fn slow_and_huge_answers_end() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n["
        .as_bytes()
        .to_vec();
    let error = error_of(half).await;
    assert!(error.contains("context deadline exceeded"), "{error}");
    // More than is allowed, told beforehand or not.
    let chunk = format!("1000000\r\n{}\r\n", " ".repeat(0x0100_0000));
    let mut huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n[".to_owned();
    huge.pop();
    for _ in 0..17 {
        huge.push_str(&chunk);
    }
    let server = serve(move |asked| {
        let reply = if asked.path() == "/_ping" {
            answer("200 OK", &[], "")
        } else {
            huge.clone().into_bytes()
        };
        async move { reply }
    })
    .await;
    let error = poll(&format!(
        "{{host: 'http://{server}', refresh_interval: 120s}}"
    ))
    .await;
    assert!(error.contains("body size limit exceeded"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("no.sock");
    let error = poll(&format!("{{host: 'unix://{}'}}", path.display())).await;
    let expected = format!(
        "error while listing containers: Head \"http://api.moby.localhost/_ping\": \
         dial unix {}: connect: no such file or directory",
        path.display()
    );
    assert_eq!(error, expected);
}

#[tokio::test]
async fn what_was_found_stays_through_failures() {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = serve(move |asked| {
        let turn = turn.clone();
        async move {
            match asked.path() {
                "/_ping" => answer("200 OK", &[], ""),
                "/v1.24/networks" => json("null"),
                _ => match turn.fetch_add(1, Ordering::SeqCst) {
                    0 => json(
                        r#"[{"Names":["/a"],"NetworkSettings":{"Networks":{"n":{"IPAddress":"1.1.1.1"}}}}]"#,
                    ),
                    1..=3 => answer("500 Internal Server Error", &[], "x"),
                    _ => json("[]"),
                },
            }
        }
    })
    .await;
    let mut running = start(&format!(
        "docker_sd_configs: [{{host: 'http://{server}', refresh_interval: 10ms}}]"
    ));
    assert_eq!(addresses(&running.group().await), ["1.1.1.1:80"]);
    let next = tokio::time::timeout(Duration::from_secs(120), running.group()).await;
    assert!(next.expect("a report").targets.is_empty());
    let failures = r#"prometheus_sd_refresh_failures_total{config="job",mechanism="docker"}"#;
    assert_eq!(running.metric(failures), 3.0);
}
