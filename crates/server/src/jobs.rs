//! From configuration to what the managers work with: jobs, HTTP clients, discovery providers.

use std::collections::BTreeMap;

use discovery::config::{SdConfigs, StaticConfig};
use discovery::providers::static_config::StaticDiscoverer;
use discovery::{ProviderSpec, TargetGroup};
use exposition::negotiate::Protocol;
use http_client::config::{HttpClientConfig, TlsConfig};
use http_client::options::{Auth, ClientOptions, Text, TlsOptions};
use model::Labels;
use model::label_name::{ADDRESS, NameScheme};
use scrape::JobOptions;
use scrape::config::{ScrapeConfig, ScrapeProtocol};
use yaml::Yaml;

/// A job's settings for the scrape manager.
pub(crate) fn job_options(job: &ScrapeConfig) -> JobOptions {
    let protocol = |protocol: &ScrapeProtocol| Protocol::from_name(protocol.as_str());
    let count = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let mut options = JobOptions {
        job_name: job.job_name.clone(),
        scrape_interval_ms: job.scrape_interval.as_ms(),
        scrape_timeout_ms: job.scrape_timeout.as_ms(),
        fallback_protocol: protocol(&job.fallback_scrape_protocol),
        escaping: job.metric_name_escaping_scheme.clone(),
        name_scheme: job
            .metric_name_validation_scheme
            .unwrap_or(NameScheme::Utf8),
        metrics_path: job.metrics_path.clone(),
        scheme: job.scheme.clone(),
        params: job.params.clone(),
        enable_compression: job.enable_compression,
        honor_labels: job.honor_labels,
        honor_timestamps: job.honor_timestamps,
        track_timestamps_staleness: job.track_timestamps_staleness,
        body_size_limit: u64::try_from(job.body_size_limit.as_bytes()).unwrap_or(0),
        sample_limit: count(job.sample_limit),
        target_limit: count(job.target_limit),
        label_limit: count(job.label_limit),
        label_name_length_limit: count(job.label_name_length_limit),
        label_value_length_limit: count(job.label_value_length_limit),
        keep_dropped_targets: count(job.keep_dropped_targets),
        extra_scrape_metrics: job.extra_scrape_metrics == Some(true),
        relabel_configs: job.relabel_configs.iter().cloned().collect(),
        metric_relabel_configs: job.metric_relabel_configs.iter().cloned().collect(),
        client: client_options(&job.http_client),
        ..JobOptions::default()
    };
    if let Some(protocols) = &job.scrape_protocols {
        options.protocols = protocols.iter().filter_map(protocol).collect();
    }
    options
}

/// An HTTP client's settings. What is not built was refused before.
pub(crate) fn client_options(config: &HttpClientConfig) -> ClientOptions {
    let text = |inline: &yaml::Secret, file: &str| match file {
        "" => Text::Inline(inline.clone()),
        file => Text::File(file.into()),
    };
    let auth = if let Some(basic) = &config.basic_auth {
        Auth::Basic {
            username: text(
                &yaml::Secret::new(basic.username.as_str()),
                &basic.username_file,
            ),
            password: text(&basic.password, &basic.password_file),
        }
    } else if let Some(header) = &config.authorization {
        Auth::Header {
            kind: header.kind.clone(),
            credentials: text(&header.credentials, &header.credentials_file),
        }
    } else {
        Auth::None
    };
    let mut headers = Vec::new();
    for (name, header) in config.http_headers.iter().flat_map(|headers| &headers.0) {
        let values = header.values.iter().map(|value| Text::inline(value));
        let secrets = header.secrets.iter().cloned().map(Text::Inline);
        let files = header.files.iter().map(|file| Text::File((**file).into()));
        headers.extend(
            values
                .chain(secrets)
                .chain(files)
                .map(|text| (name.clone(), text)),
        );
    }
    ClientOptions {
        auth,
        tls: tls_options(&config.tls_config),
        follow_redirects: config.follow_redirects,
        headers,
    }
}

fn tls_options(config: &TlsConfig) -> TlsOptions {
    let text = |inline: &str, file: &str| match (inline, file) {
        ("", "") => None,
        ("", file) => Some(Text::File(file.into())),
        (inline, _) => Some(Text::inline(inline)),
    };
    let version = |version: http_client::config::TlsVersion| match version {
        http_client::config::TlsVersion::Tls10 => http_client::options::TlsVersion::Tls10,
        http_client::config::TlsVersion::Tls11 => http_client::options::TlsVersion::Tls11,
        http_client::config::TlsVersion::Tls12 => http_client::options::TlsVersion::Tls12,
        http_client::config::TlsVersion::Tls13 => http_client::options::TlsVersion::Tls13,
    };
    let certificate = text(&config.cert, &config.cert_file);
    TlsOptions {
        ca: text(&config.ca, &config.ca_file),
        identity: certificate.zip(text(config.key.expose(), &config.key_file)),
        server_name: config.server_name.clone(),
        insecure_skip_verify: config.insecure_skip_verify,
        min_version: config.min_version.map(version),
        max_version: config.max_version.map(version),
    }
}

/// The providers of a job. Static targets come last and together, as one provider.
pub(crate) fn providers(sections: &SdConfigs) -> Vec<ProviderSpec> {
    let mut specs = Vec::new();
    let groups: Vec<TargetGroup> = sections.static_configs.iter().map(static_group).collect();
    // A job without any section has an empty static list, so that its targets are known to be none.
    if !groups.is_empty() || specs.is_empty() {
        specs.push(ProviderSpec {
            key: format!("static {groups:?}"),
            make: Box::new(move || Ok(Box::new(StaticDiscoverer::new(groups)))),
        });
    }
    specs
}

fn static_group(section: &StaticConfig) -> TargetGroup {
    let target = |address: &String| Labels::from_pairs([(ADDRESS, address.as_str())]);
    TargetGroup {
        targets: section.targets.iter().map(target).collect(),
        labels: section.labels.to_labels(),
        source: String::new(),
    }
}

/// Identifies a discovery section: its text with everything in it, secrets too, so it is never
/// shown.
#[expect(dead_code, reason = "used by the file and HTTP providers")]
fn key(kind: &str, section: &impl Yaml) -> String {
    format!("{kind} {}", yaml::to_text(&section.encode()))
}

/// All jobs' providers by job.
pub(crate) fn all_providers(jobs: &[ScrapeConfig]) -> BTreeMap<String, Vec<ProviderSpec>> {
    jobs.iter()
        .map(|job| (job.job_name.clone(), providers(&job.discovery)))
        .collect()
}
