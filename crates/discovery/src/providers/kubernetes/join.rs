//! Labels that groups get from other objects than their own.

use std::collections::{BTreeMap, BTreeSet};

use model::Labels;

use super::labels::{MetaLabels, host_port, meta_value};
use super::objects::{Key, Meta, OwnGroup, Owner, key};
use super::pod::Pod;
use super::service::Service;
use super::store::{Reference, Store};
use crate::config::AttachMetadata;
use crate::target_group::TargetGroup;

/// The other objects.
#[derive(Debug, Default)]
pub(super) struct Related {
    pub(super) attach: AttachMetadata,
    pub(super) pods: Store<Box<Pod>>,
    pub(super) services: Store<Service>,
    pub(super) nodes: Store<Meta>,
    pub(super) namespaces: Store<Meta>,
    pub(super) replica_sets: Store<Option<Owner>>,
    pub(super) jobs: Store<Option<Owner>>,
}

/// The object that an address stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TargetRef {
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
    namespace: Box<str>,
}

/// As the API sends it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct WrittenTargetRef {
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
}

impl From<WrittenTargetRef> for TargetRef {
    fn from(written: WrittenTargetRef) -> Self {
        Self {
            kind: written.kind.unwrap_or_default(),
            name: written.name.unwrap_or_default(),
            namespace: written.namespace.unwrap_or_default(),
        }
    }
}

impl TargetRef {
    /// The name, if it is a node's.
    pub(super) fn node(&self) -> Option<&str> {
        (&*self.kind == "Node").then_some(&*self.name)
    }

    /// The key, if it is a pod's.
    pub(super) fn pod(&self) -> Option<Key> {
        (&*self.kind == "Pod").then(|| key(&self.namespace, &self.name))
    }
}

impl Related {
    /// The group `source` of a pod, node, service or ingress.
    pub(super) fn group(&self, source: String, group: &OwnGroup) -> TargetGroup {
        let namespace = meta_value(&group.labels, "namespace");
        let node = meta_value(&group.labels, "pod_node_name");
        let controller = meta_value(&group.labels, "pod_controller_kind");
        let has_node = self.attach.node && self.nodes.get(node).is_some();
        let targets = if self.attach.node && !has_node {
            // A selector of nodes has left the pod's one out.
            Vec::new()
        } else {
            group.targets.to_vec()
        };
        let attaches_controllers = self.attach_controllers() && !controller.is_empty();
        let labels = if has_node || self.attach.namespace || attaches_controllers {
            let mut labels = MetaLabels::from_labels(&group.labels);
            let name = meta_value(&group.labels, "pod_controller_name");
            self.set_controllers(namespace, controller, name, &mut labels);
            self.set_node(Some(node), &mut labels);
            self.set_namespace(namespace, &mut labels);
            labels.labels()
        } else {
            group.labels.clone()
        };
        TargetGroup {
            targets,
            labels,
            source,
        }
    }

    fn attach_controllers(&self) -> bool {
        self.attach.deployment || self.attach.job || self.attach.cronjob
    }

    /// What else than its namespace the group of a pod depends on.
    pub(super) fn references(&self, group: &OwnGroup) -> BTreeSet<Reference> {
        let mut references = BTreeSet::new();
        if self.attach.node {
            let node = meta_value(&group.labels, "pod_node_name");
            references.insert(Reference::Node(node.into()));
        }
        let namespace = meta_value(&group.labels, "namespace");
        let kind = meta_value(&group.labels, "pod_controller_kind");
        let name = meta_value(&group.labels, "pod_controller_name");
        references.extend(self.controller_reference(namespace, kind, name));
        references
    }

    /// What the labels of a pod behind endpoints depend on.
    pub(super) fn references_of_pod(&self, pod: &Pod) -> BTreeSet<Reference> {
        let owner = pod.owner.as_ref();
        let reference = owner.and_then(|owner| {
            self.controller_reference(pod.meta.namespace(), &owner.kind, &owner.name)
        });
        reference.into_iter().collect()
    }

    fn controller_reference(&self, namespace: &str, kind: &str, name: &str) -> Option<Reference> {
        let key = || Box::from(&*key(namespace, name));
        match kind {
            "ReplicaSet" if self.attach.deployment => Some(Reference::ReplicaSet(key())),
            "Job" if self.attach.cronjob => Some(Reference::Job(key())),
            _ => None,
        }
    }

    /// Deployment, job and cron job that a pod belongs to by its controller.
    fn set_controllers(&self, namespace: &str, kind: &str, name: &str, labels: &mut MetaLabels) {
        let owner_in = |store: &Store<Option<Owner>>, wanted: &str| {
            let owner = store.get(&key(namespace, name))?.as_ref()?;
            (&*owner.kind == wanted).then(|| owner.name.clone())
        };
        match kind {
            "ReplicaSet" if self.attach.deployment => {
                let deployment = owner_in(&self.replica_sets, "Deployment");
                labels.set_some("pod_deployment_name", deployment.as_deref());
            }
            "Job" => {
                if self.attach.job {
                    labels.set("pod_job_name", name);
                }
                if self.attach.cronjob {
                    let cron_job = owner_in(&self.jobs, "CronJob");
                    labels.set_some("pod_cronjob_name", cron_job.as_deref());
                }
            }
            _ => {}
        }
    }

    /// All labels of a pod behind endpoints.
    fn set_pod(&self, pod: &Pod, labels: &mut MetaLabels) {
        pod.set_labels(labels);
        if let Some(owner) = &pod.owner {
            self.set_controllers(pod.meta.namespace(), &owner.kind, &owner.name, labels);
        }
    }

    /// Name, labels and annotations of a node, if they are wanted and known.
    pub(super) fn set_node(&self, name: Option<&str>, labels: &mut MetaLabels) {
        if self.attach.node
            && let Some(node) = name.and_then(|name| self.nodes.get(name))
        {
            labels.set_object("node", node);
        }
    }

    /// Labels and annotations of a namespace, if they are wanted and known.
    pub(super) fn set_namespace(&self, name: &str, labels: &mut MetaLabels) {
        if self.attach.namespace
            && let Some(namespace) = self.namespaces.get(name)
        {
            labels.set_metadata("namespace", namespace);
        }
    }
}

/// Which protocol a target behind endpoints shows as its container port's.
#[derive(Debug, Clone, Copy)]
pub(super) enum PortProtocol<'a> {
    /// That of the endpoints.
    Given(&'a str),
    /// The container's own.
    Own,
}

/// The pods behind the addresses of endpoints, and the ports at which they were met.
#[derive(Debug)]
pub(super) struct SeenPods<'a> {
    related: &'a Related,
    /// In the order of the addresses.
    pods: Vec<(&'a Pod, BTreeSet<i32>)>,
    positions: BTreeMap<&'a str, usize>,
}

impl<'a> SeenPods<'a> {
    pub(super) fn new(related: &'a Related) -> Self {
        Self {
            related,
            pods: Vec::new(),
            positions: BTreeMap::new(),
        }
    }

    /// Adds the labels of the pod that a target stands for, if it is a known pod.
    pub(super) fn set_pod(
        &mut self,
        target: Option<&TargetRef>,
        port: Option<i32>,
        protocol: PortProtocol<'_>,
        labels: &mut MetaLabels,
    ) {
        let Some(pod) = target
            .and_then(TargetRef::pod)
            .and_then(|key| self.related.pods.get(&key))
        else {
            return;
        };
        let position = *self.positions.entry(&pod.meta.key).or_insert_with(|| {
            self.pods.push((pod, BTreeSet::new()));
            self.pods.len() - 1
        });
        self.related.set_pod(pod, labels);
        let Some(port) = port else { return };
        if let Some((_, ports)) = self.pods.get_mut(position) {
            ports.insert(port);
        }
        for container in &pod.containers {
            let mut ports = container.ports.iter();
            if let Some(found) = ports.find(|found| found.number == port) {
                let protocol = match protocol {
                    PortProtocol::Given(protocol) => protocol,
                    PortProtocol::Own => found.protocol(),
                };
                container.set_port_labels(found, protocol, labels);
            }
        }
    }

    /// Targets at the ports of the pods that were not met.
    pub(super) fn push_other_ports(self, targets: &mut Vec<Labels>) {
        for (pod, met) in self.pods {
            if pod.ip.is_empty() {
                continue;
            }
            for container in &pod.containers {
                for port in &container.ports {
                    if met.contains(&port.number) {
                        continue;
                    }
                    let mut labels = MetaLabels::new();
                    labels.address(&host_port(&pod.ip, port.number));
                    container.set_port_labels(port, port.protocol(), &mut labels);
                    self.related.set_pod(pod, &mut labels);
                    targets.push(labels.labels());
                }
            }
        }
    }
}
