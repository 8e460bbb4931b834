//! Kuma mesh dataplanes.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Kuma mesh dataplanes.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KumaSdConfig: "xds.KumaSDConfig", checked "xds.plainKumaConf" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Longest wait for an answer.
        pub fetch_timeout: Duration = Duration::from_secs(120) => omit "fetch_timeout";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(15) => omit "refresh_interval";
        /// Server.
        pub server: String => omit "server";
        /// Client id; the host name if empty.
        pub client_id: String => omit "client_id";
    }
}

impl KumaSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.server, "kuma SD server must not be empty: ")?;
        let url = EndpointUrl::parse(&self.server)?;
        if url.scheme().is_empty() || url.host().is_empty() {
            return Err(format!(
                "kuma SD server must not be empty and have a scheme: {}",
                self.server
            ));
        }
        self.http_client.validate()
    }
}
