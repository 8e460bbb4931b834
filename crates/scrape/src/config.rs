//! A scrape job as configuration files write it, and as it is meant once the global section has
//! filled in what the job leaves out ([`ScrapeConfig::resolve`]).

use std::collections::BTreeMap;

use discovery::config::SdConfigs;
use http_client::config::HttpClientConfig;
use model::config_value::{ByteSize, Duration};
use model::label_name::NameScheme;
use model::relabel::RelabelConfig;
use yaml::{Entries, FilePath};

mod protocol;

pub use protocol::{ScrapeProtocol, check_protocols};

yaml::record! {
    /// A scrape job.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ScrapeConfig: "config.ScrapeConfig", checked "config.ScrapeConfig" {
        /// Value of the job label; unique.
        pub job_name: String => keep "job_name";
        /// Whether labels of the target win over ours.
        pub honor_labels: bool => omit "honor_labels";
        /// Whether timestamps of the target are used.
        pub honor_timestamps: bool = true => keep "honor_timestamps";
        /// Whether samples with timestamps of their own get staleness markers.
        pub track_timestamps_staleness: bool => keep "track_timestamps_staleness";
        /// URL parameters.
        pub params: BTreeMap<String, Vec<String>> => omit "params";
        /// Time between scrapes.
        pub scrape_interval: Duration => omit "scrape_interval";
        /// Longest time a scrape may take.
        pub scrape_timeout: Duration => omit "scrape_timeout";
        /// Formats asked for, best first.
        pub scrape_protocols: Option<Vec<ScrapeProtocol>> => omit "scrape_protocols";
        /// Format assumed when the answer does not say.
        pub fallback_scrape_protocol: ScrapeProtocol => omit "fallback_scrape_protocol";
        /// Whether native histograms are ingested.
        pub scrape_native_histograms: Option<bool> => omit "scrape_native_histograms";
        /// Whether classic buckets are kept beside native histograms.
        pub always_scrape_classic_histograms: Option<bool> => omit "always_scrape_classic_histograms";
        /// Whether classic histograms become native ones with custom buckets.
        pub convert_classic_histograms_to_nhcb: Option<bool> => omit "convert_classic_histograms_to_nhcb";
        /// File that receives failed scrapes.
        pub scrape_failure_log_file: FilePath => omit "scrape_failure_log_file";
        /// Path of the URL.
        pub metrics_path: String = "/metrics".to_owned() => omit "metrics_path";
        /// `http` or `https`.
        pub scheme: String = "http".to_owned() => omit "scheme";
        /// Whether compressed answers are asked for.
        pub enable_compression: bool = true => keep "enable_compression";
        /// Largest uncompressed answer; 0 is no limit.
        pub body_size_limit: ByteSize => omit "body_size_limit";
        /// Most samples after relabelling; 0 is no limit.
        pub sample_limit: u64 => omit "sample_limit";
        /// Most targets after relabelling; 0 is no limit.
        pub target_limit: u64 => omit "target_limit";
        /// Most labels of a sample; 0 is no limit.
        pub label_limit: u64 => omit "label_limit";
        /// Longest label name, in bytes; 0 is no limit.
        pub label_name_length_limit: u64 => omit "label_name_length_limit";
        /// Longest label value, in bytes; 0 is no limit.
        pub label_value_length_limit: u64 => omit "label_value_length_limit";
        /// Most buckets of a native histogram; 0 is no limit.
        pub native_histogram_bucket_limit: u64 => omit "native_histogram_bucket_limit";
        /// Smallest growth of native histogram buckets; 0 is any.
        pub native_histogram_min_bucket_factor: f64 => omit "native_histogram_min_bucket_factor";
        /// Most dropped targets remembered; 0 is no limit.
        pub keep_dropped_targets: u64 => omit "keep_dropped_targets";
        /// Which names are legal.
        pub metric_name_validation_scheme: Option<NameScheme> => omit "metric_name_validation_scheme";
        /// How names are escaped for us: `allow-utf-8`, `underscores`, `dots` or `values`.
        pub metric_name_escaping_scheme: String => omit "metric_name_escaping_scheme";
        /// Whether extra series about the scrape are written.
        pub extra_scrape_metrics: Option<bool> => omit "extra_scrape_metrics";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Rules for targets.
        pub relabel_configs: Entries<RelabelConfig> => omit "relabel_configs";
        /// Rules for samples.
        pub metric_relabel_configs: Entries<RelabelConfig> => omit "metric_relabel_configs";
        /// Where targets come from.
        pub discovery: SdConfigs => inline;
    }
}

/// What a job inherits where it says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrapeDefaults {
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// Longest time a scrape may take.
    pub scrape_timeout: Duration,
    /// Formats asked for; `None` if the global section names none.
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// Whether native histograms are ingested.
    pub scrape_native_histograms: bool,
    /// Whether classic buckets are kept beside native histograms.
    pub always_scrape_classic_histograms: bool,
    /// Whether classic histograms become native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Whether extra series about the scrape are written.
    pub extra_scrape_metrics: bool,
    /// File that receives failed scrapes.
    pub scrape_failure_log_file: FilePath,
    /// Largest uncompressed answer.
    pub body_size_limit: ByteSize,
    /// Most samples after relabelling.
    pub sample_limit: u64,
    /// Most targets after relabelling.
    pub target_limit: u64,
    /// Most labels of a sample.
    pub label_limit: u64,
    /// Longest label name.
    pub label_name_length_limit: u64,
    /// Longest label value.
    pub label_value_length_limit: u64,
    /// Most dropped targets remembered.
    pub keep_dropped_targets: u64,
    /// Which names are legal.
    pub metric_name_validation_scheme: NameScheme,
    /// How names are escaped for us; empty if the global section does not say.
    pub metric_name_escaping_scheme: String,
}

/// How names can be escaped.
const ESCAPING_SCHEMES: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

impl ScrapeConfig {
    fn check(&mut self) -> Result<(), String> {
        self.discovery.check()?;
        if self.job_name.is_empty() {
            return Err("job_name is empty".into());
        }
        self.http_client.validate()?;
        if self.relabel_configs.is_empty() {
            self.discovery.check_static_targets()?;
        }
        if self.relabel_configs.has_null() {
            return Err("empty or null target relabeling rule in scrape config".into());
        }
        if self.metric_relabel_configs.has_null() {
            return Err("empty or null metric relabeling rule in scrape config".into());
        }
        Ok(())
    }

    /// Fills in what the job leaves out and checks the whole. Errors are the reference's.
    pub fn resolve(&mut self, defaults: &ScrapeDefaults) -> Result<(), String> {
        self.resolve_times(defaults)?;
        self.resolve_limits(defaults);
        self.resolve_protocols(defaults)?;
        self.resolve_names(defaults)?;
        let scheme = self.metric_name_validation_scheme.unwrap_or_default();
        let rules = self.relabel_configs.iter_mut();
        for rule in rules.chain(self.metric_relabel_configs.iter_mut()) {
            rule.name_scheme = scheme;
            rule.validate().map_err(|err| err.to_string())?;
        }
        Ok(())
    }

    fn resolve_times(&mut self, defaults: &ScrapeDefaults) -> Result<(), String> {
        if self.scrape_interval == Duration::ZERO {
            self.scrape_interval = defaults.scrape_interval;
        }
        if self.scrape_timeout > self.scrape_interval {
            return Err(format!(
                "scrape timeout greater than scrape interval for scrape config with job name {:?}",
                self.job_name
            ));
        }
        if self.scrape_timeout == Duration::ZERO {
            self.scrape_timeout = defaults.scrape_timeout.min(self.scrape_interval);
        }
        Ok(())
    }

    fn resolve_limits(&mut self, defaults: &ScrapeDefaults) {
        let inherit = |limit: &mut u64, default: u64| {
            if *limit == 0 {
                *limit = default;
            }
        };
        if self.body_size_limit.as_bytes() == 0 {
            self.body_size_limit = defaults.body_size_limit;
        }
        inherit(&mut self.sample_limit, defaults.sample_limit);
        inherit(&mut self.target_limit, defaults.target_limit);
        inherit(&mut self.label_limit, defaults.label_limit);
        inherit(
            &mut self.label_name_length_limit,
            defaults.label_name_length_limit,
        );
        inherit(
            &mut self.label_value_length_limit,
            defaults.label_value_length_limit,
        );
        inherit(
            &mut self.keep_dropped_targets,
            defaults.keep_dropped_targets,
        );
        if self.scrape_failure_log_file.is_empty() {
            self.scrape_failure_log_file = defaults.scrape_failure_log_file.clone();
        }
        let native = defaults.scrape_native_histograms;
        self.scrape_native_histograms.get_or_insert(native);
        let classic = defaults.always_scrape_classic_histograms;
        self.always_scrape_classic_histograms.get_or_insert(classic);
        let convert = defaults.convert_classic_histograms_to_nhcb;
        self.convert_classic_histograms_to_nhcb
            .get_or_insert(convert);
        self.extra_scrape_metrics
            .get_or_insert(defaults.extra_scrape_metrics);
    }

    fn resolve_protocols(&mut self, defaults: &ScrapeDefaults) -> Result<(), String> {
        if self.scrape_protocols.is_none() {
            let protobuf_first = self.scrape_native_histograms == Some(true);
            self.scrape_protocols = Some(match &defaults.scrape_protocols {
                Some(protocols) => protocols.clone(),
                None => ScrapeProtocol::defaults(protobuf_first),
            });
        }
        let protocols = self.scrape_protocols.as_deref().unwrap_or_default();
        check_protocols(protocols)
            .map_err(|err| format!("{err} for scrape config with job name {:?}", self.job_name))?;
        if !self.fallback_scrape_protocol.is_none() {
            self.fallback_scrape_protocol.check().map_err(|err| {
                let job = &self.job_name;
                format!("invalid fallback_scrape_protocol for scrape config with job name {job:?}: {err}")
            })?;
        }
        Ok(())
    }

    fn resolve_names(&mut self, defaults: &ScrapeDefaults) -> Result<(), String> {
        let escaping_for = |scheme: NameScheme| match scheme {
            NameScheme::Utf8 => "allow-utf-8".to_owned(),
            NameScheme::Legacy => "underscores".to_owned(),
        };
        let known = |name: &str| ESCAPING_SCHEMES.contains(&name);
        let global_escaping = match defaults.metric_name_escaping_scheme.as_str() {
            "" => escaping_for(defaults.metric_name_validation_scheme),
            name if known(name) => name.to_owned(),
            name => return Err(unknown_escaping("global", name)),
        };
        if self.metric_name_escaping_scheme.is_empty() {
            // A job with a scheme of its own does not inherit an escaping that contradicts it.
            self.metric_name_escaping_scheme = self
                .metric_name_validation_scheme
                .map_or(global_escaping, escaping_for);
        }
        let global_scheme = defaults.metric_name_validation_scheme;
        let scheme = *self
            .metric_name_validation_scheme
            .get_or_insert(global_scheme);
        match self.metric_name_escaping_scheme.as_str() {
            "allow-utf-8" if scheme != NameScheme::Utf8 => {
                Err("utf8 metric names requested but validation scheme is not set to UTF8".into())
            }
            name if known(name) => Ok(()),
            name => Err(unknown_escaping("scrape config", name)),
        }
    }

    /// Options that are set and whose function is not built yet.
    pub fn not_built(&self) -> Vec<String> {
        let http = self
            .http_client
            .not_built()
            .into_iter()
            .map(ToOwned::to_owned);
        let mut names: Vec<String> = http.collect();
        names.extend(self.discovery.not_built());
        names
    }
}

fn unknown_escaping(owner: &str, name: &str) -> String {
    format!(
        "unknown {owner} name escaping method specified, must be one of 'allow-utf-8', \
         'underscores', 'dots', or 'values', got {name:?}"
    )
}
