//! The server's whole configuration file: its sections put together, inheritance, cross checks,
//! loading.
//!
//! - [`load`]: file to [`Config`]: read, decode, expand the environment, resolve paths, restrict.
//! - [`global`], [`storage`], [`tracing`], [`otlp`]: sections that belong to no other crate.
//! - [`not_built`]: what a file asks for that this version cannot do yet.
//!
//! A [`Config`] is the file as meant: defaults and inherited values filled in, paths absolute or
//! relative to the working directory, secrets inside but never printed.
#![deny(missing_docs)]

mod error;
pub mod global;
pub mod load;
pub mod not_built;
pub mod otlp;
pub mod path;
pub mod storage;
pub mod tracing;

use notifier::config::AlertingConfig;
use remote::config::{RemoteReadConfig, RemoteWriteConfig};
use scrape::config::{ScrapeConfig, ScrapeDefaults};
use yaml::{Entries, FilePath, Yaml};

pub use error::ConfigError;
pub use global::GlobalConfig;
pub use load::{LoadOptions, load_file, load_text};
pub use otlp::OtlpConfig;
pub use storage::StorageConfig;
pub use tracing::TracingConfig;

yaml::record! {
    /// The sections of the file.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Config: "config.Config", checked "config.plain" {
        /// Defaults for other sections.
        pub global: GlobalConfig => keep "global";
        /// Process settings.
        pub runtime: RuntimeConfig => omit "runtime";
        /// Where alerts go.
        pub alerting: AlertingConfig => omit "alerting";
        /// Patterns of rule files.
        pub rule_files: Vec<FilePath> => omit "rule_files";
        /// Patterns of files with more jobs.
        pub scrape_config_files: Vec<FilePath> => omit "scrape_config_files";
        /// Jobs of this file; [`all_scrape_configs`](Config::all_scrape_configs) has the others too.
        pub scrape_configs: Entries<ScrapeConfig> => omit "scrape_configs";
        /// Storage settings.
        pub storage: StorageConfig => omit "storage";
        /// Where our own traces go.
        pub tracing: TracingConfig => omit "tracing";
        /// Endpoints that receive our samples.
        pub remote_write: Entries<RemoteWriteConfig> => omit "remote_write";
        /// Endpoints that answer queries.
        pub remote_read: Entries<RemoteReadConfig> => omit "remote_read";
        /// How OTLP data is translated.
        pub otlp: OtlpConfig => omit "otlp";
        /// Switches of the command line that change defaults.
        pub options: LoadOptions => skip;
    }
}

yaml::record! {
    /// Process settings.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RuntimeConfig: "config.RuntimeConfig", open {
        /// Garbage collection target in percent; read, printed and without effect here.
        pub gogc: i64 => omit "gogc";
    }
}

yaml::record! {
    /// A file with more jobs.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ScrapeConfigs: "config.ScrapeConfigs", open {
        /// The jobs.
        pub scrape_configs: Entries<ScrapeConfig> => omit "scrape_configs";
    }
}

impl Config {
    /// What `/api/v1/status/config` shows: all defaults filled in, secrets hidden.
    pub fn to_yaml(&self) -> String {
        yaml::to_text(&self.encode())
    }

    /// Checks that need no other section. [`load_text`] does the rest with its options at hand.
    fn check(&mut self) -> Result<(), String> {
        if let Some(path) = self
            .rule_files
            .iter()
            .find(|path| !path::is_rule_pattern(path))
        {
            return Err(format!("invalid rule file path {:?}", &**path));
        }
        let files = &self.scrape_config_files;
        if let Some(path) = files.iter().find(|path| !path::is_rule_pattern(path)) {
            return Err(format!("invalid scrape config file path {:?}", &**path));
        }
        Ok(())
    }

    /// What jobs inherit.
    pub fn scrape_defaults(&self) -> ScrapeDefaults {
        self.global.scrape_defaults()
    }

    /// Fills in inherited values and checks sections against each other.
    fn resolve(&mut self) -> Result<(), String> {
        self.global.resolve(&self.options);
        if self.runtime.is_zero() {
            self.runtime.gogc = self.options.gogc;
        }
        // `otlp:` with nothing behind it means the defaults, as `global:` does.
        if self.otlp.is_zero() {
            self.otlp = OtlpConfig::default();
        }
        let defaults = self.scrape_defaults();
        if self.scrape_configs.has_null() {
            return Err("empty or null scrape config section".into());
        }
        let mut names: Vec<String> = Vec::new();
        for job in self.scrape_configs.iter_mut() {
            job.resolve(&defaults)?;
            if names.contains(&job.job_name) {
                return Err(format!(
                    "found multiple scrape configs with job name {:?}",
                    job.job_name
                ));
            }
            names.push(job.job_name.clone());
        }
        let scheme = self.global.metric_name_validation_scheme;
        self.alerting.resolve(scheme)?;
        self.resolve_remote()?;
        self.otlp.resolve(scheme)
    }

    fn resolve_remote(&mut self) -> Result<(), String> {
        if self.remote_write.has_null() {
            return Err("empty or null remote write config section".into());
        }
        for endpoint in self.remote_write.iter_mut() {
            endpoint.resolve(self.global.metric_name_validation_scheme)?;
        }
        let writers = self
            .remote_write
            .iter()
            .map(|endpoint| endpoint.name.as_str());
        if let Some(name) = first_repeated(writers) {
            return Err(format!(
                "found multiple remote write configs with job name {name:?}"
            ));
        }
        if self.remote_read.has_null() {
            return Err("empty or null remote read config section".into());
        }
        let readers = self
            .remote_read
            .iter()
            .map(|endpoint| endpoint.name.as_str());
        if let Some(name) = first_repeated(readers) {
            return Err(format!(
                "found multiple remote read configs with job name {name:?}"
            ));
        }
        Ok(())
    }
}

/// The first non-empty name that comes twice.
fn first_repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if seen.contains(&name) {
            return Some(name);
        }
        seen.push(name);
    }
    None
}

#[cfg(test)]
mod tests;
