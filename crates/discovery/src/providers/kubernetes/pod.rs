//! Pods: as a role, and as what stands behind the addresses of endpoints.

use serde::Deserialize;

use super::labels::{MetaLabels, bool_text, host_port};
use super::objects::{self, Meta, OwnGroup, Owner, WrittenMeta};

/// What is kept of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) meta: Meta,
    uid: Box<str>,
    pub(super) owner: Option<Owner>,
    node: Box<str>,
    /// Empty while the pod starts and after it was evicted.
    pub(super) ip: Box<str>,
    host_ip: Box<str>,
    phase: Box<str>,
    /// Status of the condition `Ready`, in lower case.
    ready: Box<str>,
    /// Init containers come last.
    pub(super) containers: Box<[Container]>,
}

/// What is kept of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Container {
    name: Box<str>,
    image: Box<str>,
    /// With the runtime before it, as in `containerd://…`.
    id: Box<str>,
    is_init: bool,
    pub(super) ports: Box<[Port]>,
}

/// A port that a container names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port {
    name: Box<str>,
    pub(super) number: i32,
    protocol: Box<str>,
}

impl Pod {
    /// Labels that all targets of the pod have, but for its namespace.
    pub(super) fn set_labels(&self, labels: &mut MetaLabels) {
        labels
            .set("pod_ip", &self.ip)
            .set("pod_ready", &self.ready)
            .set("pod_phase", &self.phase)
            .set("pod_node_name", &self.node)
            .set("pod_host_ip", &self.host_ip)
            .set("pod_uid", &self.uid)
            .set_object("pod", &self.meta);
        if let Some(owner) = &self.owner {
            labels
                .set("pod_controller_kind", &owner.kind)
                .set("pod_controller_name", &owner.name);
        }
    }

    /// The group of the role `pod`, without attached metadata.
    pub(super) fn group(&self) -> OwnGroup {
        let mut labels = MetaLabels::new();
        self.set_labels(&mut labels);
        labels.set("namespace", self.meta.namespace());
        let mut targets = Vec::new();
        if !self.ip.is_empty() {
            for container in &self.containers {
                container.push_targets(&self.ip, &mut targets);
            }
        }
        OwnGroup {
            labels: labels.labels(),
            targets: targets.into(),
        }
    }
}

impl Container {
    /// A target for each port, or one without a port.
    fn push_targets(&self, ip: &str, targets: &mut Vec<model::Labels>) {
        if self.ports.is_empty() {
            let mut labels = MetaLabels::new();
            labels.address(ip).set("pod_container_id", &self.id);
            self.set_labels(&mut labels);
            targets.push(labels.labels());
        }
        for port in &self.ports {
            let mut labels = MetaLabels::new();
            labels
                .address(&host_port(ip, port.number))
                .set("pod_container_id", &self.id);
            self.set_port_labels(port, &port.protocol, &mut labels);
            targets.push(labels.labels());
        }
    }

    fn set_labels(&self, labels: &mut MetaLabels) {
        labels
            .set("pod_container_name", &self.name)
            .set("pod_container_image", &self.image)
            .set("pod_container_init", bool_text(self.is_init));
    }

    /// Labels of a target at `port`, which is one of the container's.
    pub(super) fn set_port_labels(&self, port: &Port, protocol: &str, labels: &mut MetaLabels) {
        self.set_labels(labels);
        labels
            .set("pod_container_port_name", &port.name)
            .set("pod_container_port_number", &port.number.to_string())
            .set("pod_container_port_protocol", protocol);
    }
}

impl Port {
    pub(super) fn protocol(&self) -> &str {
        &self.protocol
    }
}

/// A pod as the API sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<Box<str>>,
    containers: Option<Vec<WrittenContainer>>,
    init_containers: Option<Vec<WrittenContainer>>,
}

#[derive(Debug, Deserialize)]
struct WrittenContainer {
    name: Option<Box<str>>,
    image: Option<Box<str>>,
    ports: Option<Vec<WrittenPort>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPort {
    name: Option<Box<str>>,
    container_port: Option<i32>,
    protocol: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<Box<str>>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Box<str>>,
    #[serde(rename = "hostIP")]
    host_ip: Option<Box<str>>,
    conditions: Option<Vec<Condition>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    status: Option<Box<str>>,
}

#[derive(Debug, Deserialize)]
struct ContainerStatus {
    name: Option<Box<str>>,
    #[serde(rename = "containerID")]
    container_id: Option<Box<str>>,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// What is kept of it.
    pub(super) fn into_pod(self) -> Pod {
        let Self {
            mut metadata,
            spec,
            status,
        } = self;
        let (spec, mut status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let ready = status.ready();
        let (running, started) = (
            status.container_statuses.take(),
            status.init_container_statuses.take(),
        );
        let mut containers = containers(spec.containers, running, false);
        containers.extend(self::containers(spec.init_containers, started, true));
        Pod {
            uid: metadata.uid.take().unwrap_or_default(),
            owner: metadata.take_owner(),
            meta: metadata.into_meta(),
            node: spec.node_name.unwrap_or_default(),
            ip: status.pod_ip.unwrap_or_default(),
            host_ip: status.host_ip.unwrap_or_default(),
            phase: status.phase.unwrap_or_default(),
            ready,
            containers: containers.into(),
        }
    }
}

impl Status {
    fn ready(&self) -> Box<str> {
        let mut conditions = self.conditions.iter().flatten();
        let ready = conditions.find(|condition| condition.kind.as_deref() == Some("Ready"));
        let status = match ready {
            Some(condition) => condition.status.as_deref().unwrap_or(""),
            None => "unknown",
        };
        status.to_ascii_lowercase().into()
    }
}

fn containers(
    written: Option<Vec<WrittenContainer>>,
    statuses: Option<Vec<ContainerStatus>>,
    is_init: bool,
) -> Vec<Container> {
    let statuses = statuses.unwrap_or_default();
    let reduce = |container: WrittenContainer| {
        let name = container.name.unwrap_or_default();
        let status = statuses
            .iter()
            .find(|status| status.name.as_deref() == Some(&*name));
        let ports = container.ports.unwrap_or_default();
        Container {
            image: container.image.unwrap_or_default(),
            id: status
                .and_then(|status| status.container_id.clone())
                .unwrap_or_default(),
            name,
            is_init,
            ports: ports.into_iter().map(port).collect(),
        }
    };
    written
        .unwrap_or_default()
        .into_iter()
        .map(reduce)
        .collect()
}

fn port(written: WrittenPort) -> Port {
    Port {
        name: written.name.unwrap_or_default(),
        number: written.container_port.unwrap_or_default(),
        protocol: written.protocol.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
