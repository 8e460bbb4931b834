//! `conformance/known.tsv` and `wording.tsv`: every answer to a query that is meant to differ from the
//! compared version's names the change that demands it and the test of ours that pins it.
//!
//! A line: the kit's `group: case` (an expression in the former, a part of it in the latter), tab,
//! reason, tab, tests: `promqltest: SCRIPT.test` or `CRATE: TEST`, comma-separated.

use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_known_difference_of_answers_names_its_change_and_its_test() {
    check_file("known.tsv", is_about_queries);
    check_file("wording.tsv", |line| !line.starts_with('#'));
}

fn check_file(name: &str, is_checked: fn(&str) -> bool) {
    let path = workspace().join("conformance").join(name);
    let text = std::fs::read_to_string(path).expect("a file of the workspace");
    let mut wrong = Vec::new();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        if !is_checked(line) {
            continue;
        }
        count += 1;
        if let Err(problem) = check(line) {
            wrong.push(format!("line {}: {problem}", index + 1));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "{name}");
    assert!(count > 0, "{name} has no lines about answers");
}

#[test]
fn lines_without_change_or_test_are_found() {
    for (line, problem) in [
        ("static: x\tit differs", "no change"),
        ("static: x\t3.5.0 (#16777): old", "no change"),
        ("static: x\t3.14.0 (19040): no number", "no change"),
        ("static: x\t3.14.0 (#19040): mad", "no test"),
        (
            "static: x\t3.14.0 (#19040): mad\tpromqltest: info.test",
            "info.test does not name #19040",
        ),
        (
            "static: x\t3.14.0 (#19040): mad\tpromqltest: no_such_test",
            "no test no_such_test in promqltest",
        ),
    ] {
        assert_eq!(check(line), Err(problem.to_owned()), "{line}");
    }
    let good = "static: x\t3.14.0 (#19040): mad\tpromqltest: newer_than_3_5.test";
    assert_eq!(check(good), Ok(()));
}

/// The status pages are the kit's too, but not what queries answer.
fn is_about_queries(line: &str) -> bool {
    line.starts_with("static: ") && !line.contains("GET /api/v1/status/")
}

fn check(line: &str) -> Result<(), String> {
    let mut columns = line.split('\t').skip(1);
    let changes = changes(columns.next().unwrap_or_default());
    if changes.is_empty() {
        return Err("no change".to_owned());
    }
    let tests = columns.next().unwrap_or_default();
    if tests.is_empty() {
        return Err("no test".to_owned());
    }
    for test in tests.split(", ") {
        let (package, name) = test.split_once(": ").ok_or("not CRATE: TEST")?;
        let package_dir = workspace().join("crates").join(package);
        if name.ends_with(".test") {
            names_all(&package_dir.join("testdata").join(name), name, &changes)?;
        } else if !defines(&package_dir, &format!("fn {name}()")) {
            return Err(format!("no test {name} in {package}"));
        }
    }
    Ok(())
}

/// The numbers of the changes in a reason: `3.14.0 (#19040)`, of versions 3.6 to 3.14.
fn changes(reason: &str) -> Vec<&str> {
    reason
        .match_indices(" (#")
        .filter(|(at, _)| {
            let version = reason[..*at].rsplit(' ').next().unwrap_or_default();
            let mut parts = version.split('.').map(str::parse::<u32>);
            matches!(
                (parts.next(), parts.next(), parts.next()),
                (Some(Ok(3)), Some(Ok(6..=14)), Some(Ok(_)))
            )
        })
        .filter_map(|(at, open)| reason[at + open.len()..].split_once(')'))
        .map(|(number, _)| number)
        .collect()
}

fn names_all(script: &Path, name: &str, changes: &[&str]) -> Result<(), String> {
    let text = std::fs::read_to_string(script).map_err(|error| format!("{name}: {error}"))?;
    match changes
        .iter()
        .find(|number| !text.contains(&format!("#{number}")))
    {
        Some(number) => Err(format!("{name} does not name #{number}")),
        None => Ok(()),
    }
}

/// Whether a Rust file below `folder` has the text.
fn defines(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return defines(&path, text);
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).is_ok_and(|source| source.contains(text))
    })
}
