//! `cargo xtask stats`: sizes worth watching.

use std::fs;

use anyhow::Result;

use crate::layers;
use crate::process::root;
use crate::tidy::{read, tracked_files};

/// Prints lines of Rust per crate, direct and locked dependencies, the longest files.
pub(crate) fn run() -> Result<()> {
    let files = tracked_files()?;
    let mut longest = Vec::new();
    for name in layers::ROWS.iter().copied().flatten() {
        let folder = format!("crates/{name}/");
        let mut lines = 0;
        for file in files
            .iter()
            .filter(|file| file.starts_with(&folder) && file.ends_with(".rs"))
        {
            let count = read(file)?.lines().count();
            lines += count;
            longest.push((count, file));
        }
        if lines > 0 {
            println!("{lines:>8}  {name}");
        }
    }
    longest.sort_unstable_by(|a, b| b.cmp(a));
    println!("longest files:");
    for (count, file) in longest.iter().take(10) {
        println!("{count:>8}  {file}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let direct = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.contains('=') && !line.contains("path = ") && !line.starts_with('#'))
        .count();
    let locked = fs::read_to_string(root().join("Cargo.lock"))?
        .matches("[[package]]")
        .count();
    println!("{direct:>8}  direct dependencies (aim: 45)\n{locked:>8}  locked packages (aim: 300)");
    Ok(())
}
