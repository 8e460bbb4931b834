//! `check rules`: are these rule files valid.

use std::io::{self, Read};
use std::path::Path;

use promql_parser::ParserOptions;
use rules::file::{RuleGroups, duplicate_rules};

use crate::args::Args;
use crate::lint::{Findings, Lint};
use crate::{Output, parser_options, usage_error};

/// How rule files are read.
#[derive(Debug, Clone, Copy)]
pub struct RuleChecks {
    /// Lints in force.
    pub lint: Lint,
    /// Whether unknown keys pass.
    pub ignore_unknown_fields: bool,
    /// The expression language.
    pub parser: ParserOptions,
}

/// Runs the command; without files it reads the standard input.
pub(crate) fn run(args: &Args, files: &[&str], output: &mut Output<'_>) -> io::Result<i32> {
    let lint = match Lint::from_args(args, &["all", "duplicate-rules", "none"]) {
        Ok(lint) => lint,
        Err(text) => return usage_error(output, &text),
    };
    if let Some(file) = files.iter().find(|file| !Path::new(file).exists()) {
        return usage_error(output, &format!("path '{file}' does not exist"));
    }
    let checks = RuleChecks {
        lint,
        ignore_unknown_fields: args.is_set("ignore-unknown-fields"),
        parser: parser_options(args),
    };
    let mut findings = Findings::default();
    if files.is_empty() {
        writeln!(output.out, "Checking standard input")?;
        let mut text = String::new();
        let result = match io::stdin().read_to_string(&mut text) {
            Ok(_) => RuleGroups::load(&text, &checks.parser, checks.ignore_unknown_fields),
            Err(err) => Err(vec![err.to_string()]),
        };
        report(result, &checks, output, &mut findings)?;
    }
    for file in files {
        check_file(file, &checks, output, &mut findings)?;
    }
    Ok(findings.exit_code(&lint))
}

/// Checks one file and writes what was found.
pub(crate) fn check_file(
    file: &str,
    checks: &RuleChecks,
    output: &mut Output<'_>,
    findings: &mut Findings,
) -> io::Result<()> {
    writeln!(output.out, "Checking {file}")?;
    let result = match std::fs::read_to_string(file) {
        Ok(text) => RuleGroups::load(&text, &checks.parser, checks.ignore_unknown_fields),
        Err(err) => Err(vec![format!(
            "open {file}: {}",
            config::load::os_text(&err)
        )]),
    };
    let named = |errors: Vec<String>| errors.iter().map(|err| format!("{file}: {err}")).collect();
    report(result.map_err(named), checks, output, findings)
}

fn report(
    result: Result<RuleGroups, Vec<String>>,
    checks: &RuleChecks,
    output: &mut Output<'_>,
    findings: &mut Findings,
) -> io::Result<()> {
    let groups = match result {
        Ok(groups) => groups,
        Err(errors) => {
            *findings = Findings {
                failed: true,
                has_errors: true,
            };
            writeln!(output.err, "  FAILED:")?;
            for error in errors {
                writeln!(output.err, "{error}")?;
            }
            return Ok(());
        }
    };
    let duplicates = if checks.lint.duplicate_rules {
        duplicate_rules(&groups)
    } else {
        Vec::new()
    };
    if duplicates.is_empty() {
        writeln!(output.out, "  SUCCESS: {} rules found", groups.rule_count())?;
    } else {
        findings.failed = true;
        writeln!(
            output.err,
            "  FAILED:\nlint error {} duplicate rule(s) found.",
            duplicates.len()
        )?;
        for rule in duplicates {
            writeln!(output.err, "Metric: {}\nLabel(s):", rule.metric)?;
            for (name, value) in rule.labels {
                writeln!(output.err, "\t{name}: {value}")?;
            }
        }
        writeln!(
            output.err,
            "Might cause inconsistency while recording expressions"
        )?;
    }
    writeln!(output.out)
}
