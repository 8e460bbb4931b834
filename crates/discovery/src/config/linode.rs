//! Linode instances.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

yaml::record! {
    /// Linode instances.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LinodeSdConfig: "linode.SDConfig", checked "linode.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// The only region to look at.
        pub region: String => omit "region";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Joins tags.
        pub tag_separator: String = ",".to_owned() => omit "tag_separator";
    }
}

impl LinodeSdConfig {
    fn check(&mut self) -> Result<(), String> {
        self.http_client.validate()
    }
}
