//! File to configuration.

use std::path::Path;

use scrape::config::ScrapeConfig;
use yaml::{Dialect, Yaml};

use crate::{Config, ConfigError, ScrapeConfigs, path};

/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Switches of the command line that change what is allowed or what the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct LoadOptions {
    /// Agent mode: no alerting, rules or remote read.
    pub agent: bool,
    /// Default of `scrape_native_histograms`.
    pub scrape_native_histograms: bool,
    /// Default of `extra_scrape_metrics`.
    pub extra_scrape_metrics: bool,
    /// Whether the protobuf format is asked for first by default.
    pub prefer_protobuf: bool,
    /// Default of `runtime.gogc`.
    pub gogc: i64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            agent: false,
            scrape_native_histograms: false,
            extra_scrape_metrics: false,
            prefer_protobuf: false,
            gogc: 75,
        }
    }
}

/// Reads configuration `text`. Paths stay as written.
pub fn load_text(text: &str, options: &LoadOptions) -> Result<Config, ConfigError> {
    load_text_with(text, options, &|name| std::env::var(name).ok())
}

/// [`load_text`] with the environment given.
pub fn load_text_with(
    text: &str,
    options: &LoadOptions,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    yaml::decode(text, Dialect::V2, true, &mut config)
        .map_err(|err| ConfigError::from_yaml(&err))?;
    config.options = *options;
    config.resolve()?;
    config.global.external_labels.expand(variable);
    Ok(config)
}

/// Reads the configuration file at `file`, with the jobs of the files it names still to be asked for
/// by [`Config::all_scrape_configs`].
pub fn load_file(file: &Path, options: &LoadOptions) -> Result<Config, ConfigError> {
    let shown = file.to_string_lossy();
    let text = read(file)?;
    let mut config = load_text(&text, options)
        .map_err(|err| err.in_file(&shown, &format!("parsing YAML file {shown}")))?;
    if options.agent {
        config.check_agent().map_err(ConfigError::new)?;
    }
    let dir = file.parent().unwrap_or(Path::new(""));
    config.visit_paths(&mut |name| *name = path::join(dir, name));
    Ok(config)
}

/// The file's text; errors as the reference words them.
pub(crate) fn read(file: &Path) -> Result<String, ConfigError> {
    let shown = file.to_string_lossy();
    let fail = |err: &std::io::Error| {
        ConfigError::new(format!("open {shown}: {}", os_text(err))).named(&shown)
    };
    let metadata = std::fs::metadata(file).map_err(|err| fail(&err))?;
    if metadata.is_dir() {
        return Err(ConfigError::new(format!("read {shown}: is a directory")).named(&shown));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(ConfigError::new(format!(
            "read {shown}: larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    let bytes = std::fs::read(file).map_err(|err| fail(&err))?;
    String::from_utf8(bytes).map_err(|_| {
        ConfigError::new(format!(
            "parsing YAML file {shown}: yaml: invalid leading UTF-8 octet"
        ))
        .named(&shown)
    })
}

/// An operating system error without the code that Rust adds, in lower case.
pub fn os_text(err: &std::io::Error) -> String {
    let text = err.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}

impl ConfigError {
    fn named(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl Config {
    fn check_agent(&self) -> Result<(), String> {
        let refused = [
            (!self.alerting.is_empty(), "alerting"),
            (!self.rule_files.is_empty(), "rule_files"),
            (!self.remote_read.is_empty(), "remote_read"),
        ];
        match refused.iter().find(|(set, _)| *set) {
            Some((_, name)) => Err(format!("field {name} is not allowed in agent mode")),
            None => Ok(()),
        }
    }

    /// Jobs of the file itself and of the files that `scrape_config_files` names.
    pub fn all_scrape_configs(&self) -> Result<Vec<ScrapeConfig>, ConfigError> {
        let mut jobs = Jobs::default();
        for job in &self.scrape_configs {
            jobs.push(job.clone(), "main config file")?;
        }
        for pattern in &self.scrape_config_files {
            for file in path::glob(pattern) {
                let absolute = std::path::absolute(&file).unwrap_or_else(|_| (&file).into());
                let shown = format!("{:?}", path::clean(&absolute));
                self.read_jobs(&file, &shown, &mut jobs)
                    .map_err(|err| err.in_file(&file, &shown))?;
            }
        }
        Ok(jobs.jobs)
    }

    fn read_jobs(&self, file: &str, shown: &str, jobs: &mut Jobs) -> Result<(), ConfigError> {
        let mut section = ScrapeConfigs::default();
        yaml::decode(&read(Path::new(file))?, Dialect::V2, true, &mut section)
            .map_err(|err| ConfigError::from_yaml(&err))?;
        if section.scrape_configs.has_null() {
            return Err(ConfigError::new("empty or null scrape config section"));
        }
        let defaults = self.scrape_defaults();
        let dir = Path::new(file).parent().unwrap_or(Path::new(""));
        for mut job in section.scrape_configs {
            job.resolve(&defaults)?;
            job.visit_paths(&mut |name| *name = path::join(dir, name));
            jobs.push(job, shown)?;
        }
        Ok(())
    }
}

/// Jobs with unique names, and where each was found.
#[derive(Default)]
struct Jobs {
    jobs: Vec<ScrapeConfig>,
    found_in: Vec<String>,
}

impl Jobs {
    fn push(&mut self, job: ScrapeConfig, found_in: &str) -> Result<(), ConfigError> {
        if let Some(first) = self
            .jobs
            .iter()
            .position(|known| known.job_name == job.job_name)
        {
            return Err(ConfigError::new(format!(
                "found multiple scrape configs with job name {:?}, first found in {}",
                job.job_name, self.found_in[first]
            )));
        }
        self.jobs.push(job);
        self.found_in.push(found_in.to_owned());
        Ok(())
    }
}
