//! The kinds of objects, where the API has them, and what it answers beside objects.

use serde::Deserialize;
use url::Url;

use super::objects::{self, Key, Parsed};

/// What a list or a watch brings, and what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pods as targets.
    PodGroup,
    /// Services as targets.
    ServiceGroup,
    /// Nodes as targets.
    NodeGroup,
    /// Ingresses as targets.
    IngressGroup,
    /// Pods behind endpoints.
    Pod,
    /// Services before endpoints.
    Service,
    Endpoints,
    EndpointSlice,
    /// Nodes, for their metadata.
    NodeMeta,
    /// Namespaces, for their metadata.
    Namespace,
    /// Replica sets, for their owners.
    ReplicaSet,
    /// Jobs, for their owners.
    Job,
}

impl Kind {
    /// API group with version, and name in it.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::PodGroup | Self::Pod => ("api/v1", "pods"),
            Self::ServiceGroup | Self::Service => ("api/v1", "services"),
            Self::NodeGroup | Self::NodeMeta => ("api/v1", "nodes"),
            Self::IngressGroup => ("apis/networking.k8s.io/v1", "ingresses"),
            Self::Endpoints => ("api/v1", "endpoints"),
            Self::EndpointSlice => ("apis/discovery.k8s.io/v1", "endpointslices"),
            Self::Namespace => ("api/v1", "namespaces"),
            Self::ReplicaSet => ("apis/apps/v1", "replicasets"),
            Self::Job => ("apis/batch/v1", "jobs"),
        }
    }

    /// The API's name for them.
    pub(super) fn resource(self) -> &'static str {
        self.place().1
    }

    /// Whether they are in namespaces.
    pub(super) fn is_namespaced(self) -> bool {
        !matches!(self, Self::NodeGroup | Self::NodeMeta | Self::Namespace)
    }

    /// Where they are, those of `namespace` or all.
    pub(super) fn url(self, server: &Url, namespace: Option<&str>) -> Url {
        let (group, resource) = self.place();
        let mut url = server.clone();
        url.set_query(None);
        url.set_fragment(None);
        // A URL that a request can be sent to has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(group.split('/'));
            if let Some(namespace) = namespace {
                path.extend(["namespaces", namespace]);
            }
            path.push(resource);
        }
        url
    }
}

/// Which objects are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) label: String,
    pub(super) field: String,
}

impl Selector {
    /// Adds the selector to the query of `url`.
    pub(super) fn add_to(&self, url: &mut Url) {
        let parts = [
            ("labelSelector", &self.label),
            ("fieldSelector", &self.field),
        ];
        for (name, text) in parts {
            if !text.is_empty() {
                url.query_pairs_mut().append_pair(name, text);
            }
        }
    }
}

/// A list without its items.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) metadata: ListMeta,
}

/// What a list says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMeta {
    /// The version to watch from.
    pub(super) resource_version: Option<String>,
    /// What to ask for the next page with; nothing on the last page.
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

impl Envelope {
    /// Reads it.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|err| err.to_string())
    }
}

/// What the API says of a request that it does not fulfil.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    pub(super) code: Option<u16>,
    pub(super) message: Option<String>,
    reason: Option<String>,
}

impl Status {
    /// Reads it; empty if the bytes are something else.
    pub(super) fn parse(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    /// Whether the version asked for is no longer known.
    pub(super) fn is_gone(&self) -> bool {
        self.code == Some(410) || matches!(self.reason.as_deref(), Some("Expired" | "Gone"))
    }
}

/// An event of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// An object is new or has changed.
    Put(Parsed),
    /// An object is gone.
    Gone { key: Key, version: Box<str> },
    /// Nothing happened up to this version.
    Bookmark { version: Box<str> },
    /// The watch cannot go on.
    Failed(Status),
}

#[derive(Debug, Deserialize)]
struct EventType<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct EventStatus {
    object: Status,
}

impl Event {
    /// Reads an event about an object of `kind`; `None` if its type is unknown.
    pub(super) fn parse(kind: Kind, json: &[u8]) -> Result<Option<Self>, String> {
        let text = |err: serde_json::Error| err.to_string();
        let EventType { kind: event } = serde_json::from_slice(json).map_err(text)?;
        Ok(Some(match &*event {
            "ADDED" | "MODIFIED" => Self::Put(objects::parse_in_event(kind, json)?),
            "DELETED" => {
                let (key, version) = objects::identity(json)?;
                Self::Gone { key, version }
            }
            "BOOKMARK" => {
                let (_, version) = objects::identity(json)?;
                Self::Bookmark { version }
            }
            "ERROR" => {
                let EventStatus { object } = serde_json::from_slice(json).map_err(text)?;
                Self::Failed(object)
            }
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_group_namespace_and_selectors() {
        let server = Url::parse("https://h:6443/prefix/").unwrap();
        let url = Kind::EndpointSlice.url(&server, Some("default"));
        let path = "/prefix/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert_eq!(url.path(), path);
        let server = Url::parse("http://h").unwrap();
        let mut url = Kind::NodeGroup.url(&server, None);
        let selector = Selector {
            label: "a in (b, c)".to_owned(),
            field: String::new(),
        };
        selector.add_to(&mut url);
        assert_eq!(
            url.as_str(),
            "http://h/api/v1/nodes?labelSelector=a+in+%28b%2C+c%29"
        );
    }

    #[test]
    fn events_are_told_apart() {
        let pod = r#""object":{"metadata":{"name":"p","namespace":"n","resourceVersion":"5"}}"#;
        let parse = |kind: &str| {
            let json = format!(r#"{{"type":"{kind}",{pod}}}"#);
            Event::parse(Kind::PodGroup, json.as_bytes()).unwrap()
        };
        assert!(matches!(parse("ADDED"), Some(Event::Put(_))));
        assert!(matches!(parse("MODIFIED"), Some(Event::Put(_))));
        assert!(matches!(parse("DELETED"), Some(Event::Gone { key, .. }) if &*key == "n/p"));
        assert!(matches!(parse("BOOKMARK"), Some(Event::Bookmark { version }) if &*version == "5"));
        assert!(parse("SOMETHING").is_none());
        let json = br#"{"object":{"code":410,"reason":"Expired"},"type":"ERROR"}"#;
        let event = Event::parse(Kind::Pod, json).unwrap();
        assert!(matches!(event, Some(Event::Failed(status)) if status.is_gone()));
        assert!(Event::parse(Kind::Pod, b"{}").is_err());
    }
}
