//! Nodes: a target each, and the labels that tasks get of the node they run on.

use std::collections::BTreeMap;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use super::DockerSwarmDiscoverer;
use crate::error::Error;
use crate::providers::meta::{host_port, or_default, set_each};
use crate::providers::moby::{Engine, Filters};

pub(super) const META_ADDRESS: &str = "__meta_dockerswarm_node_address";
const META_AVAILABILITY: &str = "__meta_dockerswarm_node_availability";
const META_ENGINE_VERSION: &str = "__meta_dockerswarm_node_engine_version";
const META_HOSTNAME: &str = "__meta_dockerswarm_node_hostname";
const META_ID: &str = "__meta_dockerswarm_node_id";
const META_LABEL: &str = "__meta_dockerswarm_node_label_";
const META_MANAGER_ADDRESS: &str = "__meta_dockerswarm_node_manager_address";
const META_MANAGER_LEADER: &str = "__meta_dockerswarm_node_manager_leader";
const META_MANAGER_REACHABILITY: &str = "__meta_dockerswarm_node_manager_reachability";
const META_ARCHITECTURE: &str = "__meta_dockerswarm_node_platform_architecture";
const META_OS: &str = "__meta_dockerswarm_node_platform_os";
const META_ROLE: &str = "__meta_dockerswarm_node_role";
const META_STATUS: &str = "__meta_dockerswarm_node_status";

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
    #[serde(deserialize_with = "or_default")]
    description: Description,
    #[serde(deserialize_with = "or_default")]
    status: Status,
    manager_status: Option<ManagerStatus>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    role: String,
    #[serde(deserialize_with = "or_default")]
    availability: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    #[serde(deserialize_with = "or_default")]
    hostname: String,
    #[serde(deserialize_with = "or_default")]
    platform: Platform,
    #[serde(rename = "Engine", deserialize_with = "or_default")]
    daemon: Daemon,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Platform {
    #[serde(rename = "Architecture", deserialize_with = "or_default")]
    architecture: String,
    #[serde(rename = "OS", deserialize_with = "or_default")]
    os: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Daemon {
    #[serde(rename = "EngineVersion", deserialize_with = "or_default")]
    version: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    #[serde(deserialize_with = "or_default")]
    state: String,
    #[serde(deserialize_with = "or_default")]
    addr: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ManagerStatus {
    #[serde(deserialize_with = "or_default")]
    leader: bool,
    #[serde(deserialize_with = "or_default")]
    reachability: String,
    #[serde(deserialize_with = "or_default")]
    addr: String,
}

async fn list(engine: &mut Engine, filters: &Filters) -> Result<Vec<Node>, Error> {
    let listed = engine.list("nodes", filters).await;
    listed.map_err(|err| Error::while_("error while listing swarm nodes", err))
}

pub(super) async fn targets(swarm: &mut DockerSwarmDiscoverer) -> Result<Vec<Labels>, Error> {
    let nodes = list(&mut swarm.engine, &swarm.filters).await?;
    Ok(nodes.iter().map(|node| target(node, swarm.port)).collect())
}

fn target(node: &Node, port: i64) -> Labels {
    let mut labels = LabelsBuilder::from_labels(&labels(node));
    labels
        .set(META_ENGINE_VERSION, &node.description.daemon.version)
        .set(ADDRESS, &host_port(&node.status.addr, port));
    if let Some(manager) = &node.manager_status {
        labels
            .set(META_MANAGER_LEADER, &manager.leader.to_string())
            .set(META_MANAGER_REACHABILITY, &manager.reachability)
            .set(META_MANAGER_ADDRESS, &manager.addr);
    }
    labels.labels()
}

/// The labels that a node gives to the tasks on it, by its id.
pub(super) async fn by_id(engine: &mut Engine) -> Result<BTreeMap<String, Labels>, Error> {
    let nodes = list(engine, &Filters::default()).await?;
    Ok(nodes
        .iter()
        .map(|node| (node.id.clone(), labels(node)))
        .collect())
}

fn labels(node: &Node) -> Labels {
    let (spec, description) = (&node.spec, &node.description);
    let mut labels = LabelsBuilder::new();
    labels
        .set(META_ID, &node.id)
        .set(META_ROLE, &spec.role)
        .set(META_ADDRESS, &node.status.addr)
        .set(META_AVAILABILITY, &spec.availability)
        .set(META_HOSTNAME, &description.hostname)
        .set(META_ARCHITECTURE, &description.platform.architecture)
        .set(META_OS, &description.platform.os)
        .set(META_STATUS, &node.status.state);
    set_each(&mut labels, META_LABEL, &spec.labels);
    labels.labels()
}

pub(super) fn check(text: &[u8]) {
    let nodes = crate::fetch::from_json::<Vec<Node>>(text);
    for node in nodes.iter().flatten() {
        let _ = target(node, 80);
    }
}
