//! Vultr instances.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

yaml::record! {
    /// Vultr instances.
    #[derive(Debug, Clone, PartialEq)]
    pub struct VultrSdConfig: "vultr.SDConfig", checked "vultr.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
    }
}

impl VultrSdConfig {
    fn check(&mut self) -> Result<(), String> {
        self.http_client.validate()
    }
}
