//! The endpoints as clients see them, without a network and with a store in memory.

mod statistics;
mod storage_endpoints;
mod target_endpoints;

use std::sync::atomic::AtomicBool;

use model::relabel::{RelabelAction, RelabelConfig, RelabelRegex};
use model::{Labels, Metadata, MetricType};
use remote::receive::read::{ReadOptions, Reader};
use storage::memory_store::MemoryStore;
use storage::{Appendable, Batch, BatchTimes};

use super::*;
use crate::targets::{
    ActiveTarget, DroppedTarget, Health, PastScrape, TargetHistory, TargetMetadata,
};

struct Targets;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

impl TargetSource for Targets {
    fn pools(&self) -> Vec<String> {
        vec!["p".to_owned()]
    }

    fn active(&self) -> BTreeMap<String, Vec<ActiveTarget>> {
        let target = ActiveTarget {
            discovered_labels: labels(&[("__address__", "127.0.0.1:9090")]),
            labels: labels(&[("job", "p"), ("x", "<&>")]),
            pool: "p".to_owned(),
            scheme: "http".to_owned(),
            address: "127.0.0.1:9090".to_owned(),
            url: "http://127.0.0.1:9090/metrics".to_owned(),
            last_error: "<oh>".to_owned(),
            last_scrape: None,
            last_scrape_seconds: 0.005,
            health: Health::Down,
            scrape_interval: "15s".to_owned(),
            scrape_timeout: "10s".to_owned(),
        };
        BTreeMap::from([("p".to_owned(), vec![target])])
    }

    fn dropped(&self) -> BTreeMap<String, Vec<DroppedTarget>> {
        let target = DroppedTarget {
            discovered_labels: labels(&[("y", "drop")]),
            pool: "p".to_owned(),
        };
        BTreeMap::from([("p".to_owned(), vec![target])])
    }

    fn dropped_counts(&self) -> BTreeMap<String, usize> {
        BTreeMap::from([("p".to_owned(), 1)])
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<TargetMetadata> {
        let metadata = Metadata {
            metric_type: MetricType::Gauge,
            unit: String::new(),
            help: "<help>".to_owned(),
        };
        let families = [("m".to_owned(), metadata)];
        let families = families
            .into_iter()
            .filter(|(name, _)| metric.is_none_or(|m| m == name));
        vec![TargetMetadata {
            target: labels(&[("job", "p")]),
            families: families.collect(),
        }]
    }

    fn histories(&self) -> BTreeMap<String, Vec<TargetHistory>> {
        let history = TargetHistory {
            pool: "p".to_owned(),
            url: "http://127.0.0.1:9090/metrics".to_owned(),
            labels: labels(&[("job", "p"), ("x", "<&>")]),
            scrapes: vec![
                past_scrape(Some("")),
                past_scrape(Some("<oh>")),
                past_scrape(None),
            ],
        };
        BTreeMap::from([("p".to_owned(), vec![history])])
    }

    fn relabel_configs(&self, pool: &str) -> Option<Vec<RelabelConfig>> {
        let rule = |action, regex: &str| RelabelConfig {
            source_labels: Some(vec!["a".to_owned(), "b".to_owned()]),
            regex: RelabelRegex::new(regex).expect("an expression"),
            action,
            ..RelabelConfig::default()
        };
        let hash = RelabelConfig {
            modulus: 8,
            target_label: "shard".to_owned(),
            ..rule(RelabelAction::HashMod, "(.*)")
        };
        let map = RelabelConfig {
            replacement: String::new(),
            separator: String::new(),
            ..RelabelConfig::default()
        };
        let drop = rule(RelabelAction::Drop, "<&>;2");
        (pool == "p").then(|| vec![hash, map.clone(), drop, map])
    }

    fn pool_yaml(&self, pool: &str) -> Option<String> {
        (pool == "p").then(|| "job_name: <p>\n".to_owned())
    }
}

fn past_scrape(error: Option<&str>) -> PastScrape {
    PastScrape {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        seconds: 0.25,
        health: if error == Some("") {
            Health::Up
        } else {
            Health::Down
        },
        error: error.map(Into::into),
        body_bytes: 7,
        compressed: true,
        format: "text",
        samples: 3,
        samples_after_relabelling: 2,
        series_added: 1,
    }
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    let mut appender = store.appender();
    for value in ["<a>&", "b"] {
        let series = appender
            .series(&labels(&[("__name__", "m"), ("l", value)]))
            .expect("series");
        let batch = Batch {
            series: &[series],
            times: BatchTimes::Same(1_000),
            values: &[1.5],
            histograms: &[],
            start_timestamps: &[],
            exemplars: &[],
            reject_out_of_order: false,
        };
        appender
            .append(&batch, &mut Vec::new(), &mut Vec::new())
            .expect("appended");
    }
    appender.commit().expect("committed");
    store
}

fn options(prefix: &str, lifecycle_enabled: bool) -> Options {
    Options {
        route_prefix: prefix.to_owned(),
        external_url: Url {
            path: prefix.trim_end_matches('/').to_owned(),
            ..url::parse("http://outside:80").expect("a URL")
        },
        listen_port: "9090".to_owned(),
        cors_origin: Regex::new_anchored("http://good").expect("an expression"),
        lifecycle_enabled,
        page_title: "<Title>".to_owned(),
        flags: BTreeMap::from([("a.b".to_owned(), "1".to_owned())]),
        build: BuildInfo {
            version: "3.14.0".to_owned(),
            ..BuildInfo::default()
        },
        read_timeout: Duration::from_secs(5),
        wal_replay: Box::new(|| (1, 3, 2)),
    }
}

fn read_endpoint() -> ReadEndpoint {
    let options = ReadOptions {
        samples_max: 1,
        frame_bytes: 1 << 20,
    };
    let external = Box::new(|| labels(&[("region", "here")]));
    ReadEndpoint {
        reader: Arc::new(Reader::new(Arc::new(store()), external, options)),
        places: Arc::new(tokio::sync::Semaphore::new(1)),
        queries: Registry::new().gauge("reads", ""),
    }
}

fn backend() -> Backend {
    Backend {
        queryable: Arc::new(store()),
        engine: Arc::new(promql::Engine::new(promql::EngineOptions::default())),
        per_step_stats: false,
        parser_options: promql_parser::ParserOptions::default(),
        targets: Arc::new(Targets),
        config_yaml: Box::new(|| "global: <x>\n".to_owned()),
        runtime_info: Box::new(|| RuntimeInfo {
            start_time: SystemTime::UNIX_EPOCH,
            working_directory: "/w".to_owned(),
            host_name: "h".to_owned(),
            reload_success: true,
            last_config_time: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
            corruption_count: 0,
            thread_count: 3,
            worker_threads: 2,
            memory_limit_bytes: 7,
            storage_retention: "15d".to_owned(),
        }),
        tsdb_info: Box::new(|top| TsdbInfo {
            series_count: 2,
            series_by_metric_name: vec![("<m>".to_owned(), 2); top],
            ..TsdbInfo::default()
        }),
        exemplars: Box::new(|_, _, _| Ok(Vec::new())),
        admin: None,
        read_endpoint: read_endpoint(),
        write_receiver: None,
    }
}

fn handler_with(options: Options) -> Arc<Handler> {
    handler_of(options, backend())
}

fn handler_of(options: Options, backend: Backend) -> Arc<Handler> {
    let registry = Registry::new();
    let pool = Pool::new("query", 1, 8).expect("threads");
    let (reload, mut reloads) = mpsc::channel::<ReloadRequest>(1);
    tokio::spawn(async move {
        while let Some(done) = reloads.recv().await {
            let _ = done.send(Err("bad file".to_owned()));
        }
    });
    let quitting = AtomicBool::new(false);
    let lifecycle = Lifecycle {
        reload,
        quit: Box::new(move || !quitting.swap(true, Ordering::Relaxed)),
    };
    let handler = Handler::new(options, &registry, pool, lifecycle);
    handler.set_backend(backend);
    handler.set_readiness(Readiness::Ready);
    Arc::new(handler)
}

fn handler() -> Arc<Handler> {
    handler_with(options("/", false))
}

struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

async fn send(handler: &Arc<Handler>, request: Request<Full<Bytes>>) -> Seen {
    let (parts, body) = handler.handle(request).await.into_parts();
    let body = body.collect().await.expect("in memory").to_bytes().to_vec();
    Seen {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request")
}

async fn get(handler: &Arc<Handler>, path: &str) -> Seen {
    send(handler, request("GET", path, &[], "")).await
}

#[track_caller]
fn check(seen: &Seen, status: u16, body: &str) {
    assert_eq!((seen.status, seen.text().as_str()), (status, body));
}

#[tokio::test]
async fn health_readiness_and_lifecycle() {
    let handler = handler_with(options("/", true));
    check(
        &get(&handler, "/-/healthy").await,
        200,
        "Prometheus Server is Healthy.\n",
    );
    check(
        &get(&handler, "/-/ready").await,
        200,
        "Prometheus Server is Ready.\n",
    );
    let quit = || request("POST", "/-/quit", &[], "");
    check(
        &send(&handler, quit()).await,
        200,
        "Requesting termination... Goodbye!",
    );
    check(
        &send(&handler, quit()).await,
        200,
        "Termination already in progress.",
    );
    let reload = request("PUT", "/-/reload", &[], "");
    check(
        &send(&handler, reload).await,
        500,
        "failed to reload config: bad file\n",
    );
    check(
        &get(&handler, "/-/reload").await,
        405,
        "Only POST or PUT requests allowed",
    );
    handler.set_readiness(Readiness::Stopping);
    for path in ["/-/ready", "/api/v1/labels"] {
        let seen = get(&handler, path).await;
        check(&seen, 503, "Service Unavailable");
        assert_eq!(seen.header("x-prometheus-stopping"), "true");
    }
    check(
        &get(&handler, "/-/healthy").await,
        200,
        "Prometheus Server is Healthy.\n",
    );
}

#[tokio::test]
async fn lifecycle_is_off_by_default() {
    let seen = send(&handler(), request("POST", "/-/quit", &[], "")).await;
    check(&seen, 403, "Lifecycle API is not enabled.");
}

#[tokio::test]
async fn labels_and_values() {
    let handler = handler();
    let ok = |data: &str| format!("{{\"status\":\"success\",\"data\":{data}}}");
    check(
        &get(&handler, "/api/v1/labels").await,
        200,
        &ok("[\"__name__\",\"l\"]"),
    );
    check(
        &get(&handler, "/api/v1/label/l/values").await,
        200,
        &ok("[\"\\u003ca\\u003e\\u0026\",\"b\"]"),
    );
    check(
        &get(&handler, "/api/v1/labels?limit=1").await,
        200,
        "{\"status\":\"success\",\"data\":[\"__name__\"],\"warnings\":[\"results truncated due to limit\"]}",
    );
    let bad = |text: &str| {
        format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{text}\"}}")
    };
    check(
        &get(&handler, "/api/v1/labels?start=x").await,
        400,
        &bad(
            "invalid parameter \\\"start\\\": invalid time value for 'start': cannot parse \\\"x\\\" to a valid timestamp",
        ),
    );
    check(
        &get(&handler, "/api/v1/labels?limit=-1").await,
        400,
        &bad("invalid parameter \\\"limit\\\": limit must be non-negative"),
    );
    check(
        &get(&handler, "/api/v1/labels?match[]={}").await,
        400,
        &bad("match[] must contain at least one non-empty matcher"),
    );
    check(
        &get(&handler, "/api/v1/label/%ff/values").await,
        400,
        &bad("invalid label name: \\\"\\\\xff\\\""),
    );
}

#[tokio::test]
async fn series_need_a_selector() {
    let handler = handler();
    check(
        &get(&handler, "/api/v1/series?match[]=m&start=0&end=2").await,
        200,
        "{\"status\":\"success\",\"data\":[{\"__name__\":\"m\",\"l\":\"<a>&\"},{\"__name__\":\"m\",\"l\":\"b\"}]}",
    );
    let seen = get(&handler, "/api/v1/series?match[]=m&match[]=m&limit=1").await;
    check(
        &seen,
        200,
        "{\"status\":\"success\",\"data\":[{\"__name__\":\"m\",\"l\":\"<a>&\"}],\"warnings\":[\"results truncated due to limit\"]}",
    );
    let bad = |text: &str| {
        format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{text}\"}}")
    };
    check(
        &get(&handler, "/api/v1/series").await,
        400,
        &bad("no match[] parameter provided"),
    );
    check(
        &get(&handler, "/api/v1/series?match[]=m&x=%zz").await,
        400,
        &bad("error parsing form values: invalid URL escape \\\"%zz\\\""),
    );
}

#[tokio::test]
async fn queries_are_explained_before_and_after_they_run() {
    let handler = handler();
    let text = |seen: &Seen| String::from_utf8_lossy(&seen.body).into_owned();
    let planned = get(&handler, "/api/v1/query_explain?query=sum(m)&time=1").await;
    let start = "{\"status\":\"success\",\"data\":{\"name\":\"aggregate sum\",\"expr\":\"sum(m)\",\
                 \"estimate\":{\"series\":1,\"samples\":0,\"points\":1,";
    assert!(text(&planned).starts_with(start), "{}", text(&planned));
    let selector = "\"name\":\"series of the store\",\"expr\":\"{__name__=\\\"m\\\"}\",\
                    \"estimate\":{\"series\":2,\"samples\":2,\"points\":2,";
    assert!(text(&planned).contains(selector), "{}", text(&planned));
    assert!(
        !text(&planned).contains("executionTime"),
        "{}",
        text(&planned)
    );
    for path in [
        "query?query=sum(m)&time=1&explain=true",
        "query_range_explain?query=sum(m)&start=1&end=1&step=1",
    ] {
        let same = get(&handler, &format!("/api/v1/{path}")).await;
        assert_eq!(same.body, planned.body, "{path}");
    }
    let ran = get(&handler, "/api/v1/query?query=sum(m)&time=1&analyze=true").await;
    let start = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\
                 \"value\":[1,\"3\"]}],\"analysis\":{\"name\":\"aggregate sum\",\"expr\":\"sum(m)\",\
                 \"executionTime\":\"";
    assert!(text(&ran).starts_with(start), "{}", text(&ran));
    let wrong = get(&handler, "/api/v1/query_explain?query=sum(").await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn queries_answer_vectors_and_matrices() {
    let handler = handler();
    let form = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    let seen = send(
        &handler,
        request("POST", "/api/v1/query?time=1", &form, "query=m"),
    )
    .await;
    check(
        &seen,
        200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"m\",\"l\":\"<a>&\"},\"value\":[1,\"1.5\"]},{\"metric\":{\"__name__\":\"m\",\"l\":\"b\"},\"value\":[1,\"1.5\"]}]}}",
    );
    check(
        &get(
            &handler,
            "/api/v1/query_range?query=1&start=0&end=1&step=0.5",
        )
        .await,
        200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[0,\"1\"],[0.500,\"1\"],[1,\"1\"]]}]}}",
    );
    check(
        &get(&handler, "/api/v1/query?query=%22%3Ca%3E%22&time=1").await,
        200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"\\u003ca\\u003e\"]}}",
    );
    let bad = |text: &str| {
        format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{text}\"}}")
    };
    for (path, text) in [
        (
            "query?query=sum(",
            "invalid parameter \\\"query\\\": 1:5: parse error: unclosed left parenthesis",
        ),
        (
            "query_range?query=m",
            "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a valid timestamp",
        ),
        (
            "query_range?query=m&start=2&end=1",
            "invalid parameter \\\"end\\\": end timestamp must not be before start time",
        ),
        (
            "query_range?query=m&start=1&end=2&step=0",
            "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ),
        (
            "query_range?query=m&start=0&end=11001&step=1",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        (
            "query?query=m&lookback_delta=abc",
            "error parsing lookback delta duration: cannot parse \\\"abc\\\" to a valid duration",
        ),
        (
            "query?query=m&timeout=abc",
            "invalid parameter \\\"timeout\\\": cannot parse \\\"abc\\\" to a valid duration",
        ),
    ] {
        check(
            &get(&handler, &format!("/api/v1/{path}")).await,
            400,
            &bad(text),
        );
    }
}

#[tokio::test]
async fn targets_and_their_metadata() {
    let handler = handler();
    let active = "{\"discoveredLabels\":{\"__address__\":\"127.0.0.1:9090\"},\"labels\":{\"job\":\"p\",\"x\":\"<&>\"},\"scrapePool\":\"p\",\"scrapeUrl\":\"http://127.0.0.1:9090/metrics\",\"globalUrl\":\"http://outside:80/metrics\",\"lastError\":\"\\u003coh\\u003e\",\"lastScrape\":\"0001-01-01T00:00:00Z\",\"lastScrapeDuration\":0.005,\"health\":\"down\",\"scrapeInterval\":\"15s\",\"scrapeTimeout\":\"10s\"}";
    let dropped = "{\"discoveredLabels\":{\"y\":\"drop\"},\"scrapePool\":\"p\"}";
    let answer = |active: &str, dropped: &str, counts: &str| {
        format!(
            "{{\"status\":\"success\",\"data\":{{\"activeTargets\":[{active}],\"droppedTargets\":[{dropped}],\"droppedTargetCounts\":{counts}}}}}"
        )
    };
    for (query, expected) in [
        ("", answer(active, dropped, "{\"p\":1}")),
        ("?state=ANY", answer(active, dropped, "{\"p\":1}")),
        ("?state=active", answer(active, "", "null")),
        ("?state=dropped", answer("", dropped, "{\"p\":1}")),
        ("?state=nope", answer("", "", "null")),
        ("?scrapePool=q", answer("", "", "{\"p\":1}")),
    ] {
        check(
            &get(&handler, &format!("/api/v1/targets{query}")).await,
            200,
            &expected,
        );
    }
    for (path, data) in [
        ("scrape_pools", "{\"scrapePools\":[\"p\"]}"),
        (
            "metadata",
            "{\"m\":[{\"type\":\"gauge\",\"unit\":\"\",\"help\":\"\\u003chelp\\u003e\"}]}",
        ),
        ("metadata?limit=0", "{}"),
        ("metadata?metric=nope", "{}"),
        (
            "targets/metadata",
            "[{\"target\":{\"job\":\"p\"},\"metric\":\"m\",\"type\":\"gauge\",\"help\":\"\\u003chelp\\u003e\",\"unit\":\"\"}]",
        ),
        (
            "targets/metadata?metric=m",
            "[{\"target\":{\"job\":\"p\"},\"type\":\"gauge\",\"help\":\"\\u003chelp\\u003e\",\"unit\":\"\"}]",
        ),
        ("targets/metadata?limit=0", "[]"),
    ] {
        let expected = format!("{{\"status\":\"success\",\"data\":{data}}}");
        check(
            &get(&handler, &format!("/api/v1/{path}")).await,
            200,
            &expected,
        );
    }
    check(
        &get(&handler, "/api/v1/metadata?limit=x").await,
        400,
        "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"limit must be a number\"}",
    );
}

#[tokio::test]
async fn status_pages() {
    let handler = handler();
    for (path, data) in [
        ("config", "{\"yaml\":\"global: \\u003cx\\u003e\\n\"}"),
        ("flags", "{\"a.b\":\"1\"}"),
        (
            "buildinfo",
            "{\"version\":\"3.14.0\",\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}",
        ),
    ] {
        let expected = format!("{{\"status\":\"success\",\"data\":{data}}}");
        check(
            &get(&handler, &format!("/api/v1/status/{path}")).await,
            200,
            &expected,
        );
    }
    check(
        &get(&handler, "/api/v1/status/tsdb?limit=1").await,
        200,
        "{\"status\":\"success\",\"data\":{\"headStats\":{\"numSeries\":2,\"numLabelPairs\":0,\"chunkCount\":0,\"minTime\":0,\"maxTime\":0},\"seriesCountByMetricName\":[{\"name\":\"\\u003cm\\u003e\",\"value\":2}],\"labelValueCountByLabelName\":[],\"memoryInBytesByLabelName\":[],\"seriesCountByLabelValuePair\":[]}}",
    );
    check(
        &get(&handler, "/api/v1/status/tsdb?limit=0").await,
        400,
        "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"limit must be a positive number\"}",
    );
    handler.set_readiness(Readiness::NotReady);
    check(
        &get(&handler, "/api/v1/status/walreplay").await,
        200,
        "{\"status\":\"success\",\"data\":{\"min\":1,\"max\":3,\"current\":2}}",
    );
    handler.set_readiness(Readiness::Ready);
    let info = get(&handler, "/api/v1/status/runtimeinfo").await.text();
    assert!(
        info.contains("\"lastConfigTime\":\"1970-01-01T00:00:01Z\""),
        "{info}"
    );
}

#[tokio::test]
async fn answers_are_compressed_and_carry_cors_headers() {
    let handler = handler();
    let path = "/api/v1/status/flags";
    let seen = send(
        &handler,
        request("GET", path, &[("accept-encoding", "gzip")], ""),
    )
    .await;
    assert_eq!(
        (
            seen.header("content-encoding"),
            seen.header("vary"),
            seen.header("content-type")
        ),
        ("gzip", "Origin", "application/json")
    );
    assert_eq!(&seen.body[..2], [0x1f, 0x8b]);
    let seen = send(
        &handler,
        request("GET", path, &[("origin", "http://good")], ""),
    )
    .await;
    assert_eq!(seen.header("access-control-allow-origin"), "http://good");
    let seen = send(
        &handler,
        request("OPTIONS", path, &[("origin", "http://evil")], ""),
    )
    .await;
    assert_eq!(
        (seen.status, seen.header("access-control-allow-origin")),
        (204, "")
    );
    assert_eq!(
        seen.header("access-control-allow-methods"),
        "GET, POST, OPTIONS"
    );
    let seen = get(&handler, path).await;
    assert_eq!(
        (
            seen.header("access-control-allow-methods"),
            seen.header("vary")
        ),
        ("", "Origin")
    );
}

#[tokio::test]
async fn refusals_look_like_the_reference() {
    let handler = handler();
    let seen = get(&handler, "/nope").await;
    check(&seen, 404, "404 page not found\n");
    assert_eq!(seen.header("x-content-type-options"), "nosniff");
    let seen = send(&handler, request("DELETE", "/api/v1/query", &[], "")).await;
    check(&seen, 405, "Method Not Allowed\n");
    assert_eq!(seen.header("allow"), "GET, OPTIONS, POST");
    let seen = send(&handler, request("DELETE", "/api/v1/series", &[], "")).await;
    check(
        &seen,
        500,
        "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"not implemented\"}",
    );
    let seen = send(&handler, request("HEAD", "/-/ready", &[], "")).await;
    assert_eq!((seen.status, seen.header("content-type")), (200, ""));
    let seen = get(&handler, "/api/v1/Query?query=1").await;
    check(
        &seen,
        301,
        "<a href=\"/query?query=1\">Moved Permanently</a>.\n\n",
    );
    assert_eq!(seen.header("location"), "/query?query=1");
    check(&get(&handler, "/%zz").await, 400, "400 Bad Request");
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let handler = handler_with(options("/p", false));
    for (path, to) in [
        ("/", "/p"),
        ("/p/", "/p/query"),
        ("/p/graph", "/p/query?"),
        ("/p/graph?x=1", "/p/query?x=1"),
    ] {
        let seen = get(&handler, path).await;
        assert_eq!((seen.status, seen.header("location")), (302, to), "{path}");
    }
    let page = get(&handler, "/p/query").await.text();
    assert!(
        page.contains("&lt;Title&gt;") && page.contains("&lt;oh&gt;"),
        "{page}"
    );
    assert!(page.contains("href=\"api/v1/targets\""), "{page}");
}

#[tokio::test]
async fn own_metrics_count_requests() {
    let handler = handler();
    get(&handler, "/api/v1/status/flags").await;
    let seen = get(&handler, "/metrics").await;
    assert_eq!(
        seen.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    );
    let text = seen.text();
    for line in [
        "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/status/flags\"} 1",
        "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/query\"} 0",
        "prometheus_http_response_size_bytes_count{handler=\"/api/v1/status/flags\"} 1",
        "prometheus_ready 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_work() {
    let token = CancelToken::new();
    drop(CancelOnDrop(token.clone()));
    assert!(token.check().is_err());
}
