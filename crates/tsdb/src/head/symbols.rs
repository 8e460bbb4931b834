//! The strings of the head, each once: label names and values by number.
//!
//! Append-only: numbers are dense and never change their meaning while the head lives.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard};

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

#[derive(Debug)]
struct Table {
    pages: Vec<String>,
    places: Vec<Place>,
    by_text: HashTable<u32>,
    hasher: FixedState,
    text_bytes: usize,
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

    fn find(&self, text: &str) -> Option<SymbolId> {
        let hash = self.hasher.hash_one(text);
        self.by_text
            .find(hash, |id| self.get(SymbolId(*id)) == text)
            .copied()
            .map(SymbolId)
    }

    fn intern(&mut self, text: &str) -> SymbolId {
        if let Some(id) = self.find(text) {
            return id;
        }
        let fits = self
            .pages
            .last()
            .is_some_and(|page| page.capacity() - page.len() >= text.len());
        if !fits {
            self.pages
                .push(String::with_capacity(PAGE_BYTES.max(text.len())));
        }
        let page = self.pages.len() as u32 - 1;
        let mut start = 0;
        if let Some(target) = self.pages.last_mut() {
            start = target.len() as u32;
            target.push_str(text);
        }
        let id = self.places.len() as u32;
        self.places.push(Place {
            page,
            start,
            size: text.len() as u32,
        });
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
        by_text.insert_unique(hasher.hash_one(text), id, |id| {
            hasher.hash_one(text_of(*id).unwrap_or_default())
        });
        SymbolId(id)
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
        self.table.find(text)
    }

    /// Bytes of text and of bookkeeping.
    pub(crate) fn bytes(&self) -> usize {
        self.table.text_bytes
            + self.table.places.capacity() * size_of::<Place>()
            + self.table.by_text.capacity() * 5
    }
}
