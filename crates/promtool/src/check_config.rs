//! `check config`: are these configuration files valid, and is there what they name.

use std::io;
use std::path::Path;

use config::{Config, ConfigError, LoadOptions, load_file};
use discovery::config::{FileSdConfig, SdConfigs, StaticConfig};
use http_client::config::TlsConfig;
use model::{Labels, RelabelConfig, label_name};
use scrape::config::ScrapeConfig;
use yaml::{Dialect, Entries};

use crate::args::Args;
use crate::check_rules::{self, RuleChecks};
use crate::lint::{Findings, Lint};
use crate::{Output, parser_options, usage_error};

const LINTS: [&str; 4] = ["all", "duplicate-rules", "none", "too-long-scrape-interval"];

/// What a valid file leads to.
struct Checked {
    rule_files: Vec<String>,
    jobs: Vec<ScrapeConfig>,
    warnings: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, files: &[&str], output: &mut Output<'_>) -> io::Result<i32> {
    let lint = match Lint::from_args(args, &LINTS) {
        Ok(lint) => lint,
        Err(text) => return usage_error(output, &text),
    };
    if files.is_empty() {
        return usage_error(output, "required argument 'config-files' not provided");
    }
    if let Some(file) = files.iter().find(|file| !Path::new(file).exists()) {
        return usage_error(output, &format!("path '{file}' does not exist"));
    }
    let rule_checks = RuleChecks {
        lint,
        ignore_unknown_fields: args.is_set("ignore-unknown-fields"),
        parser: parser_options(args),
    };
    let syntax_only = args.is_set("syntax-only");
    let options = LoadOptions {
        agent: args.is_set("agent"),
        ..LoadOptions::default()
    };
    let mut findings = Findings::default();
    for file in files {
        writeln!(output.out, "Checking {file}")?;
        let checked = match check(file, &options, syntax_only) {
            Ok(checked) => checked,
            Err(err) => {
                findings = Findings {
                    failed: true,
                    has_errors: true,
                };
                writeln!(output.err, "  FAILED: {}", err.located())?;
                writeln!(output.out)?;
                continue;
            }
        };
        for warning in &checked.warnings {
            writeln!(output.out, "  WARNING: {warning}")?;
        }
        if !checked.rule_files.is_empty() {
            writeln!(
                output.out,
                "  SUCCESS: {} rule files found",
                checked.rule_files.len()
            )?;
        }
        writeln!(
            output.out,
            " SUCCESS: {file} is valid prometheus config file syntax\n"
        )?;
        if syntax_only {
            continue;
        }
        lint_jobs(&checked.jobs, &lint, output, &mut findings)?;
        for rule_file in &checked.rule_files {
            check_rules::check_file(rule_file, &rule_checks, output, &mut findings)?;
        }
    }
    Ok(findings.exit_code(&lint))
}

/// Samples of a job scraped more rarely than queries look back vanish in between.
fn lint_jobs(
    jobs: &[ScrapeConfig],
    lint: &Lint,
    output: &mut Output<'_>,
    findings: &mut Findings,
) -> io::Result<()> {
    let too_long = |job: &&ScrapeConfig| job.scrape_interval.as_ms() > lint.lookback_delta_ms;
    if !lint.too_long_scrape_interval {
        return Ok(());
    }
    for job in jobs.iter().filter(too_long) {
        findings.failed = true;
        writeln!(
            output.err,
            "  FAILED: too long scrape interval found, data point will be marked as stale - job: {}, interval: {}",
            job.job_name, job.scrape_interval
        )?;
    }
    Ok(())
}

fn check(file: &str, options: &LoadOptions, syntax_only: bool) -> Result<Checked, ConfigError> {
    let config = load_file(Path::new(file), options)?;
    let mut checked = Checked {
        rule_files: Vec::new(),
        jobs: Vec::new(),
        warnings: Vec::new(),
    };
    if syntax_only {
        checked.jobs = config.scrape_configs.to_vec();
    } else {
        checked.rule_files = find_rule_files(&config)?;
        checked.jobs = config.all_scrape_configs().map_err(|mut err| {
            err.text = format!("error loading scrape configs: {}", err.text);
            err
        })?;
    }
    for job in &checked.jobs {
        check_job(job, syntax_only, &mut checked.warnings)?;
    }
    for set in &config.alerting.alertmanagers {
        let owner = "alertmanager config";
        let check = |groups: &[StaticConfig]| check_addresses(groups, &set.relabel_configs);
        check_discovery(
            &set.discovery,
            owner,
            syntax_only,
            &mut checked.warnings,
            &check,
        )?;
    }
    Ok(checked)
}

/// Rule files that exist. A name without wildcard must.
fn find_rule_files(config: &Config) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for pattern in &config.rule_files {
        let found = config::path::glob(pattern);
        if !pattern.contains('*') {
            match found.first() {
                None => {
                    return Err(format!(
                        "{:?} does not point to an existing file",
                        &**pattern
                    ));
                }
                Some(file) => check_file_exists(file)
                    .map_err(|err| format!("error checking rule file {file:?}: {err}"))?,
            }
        }
        files.extend(found);
    }
    Ok(files)
}

fn check_job(
    job: &ScrapeConfig,
    syntax_only: bool,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if let Some(authorization) = &job.http_client.authorization
        && !syntax_only
    {
        let file = &*authorization.credentials_file;
        check_file_exists(file).map_err(|err| {
            format!("error checking authorization credentials or bearer token file {file:?}: {err}")
        })?;
    }
    check_tls(&job.http_client.tls_config, syntax_only)?;
    for cluster in &job.discovery.kubernetes_sd_configs {
        check_tls(&cluster.http_client.tls_config, syntax_only)?;
    }
    let owner = format!("scrape job {:?}", job.job_name);
    let check = |groups: &[StaticConfig]| check_addresses(groups, &job.relabel_configs);
    check_discovery(&job.discovery, &owner, syntax_only, warnings, &check)
}

fn check_tls(tls: &TlsConfig, syntax_only: bool) -> Result<(), String> {
    if syntax_only {
        return Ok(());
    }
    let (cert, key) = (&*tls.cert_file, &*tls.key_file);
    check_file_exists(cert)
        .map_err(|err| format!("error checking client cert file {cert:?}: {err}"))?;
    check_file_exists(key).map_err(|err| format!("error checking client key file {key:?}: {err}"))
}

/// Whether `file` is there; no name is fine.
fn check_file_exists(file: &str) -> Result<(), String> {
    if file.is_empty() {
        return Ok(());
    }
    match std::fs::metadata(file) {
        Ok(_) => Ok(()),
        Err(err) => Err(format!("stat {file}: {}", config::load::os_text(&err))),
    }
}

/// Reads the target files of `discovery` and checks all written targets.
fn check_discovery(
    discovery: &SdConfigs,
    owner: &str,
    syntax_only: bool,
    warnings: &mut Vec<String>,
    check_groups: &dyn Fn(&[StaticConfig]) -> Result<(), String>,
) -> Result<(), String> {
    for section in &discovery.file_sd_configs {
        if !syntax_only {
            check_target_files(section, owner, warnings, check_groups)?;
        }
    }
    check_groups(&discovery.static_configs)
}

fn check_target_files(
    section: &FileSdConfig,
    owner: &str,
    warnings: &mut Vec<String>,
    check_groups: &dyn Fn(&[StaticConfig]) -> Result<(), String>,
) -> Result<(), String> {
    for pattern in &section.files {
        let found = config::path::glob(pattern);
        if found.is_empty() {
            let pattern = &**pattern;
            warnings.push(format!(
                "file {pattern:?} for file_sd in {owner} does not exist"
            ));
        }
        for file in found {
            let groups = read_targets(&file)
                .map_err(|err| format!("checking SD file {:?}: {err}", &**pattern))?;
            check_groups(&groups)?;
        }
    }
    Ok(())
}

/// Target groups of a file; JSON is read as the YAML it is.
fn read_targets(file: &str) -> Result<Vec<StaticConfig>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|err| format!("open {file}: {}", config::load::os_text(&err)))?;
    let mut groups: Entries<StaticConfig> = Entries::default();
    yaml::decode(&text, Dialect::V2, true, &mut groups).map_err(|err| err.to_string())?;
    if groups.has_null() {
        return Err("nil target group item found".into());
    }
    Ok(groups.to_vec())
}

/// Refuses targets that relabelling leaves with something else than host and port.
fn check_addresses(groups: &[StaticConfig], rules: &Entries<RelabelConfig>) -> Result<(), String> {
    for group in groups {
        for target in &group.targets {
            let own = [(label_name::ADDRESS, target.as_str())];
            let shared = group
                .labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = Labels::from_pairs(own.into_iter().chain(shared));
            let Some(labels) = model::relabel::process(&labels, rules) else {
                continue;
            };
            let address = labels.value_or_empty(label_name::ADDRESS);
            if address.contains('/') {
                return Err(format!("{address:?} is not a valid hostname"));
            }
        }
    }
    Ok(())
}
