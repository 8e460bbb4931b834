//! `cargo xtask ci`: every check and test, each step also alone.
//!
//! One profile (dev) for tests, end-to-end tests and the kit; no release build.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::process::{cargo, check, exists};
use crate::{conformance, licences, tidy};

type Step = (&'static str, fn() -> Result<()>);

/// The steps in order: cheap and telling ones first.
const STEPS: &[Step] = &[
    ("format", format),
    ("tidy", tidy::run),
    ("licences", licences::run),
    ("clippy", clippy),
    ("test", test),
    ("model", model),
    ("docs", docs),
    ("fuzz-build", fuzz_build),
    ("conformance", conformance_if_possible),
];

/// Runs all steps, or only those named in `args`, and prints how long each took.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args
        .iter()
        .find(|arg| STEPS.iter().all(|(name, _)| name != arg))
    {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("unknown step {unknown:?}; there are: {}", names.join(", "));
    }
    let mut timings = Vec::new();
    for (name, step) in STEPS {
        if !args.is_empty() && !args.iter().any(|arg| arg == name) {
            continue;
        }
        println!("==> {name}");
        let start = Instant::now();
        step()?;
        timings.push((name, start.elapsed().as_secs()));
    }
    for (name, seconds) in timings {
        println!("{seconds:>6} s  {name}");
    }
    Ok(())
}

fn format() -> Result<()> {
    check(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    check(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// nextest where it is there (it runs the binaries side by side), else cargo's own runner.
fn test() -> Result<()> {
    check(cargo().args(["build", "--package", "ferula"]))?;
    if exists("cargo-nextest") {
        check(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        return check(cargo().args(["test", "--workspace", "--doc", "--quiet"]));
    }
    check(cargo().args(["test", "--workspace", "--no-fail-fast"]))
}

/// The head's protocol in many orders of events. The locks of those tests are a model checker's, so
/// they are a build of their own.
fn model() -> Result<()> {
    check(cargo().args([
        "test",
        "--package",
        "tsdb",
        "--features",
        "model-check",
        "--lib",
        "--",
        "model_check",
    ]))
}

/// Private items are documented too, so links to them lead somewhere.
fn docs() -> Result<()> {
    check(
        cargo()
            .env(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            )
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ]),
    )
}

/// The fuzz targets at least compile; running them is `fuzz/README.md`'s business.
fn fuzz_build() -> Result<()> {
    // The engine itself (C++) is only needed to link: for checking, any path does.
    let mut check_fuzz = cargo();
    check_fuzz.env("CUSTOM_LIBFUZZER_PATH", "/nowhere/libfuzzer.a");
    check(check_fuzz.args(["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]))
}

fn conformance_if_possible() -> Result<()> {
    if let Some(reason) = conformance::impossible() {
        println!("conformance: left out, {reason}");
        return Ok(());
    }
    conformance::run(&[])
}
