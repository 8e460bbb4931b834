//! Loading, inheritance, printing.

use std::path::Path;

use proptest::prelude::{any, proptest};

use super::*;

fn load(text: &str) -> Result<Config, String> {
    load_text(text, &LoadOptions::default()).map_err(|err| err.to_string())
}

/// Every `*.good.yml` of `testdata` loads; every `*.bad.yml` is refused with the text of its first
/// line's comment.
#[test]
fn testdata_gives_the_verdict_of_its_name() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut count = 0;
    for entry in std::fs::read_dir(&dir).expect("testdata") {
        let path = entry.expect("entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("")
            .to_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        let result = load_text(&text, &LoadOptions::default())
            .and_then(|_| load_file(&path, &LoadOptions::default()))
            .and_then(|config| config.all_scrape_configs());
        count += 1;
        if name.ends_with(".good.yml") {
            assert_eq!(result.map(|_| ()), Ok(()), "{name}");
        } else {
            let expected = text
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("# "))
                .expect("comment");
            let err = result.err().map(|err| err.to_string().replace('\n', " "));
            assert!(
                err.as_ref().is_some_and(|err| err.contains(expected)),
                "{name}: {err:?}"
            );
        }
    }
    assert!(count >= 20, "only {count} files");
}

#[test]
fn an_empty_file_prints_the_defaults() {
    let printed = load("").expect("valid").to_yaml();
    assert_eq!(
        printed,
        "global:\n  scrape_interval: 1m\n  scrape_timeout: 10s\n  evaluation_interval: 1m\n  \
         metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\n  \
         scrape_native_histograms: false\n  extra_scrape_metrics: false\nruntime:\n  gogc: 75\n\
         otlp:\n  translation_strategy: UnderscoreEscapingWithSuffixes\n  \
         label_name_underscore_sanitization: true\n  \
         label_name_preserve_multiple_underscores: true\n"
    );
}

#[test]
fn jobs_inherit_from_the_global_section() {
    let text = "global: {scrape_interval: 5s, sample_limit: 7}\nscrape_configs:\n- job_name: a\n\
                - {job_name: b, scrape_interval: 1h, sample_limit: 9}\n";
    let config = load(text).expect("valid");
    let [a, b] = &config.scrape_configs[..] else {
        panic!("two jobs")
    };
    assert_eq!(
        (
            a.scrape_interval.as_ms(),
            a.scrape_timeout.as_ms(),
            a.sample_limit
        ),
        (5000, 5000, 7)
    );
    assert_eq!(
        (
            b.scrape_interval.as_ms(),
            b.scrape_timeout.as_ms(),
            b.sample_limit
        ),
        (3_600_000, 5000, 9)
    );
}

#[test]
fn what_is_printed_loads_again() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/everything.good.yml"),
    )
    .expect("text");
    let printed = load(&text).expect("valid").to_yaml();
    let again = load(&printed).expect("printed text is valid").to_yaml();
    assert_eq!(printed, again);
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn errors_name_file_line_and_what_was_expected() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("p.yml");
    std::fs::write(
        &file,
        "scrape_configs:\n- job_name: a\n  sample_limit: many\n",
    )
    .expect("write");
    let err = load_file(&file, &LoadOptions::default()).expect_err("bad number");
    let shown = file.to_string_lossy();
    assert_eq!(
        err.located(),
        format!(
            "parsing YAML file {shown}: yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str \
             `many` into uint\n    at {shown}:3:17: expected a whole number that is not negative"
        )
    );
}

#[test]
fn unbuilt_sections_are_named() {
    let config = load(
        "remote_write: [{url: http://x}]\nscrape_configs:\n- job_name: j\n  \
         authorization: {credentials_ref: c}\n  kuma_sd_configs: [{server: 'http://k'}]\n  static_configs: [{targets: [a]}]\n",
    )
    .expect("valid");
    assert_eq!(
        config.not_built().expect("jobs"),
        [
            "remote_write",
            "scrape_configs[j].credentials_ref",
            "scrape_configs[j].kuma_sd_configs"
        ]
    );
}

/// What one job with these lines, in a file with these global options, asks for in vain.
#[track_caller]
fn names_of(global: &str, job: &str) -> Vec<String> {
    let text = format!("global: {{{global}}}\nscrape_configs:\n- {{job_name: j, {job}}}\n");
    let config = load(&text).expect("valid");
    config.not_built().expect("jobs")
}

#[test]
fn protobuf_and_native_histograms_are_built() {
    for option in [
        "scrape_protocols: [PrometheusProto]",
        "fallback_scrape_protocol: PrometheusProto",
        "scrape_native_histograms: true",
        "always_scrape_classic_histograms: true",
        "convert_classic_histograms_to_nhcb: true",
    ] {
        assert!(names_of("", option).is_empty(), "{option}");
    }
}

#[test]
fn names_in_a_secret_manager_are_refused() {
    let job = "http_sd_configs: [{url: http://x, tls_config: {ca_ref: c}}]";
    let expected = ["scrape_configs[j].http_sd_configs[0].ca_ref"];
    assert_eq!(names_of("", job), expected);
    let job = "oauth2: {client_id: i, client_secret_ref: s, token_url: 'http://t'}";
    assert_eq!(names_of("", job), ["scrape_configs[j].client_secret_ref"]);
}

#[test]
fn options_of_discovery_s_clients_are_refused_by_mechanism() {
    for (mechanism, config) in [
        ("consul", ""),
        ("docker", "host: 'http://h', "),
        ("dockerswarm", "host: 'http://h', role: nodes, "),
        ("ec2", ""),
    ] {
        let job = format!("{mechanism}_sd_configs: [{{{config}tls_config: {{ca_ref: c}}}}]");
        let name = format!("scrape_configs[j].{mechanism}_sd_configs[0].ca_ref");
        assert_eq!(names_of("", &job), [name]);
    }
}

#[test]
fn proxies_and_oauth2_are_built() {
    for option in [
        "proxy_url: http://p, no_proxy: a, proxy_connect_header: {X: [y]}",
        "proxy_from_environment: true",
        "oauth2: {client_id: i, client_secret: s, token_url: 'http://t', proxy_url: http://p}",
        "http_sd_configs: [{url: http://x, proxy_url: http://p}]",
    ] {
        assert!(names_of("", option).is_empty(), "{option}");
    }
}

#[test]
fn rule_files_count_once_they_have_groups() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("p.yml");
    std::fs::write(&file, "rule_files: ['*.rules']\n").expect("write");
    let names = || {
        let config = load_file(&file, &LoadOptions::default()).expect("valid");
        config.not_built().expect("jobs")
    };
    assert!(names().is_empty());
    let rules = dir.path().join("a.rules");
    std::fs::write(&rules, "groups: []\n").expect("write");
    assert!(names().is_empty());
    let group = "groups: [{name: g, rules: [{record: r, expr: m}]}]\n";
    for text in [group, "groups: [{"] {
        std::fs::write(&rules, text).expect("write");
        assert_eq!(names(), ["rule_files"], "{text}");
    }
}

#[test]
fn agent_mode_refuses_what_needs_a_store() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("p.yml");
    std::fs::write(&file, "rule_files: [a.yml]\n").expect("write");
    let options = LoadOptions {
        agent: true,
        ..LoadOptions::default()
    };
    let err = load_file(&file, &options).expect_err("rules");
    assert_eq!(
        err.to_string(),
        "field rule_files is not allowed in agent mode"
    );
}

#[test]
fn a_missing_file_is_named() {
    let err = load_file(Path::new("/nowhere/p.yml"), &LoadOptions::default()).expect_err("missing");
    assert_eq!(
        err.to_string(),
        "open /nowhere/p.yml: no such file or directory"
    );
}

#[test]
fn cut_and_flipped_files_never_panic() {
    let text =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/everything.good.yml"))
            .expect("text");
    for at in (0..text.len()).step_by(17) {
        let _ = load(&String::from_utf8_lossy(&text[..at]));
        let mut flipped = text.clone();
        flipped[at] ^= 0x0b;
        let _ = load(&String::from_utf8_lossy(&flipped));
    }
}

proptest! {
    #[test]
    fn any_text_loads_or_is_refused(text in any::<String>()) {
        let _ = load(&text);
    }
}
