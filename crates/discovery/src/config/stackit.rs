//! STACKIT servers.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;
use yaml::{FilePath, Secret};

yaml::record! {
    /// STACKIT servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct StackitSdConfig: "stackit.SDConfig", checked "stackit.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Project.
        pub project: String => omit "project";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Region.
        pub region: String = "eu01".to_owned() => omit "region";
        /// Endpoint; found from the region if empty.
        pub endpoint: String => omit "endpoint";
        /// Service account key.
        pub service_account_key: Secret => omit "service_account_key";
        /// Private key.
        pub private_key: Secret => omit "private_key";
        /// File that holds the service account key.
        pub service_account_key_path: FilePath => omit "service_account_key_path";
        /// File that holds the private key.
        pub private_key_path: FilePath => omit "private_key_path";
        /// File that holds the credentials.
        pub credentials_file_path: FilePath => omit "credentials_file_path";
    }
}

impl StackitSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.endpoint.is_empty() && self.region.is_empty() {
            return Err("stackit_sd: endpoint and region missing".into());
        }
        EndpointUrl::parse(&self.endpoint)
            .map_err(|err| format!("stackit_sd: invalid endpoint {:?}: {err}", self.endpoint))?;
        self.http_client.validate()
    }
}
