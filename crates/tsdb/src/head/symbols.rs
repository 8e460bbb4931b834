//! The strings of the head, each once: label names and values by number.
//!
//! Numbers are dense. A string keeps its number while a series has it; a sweep frees numbers that no
//! series uses, to be given to other strings, and packs pages that became sparse.

use std::hash::BuildHasher;

use crate::sync::{RwLock, RwLockReadGuard};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Number of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SymbolId(pub(crate) u32);

/// Bytes of an arena page. Longer strings get a page of their own.
const PAGE_BYTES: usize = 64 * 1024;

/// Where a string lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    page: u32,
    start: u32,
    size: u32,
}

/// Page of a number that means nothing.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
struct Table {
    /// Emptied pages keep their index.
    pages: Vec<String>,
    places: Vec<Place>,
    /// Numbers to be given out again.
    free: Vec<u32>,
    by_text: HashTable<u32>,
    hasher: FixedState,
    text_bytes: usize,
}

/// Numbers in use.
#[derive(Debug)]
pub(crate) struct SymbolSet(Vec<u64>);

impl SymbolSet {
    /// None of the numbers below `count`.
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn contains(&self, id: u32) -> bool {
        let word = self.0.get((id / 64) as usize).copied();
        word.is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    pub(crate) fn add(&mut self, id: SymbolId) {
        if let Some(word) = self.0.get_mut((id.0 / 64) as usize) {
            *word |= 1 << (id.0 % 64);
        }
    }

    /// Adds all numbers of a packed label set.
    pub(crate) fn add_label_set(&mut self, set: &[u8]) {
        for (name, value) in super::label_sets::pairs(set) {
            self.add(name);
            self.add(value);
        }
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SymbolId> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| SymbolId((index * 64 + bit) as u32))
        })
    }
}

impl Table {
    fn get(&self, id: SymbolId) -> &str {
        let text = || {
            let place = self.places.get(id.0 as usize)?;
            let page = self.pages.get(place.page as usize)?;
            page.get(place.start as usize..(place.start + place.size) as usize)
        };
        text().unwrap_or_default()
    }

    fn find(&self, text: &[u8]) -> Option<SymbolId> {
        let hash = self.hasher.hash_one(text);
        self.by_text
            .find(hash, |id| self.get(SymbolId(*id)).as_bytes() == text)
            .copied()
            .map(SymbolId)
    }

    fn intern(&mut self, text: &str) -> SymbolId {
        if let Some(id) = self.find(text.as_bytes()) {
            return id;
        }
        let place = self.store(text);
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(free) = self.places.get_mut(id as usize) {
                    *free = place;
                }
                id
            }
            None => {
                self.places.push(place);
                self.places.len() as u32 - 1
            }
        };
        self.text_bytes += text.len();
        let Self {
            pages,
            places,
            by_text,
            hasher,
            ..
        } = self;
        let text_of = |id: u32| {
            let place = places.get(id as usize)?;
            pages
                .get(place.page as usize)?
                .get(place.start as usize..(place.start + place.size) as usize)
        };
        by_text.insert_unique(hasher.hash_one(text.as_bytes()), id, |id| {
            hasher.hash_one(text_of(*id).unwrap_or_default().as_bytes())
        });
        SymbolId(id)
    }

    /// Copies `text` to the last page.
    fn store(&mut self, text: &str) -> Place {
        let fits = self
            .pages
            .last()
            .is_some_and(|page| page.capacity() - page.len() >= text.len());
        if !fits {
            self.pages
                .push(String::with_capacity(PAGE_BYTES.max(text.len())));
        }
        let mut start = 0;
        if let Some(target) = self.pages.last_mut() {
            start = target.len() as u32;
            target.push_str(text);
        }
        Place {
            page: self.pages.len() as u32 - 1,
            start,
            size: text.len() as u32,
        }
    }

    fn sweep(&mut self, used: &SymbolSet) {
        let Self {
            pages,
            places,
            by_text,
            ..
        } = self;
        by_text.retain(|id| used.contains(*id));
        by_text.shrink_to(0, |id| {
            let place = places.get(*id as usize).copied();
            let text = place.and_then(|place| {
                pages
                    .get(place.page as usize)?
                    .get(place.start as usize..(place.start + place.size) as usize)
            });
            self.hasher.hash_one(text.unwrap_or_default().as_bytes())
        });
        let mut live = vec![0; self.pages.len()];
        for (id, place) in self.places.iter_mut().enumerate() {
            if place.page == NOWHERE {
                continue;
            }
            if used.contains(id as u32) {
                if let Some(bytes) = live.get_mut(place.page as usize) {
                    *bytes += place.size as usize;
                }
            } else {
                self.text_bytes -= place.size as usize;
                place.page = NOWHERE;
                self.free.push(id as u32);
            }
        }
        self.pack(&live);
    }

    /// Moves the strings of pages that are less than half used together.
    fn pack(&mut self, live: &[usize]) {
        let sparse = |page: u32, pages: &[String]| {
            let bytes = live.get(page as usize).copied();
            let page = pages.get(page as usize);
            bytes
                .zip(page)
                .is_some_and(|(live, page)| !page.is_empty() && live < page.capacity() / 2)
        };
        let sparse: Vec<bool> = (0..self.pages.len() as u32)
            .map(|page| sparse(page, &self.pages))
            .collect();
        if sparse.iter().any(|sparse| *sparse) {
            // So that nothing is copied to a page that is about to be emptied.
            self.pages.push(String::with_capacity(PAGE_BYTES));
        }
        for id in 0..self.places.len() {
            let Some(place) = self.places.get(id).copied() else {
                continue;
            };
            if !sparse.get(place.page as usize).copied().unwrap_or(false) {
                continue;
            }
            let text = self.get(SymbolId(id as u32)).to_owned();
            let moved = self.store(&text);
            if let Some(place) = self.places.get_mut(id) {
                *place = moved;
            }
        }
        for (page, sparse) in self.pages.iter_mut().zip(&sparse) {
            if *sparse {
                *page = String::new();
            }
        }
    }
}

/// All strings of a head.
#[derive(Debug)]
pub(crate) struct Symbols {
    table: RwLock<Table>,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        Self {
            table: RwLock::new(Table {
                pages: Vec::new(),
                places: Vec::new(),
                free: Vec::new(),
                by_text: HashTable::new(),
                hasher: FixedState::with_seed(0x5eed),
                text_bytes: 0,
            }),
        }
    }

    /// A view for many look-ups. May be taken while the thread already holds one.
    pub(crate) fn read(&self) -> SymbolsView<'_> {
        SymbolsView {
            table: self.table.read_recursive(),
        }
    }

    /// Forgets all strings but those with `used` numbers.
    pub(crate) fn sweep(&self, used: &SymbolSet) {
        self.table.write().sweep(used);
    }

    /// Numbers of `texts`, which are added if need be. The thread must hold no view.
    pub(crate) fn intern<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Vec<SymbolId> {
        let mut table = self.table.write();
        texts.map(|text| table.intern(text)).collect()
    }
}

/// The symbols as they are while the view lives.
pub(crate) struct SymbolsView<'a> {
    table: RwLockReadGuard<'a, Table>,
}

impl SymbolsView<'_> {
    /// The string with this number; empty if there is none.
    pub(crate) fn get(&self, id: SymbolId) -> &str {
        self.table.get(id)
    }

    /// The number of `text`, if it has one.
    pub(crate) fn find(&self, text: &str) -> Option<SymbolId> {
        self.table.find(text.as_bytes())
    }

    /// [`find`](Self::find) of a text as its bytes.
    pub(crate) fn find_bytes(&self, text: &[u8]) -> Option<SymbolId> {
        self.table.find(text)
    }

    /// One more than the highest number.
    pub(crate) fn id_count(&self) -> usize {
        self.table.places.len()
    }

    /// Bytes of text and of bookkeeping.
    pub(crate) fn bytes(&self) -> usize {
        let pages = self.table.pages.iter().map(String::capacity);
        pages.sum::<usize>()
            + self.table.free.capacity() * 4
            + self.table.places.capacity() * size_of::<Place>()
            + self.table.by_text.capacity() * 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_frees_numbers_and_pages_of_unused_strings() {
        let symbols = Symbols::new();
        let text = |number: usize| format!("value-{number}-{}", "x".repeat(number % 90));
        let texts: Vec<String> = (0..20_000).map(text).collect();
        let ids = symbols.intern(texts.iter().map(String::as_str));
        let before = symbols.read().bytes();
        let mut used = SymbolSet::new(symbols.read().id_count());
        let kept = |number: &usize| number.is_multiple_of(37);
        for number in (0..texts.len()).filter(kept) {
            used.add(ids[number]);
        }
        assert_eq!(used.iter().count(), 541);
        symbols.sweep(&used);
        let view = symbols.read();
        for (number, text) in texts.iter().enumerate() {
            let expected = kept(&number).then_some(ids[number]);
            assert_eq!(view.find(text), expected, "{text}");
            if kept(&number) {
                assert_eq!(view.get(ids[number]), text);
            }
        }
        assert!(view.bytes() < before / 2, "{} of {before}", view.bytes());
        drop(view);
        let again = symbols.intern(["new"].into_iter())[0];
        assert!((again.0 as usize) < texts.len(), "numbers are used again");
        assert_eq!(symbols.read().get(again), "new");
        assert_eq!(symbols.read().get(ids[37]), texts[37]);
    }
}
