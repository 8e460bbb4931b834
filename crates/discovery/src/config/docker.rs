//! Docker containers.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;
use yaml::Entries;

use super::{MobyFilter, required};

yaml::record! {
    /// Docker containers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DockerSdConfig: "moby.DockerSDConfig", checked "moby.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Address of the daemon.
        pub host: String => omit "host";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// API filters.
        pub filters: Entries<MobyFilter> => omit "filters";
        /// Host of containers on the host network.
        pub host_networking_host: String = "localhost".to_owned() => omit "host_networking_host";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Whether only the first matching network counts.
        pub match_first_network: bool = true => omit "match_first_network";
    }
}

impl DockerSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.host, "host missing")?;
        EndpointUrl::parse(&self.host)?;
        self.http_client.validate()
    }
}
