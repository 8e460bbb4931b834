//! Nodes as a role.

use serde::Deserialize;

use super::labels::{MetaLabels, host_port};
use super::objects::{self, Key, Meta, OwnGroup, WrittenMeta};

/// Types of addresses, the preferred one first.
const PREFERENCE: [&str; 6] = [
    "InternalIP",
    "InternalDNS",
    "ExternalIP",
    "ExternalDNS",
    "LegacyHostIP",
    "Hostname",
];

/// A node as the API sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(rename = "providerID")]
    provider_id: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    addresses: Option<Vec<Address>>,
    conditions: Option<Vec<Condition>>,
    daemon_endpoints: Option<DaemonEndpoints>,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    address: Option<Box<str>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    status: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: Option<DaemonEndpoint>,
}

#[derive(Debug, Default, Deserialize)]
struct DaemonEndpoint {
    #[serde(rename = "Port")]
    port: Option<i32>,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// The node's key and its group of one target; of none if no address is known.
    pub(super) fn into_group(self) -> (Key, OwnGroup) {
        let meta = self.metadata.into_meta();
        let (spec, status) = (
            self.spec.unwrap_or_default(),
            self.status.unwrap_or_default(),
        );
        let mut labels = MetaLabels::new();
        labels.set("node_provider_id", &spec.provider_id.unwrap_or_default());
        for condition in status.conditions.iter().flatten() {
            let kind = condition.kind.as_deref().unwrap_or("").to_lowercase();
            let value = condition.status.as_deref().unwrap_or("").to_lowercase();
            labels.set_named("node_condition_", &kind, &value);
        }
        labels.set_object("node", &meta);
        let group = OwnGroup {
            labels: labels.labels(),
            targets: status.target(&meta).into_iter().collect(),
        };
        (meta.key, group)
    }
}

impl Status {
    fn target(&self, meta: &Meta) -> Option<model::Labels> {
        let addresses = self.addresses.as_deref().unwrap_or_default();
        let first_of = |kind: &str| {
            let mut found = addresses.iter();
            let found = found.find(|address| address.kind.as_deref() == Some(kind));
            found.map(|address| address.address.as_deref().unwrap_or(""))
        };
        let Some(address) = PREFERENCE.iter().find_map(|kind| first_of(kind)) else {
            tracing::warn!(
                component = "discovery manager",
                discovery = "kubernetes",
                role = "node",
                node = meta.name(),
                "No node address found"
            );
            return None;
        };
        let endpoints = self.daemon_endpoints.as_ref();
        let kubelet = endpoints.and_then(|endpoints| endpoints.kubelet_endpoint.as_ref());
        let port = kubelet.and_then(|kubelet| kubelet.port).unwrap_or(0);
        let mut labels = MetaLabels::new();
        labels
            .address(&host_port(address, port))
            .instance(meta.name());
        // The first address of each type stays.
        for address in addresses.iter().rev() {
            let kind = address.kind.as_deref().unwrap_or("");
            let value = address.address.as_deref().unwrap_or("");
            labels.set_named("node_address_", kind, value);
        }
        Some(labels.labels())
    }
}
