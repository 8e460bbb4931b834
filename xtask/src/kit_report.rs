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
    let report = read(report)?;
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

/// Fails if a case that `known.tsv` takes out of the count of the live comparison differs in more than
/// what its line says.
pub(crate) fn check_live(report: &Path) -> Result<()> {
    let report = read(report)?;
    let more = beyond_known(&report);
    if !more.is_empty() {
        bail!(
            "known cases differ in more than is known:\n{}",
            more.join("\n")
        );
    }
    Ok(())
}

/// Differences of known cases of the live comparison that are neither the labels of targets that
/// switch histograms nor the schemes of names in the global section.
fn beyond_known(report: &Value) -> Vec<String> {
    const LABELS: &str = "{\"only in candidate\": [\"__always_scrape_classic_histograms__\", \
                          \"__convert_classic_histograms_to_nhcb__\", \"__scrape_native_histograms__\"]}";
    const SCHEMES: &str =
        "\n  metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\n";
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut more = Vec::new();
    for case in report["differences"].as_array().into_iter().flatten() {
        if text(case, "level") != "known" {
            continue;
        }
        for diff in case["diffs"].as_array().into_iter().flatten() {
            let (place, candidate) = (text(diff, "where"), text(diff, "candidate"));
            let labels = place.ends_with("discoveredLabels keys") && candidate == LABELS;
            let schemes = place.starts_with("data.yaml,") && candidate.contains(SCHEMES);
            if text(diff, "level") == "semantic" && !labels && !schemes {
                more.push(format!("{}: {diff}", text(case, "case")));
            }
        }
    }
    more
}

fn read(report: &Path) -> Result<Value> {
    let text = fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    serde_json::from_slice(&text).context("the kit's report")
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

    #[test]
    fn a_known_case_may_not_differ_in_anything_else() {
        let labels = "{\"only in candidate\": [\"__always_scrape_classic_histograms__\", \
                      \"__convert_classic_histograms_to_nhcb__\", \"__scrape_native_histograms__\"]}";
        let report = |place: &str, candidate: &str| {
            serde_json::json!({"differences": [{"level": "known", "case": "c", "diffs": [
                {"level": "semantic", "where": place, "candidate": candidate},
                {"level": "order", "where": "data", "candidate": "x"},
            ]}]})
        };
        let more = |place: &str, candidate: &str| beyond_known(&report(place, candidate)).len();
        assert_eq!(
            more("data.activeTargets[0].discoveredLabels keys", labels),
            0
        );
        assert_eq!(more("data.activeTargets[0].labels keys", labels), 1);
        assert_eq!(more("data.activeTargets[0].discoveredLabels keys", "{}"), 1);
        let schemes = "x\n  metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\nr";
        assert_eq!(more("data.yaml, character 269", schemes), 0);
        assert_eq!(more("data.yaml, character 269", "runtime:"), 1);
    }
}
