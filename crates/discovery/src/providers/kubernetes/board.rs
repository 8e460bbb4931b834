//! Everything known of the cluster, and which groups have to be reported anew.
//!
//! A group that has to be reported is noted by its key, once however often it changed: a burst of
//! events makes no queue. It is built when there is room to report it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::api::Kind;
use super::endpoint_slice::EndpointSlice;
use super::endpoints::Endpoints;
use super::feed::{Change, Message};
use super::join::Related;
use super::objects::{Item, Key, OwnGroup, namespace_of};
use super::store::{Index, Reference, Store, Stored, range_of};
use super::{EventCounts, Role};
use crate::config::AttachMetadata;
use crate::target_group::TargetGroup;

/// A feed as the board sees it.
#[derive(Debug)]
pub(super) struct FeedState {
    pub(super) kind: Kind,
    /// Where its objects are; all if it watches all, or if they are in none.
    pub(super) namespace: Option<Arc<str>>,
    /// Number of its last list.
    generation: u32,
    is_synced: bool,
}

impl FeedState {
    pub(super) fn new(kind: Kind, namespace: Option<Arc<str>>) -> Self {
        Self {
            kind,
            namespace,
            generation: 0,
            is_synced: false,
        }
    }
}

/// The objects that groups are made of.
#[derive(Debug, Default)]
struct Primary {
    groups: Store<OwnGroup>,
    endpoints: Store<Box<Endpoints>>,
    slices: Store<Box<EndpointSlice>>,
}

/// What is known.
#[derive(Debug)]
pub(super) struct Board {
    role: Role,
    feeds: Vec<FeedState>,
    /// The namespaces that are looked at one by one; none if all are.
    namespaces: Vec<Arc<str>>,
    ready: Ready,
    primary: Primary,
    related: Related,
    /// Which groups need which other objects.
    index: Index,
    /// Which pods behind endpoints have which controllers.
    pod_index: Index,
    /// Keys of the groups to report.
    dirty: BTreeSet<Key>,
    counts: EventCounts,
}

/// Where groups can be made: every feed that they need has had a whole list.
#[derive(Debug)]
enum Ready {
    Nowhere,
    Everywhere,
    Namespaces(BTreeSet<Arc<str>>),
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happened {
    Add,
    Update,
    Delete,
    Nothing,
}

impl<T> From<&Stored<T>> for Happened {
    fn from(stored: &Stored<T>) -> Self {
        match stored {
            Stored::Added => Self::Add,
            Stored::Changed(_) => Self::Update,
            Stored::Same => Self::Nothing,
        }
    }
}

impl Board {
    pub(super) fn new(
        role: Role,
        attach: AttachMetadata,
        feeds: Vec<FeedState>,
        namespaces: Vec<Arc<str>>,
        counts: EventCounts,
    ) -> Self {
        Self {
            role,
            feeds,
            namespaces,
            ready: Ready::Nowhere,
            primary: Primary::default(),
            related: Related {
                attach,
                ..Related::default()
            },
            index: Index::default(),
            pod_index: Index::default(),
            dirty: BTreeSet::new(),
            counts,
        }
    }

    /// Takes in what a feed tells.
    pub(super) fn take(&mut self, message: Message) {
        let Some(feed) = self.feeds.get_mut(message.feed) else {
            return;
        };
        let (kind, generation) = (feed.kind, feed.generation);
        match message.change {
            Change::Listed(objects) => {
                for parsed in objects {
                    let happened = self.put(kind, &parsed.key, parsed.item, generation);
                    self.note(kind, &parsed.key, happened);
                }
            }
            Change::ListBegin => feed.generation = generation.wrapping_add(1),
            Change::ListEnd { is_whole } => {
                feed.is_synced = true;
                let namespace = feed.namespace.clone();
                self.update_ready();
                if !is_whole {
                    return;
                }
                for key in self.missed(kind, namespace.as_deref(), generation) {
                    self.take_out(kind, &key);
                }
            }
            Change::Put(parsed) => {
                let happened = self.put(kind, &parsed.key, parsed.item, generation);
                if happened == Happened::Nothing {
                    // An event nevertheless.
                    self.counts.count(kind, "update");
                }
                self.note(kind, &parsed.key, happened);
            }
            Change::Gone(key) => self.take_out(kind, &key),
        }
    }

    fn take_out(&mut self, kind: Kind, key: &Key) {
        let happened = self.remove(kind, key);
        self.note(kind, key, happened);
    }

    /// Counts what happened and marks the groups that change with it.
    fn note(&mut self, kind: Kind, key: &Key, happened: Happened) {
        match happened {
            Happened::Nothing => return,
            Happened::Add => self.counts.count(kind, "add"),
            Happened::Update => self.counts.count(kind, "update"),
            Happened::Delete => self.counts.count(kind, "delete"),
        }
        self.mark(kind, key);
    }

    fn put(&mut self, kind: Kind, key: &Key, item: Item, generation: u32) -> Happened {
        let related = &mut self.related;
        match item {
            Item::Group(group) => {
                let now = related.references(&group);
                let stored = self.primary.groups.put(key, group, generation);
                let before = reference_change(&stored, |group| related.references(group));
                update_index(&mut self.index, key, before, now);
                Happened::from(&stored)
            }
            Item::Endpoints(endpoints) => {
                let now = endpoints.references(related);
                let stored = self.primary.endpoints.put(key, endpoints, generation);
                let before = reference_change(&stored, |old| old.references(related));
                update_index(&mut self.index, key, before, now);
                Happened::from(&stored)
            }
            Item::EndpointSlice(slice) => {
                let now = slice.references(related);
                let stored = self.primary.slices.put(key, slice, generation);
                let before = reference_change(&stored, |old| old.references(related));
                update_index(&mut self.index, key, before, now);
                Happened::from(&stored)
            }
            Item::Pod(pod) => {
                let now = related.references_of_pod(&pod);
                let stored = related.pods.put(key, pod, generation);
                let before = reference_change(&stored, |old| related.references_of_pod(old));
                update_index(&mut self.pod_index, key, before, now);
                Happened::from(&stored)
            }
            Item::Service(service) => (&related.services.put(key, service, generation)).into(),
            Item::Meta(meta) if kind == Kind::Namespace => {
                (&related.namespaces.put(key, meta, generation)).into()
            }
            Item::Meta(meta) => (&related.nodes.put(key, meta, generation)).into(),
            Item::Owner(owner) if kind == Kind::Job => {
                (&related.jobs.put(key, owner, generation)).into()
            }
            Item::Owner(owner) => (&related.replica_sets.put(key, owner, generation)).into(),
        }
    }

    fn remove(&mut self, kind: Kind, key: &Key) -> Happened {
        let related = &mut self.related;
        let none = BTreeSet::new;
        let was_there = match kind {
            Kind::PodGroup | Kind::ServiceGroup | Kind::NodeGroup | Kind::IngressGroup => {
                let removed = self.primary.groups.remove(key);
                removed.map(|old| self.index.update(key, &related.references(&old), none()))
            }
            Kind::Endpoints => {
                let removed = self.primary.endpoints.remove(key);
                removed.map(|old| self.index.update(key, &old.references(related), none()))
            }
            Kind::EndpointSlice => {
                let removed = self.primary.slices.remove(key);
                removed.map(|old| self.index.update(key, &old.references(related), none()))
            }
            Kind::Pod => {
                let removed = related.pods.remove(key);
                removed.map(|old| {
                    let before = related.references_of_pod(&old);
                    self.pod_index.update(key, &before, none());
                })
            }
            Kind::Service => related.services.remove(key).map(drop),
            Kind::NodeMeta => related.nodes.remove(key).map(drop),
            Kind::Namespace => related.namespaces.remove(key).map(drop),
            Kind::ReplicaSet => related.replica_sets.remove(key).map(drop),
            Kind::Job => related.jobs.remove(key).map(drop),
        };
        was_there.map_or(Happened::Nothing, |()| Happened::Delete)
    }

    fn missed(&self, kind: Kind, namespace: Option<&str>, generation: u32) -> Vec<Key> {
        let (primary, related) = (&self.primary, &self.related);
        match kind {
            Kind::PodGroup | Kind::ServiceGroup | Kind::NodeGroup | Kind::IngressGroup => {
                primary.groups.missed_by(namespace, generation)
            }
            Kind::Endpoints => primary.endpoints.missed_by(namespace, generation),
            Kind::EndpointSlice => primary.slices.missed_by(namespace, generation),
            Kind::Pod => related.pods.missed_by(namespace, generation),
            Kind::Service => related.services.missed_by(namespace, generation),
            Kind::NodeMeta => related.nodes.missed_by(None, generation),
            Kind::Namespace => related.namespaces.missed_by(None, generation),
            Kind::ReplicaSet => related.replica_sets.missed_by(namespace, generation),
            Kind::Job => related.jobs.missed_by(namespace, generation),
        }
    }

    /// Marks the groups that change with an object.
    fn mark(&mut self, kind: Kind, key: &Key) {
        let name = || Box::from(&**key);
        match kind {
            Kind::PodGroup
            | Kind::ServiceGroup
            | Kind::NodeGroup
            | Kind::IngressGroup
            | Kind::Endpoints
            | Kind::EndpointSlice => {
                self.dirty.insert(key.clone());
            }
            Kind::Pod => self.mark_referrers(&Reference::Pod(name())),
            Kind::Service => {
                if self.primary.endpoints.get(key).is_some() {
                    self.dirty.insert(key.clone());
                }
                self.mark_referrers(&Reference::Service(name()));
            }
            Kind::NodeMeta => self.mark_referrers(&Reference::Node(name())),
            Kind::Namespace => {
                let namespace = Some(&**key);
                self.dirty
                    .extend(self.primary.groups.keys_in(namespace).cloned());
                self.dirty
                    .extend(self.primary.endpoints.keys_in(namespace).cloned());
                self.dirty
                    .extend(self.primary.slices.keys_in(namespace).cloned());
            }
            Kind::ReplicaSet => self.mark_controlled(&Reference::ReplicaSet(name())),
            Kind::Job => self.mark_controlled(&Reference::Job(name())),
        }
    }

    fn mark_referrers(&mut self, reference: &Reference) {
        self.dirty.extend(self.index.referrers(reference).cloned());
    }

    /// Marks the groups of the pods that `controller` controls.
    fn mark_controlled(&mut self, controller: &Reference) {
        self.mark_referrers(controller);
        for pod in self.pod_index.referrers(controller) {
            let pod = Reference::Pod(Box::from(&**pod));
            self.dirty.extend(self.index.referrers(&pod).cloned());
        }
    }

    fn update_ready(&mut self) {
        let namespaces = self.namespaces.iter();
        self.ready = match self.is_synced(None) {
            true => Ready::Everywhere,
            false if self.namespaces.is_empty() => Ready::Nowhere,
            false => {
                let ready = namespaces.filter(|name| self.is_synced(Some(name)));
                Ready::Namespaces(ready.cloned().collect())
            }
        };
    }

    /// Whether every feed that groups in `namespace`, or in any, need has had a whole list. One that
    /// cannot be listed holds up no other one.
    fn is_synced(&self, namespace: Option<&str>) -> bool {
        let mut feeds = self.feeds.iter();
        feeds.all(|feed| {
            let own = feed.namespace.as_deref();
            let concerns = own.is_none() || namespace.is_none() || own == namespace;
            feed.is_synced || !concerns
        })
    }

    /// The first key to report, of those that can be.
    fn first_dirty(&self) -> Option<&Key> {
        let ready = match &self.ready {
            Ready::Nowhere => return None,
            Ready::Everywhere => return self.dirty.first(),
            Ready::Namespaces(ready) => ready,
        };
        let mut next = self.dirty.first();
        while let Some(key) = next {
            let namespace = namespace_of(key);
            if ready.contains(namespace) {
                return Some(key);
            }
            // Past the namespace; past the key alone if it has none.
            let range = range_of(Some(namespace));
            let after = match range.as_bounds().1 {
                Bound::Excluded(end) if !namespace.is_empty() => Bound::Included(end),
                _ => Bound::Excluded(&**key),
            };
            let mut behind = self.dirty.range::<str, _>((after, Bound::Unbounded));
            next = behind.next();
        }
        None
    }

    /// Whether there are groups to report.
    pub(super) fn has_groups(&self) -> bool {
        self.first_dirty().is_some()
    }

    /// Groups to report: up to `groups_len`, and not many more than `targets_len` targets.
    pub(super) fn next_groups(
        &mut self,
        groups_len: usize,
        targets_len: usize,
    ) -> Vec<TargetGroup> {
        let (mut groups, mut targets) = (Vec::new(), 0);
        while groups.len() < groups_len
            && targets < targets_len
            && let Some(key) = self.first_dirty().cloned()
        {
            self.dirty.remove(&key);
            let group = self.group(&key);
            targets += group.targets.len();
            groups.push(group);
        }
        groups
    }

    /// The group of `key` as it is now.
    fn group(&self, key: &Key) -> TargetGroup {
        let source = format!("{}/{key}", self.role.source());
        let group = match self.role {
            Role::Endpoints => {
                let endpoints = self.primary.endpoints.get(key);
                endpoints.map(|endpoints| endpoints.group(source.clone(), &self.related))
            }
            Role::EndpointSlice => {
                let slice = self.primary.slices.get(key);
                slice.map(|slice| slice.group(source.clone(), &self.related))
            }
            Role::Pod | Role::Node | Role::Service | Role::Ingress => {
                let group = self.primary.groups.get(key);
                group.map(|group| self.related.group(source.clone(), group))
            }
        };
        group.unwrap_or_else(|| TargetGroup::gone(&source))
    }
}

/// References of what was there before: `None` if they cannot have changed.
fn reference_change<T>(
    stored: &Stored<T>,
    references: impl FnOnce(&T) -> BTreeSet<Reference>,
) -> Option<BTreeSet<Reference>> {
    match stored {
        Stored::Added => Some(BTreeSet::new()),
        Stored::Changed(old) => Some(references(old)),
        Stored::Same => None,
    }
}

fn update_index(
    index: &mut Index,
    key: &Key,
    before: Option<BTreeSet<Reference>>,
    now: BTreeSet<Reference>,
) {
    if let Some(before) = before {
        index.update(key, &before, now);
    }
}

#[cfg(test)]
mod tests;
