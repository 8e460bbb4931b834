//! What a file asks for that this version cannot do yet. The server refuses to start on it, naming
//! each; the tool only checks the file.

use std::path::Path;

use rules::file::RuleGroups;

use crate::{Config, ConfigError, load, path};

impl Config {
    /// Names of the configured sections and options whose function is not built, those of the jobs'
    /// files included.
    pub fn not_built(&self) -> Result<Vec<String>, ConfigError> {
        let tsdb = self.storage.tsdb.as_ref();
        let sections = [
            (!self.alerting.is_empty(), "alerting"),
            (self.has_rules(), "rule_files"),
            (!self.remote_write.is_empty(), "remote_write"),
            (!self.remote_read.is_empty(), "remote_read"),
            (self.tracing.is_set, "tracing"),
            (
                tsdb.is_some_and(|tsdb| tsdb.stale_series_compaction_threshold > 0.0),
                "storage.tsdb.stale_series_compaction_threshold",
            ),
        ];
        let mut names: Vec<String> = sections
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name.to_owned())
            .collect();
        for job in self.all_scrape_configs()? {
            for option in job.not_built() {
                names.push(format!("scrape_configs[{}].{option}", job.job_name));
            }
        }
        Ok(names)
    }

    /// Whether there is a rule file with groups, or one that cannot be read.
    fn has_rules(&self) -> bool {
        let mut files = self.rule_files.iter().flat_map(|files| path::glob(files));
        files.any(|file| {
            let text = load::read(Path::new(&file));
            text.is_err() || text.is_ok_and(|text| RuleGroups::is_wanted(&text))
        })
    }
}
