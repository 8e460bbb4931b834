//! Services, tasks or nodes of a Docker swarm.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Labels;
use serde::Deserialize;

use super::Environment;
use super::meta::or_default;
use super::moby::{Engine, Filters, networks};
use crate::config::DockerSwarmSdConfig;
use crate::error::Error;
use crate::refresh::Poll;
use crate::target_group::TargetGroup;

mod nodes;
mod services;
mod tasks;

/// What all labels of the mechanism begin with.
const META: &str = "__meta_dockerswarm_";
/// Source of the one group.
const SOURCE: &str = "DockerSwarm";

/// Polls a manager of a swarm.
#[derive(Debug)]
pub struct DockerSwarmDiscoverer {
    engine: Engine,
    role: Role,
    filters: Filters,
    port: i64,
    interval: Duration,
}

/// What targets are made of.
#[derive(Debug, Clone, Copy)]
enum Role {
    Services,
    Tasks,
    Nodes,
}

/// A port that a service or a task publishes.
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    protocol: String,
    #[serde(deserialize_with = "or_default")]
    published_port: u32,
    #[serde(deserialize_with = "or_default")]
    publish_mode: String,
}

impl Port {
    fn is_tcp(&self) -> bool {
        self.protocol == "tcp"
    }
}

impl DockerSwarmDiscoverer {
    /// A provider as configured.
    pub fn new(config: &DockerSwarmSdConfig, environment: &Environment) -> Result<Self, Error> {
        let setup = |err| Error::while_("error setting up docker swarm client", err);
        let interval = config.refresh_interval.as_std();
        let engine = Engine::new(
            &config.host,
            &config.http_client,
            interval,
            &environment.user_agent,
        );
        Ok(Self {
            engine: engine.map_err(setup)?,
            role: match config.role.as_str() {
                "services" => Role::Services,
                "tasks" => Role::Tasks,
                _ => Role::Nodes,
            },
            filters: Filters::from(&config.filters[..]),
            port: config.port,
            interval,
        })
    }

    async fn networks(&mut self) -> Result<BTreeMap<String, Labels>, Error> {
        let networks = networks::labels(&mut self.engine, META).await;
        networks.map_err(|err| Error::while_("error while computing swarm network labels", err))
    }
}

impl Poll for DockerSwarmDiscoverer {
    const MECHANISM: &'static str = "dockerswarm";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn poll(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let targets = match self.role {
            Role::Services => services::targets(self).await?,
            Role::Tasks => tasks::targets(self).await?,
            Role::Nodes => nodes::targets(self).await?,
        };
        Ok(vec![TargetGroup {
            targets,
            labels: Labels::empty(),
            source: SOURCE.to_owned(),
        }])
    }
}

/// The address of `10.0.0.7/24`.
fn address_of(cidr: &str) -> Result<String, Error> {
    let parsed = cidr.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.parse().ok()?;
        (bits <= bits_max).then_some(address)
    });
    match parsed {
        Some(address) => Ok(address.to_canonical().to_string()),
        None => Err(Error::BadContent(format!(
            "error while parsing address {cidr}: invalid CIDR address: {cidr}"
        ))),
    }
}

/// Reads `text` as each kind of list and forgets it; a fuzz target's body. Must return whatever
/// the bytes are.
pub fn check_lists(text: &[u8]) {
    services::check(text);
    tasks::check(text);
    nodes::check(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_prefix_length() {
        assert_eq!(address_of("10.0.0.7/24").unwrap(), "10.0.0.7");
        assert_eq!(address_of("fd00::7/64").unwrap(), "fd00::7");
        for bad in ["", "10.0.0.7", "10.0.0.7/33", "x/1", "10.0.0.7/-1"] {
            assert_eq!(
                address_of(bad).unwrap_err().to_string(),
                format!("error while parsing address {bad}: invalid CIDR address: {bad}")
            );
        }
    }

    #[test]
    fn damaged_answers_return() {
        let seed = br#"[{"ID":"s","Spec":{"Name":"x","Labels":{"a":"b"},"Mode":{"Global":{}},
            "TaskTemplate":{"ContainerSpec":{"Image":"i"}}},"Status":{"State":"ready",
            "PortStatus":{"Ports":[{"Protocol":"tcp","PublishedPort":80}]}},
            "Endpoint":{"VirtualIPs":[{"NetworkID":"n","Addr":"10.0.0.1/24"}]},
            "NetworksAttachments":[{"Network":{"ID":"n"},"Addresses":["10.0.0.2/24"]}]}]"#;
        for cut in 0..seed.len() {
            check_lists(&seed[..cut]);
            let mut damaged = seed.to_vec();
            damaged[cut] ^= 0x10;
            check_lists(&damaged);
        }
    }
}
