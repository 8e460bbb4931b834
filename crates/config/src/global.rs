//! The global section: defaults for jobs and rules.

use gocompat::quote::quote;
use model::config_value::{ByteSize, Duration, LabelSet};
use model::label_name::NameScheme;
use scrape::config::{ScrapeDefaults, ScrapeProtocol, check_protocols};
use yaml::FilePath;

use crate::LoadOptions;

yaml::record! {
    /// Defaults for other sections.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GlobalConfig: "config.GlobalConfig", checked "config.plain" {
        /// Time between scrapes.
        pub scrape_interval: Duration => omit "scrape_interval";
        /// Longest time a scrape may take.
        pub scrape_timeout: Duration => omit "scrape_timeout";
        /// Formats asked for, best first.
        pub scrape_protocols: Option<Vec<ScrapeProtocol>> => omit "scrape_protocols";
        /// Time between evaluations of rules; also the default step of subqueries.
        pub evaluation_interval: Duration => omit "evaluation_interval";
        /// Rules look this far back.
        pub rule_query_offset: Duration => omit "rule_query_offset";
        /// File that receives queries.
        pub query_log_file: FilePath => omit "query_log_file";
        /// File that receives failed scrapes.
        pub scrape_failure_log_file: FilePath => omit "scrape_failure_log_file";
        /// Labels that tell our data from others'.
        pub external_labels: ExternalLabels => omit "external_labels";
        /// Largest uncompressed answer; 0 is no limit.
        pub body_size_limit: ByteSize => omit "body_size_limit";
        /// Most samples after relabelling; 0 is no limit.
        pub sample_limit: u64 => omit "sample_limit";
        /// Most targets of a job; 0 is no limit.
        pub target_limit: u64 => omit "target_limit";
        /// Most labels of a sample; 0 is no limit.
        pub label_limit: u64 => omit "label_limit";
        /// Longest label name; 0 is no limit.
        pub label_name_length_limit: u64 => omit "label_name_length_limit";
        /// Longest label value; 0 is no limit.
        pub label_value_length_limit: u64 => omit "label_value_length_limit";
        /// Most dropped targets remembered; 0 is no limit.
        pub keep_dropped_targets: u64 => omit "keep_dropped_targets";
        /// Which names are legal.
        pub metric_name_validation_scheme: NameScheme => omit "metric_name_validation_scheme";
        /// How names are escaped for us.
        pub metric_name_escaping_scheme: String => omit "metric_name_escaping_scheme";
        /// Whether native histograms are ingested.
        pub scrape_native_histograms: Option<bool> => omit "scrape_native_histograms";
        /// Whether classic histograms become native ones with custom buckets.
        pub convert_classic_histograms_to_nhcb: bool => omit "convert_classic_histograms_to_nhcb";
        /// Whether classic buckets are kept beside native histograms.
        pub always_scrape_classic_histograms: bool => omit "always_scrape_classic_histograms";
        /// Whether extra series about each scrape are written.
        pub extra_scrape_metrics: Option<bool> => omit "extra_scrape_metrics";
    }
}

const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);

impl GlobalConfig {
    fn check(&mut self) -> Result<(), String> {
        for name in self.external_labels.0.keys() {
            if !self.metric_name_validation_scheme.is_label_name(name) {
                return Err(format!("{} is not a valid label name", quote(name)));
            }
        }
        let interval = match self.scrape_interval {
            Duration::ZERO => SCRAPE_INTERVAL,
            interval => interval,
        };
        if self.scrape_timeout > interval {
            return Err("global scrape timeout greater than scrape interval".into());
        }
        match &self.scrape_protocols {
            Some(protocols) => {
                check_protocols(protocols).map_err(|err| format!("{err} for global config"))
            }
            None => Ok(()),
        }
    }

    /// Fills in what the section leaves out.
    pub(crate) fn resolve(&mut self, options: &LoadOptions) {
        if self.scrape_interval == Duration::ZERO {
            self.scrape_interval = SCRAPE_INTERVAL;
        }
        if self.scrape_timeout == Duration::ZERO {
            self.scrape_timeout = SCRAPE_TIMEOUT.min(self.scrape_interval);
        }
        if self.evaluation_interval == Duration::ZERO {
            self.evaluation_interval = EVALUATION_INTERVAL;
        }
        if self.scrape_protocols.is_none() && options.prefer_protobuf {
            self.scrape_protocols = Some(ScrapeProtocol::defaults(true));
        }
        let native = self.scrape_native_histograms;
        self.scrape_native_histograms = Some(native.unwrap_or(options.scrape_native_histograms));
        let extra = self.extra_scrape_metrics;
        self.extra_scrape_metrics = Some(extra.unwrap_or(options.extra_scrape_metrics));
        if self.metric_name_escaping_scheme.is_empty() {
            self.metric_name_escaping_scheme = match self.metric_name_validation_scheme {
                NameScheme::Utf8 => "allow-utf-8".to_owned(),
                NameScheme::Legacy => "underscores".to_owned(),
            };
        }
    }

    /// What jobs inherit.
    pub(crate) fn scrape_defaults(&self) -> ScrapeDefaults {
        ScrapeDefaults {
            scrape_interval: self.scrape_interval,
            scrape_timeout: self.scrape_timeout,
            scrape_protocols: self.scrape_protocols.clone(),
            scrape_native_histograms: self.scrape_native_histograms == Some(true),
            always_scrape_classic_histograms: self.always_scrape_classic_histograms,
            convert_classic_histograms_to_nhcb: self.convert_classic_histograms_to_nhcb,
            extra_scrape_metrics: self.extra_scrape_metrics == Some(true),
            scrape_failure_log_file: self.scrape_failure_log_file.clone(),
            body_size_limit: self.body_size_limit,
            sample_limit: self.sample_limit,
            target_limit: self.target_limit,
            label_limit: self.label_limit,
            label_name_length_limit: self.label_name_length_limit,
            label_value_length_limit: self.label_value_length_limit,
            keep_dropped_targets: self.keep_dropped_targets,
            metric_name_validation_scheme: self.metric_name_validation_scheme,
            metric_name_escaping_scheme: self.metric_name_escaping_scheme.clone(),
        }
    }
}

/// External labels: a label set whose names are checked under the section's own scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalLabels(pub std::collections::BTreeMap<String, String>);

impl ExternalLabels {
    /// As a packed label set.
    pub fn to_labels(&self) -> model::Labels {
        LabelSet(self.0.clone()).to_labels()
    }

    /// Replaces `$NAME` and `${NAME}` in values by what `variable` says, `$$` by `$`.
    pub(crate) fn expand(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        for value in self.0.values_mut() {
            *value = expand(value, variable);
        }
        self.0.retain(|_, value| !value.is_empty());
    }
}

impl yaml::Yaml for ExternalLabels {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        "map[string]string".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(
        &mut self,
        decoder: &mut yaml::Decoder<'_>,
        id: yaml::NodeId,
    ) -> Result<(), yaml::Fatal> {
        self.0.decode(decoder, id)
    }

    fn encode(&self) -> yaml::Tree {
        self.0.encode()
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }
}

/// Replaces variables in `text`. A `$` before anything that names none is dropped with it, as the
/// reference's expansion does.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let (name, size) = variable_name(after);
        rest = &after[size..];
        match name {
            "" if size == 0 => expanded.push('$'),
            "" => {}
            "$" => expanded.push('$'),
            name => match variable(name).filter(|value| !value.is_empty()) {
                Some(value) => expanded.push_str(&value),
                None => {
                    ::tracing::warn!(component = "config", name = %name, "Empty environment variable");
                }
            },
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The variable's name at the start of `text` and how many bytes it takes, braces included.
fn variable_name(text: &str) -> (&str, usize) {
    let is_special = |byte: u8| b"*#$@!?-0123456789".contains(&byte);
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'{') => {
            if bytes.len() > 2 && is_special(bytes[1]) && bytes[2] == b'}' {
                return (&text[1..2], 3);
            }
            match text.find('}') {
                Some(1) => ("", 2),
                Some(end) => (&text[1..end], end + 1),
                None => ("", 1),
            }
        }
        Some(&byte) if is_special(byte) => (&text[..1], 1),
        _ => {
            let size = bytes
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .count();
            (&text[..size], size)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables_expand_as_in_the_reference() {
        let check = |text: &str, expected: &str| {
            let variable = |name: &str| (name == "HOME").then(|| "/root".to_owned());
            assert_eq!(expand(text, &variable), expected, "{text}");
        };
        check("a$HOME-${HOME}b", "a/root-/rootb");
        check("$$HOME", "$HOME");
        check("$NONE.x", ".x");
        check("${", "");
        check("x$", "x$");
        check("é$é", "é$é");
        check("${$}", "$");
    }
}
