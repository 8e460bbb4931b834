//! Consul catalogues.

use std::collections::BTreeMap;

use http_client::config::{BasicAuth, HttpClientConfig};
use model::config_value::Duration;
use yaml::Secret;

use super::required;

yaml::record! {
    /// Consul catalogues.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ConsulSdConfig: "consul.SDConfig", checked "consul.plain" {
        /// Agent address.
        pub server: String = "localhost:8500".to_owned() => omit "server";
        /// Path before the API.
        pub path_prefix: String => omit "path_prefix";
        /// ACL token.
        pub token: Secret => omit "token";
        /// Datacenter.
        pub datacenter: String => omit "datacenter";
        /// Namespace.
        pub namespace: String => omit "namespace";
        /// Admin partition.
        pub partition: String => omit "partition";
        /// Joins tags.
        pub tag_separator: String = ",".to_owned() => omit "tag_separator";
        /// URL scheme.
        pub scheme: String = "http".to_owned() => omit "scheme";
        /// Old form of the user; moves to the HTTP options.
        pub username: String => omit "username";
        /// Old form of the password; moves to the HTTP options.
        pub password: Secret => omit "password";
        /// Whether followers may answer.
        pub allow_stale: bool = true => keep "allow_stale";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(30) => omit "refresh_interval";
        /// Services; all if empty.
        pub services: Vec<String> => omit "services";
        /// Tags that must be there.
        pub tags: Vec<String> => omit "tags";
        /// Metadata a node must have.
        pub node_meta: BTreeMap<String, String> => omit "node_meta";
        /// Filter of the catalogue.
        pub filter: String => omit "filter";
        /// Filter of the health answer.
        pub health_filter: String => omit "health_filter";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl ConsulSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(
            self.server.trim(),
            "consul SD configuration requires a server address",
        )?;
        if !self.username.is_empty() || !self.password.is_empty() {
            if self.http_client.basic_auth.is_some() {
                return Err("at most one of consul SD configuration username and password and basic auth can be configured".into());
            }
            self.http_client.basic_auth = Some(BasicAuth {
                username: std::mem::take(&mut self.username),
                password: std::mem::take(&mut self.password),
                ..BasicAuth::default()
            });
        }
        let has_other =
            self.http_client.authorization.is_some() || self.http_client.oauth2.is_some();
        if !self.token.is_empty() && has_other {
            return Err(
                "at most one of consul SD token, authorization, or oauth2 can be configured".into(),
            );
        }
        self.http_client.validate()
    }
}
