//! The program that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The release server, built if need be; `FERULA_BENCH_PROGRAM` names another one.
pub(crate) fn release_binary() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("FERULA_BENCH_PROGRAM") {
        return Ok(program.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "ferula"])
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "cargo build ended with {status}");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/ferula"))
}
