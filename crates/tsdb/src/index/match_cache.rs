//! What matchers find in a block: looked for once, as an index never changes.

use std::sync::Arc;

use crate::sync::Mutex;
use model::{MatchOp, Matcher};

/// Bounds of the cache of values that an expression matches.
pub(super) const VALUES: Bounds = Bounds {
    bytes: 256 << 10,
    positions: usize::MAX,
};
/// Bounds of the cache of series that all matchers of a selector find. A panel about one pod asks
/// again and again; to find many series again is cheap beside reading them.
pub(super) const SELECTIONS: Bounds = Bounds {
    bytes: 64 << 10,
    positions: 256,
};

/// Most entries kept for one block.
const ENTRIES_MAX: usize = 64;
/// What an entry takes beside its texts and positions.
const ENTRY_BYTES: usize = 64;

/// What a cache may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of all entries.
    bytes: usize,
    /// Positions of one entry.
    positions: usize,
}

/// A matcher without its expression's automaton.
#[derive(Debug)]
struct Condition {
    op: MatchOp,
    name: Arc<str>,
    value: Arc<str>,
}

impl Condition {
    fn is_of(&self, matcher: &Matcher) -> bool {
        self.op == matcher.op && self.value == matcher.value && self.name == matcher.name
    }
}

#[derive(Debug)]
struct Entry {
    conditions: Box<[Condition]>,
    positions: Arc<[u32]>,
}

impl Entry {
    fn is_of(&self, matchers: &[Matcher]) -> bool {
        self.conditions.len() == matchers.len()
            && self
                .conditions
                .iter()
                .zip(matchers)
                .all(|(condition, matcher)| condition.is_of(matcher))
    }

    fn bytes(&self) -> usize {
        let texts = |condition: &Condition| {
            size_of::<Condition>() + condition.name.len() + condition.value.len()
        };
        self.positions.len() * size_of::<u32>()
            + self.conditions.iter().map(texts).sum::<usize>()
            + ENTRY_BYTES
    }
}

/// Positions by matchers; those used last stay.
#[derive(Debug)]
pub(super) struct MatchCache {
    bounds: Bounds,
    /// The newest is at the end.
    entries: Mutex<Vec<Entry>>,
}

impl MatchCache {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: Mutex::default(),
        }
    }

    /// Bytes of memory, about.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.lock().iter().map(Entry::bytes).sum()
    }

    /// What was kept for `matchers`, in this order.
    pub(super) fn find(&self, matchers: &[Matcher]) -> Option<Arc<[u32]>> {
        let mut entries = self.entries.lock();
        let at = entries.iter().rposition(|entry| entry.is_of(matchers))?;
        let entry = entries.remove(at);
        let positions = entry.positions.clone();
        entries.push(entry);
        Some(positions)
    }

    /// Keeps what `matchers` find, if it is not too much.
    pub(super) fn keep(&self, matchers: &[Matcher], positions: &[u32]) {
        if positions.len() > self.bounds.positions {
            return;
        }
        let condition = |matcher: &Matcher| Condition {
            op: matcher.op,
            name: matcher.name.clone(),
            value: matcher.value.clone(),
        };
        let mut entry = Entry {
            conditions: matchers.iter().map(condition).collect(),
            positions: Arc::default(),
        };
        let bytes = entry.bytes() + size_of_val(positions);
        let Some(mut left) = self.bounds.bytes.checked_sub(bytes) else {
            return;
        };
        entry.positions = positions.into();
        let mut entries = self.entries.lock();
        entries.retain(|entry| !entry.is_of(matchers));
        // The oldest go until the new one fits.
        let newest_first = entries.iter().rev().take(ENTRIES_MAX - 1);
        let fitting = newest_first.take_while(|entry| match left.checked_sub(entry.bytes()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
        let kept = fitting.count();
        let gone = entries.len() - kept;
        entries.drain(..gone);
        entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(expression: &str) -> [Matcher; 1] {
        [Matcher::new(MatchOp::Regex, "name", expression).unwrap()]
    }

    #[test]
    fn what_was_used_last_stays_within_the_bounds() {
        let cache = MatchCache::new(VALUES);
        let few: Arc<[u32]> = vec![1, 2, 3].into();
        for number in 0..ENTRIES_MAX {
            cache.keep(&matcher(&format!("a{number}.*")), &few);
        }
        assert_eq!(cache.find(&matcher("a0.*")), Some(few.clone()));
        cache.keep(&matcher("b.*"), &few);
        assert_eq!(cache.find(&matcher("a0.*")), Some(few.clone()));
        assert_eq!(cache.find(&matcher("a1.*")), None);
        assert_eq!(cache.entries.lock().len(), ENTRIES_MAX);
        let half: Arc<[u32]> = vec![7; VALUES.bytes / 8].into();
        cache.keep(&matcher("c.*"), &half);
        cache.keep(&matcher("d.*"), &half);
        assert_eq!(cache.find(&matcher("c.*")), None);
        assert_eq!(cache.find(&matcher("d.*")), Some(half));
        assert!(cache.heap_bytes() <= VALUES.bytes);
        cache.keep(&matcher("e.*"), &vec![7; VALUES.bytes]);
        assert_eq!(cache.find(&matcher("e.*")), None);
    }

    #[test]
    fn every_matcher_counts() {
        let cache = MatchCache::new(SELECTIONS);
        let matchers = |op, value| {
            [
                Matcher::equal("a", "b"),
                Matcher::new(op, "c", value).unwrap(),
            ]
        };
        let asked = matchers(MatchOp::Regex, "d.*");
        cache.keep(&asked, &[4, 9]);
        assert_eq!(cache.find(&asked).as_deref(), Some(&[4, 9][..]));
        for other in [
            matchers(MatchOp::NotRegex, "d.*"),
            matchers(MatchOp::Regex, "d.+"),
            [asked[1].clone(), asked[0].clone()],
            [asked[0].clone(), asked[0].clone()],
        ] {
            assert_eq!(cache.find(&other), None, "{other:?}");
        }
        assert_eq!(cache.find(&asked[..1]), None);
        cache.keep(&asked[..1], &vec![1; SELECTIONS.positions + 1]);
        assert_eq!(cache.find(&asked[..1]), None);
    }
}
