//! Outscale virtual machines.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{FilePath, Secret};

use super::required;

yaml::record! {
    /// Outscale virtual machines.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OutscaleSdConfig: "outscale.SDConfig", checked "outscale.plain" {
        /// Endpoint; found from the region if empty.
        pub endpoint: String => omit "endpoint";
        /// Region.
        pub region: String = "eu-west-2".to_owned() => omit "region";
        /// Access key id.
        pub access_key: String => omit "access_key";
        /// Access key.
        pub secret_key: Secret => omit "secret_key";
        /// File that holds the access key.
        pub secret_key_file: FilePath => omit "secret_key_file";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl OutscaleSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.region, "outscale SD configuration requires a region")?;
        required(
            &self.access_key,
            "outscale SD configuration requires an access_key",
        )?;
        match (self.secret_key.is_empty(), self.secret_key_file.is_empty()) {
            (true, true) => Err("one of secret_key & secret_key_file must be configured".into()),
            (false, false) => {
                Err("at most one of secret_key & secret_key_file must be configured".into())
            }
            _ => self.http_client.validate(),
        }
    }
}
