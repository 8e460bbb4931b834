//! Services: a target for each virtual address and published TCP port, and what tasks get of the
//! service they belong to.

use std::collections::BTreeMap;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{DockerSwarmDiscoverer, Port, address_of};
use crate::error::Error;
use crate::providers::meta::{host_port, or_default, set_all, set_each};
use crate::providers::moby::{Engine, Filters};

const META_ID: &str = "__meta_dockerswarm_service_id";
const META_LABEL: &str = "__meta_dockerswarm_service_label_";
const META_MODE: &str = "__meta_dockerswarm_service_mode";
const META_NAME: &str = "__meta_dockerswarm_service_name";
const META_PORT_NAME: &str = "__meta_dockerswarm_service_endpoint_port_name";
const META_PUBLISH_MODE: &str = "__meta_dockerswarm_service_endpoint_port_publish_mode";
const META_HOSTNAME: &str = "__meta_dockerswarm_service_task_container_hostname";
const META_IMAGE: &str = "__meta_dockerswarm_service_task_container_image";
const META_UPDATING: &str = "__meta_dockerswarm_service_updating_status";

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
    #[serde(deserialize_with = "or_default")]
    endpoint: Endpoint,
    update_status: Option<UpdateStatus>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    mode: Mode,
    #[serde(deserialize_with = "or_default")]
    task_template: TaskTemplate,
}

/// The kind of a service is the key that is there.
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    global: Option<IgnoredAny>,
    replicated: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct TaskTemplate {
    container_spec: Option<ContainerSpec>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    #[serde(deserialize_with = "or_default")]
    hostname: String,
    #[serde(deserialize_with = "or_default")]
    image: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "Ports", deserialize_with = "or_default")]
    ports: Vec<Port>,
    #[serde(rename = "VirtualIPs", deserialize_with = "or_default")]
    virtual_ips: Vec<VirtualIp>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct VirtualIp {
    #[serde(rename = "NetworkID", deserialize_with = "or_default")]
    network_id: String,
    #[serde(rename = "Addr", deserialize_with = "or_default")]
    address: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateStatus {
    #[serde(deserialize_with = "or_default")]
    state: String,
}

/// What a task has of its service.
#[derive(Debug, Default)]
pub(super) struct ForTasks {
    pub(super) labels: Labels,
    pub(super) ports: Vec<Port>,
}

pub(super) async fn targets(swarm: &mut DockerSwarmDiscoverer) -> Result<Vec<Labels>, Error> {
    let listed = swarm.engine.list("services", &swarm.filters).await;
    let services: Vec<Service> =
        listed.map_err(|err| Error::while_("error while listing swarm services", err))?;
    let networks = swarm.networks().await?;
    let mut targets = Vec::new();
    for service in &services {
        add_targets(service, &networks, swarm.port, &mut targets)?;
    }
    Ok(targets)
}

fn add_targets(
    service: &Service,
    networks: &BTreeMap<String, Labels>,
    fallback_port: i64,
    targets: &mut Vec<Labels>,
) -> Result<(), Error> {
    let mut common = LabelsBuilder::from_labels(&labels(service));
    // Services of plugins have none.
    if let Some(container) = &service.spec.task_template.container_spec {
        common
            .set(META_HOSTNAME, &container.hostname)
            .set(META_IMAGE, &container.image);
    }
    if let Some(update) = &service.update_status {
        common.set(META_UPDATING, &update.state);
    }
    for virtual_ip in &service.endpoint.virtual_ips {
        let ip = address_of(&virtual_ip.address)?;
        let mut here = common.clone();
        if let Some(network) = networks.get(&virtual_ip.network_id) {
            set_all(&mut here, network);
        }
        let before = targets.len();
        for port in service.endpoint.ports.iter().filter(|port| port.is_tcp()) {
            let mut labels = here.clone();
            labels
                .set(META_PORT_NAME, &port.name)
                .set(META_PUBLISH_MODE, &port.publish_mode)
                .set(ADDRESS, &host_port(&ip, port.published_port));
            targets.push(labels.labels());
        }
        if targets.len() == before {
            here.set(ADDRESS, &host_port(&ip, fallback_port));
            targets.push(here.labels());
        }
    }
    Ok(())
}

/// What services give to their tasks, by id.
pub(super) async fn by_id(engine: &mut Engine) -> Result<BTreeMap<String, ForTasks>, Error> {
    let listed = engine.list("services", &Filters::default()).await;
    let services: Vec<Service> = listed
        .map_err(|err| Error::while_("error while computing services labels and ports", err))?;
    let for_tasks = services.into_iter().map(|service| {
        let labels = labels(&service);
        let ports = service.endpoint.ports;
        (service.id, ForTasks { labels, ports })
    });
    Ok(for_tasks.collect())
}

fn labels(service: &Service) -> Labels {
    let mode = &service.spec.mode;
    let mode = if mode.global.is_some() {
        "global"
    } else if mode.replicated.is_some() {
        "replicated"
    } else {
        // The reference names no other.
        ""
    };
    let mut labels = LabelsBuilder::new();
    labels
        .set(META_ID, &service.id)
        .set(META_NAME, &service.spec.name)
        .set(META_MODE, mode);
    set_each(&mut labels, META_LABEL, &service.spec.labels);
    labels.labels()
}

pub(super) fn check(text: &[u8]) {
    let services = crate::fetch::from_json::<Vec<Service>>(text);
    for service in services.iter().flatten() {
        let _ = add_targets(service, &BTreeMap::new(), 80, &mut Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_modes_have_a_label() {
        fn mode(mode: &str) -> Option<String> {
            let text =
                format!(r#"{{"ID": "s", "Spec": {{"Name": "n", "Mode": {{"{mode}": {{}}}}}}}}"#);
            let service: Service = crate::fetch::from_json(text.as_bytes()).unwrap();
            labels(&service).value(META_MODE).map(ToOwned::to_owned)
        }
        assert_eq!(mode("Global").as_deref(), Some("global"));
        assert_eq!(mode("Replicated").as_deref(), Some("replicated"));
        assert_eq!(mode("GlobalJob"), None);
        assert_eq!(mode("ReplicatedJob"), None);
    }
}
