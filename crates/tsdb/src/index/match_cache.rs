//! Which values of a label an expression matches: looked for once a block, as a block's values never
//! change.

use std::sync::Arc;

use crate::sync::Mutex;
use model::{MatchOp, Matcher};

/// Most bytes of positions kept for one block.
const BYTES_MAX: usize = 256 << 10;
/// Most expressions kept for one block.
const ENTRIES_MAX: usize = 64;
/// What an entry takes beside its texts and positions.
const ENTRY_BYTES: usize = 64;

#[derive(Debug)]
struct Entry {
    op: MatchOp,
    name: Arc<str>,
    expression: Arc<str>,
    positions: Arc<[u32]>,
}

impl Entry {
    fn is_of(&self, matcher: &Matcher) -> bool {
        self.op == matcher.op && self.name == matcher.name && self.expression == matcher.value
    }

    fn bytes(&self) -> usize {
        self.positions.len() * size_of::<u32>()
            + self.name.len()
            + self.expression.len()
            + ENTRY_BYTES
    }
}

/// Positions of matching values by matcher; those used last stay.
#[derive(Debug, Default)]
pub(super) struct MatchCache {
    /// The newest is at the end.
    entries: Mutex<Vec<Entry>>,
}

impl MatchCache {
    /// Bytes of memory, about.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.lock().iter().map(Entry::bytes).sum()
    }

    /// What was kept for `matcher`.
    pub(super) fn find(&self, matcher: &Matcher) -> Option<Arc<[u32]>> {
        let mut entries = self.entries.lock();
        let at = entries.iter().position(|entry| entry.is_of(matcher))?;
        let entry = entries.remove(at);
        let positions = entry.positions.clone();
        entries.push(entry);
        Some(positions)
    }

    /// Keeps what `matcher` matches, if it is not too much.
    pub(super) fn keep(&self, matcher: &Matcher, positions: &Arc<[u32]>) {
        let entry = Entry {
            op: matcher.op,
            name: matcher.name.clone(),
            expression: matcher.value.clone(),
            positions: positions.clone(),
        };
        let Some(mut left) = BYTES_MAX.checked_sub(entry.bytes()) else {
            return;
        };
        let mut entries = self.entries.lock();
        entries.retain(|entry| !entry.is_of(matcher));
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

    fn matcher(expression: &str) -> Matcher {
        Matcher::new(MatchOp::Regex, "name", expression).unwrap()
    }

    #[test]
    fn what_was_used_last_stays_within_the_bounds() {
        let cache = MatchCache::default();
        let few: Arc<[u32]> = vec![1, 2, 3].into();
        for number in 0..ENTRIES_MAX {
            cache.keep(&matcher(&format!("a{number}.*")), &few);
        }
        assert_eq!(cache.find(&matcher("a0.*")), Some(few.clone()));
        cache.keep(&matcher("b.*"), &few);
        assert_eq!(cache.find(&matcher("a0.*")), Some(few.clone()));
        assert_eq!(cache.find(&matcher("a1.*")), None);
        assert_eq!(cache.entries.lock().len(), ENTRIES_MAX);
        let half: Arc<[u32]> = vec![7; BYTES_MAX / 8].into();
        cache.keep(&matcher("c.*"), &half);
        cache.keep(&matcher("d.*"), &half);
        assert_eq!(cache.find(&matcher("c.*")), None);
        assert_eq!(cache.find(&matcher("d.*")), Some(half));
        assert!(cache.heap_bytes() <= BYTES_MAX);
        let too_many: Arc<[u32]> = vec![7; BYTES_MAX].into();
        cache.keep(&matcher("e.*"), &too_many);
        assert_eq!(cache.find(&matcher("e.*")), None);
    }
}
