//! What a report of the kit says beyond its exit code: answers that amount to the same in other words
//! than the compared version's. Each is listed with a reason, or the step fails.

use std::collections::BTreeMap;
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

/// Differences of known cases of the live comparison beyond the labels of targets that switch histograms
/// and the schemes of names in the global section.
///
/// The kit compares lists in any order side by side once they are sorted, and the labels change the
/// order: what it reports as different is there on both sides then, in other places. So what each side
/// has of a field is gathered from all places, and must be the same.
fn beyond_known(report: &Value) -> Vec<String> {
    const SCHEMES: &str =
        "\n  metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\n";
    let mut more = Vec::new();
    for case in report["differences"].as_array().into_iter().flatten() {
        if text(case, "level") != "known" {
            continue;
        }
        let mut fields: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
        for diff in case["diffs"].as_array().into_iter().flatten() {
            let field = without_positions(&text(diff, "where"));
            let is_of_data = matches!(&*text(diff, "level"), "semantic" | "message");
            let schemes =
                field.starts_with("data.yaml,") && text(diff, "candidate").contains(SCHEMES);
            if !is_of_data || schemes {
                continue;
            }
            let sides = fields.entry(field.clone()).or_default();
            for (side, key) in sides.iter_mut().zip(["reference", "candidate"]) {
                side.extend(told(&field, key, &text(diff, key)));
            }
        }
        for (field, mut sides) in fields {
            sides.iter_mut().for_each(|side| side.sort());
            if sides[0] != sides[1] {
                more.push(format!("{}: {field}: {sides:?}", text(case, "case")));
            }
        }
    }
    more
}

/// What one side has of a field: a text, or the names of members that only this side has.
fn told(field: &str, side: &str, text: &str) -> Vec<String> {
    const SWITCHES: [&str; 3] = [
        "__always_scrape_classic_histograms__",
        "__convert_classic_histograms_to_nhcb__",
        "__scrape_native_histograms__",
    ];
    let members = serde_json::from_str::<Value>(text)
        .ok()
        .filter(|_| field.ends_with(" keys"));
    let Some(members) = members else {
        return vec![text.to_owned()];
    };
    let is_meant = |name: &str| {
        side == "candidate" && field.ends_with(".discoveredLabels keys") && SWITCHES.contains(&name)
    };
    let names = members[format!("only in {side}")].as_array().cloned();
    let names = names.into_iter().flatten();
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .filter(|name| !is_meant(name))
        .collect()
}

/// A place of the kit's without the positions in lists.
fn without_positions(place: &str) -> String {
    let mut field = String::new();
    for part in place.split('[') {
        let (number, rest) = part.split_once(']').unwrap_or(("", part));
        let is_position = number.bytes().all(|byte| byte.is_ascii_digit());
        field.push_str(if is_position { rest } else { part });
    }
    field
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
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
        let known = |diffs: &[(&str, &str, &str)]| {
            let diffs = diffs.iter().map(|(place, reference, candidate)| {
                serde_json::json!({"level": "semantic", "where": place, "reference": reference,
                    "candidate": candidate})
            });
            let diffs: Vec<Value> = diffs.collect();
            serde_json::json!({"differences": [{"level": "known", "case": "c", "diffs": diffs}]})
        };
        let more = |diffs: &[(&str, &str, &str)]| beyond_known(&known(diffs)).len();
        let only = |side: &str, name: &str| format!("{{\"only in {side}\": [{name}]}}");
        let none = only("reference", "");
        let switch = only("candidate", "\"__scrape_native_histograms__\"");
        assert_eq!(
            more(&[("data.a[0].discoveredLabels keys", &none, &switch)]),
            0
        );
        assert_eq!(more(&[("data.a[0].labels keys", &none, &switch)]), 1);
        let other = only("candidate", "\"x\"");
        assert_eq!(
            more(&[("data.a[0].discoveredLabels keys", &none, &other)]),
            1
        );
        // The same in other places.
        let moved = [("data.a[0].url", "x", "y"), ("data.a[17].url", "y", "x")];
        assert_eq!(more(&moved), 0);
        assert_eq!(more(&moved[..1]), 1);
        assert_eq!(more(&[moved[0], ("data.a[1].error", "y", "x")]), 2);
        let schemes = "x\n  metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\nr";
        assert_eq!(more(&[("data.yaml, character 269", "x\nr", schemes)]), 0);
        assert_eq!(more(&[("data.yaml, character 269", "x\nr", "x\ns")]), 1);
    }
}
