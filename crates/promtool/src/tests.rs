//! What the tool prints and how it exits.

use std::path::Path;

use super::*;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn promtool(args: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(
        args.iter().map(OsString::from).collect(),
        &mut out,
        &mut err,
    );
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran {
        code,
        out: text(out),
        err: text(err),
    }
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("write");
    path.to_string_lossy().into_owned()
}

#[test]
fn a_valid_file_and_its_rules_succeed() {
    let dir = tempfile::tempdir().expect("dir");
    file(
        dir.path(),
        "r.yml",
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: up}\n",
    );
    let config = file(
        dir.path(),
        "p.yml",
        "rule_files: ['*.yml']\nscrape_configs: [{job_name: a}]\n",
    );
    std::fs::rename(dir.path().join("p.yml"), dir.path().join("p.conf")).expect("rename");
    let config = config.replace("p.yml", "p.conf");
    let ran = promtool(&["check", "config", &config]);
    let rules = dir.path().join("r.yml").to_string_lossy().into_owned();
    assert_eq!(
        ran.out,
        format!(
            "Checking {config}\n  SUCCESS: 1 rule files found\n SUCCESS: {config} is valid prometheus \
             config file syntax\n\nChecking {rules}\n  SUCCESS: 1 rules found\n\n"
        )
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn missing_files_fail_or_warn() {
    let dir = tempfile::tempdir().expect("dir");
    let check = |text: &str, code: i32, expected: &str| {
        let config = file(dir.path(), "p.yml", text);
        let ran = promtool(&["check", "config", &config]);
        assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
        assert!(
            format!("{}{}", ran.out, ran.err).contains(expected),
            "{}{}",
            ran.out,
            ran.err
        );
        let syntax = promtool(&["check", "config", "--syntax-only", &config]);
        assert_eq!(syntax.code, 0, "{}", syntax.err);
    };
    check(
        "rule_files: [none.yml]\n",
        1,
        "none.yml\" does not point to an existing file",
    );
    check(
        "scrape_configs: [{job_name: a, file_sd_configs: [{files: [none.json]}]}]\n",
        0,
        "  WARNING: file \"",
    );
    check(
        "scrape_configs: [{job_name: a, tls_config: {cert_file: c, key_file: k}}]\n",
        1,
        "error checking client cert file",
    );
    check(
        "scrape_configs: [{job_name: a, bearer_token_file: none}]\n",
        1,
        "error checking authorization credentials or bearer token file",
    );
}

#[test]
fn target_files_are_read() {
    let dir = tempfile::tempdir().expect("dir");
    let config = file(
        dir.path(),
        "p.yml",
        "scrape_configs: [{job_name: a, file_sd_configs: [{files: [t.json]}]}]\n",
    );
    file(
        dir.path(),
        "t.json",
        "[{\"targets\": [\"a:1\"], \"labels\": {\"l\": \"v\"}}]",
    );
    assert_eq!(promtool(&["check", "config", &config]).code, 0);
    file(dir.path(), "t.json", "[{\"target\": [\"a:1\"]}]");
    assert_eq!(promtool(&["check", "config", &config]).code, 1);
    file(dir.path(), "t.json", "[{\"targets\": [\"http://a/\"]}]");
    assert_eq!(promtool(&["check", "config", &config]).code, 1);
}

#[test]
fn lint_changes_the_exit_code_only_when_asked() {
    let dir = tempfile::tempdir().expect("dir");
    let rules = file(
        dir.path(),
        "r.yml",
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: up}\n  - {record: a, expr: up}\n",
    );
    assert_eq!(promtool(&["check", "rules", &rules]).code, 0);
    assert_eq!(
        promtool(&["check", "rules", "--lint-fatal", &rules]).code,
        LINT_FAILURE
    );
    assert_eq!(
        promtool(&["check", "rules", "--lint=none", "--lint-fatal", &rules]).code,
        0
    );
    let config = file(
        dir.path(),
        "p.yml",
        "scrape_configs: [{job_name: a, scrape_interval: 10m}]\n",
    );
    let lint = ["check", "config", "--lint=all", "--lint-fatal", &config];
    assert_eq!(promtool(&lint).code, LINT_FAILURE);
}

#[test]
fn misuse_is_explained() {
    let check = |args: &[&str], expected: &str| {
        let ran = promtool(args);
        assert_eq!((ran.code, ran.err.as_str()), (FAILURE, expected));
    };
    check(
        &["foo"],
        "promtool: error: expected command but got \"foo\", try --help\n",
    );
    check(
        &["check", "foo"],
        "promtool: error: expected command but got \"foo\", try --help\n",
    );
    check(
        &["check", "config", "--foo"],
        "promtool: error: unknown long flag '--foo', try --help\n",
    );
    check(
        &["check", "config"],
        "promtool: error: required argument 'config-files' not provided, try --help\n",
    );
    check(
        &["check", "config", "/none"],
        "promtool: error: path '/none' does not exist, try --help\n",
    );
    check(
        &["test", "rules", "x"],
        "promtool: error: \"test\" is not built yet, try --help\n",
    );
    assert_eq!(promtool(&["--version"]).code, 0);
}
