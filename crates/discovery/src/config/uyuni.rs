//! Hosts that Uyuni manages.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;
use yaml::Secret;

use super::required;

yaml::record! {
    /// Hosts that Uyuni manages.
    #[derive(Debug, Clone, PartialEq)]
    pub struct UyuniSdConfig: "uyuni.SDConfig", checked "uyuni.plain" {
        /// Server.
        pub server: String => keep "server";
        /// User.
        pub username: String => keep "username";
        /// Password.
        pub password: Secret => keep "password";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Entitlement of monitored hosts.
        pub entitlement: String = "monitoring_entitled".to_owned() => omit "entitlement";
        /// Joins group names.
        pub separator: String = ",".to_owned() => omit "separator";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
    }
}

impl UyuniSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.server, "Uyuni SD configuration requires server host")?;
        EndpointUrl::parse(&self.server)
            .map_err(|err| format!("Uyuni Server URL is not valid: {err}"))?;
        required(&self.username, "Uyuni SD configuration requires a username")?;
        required(
            self.password.expose(),
            "Uyuni SD configuration requires a password",
        )?;
        self.http_client.validate()
    }
}
