//! `cargo xtask run` and `cargo xtask promqltest`: build something of ours and start it.

use anyhow::{Context, Result};

use crate::process::{cargo, check, target_dir};

/// Builds the release server and becomes it. A `--` before the flags is optional.
pub(crate) fn run(args: &[String]) -> Result<()> {
    check(cargo().args(["build", "--release", "--package", "ferula"]))?;
    let flags = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let program = target_dir().join("release/ferula");
    // The working directory stays the user's: `./data` and relative paths are theirs.
    let mut server = std::process::Command::new(&program);
    server.args(flags);
    replace_self(&mut server).with_context(|| format!("cannot start {}", program.display()))
}

/// Runs PromQL test scripts; paths are the user's, so the working directory stays.
pub(crate) fn promqltest(args: &[String]) -> Result<()> {
    check(std::process::Command::new(promqltest_program()?).args(args))
}

/// The runner of PromQL test scripts, built.
pub(crate) fn promqltest_program() -> Result<std::path::PathBuf> {
    check(cargo().args([
        "build",
        "--quiet",
        "--package",
        "promqltest",
        "--bin",
        "promqltest",
    ]))?;
    Ok(target_dir().join("debug/promqltest"))
}

/// Replaces this process, so that signals reach the server itself.
fn replace_self(command: &mut std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec().into())
}
