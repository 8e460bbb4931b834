//! Services: as a role, and before the addresses of endpoints.

use serde::Deserialize;

use super::labels::{MetaLabels, host_port};
use super::objects::{self, Key, Meta, OwnGroup, WrittenMeta};

/// What is kept of a service before endpoints.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) meta: Meta,
    /// The first of the two address families of a service that has both.
    primary_family: Option<Box<str>>,
}

impl Service {
    /// Labels that its name, labels and annotations give.
    pub(super) fn set_labels(&self, labels: &mut MetaLabels) {
        labels.set_object("service", &self.meta);
    }

    /// Whether addresses of this type repeat those of the first family.
    pub(super) fn is_repeated_by(&self, address_type: &str) -> bool {
        let primary = self.primary_family.as_deref();
        primary.is_some_and(|primary| primary != address_type)
    }
}

/// A service as the API sends it.
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
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<Box<str>>,
    external_name: Option<Box<str>>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<Box<str>>,
    ports: Option<Vec<Port>>,
    ip_family_policy: Option<Box<str>>,
    ip_families: Option<Vec<Box<str>>>,
}

#[derive(Debug, Deserialize)]
struct Port {
    name: Option<Box<str>>,
    port: Option<i32>,
    protocol: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    load_balancer: Option<LoadBalancer>,
}

#[derive(Debug, Default, Deserialize)]
struct LoadBalancer {
    ingress: Option<Vec<Ingress>>,
}

#[derive(Debug, Deserialize)]
struct Ingress {
    ip: Option<Box<str>>,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// What is kept of it before endpoints.
    pub(super) fn into_service(self) -> Service {
        let spec = self.spec.unwrap_or_default();
        let policy = spec.ip_family_policy.as_deref();
        let both = matches!(policy, Some("PreferDualStack" | "RequireDualStack"));
        let families = spec.ip_families.unwrap_or_default();
        Service {
            meta: self.metadata.into_meta(),
            primary_family: families.into_iter().next().filter(|_| both),
        }
    }

    /// The service's key and its group: a target for each port.
    pub(super) fn into_group(self) -> (Key, OwnGroup) {
        let meta = self.metadata.into_meta();
        let spec = self.spec.unwrap_or_default();
        let balancer = self.status.unwrap_or_default().balancer_ips();
        let balancer = balancer.or_else(|| spec.load_balancer_ip.as_deref().map(str::to_owned));
        let mut labels = MetaLabels::new();
        labels
            .set("namespace", meta.namespace())
            .set_object("service", &meta);
        let ports = spec.ports.iter().flatten();
        let group = OwnGroup {
            labels: labels.labels(),
            targets: ports
                .map(|port| spec.target(&meta, port, balancer.as_deref()))
                .collect(),
        };
        (meta.key, group)
    }
}

impl Spec {
    fn target(&self, meta: &Meta, port: &Port, balancer: Option<&str>) -> model::Labels {
        let host = format!("{}.{}.svc", meta.name(), meta.namespace());
        let number = port.port.unwrap_or_default();
        let kind = self.kind.as_deref();
        let mut labels = MetaLabels::new();
        labels
            .address(&host_port(&host, number))
            .set("service_port_number", &number.to_string())
            .set_some("service_port_name", port.name.as_deref())
            .set_some("service_port_protocol", port.protocol.as_deref())
            .set_some("service_type", kind);
        if kind == Some("ExternalName") {
            labels.set_some("service_external_name", self.external_name.as_deref());
        } else {
            labels.set_some("service_cluster_ip", self.cluster_ip.as_deref());
        }
        if kind == Some("LoadBalancer") {
            labels.set_some("service_loadbalancer_ip", balancer);
        }
        labels.labels()
    }
}

impl Status {
    /// The addresses of the load balancer, if it has any.
    fn balancer_ips(self) -> Option<String> {
        let ingress = self.load_balancer.unwrap_or_default().ingress;
        let ips: Vec<Box<str>> = ingress
            .into_iter()
            .flatten()
            .filter_map(|ingress| ingress.ip)
            .filter(|ip| !ip.is_empty())
            .collect();
        (!ips.is_empty()).then(|| ips.join(","))
    }
}
