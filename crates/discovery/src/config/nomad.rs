//! Nomad services.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Nomad services.
    #[derive(Debug, Clone, PartialEq)]
    pub struct NomadSdConfig: "nomad.SDConfig", checked "nomad.plain" {
        /// Whether followers may answer.
        pub allow_stale: bool = true => keep "allow_stale";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Namespace.
        pub namespace: String = "default".to_owned() => keep "namespace";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Region.
        pub region: String = "global".to_owned() => keep "region";
        /// Server.
        pub server: String = "http://localhost:4646".to_owned() => keep "server";
        /// Joins tags.
        pub tag_separator: String = ",".to_owned() => omit "tag_separator";
    }
}

impl NomadSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(
            self.server.trim(),
            "nomad SD configuration requires a server address",
        )?;
        self.http_client.validate()
    }
}
