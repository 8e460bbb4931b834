//! The `.test` script language: loads series, evaluates expressions, compares with expectations.
//!
//! Scripts of the reference run unmodified. Settings are fixed as there: delayed name removal,
//! start timestamps, all experimental syntax, a default subquery step of one minute; every instant
//! evaluation is also checked as the middle step of a range query.

mod check;
mod load;
mod random;
mod reset_hints;
mod run;
mod script;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use run::{FileReport, RunOptions, run_text};
pub use script::parse_script;

/// Why a script could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not understood.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// Why.
        message: String,
    },
}

/// Runs the script at `path`.
pub fn run_file(path: &Path, options: &RunOptions) -> Result<FileReport, ScriptError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScriptError::Read {
        path: path.to_owned(),
        source,
    })?;
    run_text(&text, options)
}

/// The command line `random [--seed N] [--count N]`: writes random expressions as a query file of
/// the conformance kit. Or `[--floats] PATH...`: runs scripts (folders mean the `.test` files in them)
/// and writes a line a file and a sum. Gives the exit code: 0 if no case failed.
pub fn command(args: &[String], out: &mut dyn Write) -> u8 {
    if let Some((first, rest)) = args.split_first()
        && first == "random"
    {
        return random::command(rest, out);
    }
    let floats_only = args.iter().any(|arg| arg == "--floats");
    let verbose = args.iter().any(|arg| arg == "--verbose");
    let options = RunOptions { floats_only };
    let paths = args.iter().filter(|arg| !arg.starts_with("--"));
    let files: Vec<PathBuf> = paths.flat_map(|path| scripts_at(Path::new(path))).collect();
    let mut lines = Vec::new();
    let (mut passed, mut failed, mut left_out, mut broken) = (0, 0, 0, 0);
    for file in &files {
        match run_file(file, &options) {
            Ok(report) => {
                lines.push(format!(
                    "{}: passed {}, failed {}, left out {}",
                    file.display(),
                    report.passed,
                    report.failed.len(),
                    report.left_out
                ));
                let shown = if verbose { usize::MAX } else { 20 };
                for (line, text) in report.failed.iter().take(shown) {
                    lines.push(format!("  line {line}: {text}"));
                }
                passed += report.passed;
                failed += report.failed.len();
                left_out += report.left_out;
            }
            Err(error) => {
                lines.push(format!("{}: {error}", file.display()));
                broken += 1;
            }
        }
    }
    lines.push(format!(
        "{} files: passed {passed}, failed {failed}, left out {left_out}",
        files.len()
    ));
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    u8::from(failed > 0 || broken > 0 || files.is_empty() || written.is_err())
}

fn scripts_at(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return vec![path.to_owned()];
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "test")
        })
        .collect();
    files.sort();
    files
}
