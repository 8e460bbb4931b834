//! Scaleway servers.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{FilePath, Secret};

use super::required;

yaml::record! {
    /// Scaleway servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ScalewaySdConfig: "scaleway.SDConfig", checked "scaleway.plain" {
        /// Project.
        pub project_id: String => keep "project_id";
        /// API.
        pub api_url: String = "https://api.scaleway.com".to_owned() => omit "api_url";
        /// Zone.
        pub zone: String = "fr-par-1".to_owned() => omit "zone";
        /// Access key id.
        pub access_key: String => keep "access_key";
        /// Access key.
        pub secret_key: Secret => omit "secret_key";
        /// File that holds the access key.
        pub secret_key_file: FilePath => omit "secret_key_file";
        /// Names to keep.
        pub name_filter: String => omit "name_filter";
        /// Tags to keep.
        pub tags_filter: Vec<String> => omit "tags_filter";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// `instance` or `baremetal`.
        pub role: String => keep "role";
    }
}

impl ScalewaySdConfig {
    fn check(&mut self) -> Result<(), String> {
        match self.role.as_str() {
            "instance" | "baremetal" => {}
            "" => return Err("role missing (one of: instance, baremetal)".into()),
            role => return Err(format!("unknown role {role:?}")),
        }
        required(&self.project_id, "project_id is mandatory")?;
        if self.secret_key.is_empty() && self.secret_key_file.is_empty() {
            return Err("one of secret_key & secret_key_file must be configured".into());
        }
        if !self.secret_key.is_empty() && !self.secret_key_file.is_empty() {
            return Err("at most one of secret_key & secret_key_file must be configured".into());
        }
        required(&self.access_key, "access_key is mandatory")?;
        self.http_client.validate()
    }
}
