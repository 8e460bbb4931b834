//! What a report of the kit says beyond its exit code: answers that amount to the same in other words
//! than the compared version's. Each is listed with a reason, or the step fails.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Fails if `report` has cases in other words that `listed` does not excuse.
///
/// A line of `listed`: text that is part of the kit's `group: case`, tab, reason. Lines that start
/// with `#` are comments.
pub(crate) fn check_wording(report: &Path, listed: &Path) -> Result<()> {
    let text = fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Value = serde_json::from_slice(&text).context("the kit's report")?;
    let listed =
        fs::read_to_string(listed).with_context(|| format!("cannot read {}", listed.display()))?;
    let (excused, unlisted) = sort(&report, &listed);
    println!("other words: {excused} excused, {} not", unlisted.len());
    if !unlisted.is_empty() {
        bail!(
            "answers in other words that conformance/wording.tsv does not list:\n{}",
            unlisted.join("\n")
        );
    }
    Ok(())
}

/// How many cases in other words are listed, and those that are not, with their differences.
fn sort(report: &Value, listed: &str) -> (usize, Vec<String>) {
    let parts: Vec<&str> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .filter(|(part, reason)| !part.is_empty() && !reason.is_empty())
        .map(|(part, _)| part)
        .collect();
    let text = |case: &Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mut excused = 0;
    let mut unlisted = Vec::new();
    for case in report["differences"].as_array().into_iter().flatten() {
        if text(case, "level") != "message" {
            continue;
        }
        let name = format!("{}: {}", text(case, "group"), text(case, "case"));
        if parts.iter().any(|part| name.contains(part)) {
            excused += 1;
            continue;
        }
        unlisted.push(format!("{name}\n  {}", case["diffs"]));
    }
    (excused, unlisted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_need_a_line_with_a_reason() {
        let report = serde_json::json!({"differences": [
            {"level": "message", "group": "g", "case": "a", "diffs": ["x"]},
            {"level": "message", "group": "g", "case": "b", "diffs": ["y"]},
            {"level": "order", "group": "g", "case": "c", "diffs": ["z"]},
        ]});
        let unlisted = |listed: &str| sort(&report, listed).1;
        assert_eq!(unlisted("g: a\twhy\n"), ["g: b\n  [\"y\"]"]);
        assert_eq!(unlisted("#g: a\twhy\ng: b\t\n\twhy\n").len(), 2);
        assert_eq!(sort(&report, "g: \twhy\n"), (2, Vec::new()));
    }
}
