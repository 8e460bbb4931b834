//! The containers of a Docker daemon: a target for each exposed TCP port and network.

use std::collections::BTreeMap;
use std::time::Duration;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use super::Environment;
use super::meta::{host_port, or_default, set_all, set_each};
use super::moby::{Engine, Filters, networks};
use crate::config::DockerSdConfig;
use crate::error::Error;
use crate::refresh::Poll;
use crate::target_group::TargetGroup;

const META: &str = "__meta_docker_";
const META_ID: &str = "__meta_docker_container_id";
const META_IMAGE: &str = "__meta_docker_container_image";
const META_IMAGE_ID: &str = "__meta_docker_container_image_id";
const META_LABEL: &str = "__meta_docker_container_label_";
const META_NAME: &str = "__meta_docker_container_name";
const META_NETWORK_MODE: &str = "__meta_docker_container_network_mode";
const META_NETWORK_IP: &str = "__meta_docker_network_ip";
const META_PORT_PRIVATE: &str = "__meta_docker_port_private";
const META_PORT_PUBLIC: &str = "__meta_docker_port_public";
const META_PORT_PUBLIC_IP: &str = "__meta_docker_port_public_ip";

/// Source of the one group.
const SOURCE: &str = "Docker";

/// Polls the containers of a daemon.
#[derive(Debug)]
pub struct DockerDiscoverer {
    engine: Engine,
    filters: Filters,
    config: DockerSdConfig,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    image: String,
    #[serde(rename = "ImageID", deserialize_with = "or_default")]
    image_id: String,
    #[serde(deserialize_with = "or_default")]
    ports: Vec<Port>,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    host_config: HostConfig,
    #[serde(deserialize_with = "or_default")]
    network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(rename = "IP", deserialize_with = "or_default")]
    ip: String,
    #[serde(deserialize_with = "or_default")]
    private_port: u16,
    #[serde(deserialize_with = "or_default")]
    public_port: u16,
    #[serde(rename = "Type", deserialize_with = "or_default")]
    protocol: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    #[serde(deserialize_with = "or_default")]
    network_mode: String,
}

/// A container's place in the networks it is in, by their names.
type Endpoints = BTreeMap<String, Option<Endpoint>>;

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    #[serde(deserialize_with = "or_default")]
    networks: Endpoints,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "NetworkID", deserialize_with = "or_default")]
    network_id: String,
    #[serde(rename = "IPAddress", deserialize_with = "or_default")]
    ip: String,
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "or_default")]
    ipv6: String,
}

impl DockerDiscoverer {
    /// A provider as configured.
    pub fn new(config: &DockerSdConfig, environment: &Environment) -> Result<Self, Error> {
        let setup = |err| Error::while_("error setting up docker client", err);
        let engine = Engine::new(
            &config.host,
            &config.http_client,
            config.refresh_interval.as_std(),
            &environment.user_agent,
        );
        Ok(Self {
            engine: engine.map_err(setup)?,
            filters: Filters::from(&config.filters[..]),
            config: config.clone(),
        })
    }
}

impl Poll for DockerDiscoverer {
    const MECHANISM: &'static str = "docker";

    fn interval(&self) -> Duration {
        self.config.refresh_interval.as_std()
    }

    async fn poll(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let listed = self.engine.list("containers/json", &self.filters).await;
        let containers: Vec<Container> =
            listed.map_err(|err| Error::while_("error while listing containers", err))?;
        let networks = networks::labels(&mut self.engine, META).await;
        let networks =
            networks.map_err(|err| Error::while_("error while computing network labels", err))?;
        let by_id: BTreeMap<&str, &Container> = containers
            .iter()
            .map(|container| (container.id.as_str(), container))
            .collect();
        let mut targets = Vec::new();
        for container in &containers {
            add_targets(container, &by_id, &networks, &self.config, &mut targets);
        }
        Ok(vec![TargetGroup {
            targets,
            labels: Labels::empty(),
            source: SOURCE.to_owned(),
        }])
    }
}

fn add_targets(
    container: &Container,
    by_id: &BTreeMap<&str, &Container>,
    networks: &BTreeMap<String, Labels>,
    config: &DockerSdConfig,
    targets: &mut Vec<Labels>,
) {
    let Some(name) = container.names.first() else {
        return;
    };
    let mut common = LabelsBuilder::new();
    common
        .set(META_ID, &container.id)
        .set(META_NAME, name)
        .set(META_NETWORK_MODE, &container.host_config.network_mode)
        .set(META_IMAGE, &container.image)
        .set(META_IMAGE_ID, &container.image_id);
    set_each(&mut common, META_LABEL, &container.labels);
    let common = common.labels();

    let endpoints = endpoints(container, by_id).values().flatten();
    let wanted = if config.match_first_network {
        1
    } else {
        usize::MAX
    };
    for endpoint in endpoints.take(wanted) {
        let ip = if endpoint.ip.is_empty() {
            &endpoint.ipv6
        } else {
            &endpoint.ip
        };
        let mut here = LabelsBuilder::new();
        here.set(META_NETWORK_IP, ip);
        set_all(&mut here, &common);
        if let Some(network) = networks.get(&endpoint.network_id) {
            set_all(&mut here, network);
        }
        let before = targets.len();
        targets.extend(ports(container, &here.labels(), ip));
        if targets.len() == before {
            let address = if container.host_config.network_mode == "host" {
                config.host_networking_host.clone()
            } else {
                host_port(ip, config.port)
            };
            here.set(ADDRESS, &address);
            targets.push(here.labels());
        }
    }
}

/// The targets of the TCP ports.
fn ports<'a>(
    container: &'a Container,
    here: &'a Labels,
    ip: &'a str,
) -> impl Iterator<Item = Labels> + 'a {
    let tcp = container.ports.iter().filter(|port| port.protocol == "tcp");
    tcp.map(move |port| {
        let mut labels = LabelsBuilder::from_labels(here);
        let number = port.private_port.to_string();
        labels
            .set(META_PORT_PRIVATE, &number)
            .set(ADDRESS, &host_port(ip, &number));
        if port.public_port > 0 {
            labels
                .set(META_PORT_PUBLIC, &port.public_port.to_string())
                .set(META_PORT_PUBLIC_IP, &port.ip);
        }
        labels.labels()
    })
}

/// The networks of the container, or of the one whose networks it shares. Chains of containers
/// that share end where they would go round.
fn endpoints<'a>(container: &'a Container, by_id: &BTreeMap<&str, &'a Container>) -> &'a Endpoints {
    let mut current = container;
    for _ in 0..=by_id.len() {
        let endpoints = &current.network_settings.networks;
        if !endpoints.is_empty() {
            return endpoints;
        }
        let shared = current.host_config.network_mode.strip_prefix("container:");
        match shared.and_then(|id| by_id.get(id)) {
            Some(next) => current = next,
            None => break,
        }
    }
    &current.network_settings.networks
}

/// Reads `text` as a list of containers and forgets it; a fuzz target's body. Must return
/// whatever the bytes are.
pub fn check_containers(text: &[u8]) {
    let Ok(containers) = crate::fetch::from_json::<Vec<Container>>(text) else {
        return;
    };
    let by_id: BTreeMap<&str, &Container> = containers
        .iter()
        .map(|container| (container.id.as_str(), container))
        .collect();
    let config = <DockerSdConfig as yaml::Yaml>::zero();
    let mut targets = Vec::new();
    for container in &containers {
        add_targets(container, &by_id, &BTreeMap::new(), &config, &mut targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_answers_return() {
        let seed = br#"[{"Id":"a","Names":["/x"],"Ports":[{"PrivatePort":80,"Type":"tcp"}],
            "HostConfig":{"NetworkMode":"container:a"},"NetworkSettings":{"Networks":{}}}]"#;
        assert!(crate::fetch::from_json::<Vec<Container>>(seed).is_ok());
        for cut in 0..seed.len() {
            check_containers(&seed[..cut]);
            let mut damaged = seed.to_vec();
            damaged[cut] ^= 0x10;
            check_containers(&damaged);
        }
    }

    #[test]
    fn containers_that_share_in_a_circle_have_no_networks() {
        let container = |id: &str, shared: &str| Container {
            id: id.to_owned(),
            host_config: HostConfig {
                network_mode: format!("container:{shared}"),
            },
            ..Container::default()
        };
        let (a, b) = (container("a", "b"), container("b", "a"));
        let by_id = BTreeMap::from([("a", &a), ("b", &b)]);
        assert!(endpoints(&a, &by_id).is_empty());
    }
}
