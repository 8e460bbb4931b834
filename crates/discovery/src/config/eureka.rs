//! Eureka applications.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Eureka applications.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EurekaSdConfig: "eureka.SDConfig", checked "eureka.plain" {
        /// Server.
        pub server: String => omit "server";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(30) => omit "refresh_interval";
    }
}

impl EurekaSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.server, "eureka_sd: empty or null eureka server")?;
        let url = EndpointUrl::parse(&self.server)?;
        if url.scheme().is_empty() || url.host().is_empty() {
            return Err("eureka_sd: invalid eureka server URL".into());
        }
        self.http_client.validate()
    }
}
