//! What the API tells of targets: beside a real Prometheus where `FERULA_PEERS` names a folder with
//! one in `bin/`, and what only we tell.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::server::free_address;
use e2e::{Exporter, Server, http, wait_for};
use serde_json::{Value, json};

const PAGE: &str = "# HELP e2e_requests_total Requests.\n# TYPE e2e_requests_total counter\n\
                    e2e_requests_total{path=\"/a\"} 1\ne2e_requests_total{path=\"/b\"} 2\n\
                    # HELP e2e_depth Depth <&>.\n# TYPE e2e_depth gauge\ne2e_depth 3\n";

/// Labels that targets have since 3.13.
const NEW_LABELS: [&str; 3] = [
    "__always_scrape_classic_histograms__",
    "__convert_classic_histograms_to_nhcb__",
    "__scrape_native_histograms__",
];

/// `TARGET` is the exporter, `OWN` the server's own port.
const CONFIG: &str = "\
global: {scrape_interval: 500ms, scrape_timeout: 500ms, keep_dropped_targets: 0}
scrape_configs:
- job_name: dropping
  keep_dropped_targets: 2
  basic_auth: {username: u, password: hush}
  relabel_configs:
  - {source_labels: [n], regex: '[1-5]', action: drop}
  - {source_labels: [__address__, n], separator: '/', target_label: place, replacement: '<$1>'}
  - {regex: n, action: labeldrop}
  static_configs:
  - {targets: ['TARGET'], labels: {n: '0', zone: 'ü'}}
  - {targets: ['h:1', 'h:2'], labels: {n: '1'}}
  - {targets: ['h:3'], labels: {n: '2'}}
- job_name: all_dropped
  relabel_configs: [{action: drop}]
  static_configs: [{targets: ['h:4', 'h:5', 'h:6']}]
- job_name: none
- job_name: own
  static_configs:
  - targets: ['localhost:OWN', '127.0.0.1:OWN']
- job_name: odd
  static_configs:
  - targets: ['a:b:c', 'a b:1', 'u@localhost:1', '[::1', 'a[b:1', 'localhost:x']
- job_name: path
  params: {a: ['b c&d'], e: [f, g]}
  static_configs:
  - {targets: ['TARGET'], labels: {__metrics_path__: 'a b/ü?x', __param_a: 'ä/&'}}
";

fn config(exporter: &Exporter, own: SocketAddr) -> String {
    CONFIG
        .replace("TARGET", &exporter.address().to_string())
        .replace("OWN", &own.port().to_string())
}

fn peers() -> Option<PathBuf> {
    let peers = std::env::var_os("FERULA_PEERS").map(PathBuf::from);
    if peers.is_none() {
        println!("left out: FERULA_PEERS names no folder with the peers");
    }
    peers
}

fn flags() -> [&'static str; 2] {
    [
        "--web.external-url=https://Out:80/pre",
        "--web.route-prefix=/",
    ]
}

/// A server that follows `text`; the reference if there is a folder with it.
fn start(
    peers: Option<&Path>,
    dir: &Path,
    address: SocketAddr,
    text: &str,
    flags: &[&str],
) -> Result<Server> {
    std::fs::write(dir.join("prometheus.yml"), text)?;
    let mut server = match peers {
        Some(peers) => Server::spawn_program(&peers.join("bin/prometheus"), dir, address, flags)?,
        None => Server::spawn_at(dir, address, flags)?,
    };
    server.wait_until_ready()?;
    Ok(server)
}

fn data(server: &Server, path: &str) -> Result<Value> {
    let mut json = server.get(path)?.json()?;
    ensure!(json["status"] == "success", "{path}: {json}");
    Ok(json["data"].take())
}

/// Waits until each of `count` active targets has been scraped.
fn wait_until_scraped(server: &Server, count: usize) -> Result<()> {
    wait_for("the targets to be scraped", || {
        let targets = data(server, "/api/v1/targets?state=active")?;
        let active = targets["activeTargets"].as_array().context("no list")?;
        let scraped = active.iter().filter(|target| target["health"] != "unknown");
        Ok((scraped.count() == count).then_some(()))
    })
}

/// What both should say alike: without times and our own port, in one order.
fn comparable(mut targets: Value, own: SocketAddr) -> Result<Value> {
    for list in ["activeTargets", "droppedTargets"] {
        for target in targets[list].as_array_mut().context("no list")? {
            for key in ["lastScrape", "lastScrapeDuration"] {
                if let Some(value) = target.get_mut(key) {
                    ensure!(value.is_string() || value.is_number(), "{key}");
                    *value = Value::Null;
                }
            }
            if let Some(labels) = target["discoveredLabels"].as_object_mut() {
                labels.retain(|name, _| !NEW_LABELS.contains(&name.as_str()));
            }
        }
    }
    sort(&mut targets["activeTargets"]);
    let port = format!(":{}", own.port());
    Ok(serde_json::from_str(
        &targets.to_string().replace(&port, ":OWN"),
    )?)
}

fn sort(list: &mut Value) {
    if let Some(elements) = list.as_array_mut() {
        elements.sort_by_key(Value::to_string);
    }
}

#[test]
fn targets_are_shown_as_the_reference_shows_them() -> Result<()> {
    let Some(peers) = peers() else { return Ok(()) };
    let exporter = Exporter::text(|| PAGE.to_owned())?;
    let (our_dir, their_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (our_address, their_address) = (free_address()?, free_address()?);
    let our_text = config(&exporter, our_address);
    let their_text = config(&exporter, their_address);
    let ours = start(None, our_dir.path(), our_address, &our_text, &flags())?;
    let theirs = start(
        Some(&peers),
        their_dir.path(),
        their_address,
        &their_text,
        &flags(),
    )?;
    for server in [&ours, &theirs] {
        wait_until_scraped(server, 10)?;
    }
    for query in [
        "",
        "?state=active&scrapePool=odd",
        "?state=DROPPED",
        "?state=any&scrapePool=dropping",
        "?scrapePool=nobody",
        "?state=nonsense",
    ] {
        let path = format!("/api/v1/targets{query}");
        let our_answer = comparable(data(&ours, &path)?, our_address)?;
        let their_answer = comparable(data(&theirs, &path)?, their_address)?;
        ensure!(
            our_answer == their_answer,
            "{path}:\n{our_answer:#}\ninstead of\n{their_answer:#}"
        );
    }
    // Of the servers' own metrics, which differ, nothing is asked.
    let selected = |selector: &str| format!("match_target={}", http::encode(selector));
    let others = selected("{job!=\"own\"}");
    for query in [
        others.clone(),
        format!("{others}&metric=e2e_depth"),
        format!("{others}&metric=nobody"),
        selected("{place=~\"<.*0>\"}"),
        selected("{job=\"odd\"}"),
        format!("{others}&limit=0"),
        "limit=x".to_owned(),
        selected("{"),
    ] {
        let path = format!("/api/v1/targets/metadata?{query}");
        let [mut our_answer, mut their_answer] =
            [ours.get(&path)?.json()?, theirs.get(&path)?.json()?];
        sort(&mut our_answer["data"]);
        sort(&mut their_answer["data"]);
        ensure!(
            our_answer == their_answer,
            "{path}:\n{our_answer:#}\ninstead of\n{their_answer:#}"
        );
    }
    for path in [
        "/",
        "/graph?x=1&y=a//b",
        "/graph/",
        "/api/v1",
        "//version",
        "/-/healthy/",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let heads = [&ours, &theirs].map(|server| {
                let answer = http::request(server.address(), method, path, &[], b"")?;
                let location = answer
                    .head
                    .lines()
                    .find(|line| line.starts_with("Location:") || line.starts_with("location:"));
                let location = location.and_then(|line| line.split_once(':'));
                Ok((answer.status, location.map(|(_, to)| to.trim().to_owned())))
            });
            let [our_head, their_head]: [Result<_>; 2] = heads;
            let (our_head, their_head) = (our_head?, their_head?);
            ensure!(
                our_head == their_head,
                "{method} {path}: {our_head:?} instead of {their_head:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn relabelling_and_past_scrapes_are_explained() -> Result<()> {
    let exporter = Exporter::text(|| PAGE.to_owned())?;
    let dir = tempfile::tempdir()?;
    let address = free_address()?;
    let server = start(
        None,
        dir.path(),
        address,
        &config(&exporter, address),
        &flags(),
    )?;
    wait_until_scraped(&server, 10)?;

    // The steps lead from the labels discovered to those that the target has.
    let targets = data(&server, "/api/v1/targets?state=any&scrapePool=dropping")?;
    let target = &targets["activeTargets"][0];
    let explained = |labels: &Value| {
        let labels = http::encode(&labels.to_string());
        data(
            &server,
            &format!("/api/v1/targets/relabel_steps?scrapePool=dropping&labels={labels}"),
        )
    };
    let steps = explained(&target["discoveredLabels"])?;
    let steps = steps["steps"].as_array().context("no steps")?.clone();
    ensure!(
        steps.len() == 3 && steps.iter().all(|step| step["keep"] == true),
        "{steps:?}"
    );
    let place = format!("<{}/0>", exporter.address());
    ensure!(steps[0]["output"]["place"] == Value::Null, "{:#}", steps[0]);
    ensure!(
        steps[1]["output"]["place"] == place.as_str(),
        "{:#}",
        steps[1]
    );
    ensure!(steps[1]["output"]["n"] == "0" && steps[2]["output"]["n"] == Value::Null);
    let rule = json!({
        "source_labels": ["__address__", "n"], "separator": "/", "regex": "(.*)",
        "target_label": "place", "replacement": "<$1>", "action": "replace",
    });
    ensure!(steps[1]["rule"] == rule, "{:#}", steps[1]["rule"]);
    let (seen, last) = (&target["labels"], &steps[2]["output"]);
    for name in ["job", "place", "zone"] {
        ensure!(
            seen[name].is_string() && seen[name] == last[name],
            "{name}: {seen} {last}"
        );
    }
    ensure!(
        targets["droppedTargetCounts"]["dropping"] == 3,
        "{targets:#}"
    );
    ensure!(
        targets["droppedTargets"].as_array().map(Vec::len) == Some(2),
        "{targets:#}"
    );
    let steps = explained(&targets["droppedTargets"][0]["discoveredLabels"])?;
    for step in steps["steps"].as_array().context("no steps")? {
        ensure!(
            step["keep"] == false && step["output"] == json!({}),
            "{step:#}"
        );
    }

    let pool = data(&server, "/api/v1/scrape_pools/config?scrapePool=dropping")?;
    let yaml = pool["yaml"].as_str().context("no text")?;
    ensure!(yaml.starts_with("job_name: dropping\n"), "{yaml}");
    ensure!(
        yaml.contains("password: <secret>") && !yaml.contains("hush"),
        "{yaml}"
    );
    ensure!(yaml.contains("keep_dropped_targets: 2"), "{yaml}");

    let scrapes = |pool: &str| -> Result<Vec<Value>> {
        let path = format!("/api/v1/ferula/target_history?scrapePool={pool}");
        let targets = data(&server, &path)?;
        let scrapes = targets["targets"][0]["scrapes"]
            .as_array()
            .context("no target")?;
        Ok(scrapes.clone())
    };
    let past = wait_for("ten scrapes", || {
        let past = scrapes("dropping")?;
        Ok((past.len() == 10).then_some(past))
    })?;
    let starts: Vec<&str> = past
        .iter()
        .filter_map(|scrape| scrape["start"].as_str())
        .collect();
    ensure!(
        starts.len() == 10 && starts.is_sorted_by(|a, b| a > b),
        "{starts:?}"
    );
    for scrape in &past {
        ensure!(
            scrape["health"] == "up" && scrape["error"] == "",
            "{scrape:#}"
        );
        ensure!(
            scrape["format"] == "text" && scrape["compressed"] == false,
            "{scrape:#}"
        );
        ensure!(scrape["bodyBytes"] == PAGE.len(), "{scrape:#}");
        ensure!(
            scrape["samples"] == 3 && scrape["samplesAfterRelabelling"] == 3,
            "{scrape:#}"
        );
    }
    let odd = scrapes("odd")?;
    let text = odd[0]["error"].as_str().context("no error")?;
    ensure!(
        odd[0]["health"] == "down" && text.starts_with("parse \"http://"),
        "{odd:#?}"
    );
    Ok(())
}

/// The counters of pools, and the pools.
fn pools(server: &Server) -> Result<(Vec<String>, Value)> {
    let text = server.get("/metrics")?.text();
    let counters = text.lines().filter(|line| {
        line.starts_with("prometheus_target_scrape_pools_")
            || line.starts_with("prometheus_target_scrape_pool_reloads_")
            || line.starts_with("prometheus_config_last_reload_successful")
    });
    let mut counters: Vec<String> = counters.map(str::to_owned).collect();
    counters.sort();
    let pools = data(server, "/api/v1/scrape_pools")?;
    Ok((counters, pools["scrapePools"].clone()))
}

#[test]
fn a_job_whose_client_cannot_be_set_up_does_not_stop_the_others() -> Result<()> {
    let exporter = Exporter::text(|| PAGE.to_owned())?;
    let job = |name: &str, rest: &str| {
        let address = exporter.address();
        format!("- job_name: {name}\n  static_configs: [{{targets: ['{address}']}}]\n{rest}")
    };
    const BAD: &str = "  tls_config: {ca_file: missing.pem}\n";
    const HEAD: &str = "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n";
    let begin = format!("{HEAD}{}{}", job("good", ""), job("bad", BAD));
    let worse = format!("{HEAD}{}", job("good", BAD));
    let mut seen = Vec::new();
    for peers in [None, peers()] {
        if peers.is_none() && !seen.is_empty() {
            continue;
        }
        let dir = tempfile::tempdir()?;
        let server = start(peers.as_deref(), dir.path(), free_address()?, &begin, &[])?;
        let failures = |count: u32| {
            wait_for("the pool to fail", || {
                let (counters, pools) = pools(&server)?;
                let wanted = format!("prometheus_target_scrape_pools_failed_total {count}");
                Ok(counters.contains(&wanted).then_some((counters, pools)))
            })
        };
        let reload = || http::request(server.address(), "POST", "/-/reload", &[], b"");
        wait_until_scraped(&server, 1)?;
        let started = failures(1)?;
        ensure!(started.1 == json!(["good"]), "{started:?}");
        ensure!(server.log_text().contains("error creating new scrape pool"));
        let same = reload()?.status;
        let again = failures(2)?;

        std::fs::write(dir.path().join("prometheus.yml"), &worse)?;
        let refused = reload()?;
        let sentence = "failed to reload config: one or more errors occurred while applying the new configuration (--config.file=\"";
        ensure!(refused.text().starts_with(sentence), "{}", refused.text());
        let kept = pools(&server)?;
        wait_until_scraped(&server, 1)?;
        std::fs::write(dir.path().join("prometheus.yml"), &begin)?;
        let back = reload()?.status;
        let end = failures(3)?;
        seen.push((started, same, again, refused.status, kept, back, end));
    }
    if let [ours, theirs] = &seen[..] {
        ensure!(ours == theirs, "{ours:#?}\ninstead of\n{theirs:#?}");
    }
    Ok(())
}
