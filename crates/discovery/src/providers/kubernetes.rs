//! Objects of a Kubernetes cluster, by list and watch.
//!
//! - `access`, `kubeconfig`, `exec`: which API server, and who we are to it.
//! - `api`: kinds of objects, their URLs, events. `split`: a stream of JSON into objects.
//! - `feed`: keeps one resource in step. `backoff`: waits between tries.
//! - `objects`, and a file a role (`pod`, `node`, `service`, `ingress`, `endpoints`,
//!   `endpoint_slice`): what is kept of an object, and its group of targets. `labels`: their names.
//! - `store`, `join`, `board`: what is known, what groups take from other objects, what to report.
//!
//! Flow: one task a feed → a bounded channel → the board, which only this provider has → groups, built
//! when there is room to report them. Only the fields that labels need are kept;
//! groups of pods, nodes, services and ingresses share their labels with what is reported.

mod access;
mod api;
mod backoff;
mod board;
mod endpoint_slice;
mod endpoints;
mod exec;
mod feed;
mod ingress;
mod join;
mod kubeconfig;
mod labels;
mod node;
mod objects;
mod pod;
mod service;
mod split;
mod store;

use std::sync::Arc;

use telemetry::CounterFamily;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::access::Access;
use self::api::{Kind, Selector};
use self::board::{Board, FeedState};
use self::feed::{Feed, Message};
use super::Environment;
use crate::config::{KubernetesSdConfig, ResourceSelector};
use crate::discoverer::{Discoverer, Running, Updates};
use crate::error::Error;

pub use access::Cluster;
pub use check::check_stream;

mod check;

/// Changes that may wait for the board.
const CHANGES_LEN_MAX: usize = 64;
/// Groups that are reported together.
const GROUPS_LEN_MAX: usize = 512;
/// No further group is added to as many targets.
const TARGETS_LEN_MAX: usize = 1024;

/// What targets are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Pod,
    Node,
    Service,
    Ingress,
    Endpoints,
    EndpointSlice,
}

impl Role {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pod" => Self::Pod,
            "node" => Self::Node,
            "service" => Self::Service,
            "ingress" => Self::Ingress,
            "endpoints" => Self::Endpoints,
            "endpointslice" => Self::EndpointSlice,
            _ => return None,
        })
    }

    /// The kind of objects that groups are made of.
    fn kind(self) -> Kind {
        match self {
            Self::Pod => Kind::PodGroup,
            Self::Node => Kind::NodeGroup,
            Self::Service => Kind::ServiceGroup,
            Self::Ingress => Kind::IngressGroup,
            Self::Endpoints => Kind::Endpoints,
            Self::EndpointSlice => Kind::EndpointSlice,
        }
    }

    fn is_joined(self) -> bool {
        matches!(self, Self::Endpoints | Self::EndpointSlice)
    }

    /// What sources of its groups begin with.
    fn source(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Node => "node",
            Self::Service => "svc",
            Self::Ingress => "ingress",
            Self::Endpoints => "endpoints",
            Self::EndpointSlice => "endpointslice",
        }
    }
}

/// Counts events as the reference does: of the role's objects, of services before endpoints, and of
/// changed pods behind endpoints.
#[derive(Debug)]
struct EventCounts {
    role: Role,
    events: CounterFamily,
}

impl EventCounts {
    fn count(&self, kind: Kind, event: &str) {
        let role = match kind {
            Kind::PodGroup => "pod",
            Kind::Pod if self.role == Role::Endpoints && event == "update" => "pod",
            Kind::NodeGroup => "node",
            Kind::ServiceGroup | Kind::Service => "service",
            Kind::IngressGroup => "ingress",
            Kind::Endpoints => "endpoints",
            Kind::EndpointSlice => "endpointslice",
            Kind::Pod | Kind::NodeMeta | Kind::Namespace | Kind::ReplicaSet | Kind::Job => return,
        };
        self.events.with(&[role, event]).inc();
    }
}

/// Follows the objects of one role.
#[derive(Debug)]
pub struct KubernetesDiscoverer {
    role: Role,
    config: KubernetesSdConfig,
    /// The namespaces to look at; none for all.
    namespaces: Vec<Arc<str>>,
    access: Arc<Access>,
    environment: Environment,
}

impl KubernetesDiscoverer {
    /// A provider as configured. Reads the client configuration file or the service account.
    pub fn new(config: &KubernetesSdConfig, environment: &Environment) -> Result<Self, Error> {
        Self::in_cluster(config, environment, &Cluster::of_process())
    }

    /// As [`new`](Self::new), in this cluster.
    pub fn in_cluster(
        config: &KubernetesSdConfig,
        environment: &Environment,
        cluster: &Cluster<'_>,
    ) -> Result<Self, Error> {
        let unknown = || Error::BadContent(format!("unknown role {:?}", config.role));
        let role = Role::parse(&config.role).ok_or_else(unknown)?;
        let mut names = config.namespaces.names.clone();
        if config.namespaces.own_namespace {
            names.push(cluster.namespace()?);
        }
        names.sort();
        names.dedup();
        Ok(Self {
            role,
            config: config.clone(),
            namespaces: names.into_iter().map(Arc::from).collect(),
            access: Arc::new(Access::new(config, cluster, &environment.user_agent)?),
            environment: environment.clone(),
        })
    }

    /// The kinds of objects to follow.
    fn kinds(&self) -> Vec<Kind> {
        let attach = &self.config.attach_metadata;
        let of_pods = self.role == Role::Pod || self.role.is_joined();
        let wanted = [
            (true, self.role.kind()),
            (self.role.is_joined(), Kind::Service),
            (self.role.is_joined(), Kind::Pod),
            (of_pods && attach.node, Kind::NodeMeta),
            (attach.namespace && self.role != Role::Node, Kind::Namespace),
            (of_pods && attach.deployment, Kind::ReplicaSet),
            (of_pods && attach.cronjob, Kind::Job),
        ];
        let wanted = wanted.into_iter().filter(|(wanted, _)| *wanted);
        wanted.map(|(_, kind)| kind).collect()
    }

    /// The feeds, as the board is to know them.
    fn feeds(&self) -> Vec<FeedState> {
        let mut feeds = Vec::new();
        for kind in self.kinds() {
            if self.namespaces.is_empty() || !kind.is_namespaced() {
                feeds.push(FeedState::new(kind, None));
                continue;
            }
            for namespace in &self.namespaces {
                feeds.push(FeedState::new(kind, Some(namespace.clone())));
            }
        }
        feeds
    }

    async fn run(self, updates: Updates) {
        let (changes, receiver) = mpsc::channel(CHANGES_LEN_MAX);
        let config_name: Arc<str> = self.environment.config_name.as_str().into();
        let states = self.feeds();
        // Dropping the set ends the tasks.
        let mut tasks = JoinSet::new();
        for (number, state) in states.iter().enumerate() {
            let feed = Feed {
                number,
                kind: state.kind,
                namespace: state.namespace.clone(),
                selector: selector(&self.config.selectors, state.kind),
                access: self.access.clone(),
                changes: changes.clone(),
                metrics: self.environment.metrics.clone(),
                config_name: config_name.clone(),
            };
            tasks.spawn(feed.run());
        }
        drop(changes);
        // Nodes are in no namespace: all are looked at.
        let namespaces = match self.role {
            Role::Node => Vec::new(),
            _ => self.namespaces.clone(),
        };
        let counts = EventCounts {
            role: self.role,
            events: self.environment.metrics.kubernetes_events.clone(),
        };
        let attach = self.config.attach_metadata.clone();
        let board = Board::new(self.role, attach, states, namespaces, counts);
        report(board, receiver, updates).await;
    }
}

impl Discoverer for KubernetesDiscoverer {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin((*self).run(updates))
    }
}

/// Takes changes in and reports groups, until nobody sends or listens any more. The board does its work
/// on a thread for such: a namespace may have thousands of groups, a group hundreds of targets.
async fn report(board: Board, mut changes: mpsc::Receiver<Message>, updates: Updates) {
    let mut board = Box::new(board);
    let mut waiting = Vec::with_capacity(CHANGES_LEN_MAX);
    loop {
        let room = tokio::select! {
            count = changes.recv_many(&mut waiting, CHANGES_LEN_MAX) => {
                if count == 0 {
                    return;
                }
                None
            }
            room = updates.reserve(), if board.has_groups() => {
                let Ok(room) = room else { return };
                Some(room)
            }
            () = updates.closed() => return,
        };
        let taken = std::mem::take(&mut waiting);
        let builds = room.is_some();
        let work = tokio::task::spawn_blocking(move || {
            for change in taken {
                board.take(change);
            }
            let groups = match builds {
                true => board.next_groups(GROUPS_LEN_MAX, TARGETS_LEN_MAX),
                false => Vec::new(),
            };
            (board, groups)
        });
        // It ends early only with the runtime, or by a mistake of ours.
        let Ok((back, groups)) = work.await else {
            tracing::error!(
                component = "discovery manager",
                discovery = "kubernetes",
                "Discovery has broken down"
            );
            return;
        };
        board = back;
        if let Some(room) = room {
            room.send(groups);
        }
    }
}

/// The selector of the role that objects of `kind` have by themselves.
fn selector(selectors: &[ResourceSelector], kind: Kind) -> Selector {
    let role = match kind {
        Kind::PodGroup | Kind::Pod => "pod",
        Kind::ServiceGroup | Kind::Service => "service",
        Kind::NodeGroup | Kind::NodeMeta => "node",
        Kind::IngressGroup => "ingress",
        Kind::Endpoints => "endpoints",
        Kind::EndpointSlice => "endpointslice",
        Kind::Namespace | Kind::ReplicaSet | Kind::Job => return Selector::default(),
    };
    let found = selectors.iter().find(|selector| selector.role == role);
    found.map_or_else(Selector::default, |selector| Selector {
        label: selector.label.clone(),
        field: selector.field.clone(),
    })
}
