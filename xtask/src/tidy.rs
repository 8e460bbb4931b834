//! `cargo xtask tidy`: house rules that no compiler checks.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::layers;
use crate::process::{cargo, command, output, root};

/// Lines past which a source file needs splitting (tables excepted, see [`LONG_TABLES`]).
const FILE_LINES_MAX: usize = 1200;
/// Files that may be longer: they are tables.
const LONG_TABLES: &[&str] = &[];

/// Runs all checks and prints every finding before failing.
pub(crate) fn run() -> Result<()> {
    let files = tracked_files()?;
    let mut findings = Vec::new();
    check_layers(&mut findings)?;
    for file in &files {
        check_file(file, &read(file)?, &mut findings);
    }
    check_test_binaries(&files, &mut findings);
    check_unused_dependencies(&files, &mut findings)?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("{} findings", findings.len());
}

/// Paths, relative to the root, of the text files git tracks or would track.
pub(crate) fn tracked_files() -> Result<Vec<String>> {
    let list =
        output(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    Ok(list
        .lines()
        .filter(|file| root().join(file).is_file())
        .map(str::to_owned)
        .collect())
}

/// Contents of a file, given relative to the root; bytes that are no text are replaced.
pub(crate) fn read(file: &str) -> Result<String> {
    let bytes = fs::read(root().join(file)).with_context(|| format!("cannot read {file}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn check_layers(findings: &mut Vec<String>) -> Result<()> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cannot read cargo metadata")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(row) = layers::row(name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let is_test = dependency["kind"].as_str() == Some("dev");
            if on == "tokio" && layers::SYNC.contains(&name) && !is_test {
                findings.push(format!("{name}: no async runtime at this layer"));
            }
            let Some(below) = layers::row(on) else {
                continue;
            };
            let allowed = below < row || layers::NEIGHBOURS.contains(&(name, on));
            if !allowed && !is_test {
                findings.push(format!(
                    "{name} (row {row}) may not import {on} (row {below})"
                ));
            }
        }
    }
    Ok(())
}

fn check_file(file: &str, text: &str, findings: &mut Vec<String>) {
    if file == "LICENSE" || file.ends_with(".lock") {
        return;
    }
    // Assembled from pieces, so that this file does not find itself.
    for host in [
        ["crates", ".io/"],
        ["pypi", ".org"],
        ["registry.npm", "js"],
        ["deb.debian", ".org"],
    ] {
        if text.contains(&host.concat()) {
            findings.push(format!("{file}: names a package registry's host"));
        }
    }
    for place in [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]] {
        if text.contains(&place.concat()) {
            findings.push(format!("{file}: names a path of some machine"));
        }
    }
    if file.ends_with(".md") {
        check_links(file, text, findings);
    }
    if file.ends_with(".rs") {
        check_source(file, text, findings);
    }
    if file.ends_with("Cargo.toml") && file.starts_with("crates/") {
        for line in text.lines() {
            if line.contains("version = \"") && !line.starts_with("version") {
                findings.push(format!(
                    "{file}: versions belong in the workspace's table: {line}"
                ));
            }
        }
    }
}

fn check_source(file: &str, text: &str, findings: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX && !LONG_TABLES.contains(&file) {
        findings.push(format!("{file}: {lines} lines; split it by noun"));
    }
    if file.ends_with("/mod.rs") {
        findings.push(format!(
            "{file}: modules are foo.rs beside foo/, not mod.rs"
        ));
    }
    if !text
        .trim_start_matches("#![no_main]\n")
        .trim_start()
        .starts_with("//!")
    {
        findings.push(format!(
            "{file}: say in a //! comment at the top what the file is"
        ));
    }
    let banned = [
        (
            ["#[ign", "ore"],
            "tests are not ignored: slow ones ask RUN_SLOW_TESTS",
        ),
        (["#[should_", "panic"], "assert on the error instead"),
        (
            ["TO", "DO"],
            "finish it, or file an issue and name it in the note",
        ),
        (
            ["FIX", "ME"],
            "finish it, or file an issue and name it in the note",
        ),
    ];
    for (pieces, advice) in banned {
        if text.contains(&pieces.concat()) {
            findings.push(format!("{file}: {}: {advice}", pieces.concat()));
        }
    }
    if text.contains(&["unsafe", " {"].concat())
        && !file.starts_with("crates/memory/")
        && !file.contains("/simd")
    {
        findings.push(format!("{file}: unsafe code lives in the memory crate"));
    }
}

/// Relative links of a Markdown file lead somewhere.
fn check_links(file: &str, text: &str, findings: &mut Vec<String>) {
    let folder = root()
        .join(file)
        .parent()
        .map(std::path::Path::to_path_buf)
        .unwrap_or_default();
    for piece in text.split("](").skip(1) {
        let Some((target, _)) = piece.split_once(')') else {
            continue;
        };
        let path = target.split('#').next().unwrap_or_default();
        let elsewhere = path.contains("://") || path.starts_with("mailto:") || path.is_empty();
        if !elsewhere && !folder.join(path).exists() {
            findings.push(format!("{file}: link to {target} leads nowhere"));
        }
    }
}

/// One integration-test binary a crate: linking is what costs.
fn check_test_binaries(files: &[String], findings: &mut Vec<String>) {
    for file in files {
        let Some((_, inside)) = file.split_once("/tests/") else {
            continue;
        };
        let is_binary = file.ends_with(".rs") && !inside.contains('/');
        let in_crate = file.starts_with("crates/") && !file.contains("/src/");
        if is_binary && in_crate {
            findings.push(format!("{file}: integration tests live in tests/it/"));
        }
    }
}

/// Keys of a manifest's `[package]` that are written like dependencies.
const PACKAGE_KEYS: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Every dependency of a crate is named somewhere in its code.
fn check_unused_dependencies(files: &[String], findings: &mut Vec<String>) -> Result<()> {
    for manifest in files.iter().filter(|file| file.ends_with("/Cargo.toml")) {
        let folder = manifest.trim_end_matches("Cargo.toml");
        let mut code = String::new();
        for file in files
            .iter()
            .filter(|file| file.starts_with(folder) && file.ends_with(".rs"))
        {
            code.push_str(&read(file)?);
        }
        for line in read(manifest)?.lines() {
            let Some(name) = line.strip_suffix(".workspace = true") else {
                continue;
            };
            let ident = if name == "md-5" {
                "md5".to_owned()
            } else {
                name.replace('-', "_")
            };
            if !PACKAGE_KEYS.contains(&name) && !code.contains(&ident) {
                findings.push(format!("{manifest}: {name} is not used"));
            }
        }
    }
    Ok(())
}
