//! Marathon tasks.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{FilePath, Secret};

yaml::record! {
    /// Marathon tasks.
    #[derive(Debug, Clone, PartialEq)]
    pub struct MarathonSdConfig: "marathon.SDConfig", checked "marathon.plain" {
        /// Servers.
        pub servers: Vec<String> => omit "servers";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(30) => omit "refresh_interval";
        /// Token.
        pub auth_token: Secret => omit "auth_token";
        /// File that holds the token.
        pub auth_token_file: FilePath => omit "auth_token_file";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl MarathonSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.servers.is_empty() {
            return Err("marathon_sd: must contain at least one Marathon server".into());
        }
        if !self.auth_token.is_empty() && !self.auth_token_file.is_empty() {
            return Err(
                "marathon_sd: at most one of auth_token & auth_token_file must be configured"
                    .into(),
            );
        }
        if !self.auth_token.is_empty() || !self.auth_token_file.is_empty() {
            let http = &self.http_client;
            if http.basic_auth.is_some() {
                return Err("marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured".into());
            }
            if !http.bearer_token.is_empty() || !http.bearer_token_file.is_empty() {
                return Err("marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be configured".into());
            }
            if http.authorization.is_some() {
                return Err("marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured".into());
            }
        }
        self.http_client.validate()
    }
}
