//! Remote write and read sections of configuration files.

use std::collections::BTreeMap;

use http_client::config::{EndpointUrl, HttpClientConfig, SigV4Config};
use model::config_value::Duration;
use model::label_name::NameScheme;
use model::relabel::RelabelConfig;
use yaml::{Entries, FilePath};

mod azure_ad;

pub use azure_ad::AzureAdConfig;

yaml::record! {
    /// An endpoint that receives our samples.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RemoteWriteConfig: "config.RemoteWriteConfig", checked "config.plain" {
        /// The endpoint.
        pub url: Option<EndpointUrl> => keep "url";
        /// Longest time a request may take.
        pub remote_timeout: Duration = Duration::from_secs(30) => omit "remote_timeout";
        /// Extra headers.
        pub headers: BTreeMap<String, String> => omit "headers";
        /// Rules for series.
        pub write_relabel_configs: Entries<RelabelConfig> => omit "write_relabel_configs";
        /// Name in metrics; unique.
        pub name: String => omit "name";
        /// Whether exemplars are sent.
        pub send_exemplars: bool => omit "send_exemplars";
        /// Whether native histograms are sent.
        pub send_native_histograms: bool => omit "send_native_histograms";
        /// Whether the host's addresses are used in random order.
        pub round_robin_dns: bool => omit "round_robin_dns";
        /// Full name of the message.
        pub protobuf_message: String = MESSAGES[0].to_owned() => omit "protobuf_message";
        /// Whether failed requests are logged with details.
        pub failed_request_logging: bool => omit "failed_request_logging";
        /// HTTP client options.
        pub http_client: HttpClientConfig = HttpClientConfig {
            enable_http2: false,
            ..HttpClientConfig::default()
        } => inline;
        /// The queue.
        pub queue_config: QueueConfig => omit "queue_config";
        /// Periodic metadata.
        pub metadata_config: MetadataConfig => omit "metadata_config";
        /// AWS request signing.
        pub sigv4: Option<SigV4Config> => omit "sigv4";
        /// Azure credentials.
        pub azuread: Option<AzureAdConfig> => omit "azuread";
        /// Google credentials.
        pub google_iam: Option<GoogleIamConfig> => omit "google_iam";
    }
}

yaml::record! {
    /// How samples wait and are sent.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct QueueConfig: "config.QueueConfig", open {
        /// Samples held per shard.
        pub capacity: i64 = 10_000 => omit "capacity";
        /// Most shards.
        pub max_shards: i64 = 50 => omit "max_shards";
        /// Fewest shards.
        pub min_shards: i64 = 1 => omit "min_shards";
        /// Most samples in a request.
        pub max_samples_per_send: i64 = 2000 => omit "max_samples_per_send";
        /// Longest wait for a full request.
        pub batch_send_deadline: Duration = Duration::from_secs(5) => omit "batch_send_deadline";
        /// First wait before a repetition.
        pub min_backoff: Duration = Duration::from_ms(30) => omit "min_backoff";
        /// Longest wait before a repetition.
        pub max_backoff: Duration = Duration::from_secs(5) => omit "max_backoff";
        /// Whether status 429 is worth a repetition.
        pub retry_on_http_429: bool => omit "retry_on_http_429";
        /// Age after which samples are dropped; 0 is never.
        pub sample_age_limit: Duration => omit "sample_age_limit";
    }
}

yaml::record! {
    /// Periodic metadata of the first protocol version.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct MetadataConfig: "config.MetadataConfig", open {
        /// Whether it is sent.
        pub send: bool = true => keep "send";
        /// Time between two.
        pub send_interval: Duration = Duration::from_secs(60) => keep "send_interval";
        /// Most entries in a request.
        pub max_samples_per_send: i64 = 2000 => omit "max_samples_per_send";
    }
}

yaml::record! {
    /// Google credentials.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct GoogleIamConfig: "googleiam.Config", open {
        /// File with a service account; the default credentials if empty.
        pub credentials_file: FilePath => omit "credentials_file";
    }
}

yaml::record! {
    /// An endpoint that answers queries.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RemoteReadConfig: "config.RemoteReadConfig", checked "config.plain" {
        /// The endpoint.
        pub url: Option<EndpointUrl> => keep "url";
        /// Longest time a request may take.
        pub remote_timeout: Duration = Duration::from_secs(60) => omit "remote_timeout";
        /// Most bytes of one streamed frame.
        pub chunked_read_limit: u64 = 50_000_000 => omit "chunked_read_limit";
        /// Extra headers.
        pub headers: BTreeMap<String, String> => omit "headers";
        /// Whether it is asked for times that local storage has.
        pub read_recent: bool => omit "read_recent";
        /// Name in metrics; unique.
        pub name: String => omit "name";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Matchers a selector must have for the endpoint to be asked.
        pub required_matchers: BTreeMap<String, String> => omit "required_matchers";
        /// Whether external labels are added to the request and taken from the answer.
        pub filter_external_labels: bool = true => omit "filter_external_labels";
    }
}

/// Message names, the default first.
const MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

/// Headers that the sender sets itself.
const RESERVED_HEADERS: [&str; 17] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
];

/// Refuses headers that the sender sets itself.
pub fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    for header in headers.keys() {
        let lower = header.to_lowercase();
        if lower == "authorization" {
            return Err("authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter".into());
        }
        if RESERVED_HEADERS.contains(&lower.as_str()) {
            return Err(format!(
                "{header} is a reserved header. It must not be changed"
            ));
        }
    }
    Ok(())
}

impl RemoteWriteConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.url.is_none() {
            return Err("url for remote_write is empty".into());
        }
        check_headers(&self.headers)?;
        if self.write_relabel_configs.has_null() {
            return Err("empty or null relabeling rule in remote write config".into());
        }
        if !MESSAGES.contains(&self.protobuf_message.as_str()) {
            return Err(format!(
                "invalid protobuf_message value: unknown remote write protobuf message {}, supported: {}",
                self.protobuf_message,
                MESSAGES.join(", ")
            ));
        }
        self.queue_config.check()?;
        self.http_client.validate()?;
        let http = &self.http_client;
        let credentials = [
            (http.basic_auth.is_some(), "basic_auth"),
            (http.authorization.is_some(), "authorization"),
            (http.oauth2.is_some(), "oauth2"),
            (self.sigv4.is_some(), "sigv4"),
            (self.azuread.is_some(), "azuread"),
            (self.google_iam.is_some(), "google_iam"),
        ];
        let set: Vec<&str> = credentials
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| *name)
            .collect();
        if set.len() > 1 {
            return Err(format!(
                "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. Currently configured: [{}]",
                set.join(" ")
            ));
        }
        Ok(())
    }

    /// Checks what depends on the name scheme in force.
    pub fn resolve(&mut self, scheme: NameScheme) -> Result<(), String> {
        for rule in self.write_relabel_configs.iter_mut() {
            rule.name_scheme = scheme;
            rule.validate().map_err(|err| err.to_string())?;
        }
        Ok(())
    }
}

impl QueueConfig {
    fn check(&self) -> Result<(), String> {
        let positive = [
            (self.capacity > 0, "capacity"),
            (self.max_shards > 0, "max_shards"),
            (self.min_shards > 0, "min_shards"),
            (self.max_samples_per_send > 0, "max_samples_per_send"),
            (
                self.batch_send_deadline > Duration::ZERO,
                "batch_send_deadline",
            ),
            (self.min_backoff > Duration::ZERO, "min_backoff"),
            (self.max_backoff > Duration::ZERO, "max_backoff"),
        ];
        if let Some((_, key)) = positive.iter().find(|(ok, _)| !ok) {
            return Err(format!("queue_config: {key} must be greater than 0"));
        }
        if self.max_shards < self.min_shards {
            return Err(
                "queue_config: max_shards must be greater than or equal to min_shards".into(),
            );
        }
        if self.max_backoff < self.min_backoff {
            return Err(
                "queue_config: max_backoff must be greater than or equal to min_backoff".into(),
            );
        }
        Ok(())
    }
}

impl RemoteReadConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.url.is_none() {
            return Err("url for remote_read is empty".into());
        }
        check_headers(&self.headers)?;
        self.http_client.validate()
    }
}
