//! Which series have which label value: run-encoded lists in an immutable base, a small mutable
//! delta beside it.
//!
//! Series of one target are created together and get neighbouring slots, so most lists are a few
//! runs. Each label name has its own base and delta behind its own lock; the delta is folded into
//! the base when it reaches a quarter of it.

mod runs;

use std::sync::Arc;

use crate::sync::RwLock;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use model::Matcher;

use super::symbols::{SymbolId, Symbols, SymbolsView};
pub(crate) use runs::Runs;

/// A delta below this many entries is never folded.
const DELTA_LEN_MIN: usize = 1024;

/// The lists of all values of one label name.
#[derive(Debug, Default)]
pub(crate) struct NamePostings {
    base: Base,
    delta: HashMap<u32, SmallVec<[u32; 4]>, FixedState>,
    delta_len: usize,
}

/// Sorted by text of the value; list `i` is `data[ends[i - 1]..ends[i]]`.
#[derive(Debug, Default)]
struct Base {
    values: Vec<SymbolId>,
    ends: Vec<u32>,
    data: Vec<u8>,
    len: usize,
}

impl Base {
    fn list(&self, index: usize) -> &[u8] {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied();
        let end = self.ends.get(index).copied().unwrap_or(0);
        self.data
            .get(start.unwrap_or(0) as usize..end as usize)
            .unwrap_or_default()
    }

    fn position(&self, value: &str, symbols: &SymbolsView<'_>) -> Option<usize> {
        self.values
            .binary_search_by(|id| symbols.get(*id).cmp(value))
            .ok()
    }

    fn push(&mut self, value: SymbolId, list: &[u8]) {
        self.values.push(value);
        self.data.extend_from_slice(list);
        self.ends.push(self.data.len() as u32);
        self.len += runs::encoded_len(list);
    }
}

impl NamePostings {
    /// Adds entries; `true` when it is time to [`fold`](Self::fold).
    fn add(&mut self, value: SymbolId, slots: &[u32]) -> bool {
        self.delta
            .entry(value.0)
            .or_default()
            .extend_from_slice(slots);
        self.delta_len += slots.len();
        self.delta_len >= DELTA_LEN_MIN.max(self.base.len / 4)
    }

    /// Folds the delta into the base.
    fn fold(&mut self, symbols: &SymbolsView<'_>) {
        let mut added: Vec<(SymbolId, SmallVec<[u32; 4]>)> = self
            .delta
            .drain()
            .map(|(id, slots)| (SymbolId(id), slots))
            .collect();
        added.sort_by(|(one, _), (other, _)| symbols.get(*one).cmp(symbols.get(*other)));
        let old = std::mem::take(&mut self.base);
        let mut base = Base::default();
        base.values.reserve_exact(old.values.len() + added.len());
        base.ends.reserve_exact(old.values.len() + added.len());
        base.data.reserve(old.data.len() + self.delta_len * 2);
        let mut index = 0;
        for (value, mut slots) in added {
            let text = symbols.get(value);
            while let Some(before) = old
                .values
                .get(index)
                .filter(|before| symbols.get(**before) < text)
            {
                base.push(*before, old.list(index));
                index += 1;
            }
            slots.sort_unstable();
            let mut list = Runs::from_sorted(slots);
            if old.values.get(index) == Some(&value) {
                list = Runs::union([runs::decode(old.list(index)), list]);
                index += 1;
            }
            base.push(value, &runs::encode(&list));
        }
        for (index, value) in old.values.iter().enumerate().skip(index) {
            base.push(*value, old.list(index));
        }
        base.values.shrink_to_fit();
        base.ends.shrink_to_fit();
        base.data.shrink_to_fit();
        self.base = base;
        self.delta_len = 0;
    }

    /// Takes `removed` slots out of all lists; values without any are forgotten.
    fn remove(&mut self, removed: &Runs, symbols: &SymbolsView<'_>) {
        self.fold(symbols);
        let old = std::mem::take(&mut self.base);
        let mut base = Base::default();
        for (index, value) in old.values.iter().enumerate() {
            let list = old.list(index);
            let left = runs::decode(list).subtract(removed);
            if !left.is_empty() {
                base.push(*value, &runs::encode(&left));
            }
        }
        base.values.shrink_to_fit();
        base.ends.shrink_to_fit();
        base.data.shrink_to_fit();
        self.base = base;
    }

    fn is_empty(&self) -> bool {
        self.base.values.is_empty() && self.delta.is_empty()
    }

    /// Number of values.
    pub(crate) fn value_count(&self) -> usize {
        // Values in both are counted twice: an estimate is what callers need.
        self.base.values.len() + self.delta.len()
    }

    /// Number of series with this value.
    pub(crate) fn estimate(&self, value: SymbolId, symbols: &SymbolsView<'_>) -> usize {
        let position = self.base.position(symbols.get(value), symbols);
        position.map_or(0, |index| runs::encoded_len(self.base.list(index)))
            + self.delta.get(&value.0).map_or(0, SmallVec::len)
    }

    /// Series with any of these values.
    pub(crate) fn list(
        &self,
        values: impl IntoIterator<Item = SymbolId>,
        symbols: &SymbolsView<'_>,
    ) -> Runs {
        let mut lists = Vec::new();
        for value in values {
            if let Some(index) = self.base.position(symbols.get(value), symbols) {
                lists.push(runs::decode(self.base.list(index)));
            }
            if let Some(slots) = self.delta.get(&value.0) {
                let mut slots = slots.clone();
                slots.sort_unstable();
                lists.push(Runs::from_sorted(slots));
            }
        }
        Runs::union(lists)
    }

    /// Series with any value at all.
    pub(crate) fn all(&self) -> Runs {
        let base = (0..self.base.values.len()).map(|index| runs::decode(self.base.list(index)));
        let mut added: Vec<u32> = self.delta.values().flatten().copied().collect();
        added.sort_unstable();
        Runs::union(base.chain([Runs::from_sorted(added)]))
    }

    /// Values for which `matcher` holds (or, with `holds` false, does not), unsorted.
    pub(crate) fn values_matching(
        &self,
        matcher: &Matcher,
        holds: bool,
        symbols: &SymbolsView<'_>,
    ) -> Vec<SymbolId> {
        let prefix = matcher
            .regex()
            .map_or("", model::regex_matcher::RegexMatcher::prefix);
        let sorted = match prefix {
            // Outside the prefix nothing matches: for the negative question everything counts.
            "" => self.base.values.as_slice(),
            _ if !holds => self.base.values.as_slice(),
            prefix => {
                let values = &self.base.values;
                let from = values.partition_point(|id| symbols.get(*id) < prefix);
                let rest = values.get(from..).unwrap_or_default();
                let to = rest.partition_point(|id| symbols.get(*id).starts_with(prefix));
                rest.get(..to).unwrap_or_default()
            }
        };
        let added = self.delta.keys().map(|id| SymbolId(*id));
        let mut found: Vec<SymbolId> = sorted
            .iter()
            .copied()
            .chain(added)
            .filter(|id| matcher.matches(symbols.get(*id)) == holds)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All values, sorted by text.
    pub(crate) fn values(&self, symbols: &SymbolsView<'_>) -> Vec<SymbolId> {
        let mut values: Vec<SymbolId> = self
            .base
            .values
            .iter()
            .copied()
            .chain(self.delta.keys().map(|id| SymbolId(*id)))
            .collect();
        values.sort_by(|one, other| symbols.get(*one).cmp(symbols.get(*other)));
        values.dedup();
        values
    }

    /// Heap bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.base.values.capacity() * 4
            + self.base.ends.capacity() * 4
            + self.base.data.capacity()
            + self.delta.capacity() * 33
    }
}

type Names = HashMap<u32, Arc<RwLock<NamePostings>>, FixedState>;

/// Lists of all label names.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    names: RwLock<Names>,
}

impl Postings {
    /// Notes that the series in `slot` has these pairs. `symbols` is asked for only to fold.
    pub(crate) fn add<'s>(
        &self,
        slot: u32,
        pairs: impl Iterator<Item = (SymbolId, SymbolId)>,
        symbols: impl Fn() -> SymbolsView<'s>,
    ) {
        for (name, value) in pairs {
            self.add_slots(name, value, &[slot], &symbols);
        }
    }

    /// Notes that the series in `slots` have this pair. `symbols` is asked for only to fold.
    pub(crate) fn add_slots<'s>(
        &self,
        name: SymbolId,
        value: SymbolId,
        slots: &[u32],
        symbols: impl Fn() -> SymbolsView<'s>,
    ) {
        if slots.is_empty() {
            return;
        }
        let postings = self
            .name(name)
            .unwrap_or_else(|| self.names.write().entry(name.0).or_default().clone());
        let mut postings = postings.write();
        if postings.add(value, slots) {
            postings.fold(&symbols());
        }
    }

    /// Takes `removed` slots out of all lists.
    pub(crate) fn remove(&self, removed: &Runs, symbols: &Symbols) {
        let names: Vec<_> = self.names.read().values().cloned().collect();
        for name in names {
            name.write().remove(removed, &symbols.read());
        }
    }

    /// Forgets names without lists. No series may come into being meanwhile.
    pub(crate) fn drop_empty_names(&self) {
        self.names.write().retain(|_, name| !name.read().is_empty());
    }

    /// Lists of one name.
    pub(crate) fn name(&self, name: SymbolId) -> Option<Arc<RwLock<NamePostings>>> {
        self.names.read().get(&name.0).cloned()
    }

    /// All names, unsorted.
    pub(crate) fn names(&self) -> Vec<SymbolId> {
        let names = self.names.read();
        let used = names.iter().filter(|(_, name)| !name.read().is_empty());
        used.map(|(id, _)| SymbolId(*id)).collect()
    }

    /// Heap bytes.
    pub(crate) fn bytes(&self) -> usize {
        let names: Vec<_> = self.names.read().values().cloned().collect();
        names.iter().map(|name| name.read().bytes()).sum()
    }
}
