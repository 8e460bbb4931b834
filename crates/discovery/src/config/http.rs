//! Target groups from an HTTP server.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Target groups from an HTTP server.
    #[derive(Debug, Clone, PartialEq)]
    pub struct HttpSdConfig: "http.SDConfig", checked "http.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Where to ask.
        pub url: String => omit "url";
    }
}

impl HttpSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.url, "URL is missing")?;
        super::check_http_url(&self.url)?;
        self.http_client.validate()
    }
}
