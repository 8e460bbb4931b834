//! Licences and duplicate versions of all dependencies, from `cargo metadata`: works offline and
//! without further tools. `deny.toml` says the same to cargo-deny, where somebody has it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{cargo, output};

/// Licences compatible with Apache-2.0 that we accept; keep in step with `deny.toml`.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "OpenSSL",
    "CDLA-Permissive-2.0",
    "0BSD",
    "Apache-2.0 WITH LLVM-exception",
];

/// Packages that state their licence in a file only; read by us.
const READ_BY_US: &[(&str, &str)] = &[("libyaml-safer", "MIT")];

/// Crates of which two versions at once have cost others days.
const ONE_VERSION: &[&str] = &["tokio", "hyper", "rustls", "prost", "serde"];

/// Fails on a licence outside the list, or on a second version of a crate that must be single.
pub(crate) fn run() -> Result<()> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cannot read cargo metadata")?;
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        versions.entry(name).or_default().push(version);
        let read_by_us = READ_BY_US.iter().find(|(known, _)| *known == name);
        let licence = package["license"]
            .as_str()
            .or(read_by_us.map(|(_, licence)| *licence))
            .unwrap_or_default();
        if !accepted(licence) {
            problems.push(format!(
                "{name} {version}: licence {licence:?} is not in the list"
            ));
        }
    }
    for (name, versions) in versions {
        if versions.len() > 1 && ONE_VERSION.contains(&name) {
            problems.push(format!("{name}: several versions, {}", versions.join(", ")));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} problems with dependencies", problems.len());
}

/// Whether an SPDX expression can be satisfied from the list: any side of an OR, all of an AND.
fn accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    any_side(expression.trim())
}

fn any_side(expression: &str) -> bool {
    split_top(expression, " OR ")
        .iter()
        .any(|side| all_sides(side))
}

fn all_sides(expression: &str) -> bool {
    split_top(expression, " AND ").iter().all(|side| {
        let side = side.trim();
        match side
            .strip_prefix('(')
            .and_then(|inner| inner.strip_suffix(')'))
        {
            Some(inner) => any_side(inner),
            None => ALLOWED.contains(&side),
        }
    })
}

/// Splits at `separator` outside parentheses.
fn split_top<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if depth == 0 && rest.starts_with(separator) {
            parts.push(&text[start..at]);
            at += separator.len();
            start = at;
            continue;
        }
        match rest.as_bytes().first() {
            Some(b'(') => depth += 1,
            Some(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let check = |expression: &str, expected: bool| {
            assert_eq!(accepted(expression), expected, "{expression}");
        };
        check("MIT OR Apache-2.0", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("MIT AND GPL-3.0", false);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", true);
        check("", false);
    }
}
