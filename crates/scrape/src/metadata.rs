//! What targets say about their metric families: kept once for all targets that say the same.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use model::Metadata;
use parking_lot::Mutex;

/// When the families of a target take this much, no more of its descriptions are kept.
const TARGET_BYTES_MAX: usize = 16 << 20;

/// A metric family as some target describes it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Family {
    name: Box<str>,
    metadata: Metadata,
}

impl Family {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.metadata.help.len() + self.metadata.unit.len()
    }
}

/// The families of all targets.
#[derive(Debug, Default)]
pub(crate) struct Families {
    hasher: RandomState,
    known: Mutex<HashTable<Weak<Family>>>,
}

impl Families {
    /// The one of all equal families.
    fn shared(&self, family: Family) -> Arc<Family> {
        let mut known = self.known.lock();
        let hash = |family: &Family| self.hasher.hash_one(family);
        let rehash = |weak: &Weak<Family>| weak.upgrade().map_or(0, |family| hash(&family));
        if known.len() == known.capacity() {
            known.retain(|weak| weak.strong_count() > 0);
            let room = known.len() * 2;
            known.shrink_to(room, rehash);
        }
        let same = |weak: &Weak<Family>| weak.upgrade().is_some_and(|other| *other == family);
        match known.entry(hash(&family), same, rehash) {
            Entry::Occupied(found) => found.get().upgrade().unwrap_or_else(|| Arc::new(family)),
            Entry::Vacant(place) => {
                let family = Arc::new(family);
                place.insert(Arc::downgrade(&family));
                family
            }
        }
    }

    /// Bytes of memory the families take, each counted once.
    pub(crate) fn heap_bytes(&self) -> usize {
        let known = self.known.lock();
        let families = known.iter().filter_map(Weak::upgrade);
        // Beside a family its two counts.
        let families = families.map(|family| family.bytes() + 2 * size_of::<usize>());
        known.allocation_size() + families.sum::<usize>()
    }
}

/// One target's family.
#[derive(Debug)]
struct Described {
    family: Arc<Family>,
    /// Scrape in which it was last described.
    seen: u64,
}

/// One target's families, by name.
#[derive(Debug, Default)]
pub(crate) struct TargetMetadata {
    families: HashTable<Described>,
    /// Of all families.
    bytes: usize,
}

impl TargetMetadata {
    /// Notes what scrape number `scrape` says of the family `name`: `change` makes it of what was
    /// known.
    pub(crate) fn describe(
        &mut self,
        families: &Families,
        name: &str,
        scrape: u64,
        differs: impl FnOnce(&Metadata) -> bool,
        change: impl FnOnce(&mut Metadata),
    ) {
        let hash = |described: &Described| families.hasher.hash_one(&*described.family.name);
        let same = |described: &Described| *described.family.name == *name;
        let shared = |mut metadata: Metadata| {
            change(&mut metadata);
            let name = name.into();
            families.shared(Family { name, metadata })
        };
        let is_full = self.bytes >= TARGET_BYTES_MAX;
        match self
            .families
            .entry(families.hasher.hash_one(name), same, hash)
        {
            Entry::Occupied(mut found) => {
                let described = found.get_mut();
                described.seen = scrape;
                if !is_full && differs(&described.family.metadata) {
                    self.bytes -= described.family.bytes();
                    described.family = shared(described.family.metadata.clone());
                    self.bytes += described.family.bytes();
                }
            }
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(place) => {
                let family = shared(Metadata::default());
                self.bytes += family.bytes();
                place.insert(Described {
                    family,
                    seen: scrape,
                });
            }
        }
    }

    /// Forgets families that no scrape since number `scrape` has described.
    pub(crate) fn forget_before(&mut self, families: &Families, scrape: u64) {
        let before = self.families.len();
        let bytes = &mut self.bytes;
        self.families.retain(|described| {
            let stays = described.seen >= scrape;
            if !stays {
                *bytes -= described.family.bytes();
            }
            stays
        });
        if self.families.len() < before {
            let hash = |described: &Described| families.hasher.hash_one(&*described.family.name);
            self.families.shrink_to_fit(hash);
        }
    }

    /// All families, sorted by name.
    pub(crate) fn all(&self) -> Vec<(String, Metadata)> {
        let families = self.families.iter().map(|described| &described.family);
        let mut all: Vec<(String, Metadata)> = families
            .map(|family| (family.name.to_string(), family.metadata.clone()))
            .collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// One family.
    pub(crate) fn get(&self, name: &str) -> Option<Metadata> {
        let mut families = self.families.iter();
        let found = families.find(|described| *described.family.name == *name)?;
        Some(found.family.metadata.clone())
    }

    /// Number of families, and the bytes of their names and metadata.
    pub(crate) fn size(&self) -> (usize, usize) {
        let families = self.families.iter().map(|described| {
            let Family { name, metadata } = &*described.family;
            // The reference counts the type's name here.
            let kind = metadata.metric_type.as_str();
            name.len() + metadata.help.len() + metadata.unit.len() + kind.len()
        });
        (self.families.len(), families.sum())
    }

    /// Bytes of memory it takes, those of the shared families apart.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.families.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(target: &mut TargetMetadata, families: &Families, name: &str, help: &str, at: u64) {
        let differs = |known: &Metadata| known.help != help;
        target.describe(families, name, at, differs, |known| {
            known.help = help.to_owned();
        });
    }

    fn help_of(target: &TargetMetadata, name: &str) -> Option<String> {
        target.get(name).map(|metadata| metadata.help)
    }

    #[test]
    fn targets_that_say_the_same_share_it() {
        let families = Families::default();
        let (mut one, mut other) = (TargetMetadata::default(), TargetMetadata::default());
        let long = "x".repeat(1000);
        describe(&mut one, &families, "a", &long, 1);
        let bytes = families.heap_bytes();
        assert!(bytes > 1000);
        describe(&mut other, &families, "a", &long, 1);
        assert_eq!(families.heap_bytes(), bytes);
        describe(&mut other, &families, "a", "y", 2);
        assert_eq!(help_of(&one, "a"), Some(long));
        assert_eq!(help_of(&other, "a"), Some("y".to_owned()));
        assert_eq!(one.size(), (1, 1 + 1000 + "unknown".len()));
    }

    #[test]
    fn what_nobody_says_any_more_is_let_go() {
        let families = Families::default();
        let mut target = TargetMetadata::default();
        for number in 0..1000 {
            describe(&mut target, &families, "a", &format!("{number}"), number);
        }
        assert!(families.known.lock().len() < 100);
        describe(&mut target, &families, "b", "", 1005);
        target.forget_before(&families, 1000);
        let names: Vec<String> = target.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b"]);
        drop(target);
        assert!(families.heap_bytes() < 10_000);
    }

    #[test]
    fn descriptions_of_a_target_are_bounded() {
        let families = Families::default();
        let mut target = TargetMetadata::default();
        let long = "x".repeat(1 << 20);
        for number in 0..20 {
            describe(&mut target, &families, &format!("a{number}"), &long, 1);
        }
        assert_eq!(target.size().0, 16);
        assert!(families.heap_bytes() < 18 << 20);
        describe(&mut target, &families, "a0", "new", 1);
        assert_eq!(help_of(&target, "a0"), Some(long));
        // What is forgotten makes room.
        target.forget_before(&families, 2);
        assert_eq!(target.bytes, 0);
        describe(&mut target, &families, "a20", "new", 2);
        assert_eq!(help_of(&target, "a20"), Some("new".to_owned()));
    }

    #[test]
    fn families_are_listed_by_name() {
        let families = Families::default();
        let mut target = TargetMetadata::default();
        for name in ["c", "a", "b"] {
            describe(&mut target, &families, name, name, 1);
        }
        let all = target.all();
        let helps: Vec<&str> = all.iter().map(|(_, metadata)| &*metadata.help).collect();
        assert_eq!(helps, ["a", "b", "c"]);
        assert_eq!(help_of(&target, "d"), None);
    }
}
