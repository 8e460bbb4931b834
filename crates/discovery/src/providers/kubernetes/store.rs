//! What is known of the objects of one kind, and which objects refer to which others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::objects::Key;

/// Objects by key.
#[derive(Debug)]
pub(super) struct Store<T> {
    slots: BTreeMap<Key, Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    /// The list that brought the object last.
    generation: u32,
    object: T,
}

/// What came of an object that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<T> {
    Added,
    /// What was there before.
    Changed(T),
    Same,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
        }
    }
}

impl<T: PartialEq> Store<T> {
    /// Takes an object in.
    pub(super) fn put(&mut self, key: &Key, object: T, generation: u32) -> Stored<T> {
        match self.slots.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(Slot { generation, object });
                Stored::Added
            }
            Entry::Occupied(mut place) => {
                let slot = place.get_mut();
                slot.generation = generation;
                if slot.object == object {
                    return Stored::Same;
                }
                Stored::Changed(std::mem::replace(&mut slot.object, object))
            }
        }
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, key: &str) -> Option<T> {
        self.slots.remove(key).map(|slot| slot.object)
    }

    /// The object with this key.
    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.slots.get(key).map(|slot| &slot.object)
    }

    /// Keys of the objects in `namespace`, or of all.
    pub(super) fn keys_in(&self, namespace: Option<&str>) -> impl Iterator<Item = &Key> {
        let keys = self.slots.range::<str, _>(range_of(namespace).as_bounds());
        keys.map(|(key, _)| key)
    }

    /// Keys of the objects in `namespace`, or of all, that the list `generation` has not brought.
    pub(super) fn missed_by(&self, namespace: Option<&str>, generation: u32) -> Vec<Key> {
        let slots = self.slots.range::<str, _>(range_of(namespace).as_bounds());
        let missed = slots.filter(|(_, slot)| slot.generation != generation);
        missed.map(|(key, _)| key.clone()).collect()
    }
}

/// The keys of a namespace are those between `namespace/` and the first one behind them.
#[derive(Debug)]
pub(super) struct KeyRange {
    bounds: Option<(String, String)>,
}

impl KeyRange {
    pub(super) fn as_bounds(&self) -> (Bound<&str>, Bound<&str>) {
        match &self.bounds {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some((first, behind)) => (Bound::Included(first), Bound::Excluded(behind)),
        }
    }
}

/// The keys of `namespace`, or all.
pub(super) fn range_of(namespace: Option<&str>) -> KeyRange {
    // '0' follows '/'.
    let bounds = namespace.map(|name| (format!("{name}/"), format!("{name}0")));
    KeyRange { bounds }
}

/// Which objects refer to which others, by the other's kind and key.
#[derive(Debug, Default)]
pub(super) struct Index {
    referrers: BTreeMap<Reference, BTreeSet<Key>>,
}

/// Another object that labels are taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    Node(Box<str>),
    Pod(Box<str>),
    Service(Box<str>),
    ReplicaSet(Box<str>),
    Job(Box<str>),
}

impl Index {
    /// Notes that `key` refers to `now` and no longer to `before`.
    pub(super) fn update(
        &mut self,
        key: &Key,
        before: &BTreeSet<Reference>,
        now: BTreeSet<Reference>,
    ) {
        for reference in before.difference(&now) {
            if let Some(keys) = self.referrers.get_mut(reference) {
                keys.remove(key);
                if keys.is_empty() {
                    self.referrers.remove(reference);
                }
            }
        }
        for reference in now {
            if !before.contains(&reference) {
                let keys = self.referrers.entry(reference).or_default();
                keys.insert(key.clone());
            }
        }
    }

    /// Keys of the objects that refer to it.
    pub(super) fn referrers(&self, reference: &Reference) -> impl Iterator<Item = &Key> {
        self.referrers.get(reference).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.into()
    }

    #[test]
    fn a_list_tells_what_is_gone_in_its_namespace_only() {
        let mut store = Store::default();
        for name in ["a/x", "a/y", "a-b/x", "b/x"] {
            assert_eq!(store.put(&key(name), 1, 1), Stored::Added);
        }
        assert_eq!(store.put(&key("a/x"), 1, 2), Stored::Same);
        assert_eq!(store.put(&key("a/z"), 3, 2), Stored::Added);
        assert_eq!(store.missed_by(Some("a"), 2), [key("a/y")]);
        assert_eq!(store.missed_by(None, 2).len(), 3);
        assert_eq!(store.put(&key("a/y"), 5, 2), Stored::Changed(1));
        let keys: Vec<_> = store.keys_in(Some("a")).cloned().collect();
        assert_eq!(keys, [key("a/x"), key("a/y"), key("a/z")]);
        assert_eq!(store.remove("b/x"), Some(1));
        assert_eq!(store.get("b/x"), None);
    }

    #[test]
    fn references_come_and_go() {
        let node = |name: &str| Reference::Node(name.into());
        let mut index = Index::default();
        let (none, one) = (BTreeSet::new(), BTreeSet::from([node("n1")]));
        index.update(&key("p"), &none, one.clone());
        assert_eq!(index.referrers(&node("n1")).count(), 1);
        index.update(&key("p"), &one, BTreeSet::from([node("n2")]));
        assert_eq!(index.referrers(&node("n1")).count(), 0);
        assert_eq!(index.referrers(&node("n2")).count(), 1);
        index.update(&key("p"), &BTreeSet::from([node("n2")]), BTreeSet::new());
        assert!(index.referrers.is_empty());
    }
}
