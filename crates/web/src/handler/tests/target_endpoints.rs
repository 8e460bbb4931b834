//! What explains targets: global URLs, relabelling, configuration, past scrapes.

use super::*;

fn encoded(text: &str) -> String {
    let mut out = String::new();
    url::push_escaped(&mut out, text, Part::Query);
    out
}

#[tokio::test]
async fn relabelling_is_explained_step_by_step() {
    let handler = handler();
    let labels = r#"{"a":"<&>","b":"2","c":"","__address__":"x:1"}"#;
    let path = |pool: &str, labels: &str| {
        let (pool, labels) = (encoded(pool), encoded(labels));
        format!("/api/v1/targets/relabel_steps?scrapePool={pool}&labels={labels}")
    };
    let hash = "{\"source_labels\":[\"a\",\"b\"],\"separator\":\";\",\"regex\":\"(.*)\",\"modulus\":8,\
                \"target_label\":\"shard\",\"replacement\":\"$1\",\"action\":\"hashmod\"}";
    let map = "{\"separator\":\"\",\"regex\":\"(.*)\",\"replacement\":\"\",\"action\":\"replace\"}";
    let drop = "{\"source_labels\":[\"a\",\"b\"],\"separator\":\";\",\
                \"regex\":\"\\u003c\\u0026\\u003e;2\",\"replacement\":\"$1\",\"action\":\"drop\"}";
    let kept = "\"output\":{\"__address__\":\"x:1\",\"a\":\"<&>\",\"b\":\"2\",\"shard\":\"SHARD\"},\"keep\":true";
    let gone = "\"output\":{},\"keep\":false";
    let expected = format!(
        "{{\"status\":\"success\",\"data\":{{\"steps\":[{{\"rule\":{hash},{kept}}},\
         {{\"rule\":{map},{kept}}},{{\"rule\":{drop},{gone}}},{{\"rule\":{map},{gone}}}]}}}}"
    );
    let seen = get(&handler, &path("p", labels)).await;
    let rule = RelabelConfig {
        source_labels: Some(vec!["a".to_owned(), "b".to_owned()]),
        modulus: 8,
        target_label: "shard".to_owned(),
        action: RelabelAction::HashMod,
        ..RelabelConfig::default()
    };
    let hashed = model::relabel::process(&super::labels(&[("a", "<&>"), ("b", "2")]), &[rule]);
    let shard = hashed.expect("kept").value_or_empty("shard").to_owned();
    check(&seen, 200, &expected.replace("SHARD", &shard));
    let expected = "\"output\":{\"shard\":";
    let seen = get(&handler, &path("p", "null")).await.text();
    assert!(seen.contains(expected), "{seen}");
}

#[tokio::test]
async fn what_cannot_be_explained_is_said_in_the_words_of_the_reference() {
    let handler = handler();
    let steps = "/api/v1/targets/relabel_steps";
    let config = "/api/v1/scrape_pools/config";
    let unknown = "error retrieving scrape config: scrape pool \\\"\\\\\\\"q\\\" not found";
    for (path, text) in [
        (
            format!("{steps}?labels={{}}"),
            "no scrapePool parameter provided",
        ),
        (
            format!("{steps}?scrapePool=q"),
            "no labels parameter provided",
        ),
        (
            format!("{steps}?scrapePool=%22q&labels=[]"),
            "error parsing labels: json: cannot unmarshal array into Go value of type map[string]string",
        ),
        (
            format!("{steps}?scrapePool=%22q&labels={}", encoded("{\"a\":1}")),
            "error parsing labels: json: cannot unmarshal number into Go value of type string",
        ),
        (
            format!("{steps}?scrapePool=p&labels={}", encoded("{a}")),
            "error parsing labels: invalid character 'a' looking for beginning of object key string",
        ),
        (format!("{steps}?scrapePool=%22q&labels={{}}"), unknown),
        (config.to_owned(), "no scrapePool parameter provided"),
        (format!("{config}?scrapePool=%22q"), unknown),
    ] {
        let body =
            format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{text}\"}}");
        check(&get(&handler, &path).await, 400, &body);
    }
    let body = "{\"status\":\"success\",\"data\":{\"yaml\":\"job_name: \\u003cp\\u003e\\n\"}}";
    check(
        &get(&handler, &format!("{config}?scrapePool=p")).await,
        200,
        body,
    );
}

#[tokio::test]
async fn past_scrapes_are_shown_by_target() {
    let handler = handler();
    let scrape = |health: &str, error: &str| {
        format!(
            "{{\"start\":\"1970-01-01T00:00:01.5Z\",\"durationSeconds\":0.25,\"health\":\"{health}\",\
             \"error\":{error},\"format\":\"text\",\"compressed\":true,\"bodyBytes\":7,\"samples\":3,\
             \"samplesAfterRelabelling\":2,\"seriesAdded\":1}}"
        )
    };
    let scrapes = [
        scrape("up", "\"\""),
        scrape("down", "\"\\u003coh\\u003e\""),
        scrape("down", "null"),
    ];
    let target = format!(
        "{{\"scrapePool\":\"p\",\"scrapeUrl\":\"http://127.0.0.1:9090/metrics\",\
         \"labels\":{{\"job\":\"p\",\"x\":\"<&>\"}},\"scrapes\":[{}]}}",
        scrapes.join(",")
    );
    for (query, targets) in [
        ("", &*target),
        ("?scrapePool=p", &target),
        ("?scrapePool=q", ""),
    ] {
        let seen = get(&handler, &format!("/api/v1/ferula/target_history{query}")).await;
        let body = format!("{{\"status\":\"success\",\"data\":{{\"targets\":[{targets}]}}}}");
        check(&seen, 200, &body);
    }
}

/// As 3.5.3 shows the same targets with the same external URLs.
#[tokio::test]
async fn loopback_targets_get_the_external_host() {
    let shown = async |external: &str, scheme: &str, address: &str, rest: &str| {
        let mut own = String::new();
        url::push_origin(&mut own, scheme, address);
        let target = ActiveTarget {
            scheme: scheme.to_owned(),
            address: address.to_owned(),
            url: format!("{own}{rest}"),
            ..Targets.active().remove("p").expect("a pool").remove(0)
        };
        let options = Options {
            external_url: url::parse(external).expect("a URL"),
            ..options("/", false)
        };
        let backend = Backend {
            targets: Arc::new(Only(target)),
            ..backend()
        };
        let seen = get(&handler_of(options, backend), "/api/v1/targets")
            .await
            .text();
        let part = |key: &str| {
            let (_, value) = seen.split_once(&format!("\"{key}\":\"")).expect("a key");
            value.split("\",\"").next().unwrap_or_default().to_owned()
        };
        [part("globalUrl"), part("lastError")]
    };
    let down = "\\u003coh\\u003e";
    for (external, scheme, address, expected) in [
        ("https://h:80/p", "http", "localhost:9090", "https://h:80"),
        ("https://h:80/p", "http", "127.0.0.1:1", "http://h:1"),
        ("https://h:80/p", "http", "[::1]", "http://h"),
        ("https://h:80/p", "HTTP", "localhost:", "HTTP://h"),
        ("https://h:80/p", "", "localhost:x", "//h:x"),
        (
            "https://h:80/p",
            "http",
            "LOCALHOST:1",
            "http://LOCALHOST:1",
        ),
        (
            "https://h:80/p",
            "http",
            "127.0.0.2:1",
            "http://127.0.0.2:1",
        ),
        ("http://Hx", "http", "localhost:1", "http://Hx:1"),
        (
            "http://b%C3%BCcher:80",
            "http",
            "localhost:1",
            "http://b%C3%BCcher:1",
        ),
        (
            "https://[fe80::1%25e]:7/p",
            "http",
            "localhost",
            "http://fe80::1%25e",
        ),
        (
            "https://[fe80::1%25e]:7/p",
            "http",
            "localhost:1",
            "http://[fe80::1%25e]:1",
        ),
        (
            "https://[fe80::1%25e]:7/p",
            "http",
            "localhost:9090",
            "https://[fe80::1%25e]:7",
        ),
        ("/p", "http", "localhost", "http://"),
        ("/p", "http", "localhost:1", "http://:1"),
        ("/p", "http", "localhost:9090", ""),
        ("localhost:7", "http", "localhost:9090", "localhost://"),
    ] {
        let rest = "/a%20b?c=d";
        let seen = shown(external, scheme, address, rest).await;
        assert_eq!(
            seen,
            [format!("{expected}{rest}"), down.to_owned()],
            "{external} {address}"
        );
    }
    for (external, address, reason) in [
        (
            "http://h",
            "a:b:c",
            "address a:b:c: too many colons in address",
        ),
        ("http://h", "[::1", "address [::1: missing ']' in address"),
        (
            "http://h",
            "a[b:1",
            "address a[b:1: unexpected '[' in address",
        ),
        (
            "http://a:b:80",
            "localhost:1",
            "address a:b:80: too many colons in address",
        ),
    ] {
        let seen = shown(external, "http", address, "/m").await;
        let mut url = String::new();
        url::push_origin(&mut url, "http", address);
        assert_eq!(
            seen,
            [format!("{url}/m"), format!("{down}: {reason}")],
            "{external} {address}"
        );
    }
}

/// One target and nothing else.
struct Only(ActiveTarget);

impl TargetSource for Only {
    fn pools(&self) -> Vec<String> {
        Vec::new()
    }

    fn active(&self) -> BTreeMap<String, Vec<ActiveTarget>> {
        BTreeMap::from([("p".to_owned(), vec![self.0.clone()])])
    }

    fn dropped(&self) -> BTreeMap<String, Vec<DroppedTarget>> {
        BTreeMap::new()
    }

    fn dropped_counts(&self) -> BTreeMap<String, usize> {
        BTreeMap::new()
    }

    fn metadata(&self, _: Option<&str>) -> Vec<TargetMetadata> {
        Vec::new()
    }

    fn histories(&self) -> BTreeMap<String, Vec<TargetHistory>> {
        BTreeMap::new()
    }

    fn relabel_configs(&self, _: &str) -> Option<Vec<RelabelConfig>> {
        None
    }

    fn pool_yaml(&self, _: &str) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn pages_are_found_by_the_path_that_the_outside_knows() {
    for (prefix, external, path, to) in [
        ("/", "http://h/p", "/", "/p/query"),
        ("/", "http://h/p", "/graph?x=1&y=a//b", "/p/query?x=1&y=a/b"),
        ("/", "http://h/p", "/graph?x=../..", "/p"),
        ("/r", "http://h", "/r/graph?x=../..", "/"),
        ("/s/r", "http://h/e/f", "/s/r/", "/e/f/query"),
        ("/a b", "http://h/a%20b", "/a%20b/", "/a b/query"),
        ("/ü", "http://h/ü", "/", "/%c3%bc"),
    ] {
        let options = Options {
            external_url: url::parse(external).expect("a URL"),
            ..options(prefix, false)
        };
        let seen = get(&handler_with(options), path).await;
        assert_eq!(
            (seen.status, seen.header("location")),
            (302, to),
            "{prefix} {path}"
        );
    }
    let handler = handler_with(options("/a b", false));
    let seen = get(&handler, "/a%20b").await;
    assert_eq!((seen.status, seen.header("location")), (301, "/a%20b/"));
    let head = request("HEAD", "/a%20b/-/healthy/", &[], "");
    let seen = send(&handler, head).await;
    assert_eq!(
        (seen.status, seen.header("location")),
        (307, "/a%20b/-/healthy")
    );
}
