//! The command line as users and scripts see it.

use super::*;

fn run(arguments: &[&str]) -> Result<Command, UsageError> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    parse(&arguments, "prometheus, version 1\n")
}

fn flags(arguments: &[&str]) -> Flags {
    match run(arguments) {
        Ok(Command::Run(flags)) => flags,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[track_caller]
fn refused(arguments: &[&str], code: u8, first_line: &str) {
    let err = run(arguments).expect_err("refused");
    assert_eq!(
        (err.code, err.stderr.lines().next()),
        (code, Some(first_line)),
        "{arguments:?}"
    );
    assert_eq!(
        err.stdout.is_empty(),
        code != 2,
        "usage comes with bad values only"
    );
}

#[test]
fn every_default_reads_as_its_kind() {
    let defaults = Flags::defaults();
    for flag in FLAGS {
        if matches!(flag.kind, Kind::Text | Kind::Url) || flag.repeatable {
            continue;
        }
        let text = defaults.values[flag.name].to_text();
        let expected = if flag.default == "5e7" {
            "50000000"
        } else {
            flag.default
        };
        assert_eq!(text, expected, "{}", flag.name);
    }
}

#[test]
fn names_are_unique_and_helps_are_sentences() {
    let names: BTreeSet<&str> = FLAGS.iter().map(|flag| flag.name).collect();
    assert_eq!(names.len(), FLAGS.len());
    for flag in FLAGS {
        assert!(flag.help.ends_with(['.', ']']), "{}", flag.name);
    }
}

#[test]
fn values_come_attached_or_as_the_next_argument() {
    let flags = flags(&[
        "--config.file=a b",
        "--query.timeout",
        "1h30m",
        "--no-auto-gomaxprocs",
    ]);
    assert_eq!(flags.text("config.file"), "a b");
    assert_eq!(flags.int("query.timeout"), 5_400_000);
    assert!(!flags.is_on("auto-gomaxprocs"));
    assert!(flags.is_given("config.file") && !flags.is_given("log.level"));
}

#[test]
fn repeatable_flags_replace_their_default() {
    assert_eq!(flags(&[]).list("web.listen-address"), ["0.0.0.0:9090"]);
    let flags = flags(&["--web.listen-address=a:1", "--web.listen-address=b:2"]);
    assert_eq!(flags.list("web.listen-address"), ["a:1", "b:2"]);
}

#[test]
fn numbers_are_read_as_floats_and_cut() {
    let flags = flags(&["--query.max-concurrency=1.5", "--query.max-samples=1e3"]);
    assert_eq!(flags.int("query.max-concurrency"), 1);
    assert_eq!(flags.int("query.max-samples"), 1000);
}

#[test]
fn refuses_what_does_not_exist_with_code_1() {
    let say = |text: &str| format!("Error parsing command line arguments: {text}");
    refused(&["--nope"], 1, &say("unknown long flag '--nope'"));
    refused(
        &["--no-query.timeout"],
        1,
        &say("unknown long flag '--no-query.timeout'"),
    );
    refused(&["-x"], 1, &say("unknown short flag '-x'"));
    refused(&["-h=1"], 1, &say("unknown short flag '-='"));
    refused(&["stray"], 1, &say("unexpected stray"));
    refused(&["--", "x"], 1, &say("unexpected x"));
    refused(&["-"], 1, &say("unexpected "));
    refused(&["--agent=true"], 1, &say("unexpected true"));
    refused(
        &["--query.timeout"],
        1,
        &say("expected argument for flag '--query.timeout'"),
    );
    refused(
        &["--query.timeout", "--agent"],
        1,
        &say("expected argument for flag '--query.timeout'"),
    );
    refused(
        &["@/nonexistent/file"],
        1,
        &say(
            "failed to open arguments file \"/nonexistent/file\": open /nonexistent/file: no such file or directory",
        ),
    );
    let err = run(&["--nope"]).expect_err("refused");
    assert!(
        err.stderr
            .ends_with("\nprometheus: error: unknown long flag '--nope'\n")
    );
}

#[test]
fn refuses_bad_values_with_code_2() {
    let say = |text: &str| format!("Error parsing command line arguments: {text}");
    refused(
        &["--query.timeout=abc"],
        2,
        &say("not a valid duration string: \"abc\""),
    );
    refused(
        &["--query.max-concurrency=x"],
        2,
        &say("strconv.ParseFloat: parsing \"x\": invalid syntax"),
    );
    refused(
        &["--no-agent", "--no-agent"],
        2,
        &say("flag 'agent' cannot be repeated"),
    );
    refused(&["--log.level=foo"], 2, &say("unrecognized log level foo"));
    refused(
        &["--storage.tsdb.retention.size=12"],
        2,
        &say("units: unknown unit  in 12"),
    );
    refused(
        &["--scrape.timestamp-tolerance=abc"],
        2,
        &say("time: invalid duration \"abc\""),
    );
    refused(
        &["--storage.tsdb.wal-compression-type=foo"],
        2,
        &say("enum value must be one of snappy,zstd, got 'foo'"),
    );
    refused(
        &["--web.remote-write-receiver.accepted-protobuf-messages=foo"],
        2,
        &say(
            "unknown remote write protobuf message foo, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
        ),
    );
}

#[test]
fn refuses_flags_of_the_other_mode_with_code_3() {
    refused(
        &["--agent", "--query.timeout=1m", "--storage.tsdb.path=x"],
        3,
        "The following flag(s) can not be used in agent mode: [\"--storage.tsdb.path\" \"--query.timeout\"]",
    );
    refused(
        &["--storage.agent.path=x"],
        3,
        "The following flag(s) can only be used in agent mode: [\"--storage.agent.path\"]",
    );
}

#[test]
fn a_wish_for_text_wins_over_errors_behind_it() {
    let version = Ok(Command::Print("prometheus, version 1\n".to_owned()));
    assert_eq!(run(&["--version", "--nope"]), version);
    assert_eq!(run(&["--query.timeout=abc", "--version"]), version);
    assert_eq!(run(&["-h"]), Ok(Command::Print(help(false))));
    assert_eq!(
        run(&["--write-documentation"]),
        Ok(Command::Print(markdown()))
    );
    refused(
        &["--nope", "--version"],
        1,
        "Error parsing command line arguments: unknown long flag '--nope'",
    );
}

#[test]
fn arguments_may_come_from_a_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("args");
    std::fs::write(&path, "# comment\n--query.timeout=7s\n--agent\n--no-agent").expect("written");
    let err = run(&[&format!("@{}", path.display())]).expect_err("repeated");
    assert!(err.stderr.contains("flag 'agent' cannot be repeated"));
    std::fs::write(&path, "--query.timeout=7s\n").expect("written");
    assert_eq!(
        flags(&[&format!("@{}", path.display())]).int("query.timeout"),
        7000
    );
}

#[test]
fn help_shows_visible_flags_in_two_columns() {
    let short = help(false);
    assert!(short.starts_with(
        "usage: prometheus [<flags>]\n\nThe Prometheus monitoring server\n\n\nFlags:\n  -h, --[no-]help                Print this text"
    ));
    assert!(short.contains("\n      --config.file=\"prometheus.yml\"  \n                                 Configuration file."));
    assert!(short.contains("\n      --web.read-timeout=5m      Longest time"));
    assert!(!short.contains("samples-per-chunk") && help(true).contains("samples-per-chunk"));
    assert!(short.lines().all(|line| line.chars().count() <= 80
        || !line.contains(' ')
        || line.trim_start().starts_with("--")));
}

#[test]
fn the_echo_of_flags_has_hidden_ones_but_not_those_that_print() {
    let texts = flags(&["--storage.tsdb.retention.size=512MB"]).to_texts();
    assert_eq!(texts["storage.tsdb.retention.size"], "512MiB");
    assert_eq!(texts["storage.tsdb.samples-per-chunk"], "120");
    assert_eq!(texts["web.listen-address"], "0.0.0.0:9090");
    assert!(!texts.contains_key("help") && !texts.contains_key("version"));
    assert_eq!(texts.len(), FLAGS.len() - PRINTING.len());
}
