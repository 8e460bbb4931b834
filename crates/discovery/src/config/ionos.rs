//! IONOS servers.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// IONOS servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct IonosSdConfig: "ionos.SDConfig", checked "ionos.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Datacenter.
        pub datacenter_id: String => keep "datacenter_id";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
    }
}

impl IonosSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.datacenter_id, "datacenter id can't be empty")?;
        self.http_client.validate()
    }
}
