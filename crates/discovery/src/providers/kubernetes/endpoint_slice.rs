//! Endpoint slices as a role: a target for each address and port, with the labels of the pod behind it.

use std::collections::BTreeSet;

use model::Labels;
use serde::Deserialize;

use super::join::{PortProtocol, Related, SeenPods, TargetRef, WrittenTargetRef};
use super::labels::{MetaLabels, bool_text, host_port};
use super::objects::{self, Key, Meta, Pairs, WrittenMeta, key};
use super::store::Reference;
use crate::target_group::TargetGroup;

/// Label with the name of the service that a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is kept of an endpoint slice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndpointSlice {
    pub(super) meta: Meta,
    address_type: Box<str>,
    endpoints: Box<[Endpoint]>,
    ports: Box<[Port]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    addresses: Box<[Box<str>]>,
    conditions: Conditions,
    hostname: Option<Box<str>>,
    node: Option<Box<str>>,
    zone: Option<Box<str>>,
    target: Option<TargetRef>,
    topology: Pairs,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    name: Option<Box<str>>,
    #[serde(rename = "port")]
    number: Option<i32>,
    protocol: Option<Box<str>>,
    app_protocol: Option<Box<str>>,
}

impl EndpointSlice {
    fn service(&self) -> Option<Key> {
        let name = self.meta.labels.get(SERVICE_NAME)?;
        Some(key(self.meta.namespace(), name))
    }

    /// The other objects that the group depends on, its namespace apart.
    pub(super) fn references(&self, related: &Related) -> BTreeSet<Reference> {
        let mut references = BTreeSet::new();
        let service = self.service();
        references.extend(service.map(|key| Reference::Service((*key).into())));
        for endpoint in &self.endpoints {
            let pod = endpoint.target.as_ref().and_then(TargetRef::pod);
            references.extend(pod.map(|key| Reference::Pod((*key).into())));
            let node = endpoint.node().filter(|_| related.attach.node);
            references.extend(node.map(|name| Reference::Node(name.into())));
        }
        references
    }

    /// The group `source`.
    pub(super) fn group(&self, source: String, related: &Related) -> TargetGroup {
        let mut labels = MetaLabels::new();
        let namespace = self.meta.namespace();
        labels
            .set("namespace", namespace)
            .set("endpointslice_address_type", &self.address_type)
            .set_object("endpointslice", &self.meta);
        let service = self.service();
        let service = service.and_then(|key| related.services.get(&key));
        if let Some(service) = service {
            service.set_labels(&mut labels);
        }
        related.set_namespace(namespace, &mut labels);
        let repeats = service.is_some_and(|service| service.is_repeated_by(&self.address_type));
        TargetGroup {
            targets: if repeats {
                Vec::new()
            } else {
                self.targets(related)
            },
            labels: labels.labels(),
            source,
        }
    }

    fn targets(&self, related: &Related) -> Vec<Labels> {
        let mut targets = Vec::new();
        let mut pods = SeenPods::new(related);
        for endpoint in &self.endpoints {
            for port in &self.ports {
                for address in &endpoint.addresses {
                    targets.push(endpoint.target(address, port, &mut pods, related));
                }
            }
        }
        pods.push_other_ports(&mut targets);
        targets
    }
}

impl Endpoint {
    /// The node it is, or which it is on.
    fn node(&self) -> Option<&str> {
        let target = self.target.as_ref();
        target.and_then(TargetRef::node).or(self.node.as_deref())
    }

    fn target<'a>(
        &self,
        address: &str,
        port: &Port,
        pods: &mut SeenPods<'a>,
        related: &'a Related,
    ) -> Labels {
        let mut labels = MetaLabels::new();
        match port.number {
            Some(number) => labels
                .address(&host_port(address, number))
                .set("endpointslice_port", &number.to_string()),
            None => labels.address(address),
        };
        labels
            .set_some("endpointslice_port_name", port.name.as_deref())
            .set_some("endpointslice_port_protocol", port.protocol.as_deref())
            .set_some(
                "endpointslice_port_app_protocol",
                port.app_protocol.as_deref(),
            );
        self.set_labels(&mut labels);
        related.set_node(self.node(), &mut labels);
        pods.set_pod(
            self.target.as_ref(),
            port.number,
            PortProtocol::Own,
            &mut labels,
        );
        labels.labels()
    }

    fn set_labels(&self, labels: &mut MetaLabels) {
        let conditions = [
            ("ready", self.conditions.ready),
            ("serving", self.conditions.serving),
            ("terminating", self.conditions.terminating),
        ];
        for (name, value) in conditions {
            if let Some(value) = value {
                let kind = "endpointslice_endpoint_conditions_";
                labels.set_named(kind, name, bool_text(value));
            }
        }
        labels
            .set_some("endpointslice_endpoint_hostname", self.hostname.as_deref())
            .set_some("endpointslice_endpoint_node_name", self.node.as_deref())
            .set_some("endpointslice_endpoint_zone", self.zone.as_deref())
            .set_topology("endpointslice_endpoint_topology", &self.topology);
        if let Some(target) = &self.target {
            labels
                .set("endpointslice_address_target_kind", &target.kind)
                .set("endpointslice_address_target_name", &target.name);
        }
    }
}

/// An endpoint slice as the API sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
    address_type: Option<Box<str>>,
    endpoints: Option<Vec<WrittenEndpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEndpoint {
    addresses: Option<Vec<Box<str>>>,
    conditions: Option<Conditions>,
    hostname: Option<Box<str>>,
    node_name: Option<Box<str>>,
    zone: Option<Box<str>>,
    target_ref: Option<WrittenTargetRef>,
    #[serde(default)]
    deprecated_topology: Pairs,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// What is kept of it.
    pub(super) fn into_slice(self) -> EndpointSlice {
        let endpoints = self.endpoints.into_iter().flatten();
        EndpointSlice {
            meta: self.metadata.into_meta(),
            address_type: self.address_type.unwrap_or_default(),
            endpoints: endpoints.map(Endpoint::from).collect(),
            ports: self.ports.unwrap_or_default().into(),
        }
    }
}

impl From<WrittenEndpoint> for Endpoint {
    fn from(written: WrittenEndpoint) -> Self {
        Self {
            addresses: written.addresses.unwrap_or_default().into(),
            conditions: written.conditions.unwrap_or_default(),
            hostname: written.hostname,
            node: written.node_name,
            zone: written.zone,
            target: written.target_ref.map(TargetRef::from),
            topology: written.deprecated_topology,
        }
    }
}
