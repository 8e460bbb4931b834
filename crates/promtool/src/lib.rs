//! The command-line tool, as a library: `ferula promtool …`, or the binary called `promtool`.
//!
//! - [`args`]: the words of the command line.
//! - [`check_config`]: `check config`, with the files it names.
//! - [`check_rules`]: `check rules`.
//!
//! Other commands of the reference's tool are refused by name until they are built.
#![deny(missing_docs)]

use std::ffi::OsString;
use std::io::{self, Write};

pub mod args;
pub mod check_config;
pub mod check_rules;
pub mod lint;

use args::{Args, Flag};

/// Where a command writes.
pub struct Output<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// What went wrong.
    pub err: &'a mut dyn Write,
}

/// Exit code of a failure.
pub const FAILURE: i32 = 1;
/// Exit code of lint problems that count.
pub const LINT_FAILURE: i32 = 3;

/// Commands of the reference's tool, for telling an unknown command from one that is not built.
const KNOWN: [&str; 12] = [
    "check service-discovery",
    "check web-config",
    "check healthy",
    "check ready",
    "check metrics",
    "query",
    "debug",
    "push",
    "test",
    "tsdb",
    "promql",
    "help",
];

const USAGE: &str = "usage: promtool [<flags>] <command> [<args> ...]

Tooling for the monitoring system.

Flags:
  -h, --help            Show this help.
      --version         Show application version.
      --enable-feature  Comma separated feature names to enable, such as
                        promql-experimental-functions.

Commands:
check config [--syntax-only] [--lint=duplicate-rules] [--lint-fatal]
             [--ignore-unknown-fields] [--agent] <config-files>...
    Check if the config files are valid or not.

check rules [--lint=duplicate-rules] [--lint-fatal] [--ignore-unknown-fields]
            [<rule-files>...]
    Check if the rule files are valid or not.
";

/// Runs the tool with `args`, the program's name left out. Gives the exit code.
pub fn run(args: Vec<OsString>, out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    let mut output = Output { out, err };
    // A closed pipe is no reason to fail louder.
    run_args(args, &mut output).unwrap_or(FAILURE)
}

fn run_args(args: Vec<OsString>, output: &mut Output<'_>) -> io::Result<i32> {
    let mut words = Vec::new();
    for arg in args {
        match arg.into_string() {
            Ok(word) => words.push(word),
            Err(arg) => return usage_error(output, &format!("argument {arg:?} is not UTF-8")),
        }
    }
    let args = match Args::parse(&words, &FLAGS) {
        Ok(args) => args,
        Err(text) => return usage_error(output, &text),
    };
    if args.is_set("version") {
        writeln!(output.out, "{}", version_text())?;
        return Ok(0);
    }
    let names: Vec<&str> = args.words.iter().map(String::as_str).collect();
    if args.is_set("help") || names.is_empty() || names == ["help"] {
        write!(output.out, "{USAGE}")?;
        return Ok(0);
    }
    match names.as_slice() {
        ["check", "config", files @ ..] => check_config::run(&args, files, output),
        ["check", "rules", files @ ..] => check_rules::run(&args, files, output),
        ["check"] => usage_error(output, "must select a subcommand of 'check'"),
        names => {
            let joined = names.join(" ");
            let is_known =
                |known: &&str| joined == **known || joined.starts_with(&format!("{known} "));
            match KNOWN.iter().find(|known| is_known(known)) {
                Some(known) => usage_error(output, &format!("{known:?} is not built yet")),
                None => {
                    let word = if names[0] == "check" {
                        names[1]
                    } else {
                        names[0]
                    };
                    usage_error(output, &format!("expected command but got {word:?}"))
                }
            }
        }
    }
}

/// Flags of all commands; a command ignores what is not its own.
const FLAGS: [Flag; 10] = [
    Flag {
        name: "help",
        takes_value: false,
    },
    Flag {
        name: "version",
        takes_value: false,
    },
    Flag {
        name: "experimental",
        takes_value: false,
    },
    Flag {
        name: "enable-feature",
        takes_value: true,
    },
    Flag {
        name: "syntax-only",
        takes_value: false,
    },
    Flag {
        name: "lint",
        takes_value: true,
    },
    Flag {
        name: "lint-fatal",
        takes_value: false,
    },
    Flag {
        name: "ignore-unknown-fields",
        takes_value: false,
    },
    Flag {
        name: "agent",
        takes_value: false,
    },
    Flag {
        name: "query.lookback-delta",
        takes_value: true,
    },
];

/// Writes a complaint about the command line.
pub(crate) fn usage_error(output: &mut Output<'_>, text: &str) -> io::Result<i32> {
    writeln!(output.err, "promtool: error: {text}, try --help")?;
    Ok(FAILURE)
}

fn version_text() -> String {
    format!(
        "promtool, version 3.14.0 (branch: HEAD, revision: ferula-{})\n  platform:         {}/{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    )
}

/// Switches of the expression language that `--enable-feature` sets.
pub(crate) fn parser_options(args: &Args) -> promql_parser::ParserOptions {
    let names = args
        .values("enable-feature")
        .flat_map(|value| value.split(','));
    let names: Vec<&str> = names.collect();
    promql_parser::ParserOptions {
        experimental_functions: names.contains(&"promql-experimental-functions"),
        extended_range_selectors: names.contains(&"promql-extended-range-selectors"),
        fill_modifiers: names.contains(&"promql-binop-fill-modifiers"),
        ..promql_parser::ParserOptions::default()
    }
}

#[cfg(test)]
mod tests;
