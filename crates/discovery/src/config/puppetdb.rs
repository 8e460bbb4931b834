//! Resources in PuppetDB.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Resources in PuppetDB.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PuppetdbSdConfig: "puppetdb.SDConfig", checked "puppetdb.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Root of the query endpoint.
        pub url: String => omit "url";
        /// PQL query.
        pub query: String => omit "query";
        /// Whether parameters become labels.
        pub include_parameters: bool => omit "include_parameters";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
    }
}

impl PuppetdbSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.url, "URL is missing")?;
        super::check_http_url(&self.url)?;
        required(&self.query, "query missing")?;
        self.http_client.validate()
    }
}
