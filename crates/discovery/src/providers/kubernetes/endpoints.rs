//! Endpoints as a role: a target for each address and port, with the labels of the pod behind it.

use std::collections::BTreeSet;

use model::Labels;
use serde::Deserialize;

use super::join::{PortProtocol, Related, SeenPods, TargetRef, WrittenTargetRef};
use super::labels::{MetaLabels, bool_text, host_port};
use super::objects::{self, Meta, WrittenMeta};
use super::store::Reference;
use crate::target_group::TargetGroup;

/// Annotation by which the API says that addresses were left out, or will be.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// What is kept of an endpoints object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) meta: Meta,
    subsets: Box<[Subset]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Subset {
    ready: Box<[Address]>,
    not_ready: Box<[Address]>,
    ports: Box<[Port]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    ip: Box<str>,
    hostname: Option<Box<str>>,
    node: Option<Box<str>>,
    target: Option<TargetRef>,
}

#[derive(Debug, PartialEq, Eq)]
struct Port {
    name: Box<str>,
    number: i32,
    protocol: Box<str>,
}

impl Endpoints {
    /// The other objects that the group depends on, its namespace and service apart.
    pub(super) fn references(&self, related: &Related) -> BTreeSet<Reference> {
        let subsets = self.subsets.iter();
        let addresses = subsets.flat_map(|subset| subset.ready.iter().chain(&subset.not_ready));
        let mut references = BTreeSet::new();
        for address in addresses {
            let pod = address.target.as_ref().and_then(TargetRef::pod);
            references.extend(pod.map(|key| Reference::Pod((*key).into())));
            let node = address.node().filter(|_| related.attach.node);
            references.extend(node.map(|name| Reference::Node(name.into())));
        }
        references
    }

    /// The group `source`.
    pub(super) fn group(&self, source: String, related: &Related) -> TargetGroup {
        let mut labels = MetaLabels::new();
        let namespace = self.meta.namespace();
        labels.set("namespace", namespace);
        // The service is the one of the same name.
        if let Some(service) = related.services.get(&self.meta.key) {
            service.set_labels(&mut labels);
        }
        labels.set_object("endpoints", &self.meta);
        related.set_namespace(namespace, &mut labels);
        let mut targets = Vec::new();
        let mut pods = SeenPods::new(related);
        for subset in &self.subsets {
            for port in &subset.ports {
                for address in &subset.ready {
                    targets.push(address.target(port, true, &mut pods, related));
                }
                for address in &subset.not_ready {
                    targets.push(address.target(port, false, &mut pods, related));
                }
            }
        }
        pods.push_other_ports(&mut targets);
        self.warn_if_truncated();
        TargetGroup {
            targets,
            labels: labels.labels(),
            source,
        }
    }

    fn warn_if_truncated(&self) {
        if self.meta.annotations.get(OVER_CAPACITY) == Some("truncated") {
            tracing::warn!(
                component = "discovery manager",
                discovery = "kubernetes",
                role = "endpoints",
                endpoints = &*self.meta.key,
                "The API left addresses over 1000 out; the role endpointslice has them all"
            );
        }
    }
}

impl Address {
    /// The node it is on, or which it is.
    fn node(&self) -> Option<&str> {
        let target = self.target.as_ref();
        self.node
            .as_deref()
            .or_else(|| target.and_then(TargetRef::node))
    }

    fn target<'a>(
        &self,
        port: &Port,
        is_ready: bool,
        pods: &mut SeenPods<'a>,
        related: &'a Related,
    ) -> Labels {
        let mut labels = MetaLabels::new();
        labels
            .address(&host_port(&self.ip, port.number))
            .set("endpoint_port_name", &port.name)
            .set("endpoint_port_protocol", &port.protocol)
            .set("endpoint_ready", bool_text(is_ready))
            .set_some("endpoint_node_name", self.node.as_deref())
            .set_some("endpoint_hostname", self.hostname.as_deref());
        if let Some(target) = &self.target {
            labels
                .set("endpoint_address_target_kind", &target.kind)
                .set("endpoint_address_target_name", &target.name);
        }
        related.set_node(self.node(), &mut labels);
        let protocol = PortProtocol::Given(&port.protocol);
        pods.set_pod(
            self.target.as_ref(),
            Some(port.number),
            protocol,
            &mut labels,
        );
        labels.labels()
    }
}

/// An endpoints object as the API sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
    subsets: Option<Vec<WrittenSubset>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSubset {
    addresses: Option<Vec<WrittenAddress>>,
    not_ready_addresses: Option<Vec<WrittenAddress>>,
    ports: Option<Vec<WrittenPort>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenAddress {
    ip: Option<Box<str>>,
    hostname: Option<Box<str>>,
    node_name: Option<Box<str>>,
    target_ref: Option<WrittenTargetRef>,
}

#[derive(Debug, Deserialize)]
struct WrittenPort {
    name: Option<Box<str>>,
    port: Option<i32>,
    protocol: Option<Box<str>>,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// What is kept of it.
    pub(super) fn into_endpoints(self) -> Endpoints {
        let subsets = self.subsets.into_iter().flatten();
        Endpoints {
            meta: self.metadata.into_meta(),
            subsets: subsets.map(Subset::from).collect(),
        }
    }
}

impl From<WrittenSubset> for Subset {
    fn from(written: WrittenSubset) -> Self {
        fn addresses(written: Option<Vec<WrittenAddress>>) -> Box<[Address]> {
            written.into_iter().flatten().map(Address::from).collect()
        }
        let ports = written.ports.into_iter().flatten();
        Self {
            ready: addresses(written.addresses),
            not_ready: addresses(written.not_ready_addresses),
            ports: ports.map(Port::from).collect(),
        }
    }
}

impl From<WrittenAddress> for Address {
    fn from(written: WrittenAddress) -> Self {
        Self {
            ip: written.ip.unwrap_or_default(),
            hostname: written.hostname,
            node: written.node_name,
            target: written.target_ref.map(TargetRef::from),
        }
    }
}

impl From<WrittenPort> for Port {
    fn from(written: WrittenPort) -> Self {
        Self {
            name: written.name.unwrap_or_default(),
            number: written.port.unwrap_or_default(),
            protocol: written.protocol.unwrap_or_default(),
        }
    }
}
