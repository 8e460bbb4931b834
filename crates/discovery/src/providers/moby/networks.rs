//! The networks of a daemon and the labels that they give to targets on them.

use std::collections::BTreeMap;

use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use super::{Engine, Filters};
use crate::error::Error;
use crate::providers::meta::{or_default, set_each};

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    scope: String,
    #[serde(deserialize_with = "or_default")]
    internal: bool,
    #[serde(deserialize_with = "or_default")]
    ingress: bool,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

/// Labels by the network's id; `prefix` is the mechanism's, such as `__meta_docker_`.
pub(in crate::providers) async fn labels(
    engine: &mut Engine,
    prefix: &str,
) -> Result<BTreeMap<String, Labels>, Error> {
    let networks: Vec<Network> = engine.list("networks", &Filters::default()).await?;
    let labels = |network: &Network| {
        let mut labels = LabelsBuilder::new();
        let mut set = |name: &str, value: &str| {
            labels.set(&format!("{prefix}network_{name}"), value);
        };
        set("id", &network.id);
        set("name", &network.name);
        set("scope", &network.scope);
        set("internal", &network.internal.to_string());
        set("ingress", &network.ingress.to_string());
        set_each(
            &mut labels,
            &format!("{prefix}network_label_"),
            &network.labels,
        );
        labels.labels()
    };
    Ok(networks
        .iter()
        .map(|network| (network.id.clone(), labels(network)))
        .collect())
}
