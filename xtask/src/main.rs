//! The project's own commands: `cargo xtask <command>`.
//!
//! Few dependencies, so that it builds in seconds; what it needs beyond cargo it installs itself
//! (see `conformance`) or does without, saying so.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]
#![expect(
    clippy::print_stderr,
    reason = "a command-line tool talks to its terminal"
)]

mod ci;
mod conformance;
mod kit_report;
mod layers;
mod licences;
mod process;
mod run;
mod stats;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  run [-- FLAGS]            build the release server and start it with FLAGS
  ci [STEP...]              every check and test, or only the named steps
  tidy                      the house rules that no compiler checks
  promqltest [--floats] PATH...
                            run PromQL test scripts (files or folders)
  conformance [PART...]     compare with the real peers (needs ../shared and Debian's apt-get)
  stats                     sizes of the workspace";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "run" => run::run(rest),
        "ci" => ci::run(rest),
        "tidy" => tidy::run(),
        "promqltest" => run::promqltest(rest),
        "conformance" => conformance::run(rest),
        "stats" => stats::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("unknown command {other:?}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("xtask {command}: {err:#}");
            ExitCode::FAILURE
        }
    }
}
