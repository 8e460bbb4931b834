//! DigitalOcean droplets and databases.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

yaml::record! {
    /// DigitalOcean droplets and databases.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DigitalOceanSdConfig: "digitalocean.SDConfig", checked "digitalocean.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// `droplets` or `databases`.
        pub role: String = "droplets".to_owned() => omit "role";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
    }
}

impl DigitalOceanSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if !matches!(self.role.as_str(), "droplets" | "databases") {
            return Err(format!("unknown role {:?}", self.role));
        }
        self.http_client.validate()
    }
}
