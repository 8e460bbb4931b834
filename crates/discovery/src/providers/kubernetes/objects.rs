//! What all objects of Kubernetes have, reduced to what labels are made of.
//!
//! Each object is read twice as large as it stays: what the API sends (`Written…`), and what is kept.
//! Fields that no label needs are skipped by the reader and never allocated.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::api::Kind;
use super::endpoint_slice::EndpointSlice;
use super::endpoints::Endpoints;
use super::pod::Pod;
use super::service::Service;
use super::{endpoint_slice, endpoints, ingress, node, pod, service};
use model::Labels;

/// `namespace/name`, or the name alone where the object is in no namespace.
pub(super) type Key = Arc<str>;

/// The key of `name` in `namespace`.
pub(super) fn key(namespace: &str, name: &str) -> Key {
    if namespace.is_empty() {
        name.into()
    } else {
        format!("{namespace}/{name}").into()
    }
}

/// The namespace of an object with this key, or nothing.
pub(super) fn namespace_of(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// Texts by name, in the order of the names. One allocation for all texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    text: Box<str>,
    /// Where each name and each value ends in `text`.
    ends: Box<[u32]>,
}

impl Pairs {
    fn pack(mut pairs: Vec<(String, String)>) -> Self {
        // The last of equal names wins; they are not allowed anyway.
        pairs.reverse();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
        let mut text = String::with_capacity(pairs.iter().map(|(n, v)| n.len() + v.len()).sum());
        let mut ends = Vec::with_capacity(2 * pairs.len());
        for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
            text.push_str(part);
            // An object is far smaller than 4 GiB.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self {
            text: text.into(),
            ends: ends.into(),
        }
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        let mut next = move |end: u32| {
            let part = self.text.get(start..end as usize).unwrap_or("");
            start = end as usize;
            part
        };
        self.ends
            .as_chunks::<2>()
            .0
            .iter()
            .map(move |[name, value]| {
                let name = next(*name);
                (name, next(*value))
            })
    }

    /// Bytes beside the struct.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }

    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Mapping;
        impl<'de> Visitor<'de> for Mapping {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping of texts")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    pairs.push((name, value.unwrap_or_default()));
                }
                Ok(Pairs::pack(pairs))
            }
        }
        deserializer.deserialize_any(Mapping)
    }
}

/// Name, labels and annotations of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// Namespace and name.
    pub(super) key: Key,
    pub(super) labels: Pairs,
    pub(super) annotations: Pairs,
}

impl Meta {
    /// The object's name.
    pub(super) fn name(&self) -> &str {
        self.key.split_once('/').map_or(&self.key, |(_, name)| name)
    }

    /// The object's namespace, or nothing.
    pub(super) fn namespace(&self) -> &str {
        namespace_of(&self.key)
    }
}

/// The controller that an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Owner {
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
}

/// A group of targets that needs nothing of other objects beside attached metadata.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OwnGroup {
    pub(super) labels: Labels,
    pub(super) targets: Box<[Labels]>,
}

/// What is kept of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Of pods, nodes, services and ingresses as roles.
    Group(OwnGroup),
    /// Of pods behind endpoints.
    Pod(Box<Pod>),
    /// Of services before endpoints.
    Service(Service),
    Endpoints(Box<Endpoints>),
    EndpointSlice(Box<EndpointSlice>),
    /// Of nodes and namespaces whose metadata is attached.
    Meta(Meta),
    /// Of replica sets and jobs: the controller, if they have one.
    Owner(Option<Owner>),
}

/// An object as it was sent.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) key: Key,
    /// The version of the resource that the object came to.
    pub(super) version: Box<str>,
    pub(super) item: Item,
}

/// The `metadata` of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenMeta {
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
    pub(super) uid: Option<Box<str>>,
    resource_version: Option<Box<str>>,
    #[serde(default)]
    labels: Pairs,
    #[serde(default)]
    annotations: Pairs,
    owner_references: Option<Vec<WrittenOwner>>,
}

#[derive(Debug, Deserialize)]
struct WrittenOwner {
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
    controller: Option<bool>,
}

impl WrittenMeta {
    /// The owner that is the controller.
    pub(super) fn take_owner(&mut self) -> Option<Owner> {
        let owners = self.owner_references.take()?;
        let controller = owners.into_iter().find(|o| o.controller == Some(true))?;
        Some(Owner {
            kind: controller.kind.unwrap_or_default(),
            name: controller.name.unwrap_or_default(),
        })
    }

    /// What is kept of it.
    pub(super) fn into_meta(self) -> Meta {
        let namespace = self.namespace.unwrap_or_default();
        Meta {
            key: key(&namespace, &self.name.unwrap_or_default()),
            labels: self.labels,
            annotations: self.annotations,
        }
    }
}

/// Objects of which only the metadata counts.
#[derive(Debug, Deserialize)]
struct WrittenObject {
    #[serde(default)]
    metadata: WrittenMeta,
}

/// An event of a watch with its object.
#[derive(Debug, Deserialize)]
struct InEvent<T> {
    object: T,
}

/// Only what says which object it is, and in which version.
#[derive(Debug, Default, Deserialize)]
struct Identity {
    #[serde(default)]
    metadata: IdentityMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityMeta {
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
    resource_version: Option<Box<str>>,
}

/// Key and version of the object of an event; of a bookmark, which has no name, the key is empty.
pub(super) fn identity(json: &[u8]) -> Result<(Key, Box<str>), String> {
    let event: InEvent<Identity> = serde_json::from_slice(json).map_err(|err| err.to_string())?;
    let metadata = event.object.metadata;
    let namespace = metadata.namespace.unwrap_or_default();
    let key = key(&namespace, &metadata.name.unwrap_or_default());
    Ok((key, metadata.resource_version.unwrap_or_default()))
}

/// What an object is read as before it is reduced.
pub(super) trait Written: serde::de::DeserializeOwned {
    /// Its metadata.
    fn metadata(&mut self) -> &mut WrittenMeta;
}

impl Written for WrittenObject {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

/// Reads an object of `kind`.
pub(super) fn parse(kind: Kind, json: &[u8]) -> Result<Parsed, String> {
    let reader = Reader {
        json,
        is_event: false,
    };
    reader.read_kind(kind)
}

/// Reads the object of an event about an object of `kind`.
pub(super) fn parse_in_event(kind: Kind, json: &[u8]) -> Result<Parsed, String> {
    let reader = Reader {
        json,
        is_event: true,
    };
    reader.read_kind(kind)
}

/// Bytes that hold an object, perhaps inside an event.
struct Reader<'a> {
    json: &'a [u8],
    is_event: bool,
}

impl Reader<'_> {
    fn read_kind(&self, kind: Kind) -> Result<Parsed, String> {
        match kind {
            Kind::PodGroup => self.read(|written: pod::Written| {
                let pod = written.into_pod();
                (pod.meta.key.clone(), Item::Group(pod.group()))
            }),
            Kind::Pod => self.read(|written: pod::Written| {
                let pod = Box::new(written.into_pod());
                (pod.meta.key.clone(), Item::Pod(pod))
            }),
            Kind::ServiceGroup => self.read(|written: service::Written| {
                let (key, group) = written.into_group();
                (key, Item::Group(group))
            }),
            Kind::Service => self.read(|written: service::Written| {
                let service = written.into_service();
                (service.meta.key.clone(), Item::Service(service))
            }),
            Kind::NodeGroup => self.read(|written: node::Written| {
                let (key, group) = written.into_group();
                (key, Item::Group(group))
            }),
            Kind::IngressGroup => self.read(|written: ingress::Written| {
                let (key, group) = written.into_group();
                (key, Item::Group(group))
            }),
            Kind::Endpoints => self.read(|written: endpoints::Written| {
                let endpoints = Box::new(written.into_endpoints());
                (endpoints.meta.key.clone(), Item::Endpoints(endpoints))
            }),
            Kind::EndpointSlice => self.read(|written: endpoint_slice::Written| {
                let slice = Box::new(written.into_slice());
                (slice.meta.key.clone(), Item::EndpointSlice(slice))
            }),
            Kind::NodeMeta | Kind::Namespace => self.read(|written: WrittenObject| {
                let meta = written.metadata.into_meta();
                (meta.key.clone(), Item::Meta(meta))
            }),
            Kind::ReplicaSet | Kind::Job => self.read(|mut written: WrittenObject| {
                let owner = written.metadata.take_owner();
                (written.metadata.into_meta().key, Item::Owner(owner))
            }),
        }
    }

    fn read<W: Written>(&self, reduce: impl FnOnce(W) -> (Key, Item)) -> Result<Parsed, String> {
        let read = if self.is_event {
            let event: Result<InEvent<W>, _> = serde_json::from_slice(self.json);
            event.map(|event| event.object)
        } else {
            serde_json::from_slice(self.json)
        };
        let mut written = read.map_err(|err| err.to_string())?;
        let version = written.metadata().resource_version.take();
        let (key, item) = reduce(written);
        if key.is_empty() || key.ends_with('/') {
            return Err("an object has no name".to_owned());
        }
        Ok(Parsed {
            key,
            version: version.unwrap_or_default(),
            item,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_and_keep_empty_values() {
        let pairs: Pairs = serde_json::from_str(r#"{"b": "2", "a": "", "c": null}"#).unwrap();
        let found: Vec<_> = pairs.iter().collect();
        assert_eq!(found, [("a", ""), ("b", "2"), ("c", "")]);
        assert_eq!(pairs.get("b"), Some("2"));
        assert_eq!(
            serde_json::from_str::<Pairs>("null").unwrap(),
            Pairs::default()
        );
        assert!(serde_json::from_str::<Pairs>(r#"{"a": 1}"#).is_err());
    }

    #[test]
    fn only_a_controller_owns() {
        let json = br#"{"metadata": {"name": "rs", "namespace": "n", "resourceVersion": "7",
            "ownerReferences": [{"kind": "A", "name": "a"},
                                {"kind": "Deployment", "name": "web", "controller": true}]}}"#;
        let parsed = parse(Kind::ReplicaSet, json).unwrap();
        assert_eq!((&*parsed.key, &*parsed.version), ("n/rs", "7"));
        let owner = Owner {
            kind: "Deployment".into(),
            name: "web".into(),
        };
        assert_eq!(parsed.item, Item::Owner(Some(owner)));
    }

    #[test]
    fn an_object_without_name_is_refused() {
        for json in [
            "{}",
            r#"{"metadata": {}}"#,
            r#"{"metadata": {"namespace": "n"}}"#,
            "[]",
            "",
        ] {
            assert!(parse(Kind::Pod, json.as_bytes()).is_err(), "{json}");
        }
    }
}
