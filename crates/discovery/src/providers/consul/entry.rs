//! Entries of a service's health (`/v1/health/service/NAME`) as targets.

use std::collections::BTreeMap;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use crate::error::Error;
use crate::fetch;
use crate::providers::meta::{host_port, or_default, set_each, wrapped};

pub(super) const META_SERVICE: &str = "__meta_consul_service";
pub(super) const META_DATACENTER: &str = "__meta_consul_dc";
const META_ADDRESS: &str = "__meta_consul_address";
const META_HEALTH: &str = "__meta_consul_health";
const META_METADATA: &str = "__meta_consul_metadata_";
const META_NAMESPACE: &str = "__meta_consul_namespace";
const META_NODE: &str = "__meta_consul_node";
const META_PARTITION: &str = "__meta_consul_partition";
const META_SERVICE_ADDRESS: &str = "__meta_consul_service_address";
const META_SERVICE_ID: &str = "__meta_consul_service_id";
const META_SERVICE_METADATA: &str = "__meta_consul_service_metadata_";
const META_SERVICE_PORT: &str = "__meta_consul_service_port";
const META_TAGGED_ADDRESS: &str = "__meta_consul_tagged_address_";
const META_TAGS: &str = "__meta_consul_tags";

/// The checks that say that a node or a service is under maintenance.
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Service,
    #[serde(default, deserialize_with = "or_default")]
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Node {
    #[serde(deserialize_with = "or_default")]
    node: String,
    #[serde(deserialize_with = "or_default")]
    address: String,
    #[serde(deserialize_with = "or_default")]
    tagged_addresses: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    port: i64,
    #[serde(deserialize_with = "or_default")]
    address: String,
    #[serde(deserialize_with = "or_default")]
    namespace: String,
    #[serde(deserialize_with = "or_default")]
    partition: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Check {
    #[serde(rename = "CheckID", deserialize_with = "or_default")]
    id: String,
    #[serde(rename = "Status", deserialize_with = "or_default")]
    status: String,
}

/// The targets that an answer lists, tags joined by `separator`.
pub(super) fn targets(text: &[u8], separator: &str) -> Result<Vec<Labels>, Error> {
    let entries: Option<Vec<Entry>> = fetch::from_json(text)?;
    let entries = entries.unwrap_or_default();
    Ok(entries
        .iter()
        .map(|entry| target(entry, separator))
        .collect())
}

/// Reads `text` as the health of a service and forgets it; a fuzz target's body. Must return
/// whatever the bytes are.
pub fn check_entries(text: &[u8]) {
    let _ = targets(text, ",");
}

fn target(entry: &Entry, separator: &str) -> Labels {
    let (node, service) = (&entry.node, &entry.service);
    // A service may be registered through another node than the one it runs on.
    let host = if service.address.is_empty() {
        &node.address
    } else {
        &service.address
    };
    let port = service.port.to_string();
    let mut labels = LabelsBuilder::new();
    labels
        .set(ADDRESS, &host_port(host, &port))
        .set(META_ADDRESS, &node.address)
        .set(META_NODE, &node.node)
        .set(META_NAMESPACE, &service.namespace)
        .set(META_PARTITION, &service.partition)
        .set(META_TAGS, &wrapped(&service.tags, separator))
        .set(META_SERVICE_ADDRESS, &service.address)
        .set(META_SERVICE_PORT, &port)
        .set(META_SERVICE_ID, &service.id)
        .set(META_HEALTH, health(&entry.checks));
    set_each(&mut labels, META_METADATA, &node.meta);
    set_each(&mut labels, META_SERVICE_METADATA, &service.meta);
    set_each(&mut labels, META_TAGGED_ADDRESS, &node.tagged_addresses);
    labels.labels()
}

/// The worst of all checks; nothing if one says what nobody knows.
fn health(checks: &[Check]) -> &'static str {
    let mut worst = 0;
    for check in checks {
        let maintained = check.id == NODE_MAINTENANCE || check.id.starts_with(SERVICE_MAINTENANCE);
        worst = worst.max(match check.status.as_str() {
            _ if maintained => 3,
            "critical" => 2,
            "warning" => 1,
            "passing" => 0,
            _ => return "",
        });
    }
    ["passing", "warning", "critical", "maintenance"][worst]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_counts() {
        let checks = |list: &[(&str, &str)]| {
            let check = |(id, status): &(&str, &str)| Check {
                id: (*id).to_owned(),
                status: (*status).to_owned(),
            };
            health(&list.iter().map(check).collect::<Vec<_>>())
        };
        assert_eq!(checks(&[]), "passing");
        assert_eq!(checks(&[("a", "passing"), ("b", "warning")]), "warning");
        assert_eq!(checks(&[("a", "critical"), ("b", "warning")]), "critical");
        assert_eq!(
            checks(&[("_service_maintenance:x", "critical"), ("b", "critical")]),
            "maintenance"
        );
        assert_eq!(checks(&[("_node_maintenance", "odd")]), "maintenance");
        assert_eq!(checks(&[("a", "odd")]), "");
    }

    #[test]
    fn damaged_answers_return() {
        let seed = br#"[{"Node":{"Node":"n","Address":"1.2.3.4","TaggedAddresses":{"lan":"x"},
            "Meta":null},"Service":{"ID":"i","Tags":["a"],"Port":80},"Checks":[{"CheckID":"c"}]}]"#;
        assert_eq!(targets(seed, ",").unwrap().len(), 1);
        for cut in 0..seed.len() {
            check_entries(&seed[..cut]);
            let mut damaged = seed.to_vec();
            damaged[cut] ^= 0x10;
            check_entries(&damaged);
        }
        assert_eq!(targets(b"null", ",").unwrap(), Vec::<Labels>::new());
        for wrong in ["{}", "[{}]", r#"[{"Node":{},"Service":{"Port":"80"}}]"#] {
            assert!(targets(wrong.as_bytes(), ",").is_err(), "{wrong}");
        }
    }
}
