//! Tasks: a target for each port that they publish on their node, and for each of their addresses
//! and the TCP ports of their service.

use std::collections::BTreeMap;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use super::services::ForTasks;
use super::{DockerSwarmDiscoverer, Port, address_of, nodes, services};
use crate::error::Error;
use crate::providers::meta::{host_port, or_default, set_all, set_each};

const META_CONTAINER_ID: &str = "__meta_dockerswarm_task_container_id";
const META_CONTAINER_LABEL: &str = "__meta_dockerswarm_container_label_";
const META_DESIRED_STATE: &str = "__meta_dockerswarm_task_desired_state";
const META_ID: &str = "__meta_dockerswarm_task_id";
const META_PUBLISH_MODE: &str = "__meta_dockerswarm_task_port_publish_mode";
const META_SLOT: &str = "__meta_dockerswarm_task_slot";
const META_STATE: &str = "__meta_dockerswarm_task_state";

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Task {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(rename = "ServiceID", deserialize_with = "or_default")]
    service_id: String,
    #[serde(rename = "NodeID", deserialize_with = "or_default")]
    node_id: String,
    #[serde(deserialize_with = "or_default")]
    slot: i64,
    #[serde(deserialize_with = "or_default")]
    desired_state: String,
    #[serde(deserialize_with = "or_default")]
    status: Status,
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
    #[serde(deserialize_with = "or_default")]
    networks_attachments: Vec<Attachment>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    #[serde(deserialize_with = "or_default")]
    state: String,
    container_status: Option<ContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    port_status: PortStatus,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct ContainerStatus {
    #[serde(rename = "ContainerID", deserialize_with = "or_default")]
    id: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct PortStatus {
    #[serde(deserialize_with = "or_default")]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    container_spec: ContainerSpec,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Attachment {
    #[serde(deserialize_with = "or_default")]
    network: Network,
    #[serde(deserialize_with = "or_default")]
    addresses: Vec<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Network {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
}

/// What tasks get labels of, by id.
#[derive(Default)]
struct Surroundings {
    services: BTreeMap<String, ForTasks>,
    nodes: BTreeMap<String, Labels>,
    networks: BTreeMap<String, Labels>,
}

pub(super) async fn targets(swarm: &mut DockerSwarmDiscoverer) -> Result<Vec<Labels>, Error> {
    let listed = swarm.engine.list("tasks", &swarm.filters).await;
    // The reference says `services` here too.
    let tasks: Vec<Task> =
        listed.map_err(|err| Error::while_("error while listing swarm services", err))?;
    let services = services::by_id(&mut swarm.engine).await?;
    let nodes = nodes::by_id(&mut swarm.engine).await;
    let around = Surroundings {
        services,
        nodes: nodes
            .map_err(|err| Error::while_("error while computing nodes labels and ports", err))?,
        networks: swarm.networks().await?,
    };
    let mut targets = Vec::new();
    for task in &tasks {
        add_targets(task, &around, swarm.port, &mut targets)?;
    }
    Ok(targets)
}

fn add_targets(
    task: &Task,
    around: &Surroundings,
    fallback_port: i64,
    targets: &mut Vec<Labels>,
) -> Result<(), Error> {
    let service = around.services.get(&task.service_id);
    let common = common(task, service, around.nodes.get(&task.node_id));
    let at_port = |labels: &LabelsBuilder, host: &str, port: &Port| {
        let mut labels = labels.clone();
        labels
            .set(META_PUBLISH_MODE, &port.publish_mode)
            .set(ADDRESS, &host_port(host, port.published_port));
        labels.labels()
    };
    let node = common.value_or_empty(nodes::META_ADDRESS);
    let own_ports = task.status.port_status.ports.iter();
    targets.extend(
        own_ports
            .filter(|port| port.is_tcp())
            .map(|port| at_port(&common, node, port)),
    );
    for attachment in &task.networks_attachments {
        let mut here = common.clone();
        if let Some(network) = around.networks.get(&attachment.network.id) {
            set_all(&mut here, network);
        }
        for address in &attachment.addresses {
            let ip = address_of(address)?;
            let before = targets.len();
            let ports = service.map_or(&[][..], |service| &service.ports);
            targets.extend(
                ports
                    .iter()
                    .filter(|port| port.is_tcp())
                    .map(|port| at_port(&here, &ip, port)),
            );
            if targets.len() == before {
                let mut labels = here.clone();
                labels.set(ADDRESS, &host_port(&ip, fallback_port));
                targets.push(labels.labels());
            }
        }
    }
    Ok(())
}

/// The labels that all targets of a task have.
fn common(task: &Task, service: Option<&ForTasks>, node: Option<&Labels>) -> LabelsBuilder {
    let mut labels = LabelsBuilder::new();
    labels
        .set(META_ID, &task.id)
        .set(META_DESIRED_STATE, &task.desired_state)
        .set(META_STATE, &task.status.state)
        .set(META_SLOT, &task.slot.to_string());
    if let Some(container) = &task.status.container_status {
        labels.set(META_CONTAINER_ID, &container.id);
    }
    set_each(
        &mut labels,
        META_CONTAINER_LABEL,
        &task.spec.container_spec.labels,
    );
    if let Some(service) = service {
        set_all(&mut labels, &service.labels);
    }
    if let Some(node) = node {
        set_all(&mut labels, node);
    }
    labels
}

pub(super) fn check(text: &[u8]) {
    let tasks = crate::fetch::from_json::<Vec<Task>>(text);
    for task in tasks.iter().flatten() {
        let _ = add_targets(task, &Surroundings::default(), 80, &mut Vec::new());
    }
}
