//! Docker Swarm services, tasks and nodes.

use http_client::config::{EndpointUrl, HttpClientConfig};
use model::config_value::Duration;
use yaml::Entries;

use super::{MobyFilter, required};

yaml::record! {
    /// Docker Swarm services, tasks and nodes.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DockerSwarmSdConfig: "moby.DockerSwarmSDConfig", checked "moby.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Address of the daemon.
        pub host: String => omit "host";
        /// `services`, `tasks` or `nodes`.
        pub role: String => omit "role";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// API filters.
        pub filters: Entries<MobyFilter> => omit "filters";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
    }
}

impl DockerSwarmSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.host, "host missing")?;
        EndpointUrl::parse(&self.host)?;
        match self.role.as_str() {
            "services" | "nodes" | "tasks" => self.http_client.validate(),
            "" => Err("role missing (one of: tasks, services, nodes)".into()),
            role => Err(format!(
                "invalid role {role}, expected tasks, services, or nodes"
            )),
        }
    }
}
