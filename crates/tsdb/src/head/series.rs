//! Series by slot: labels, open chunk, closed chunks.
//!
//! Slots are dense numbers in order of creation. Sixteen neighbours share a *strip* with one lock:
//! a scrape's series are neighbours, so it takes a lock for sixteen samples, and a lock costs a
//! series half a byte.

mod state;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};

use hashbrown::HashMap;

pub(crate) use state::{Appended, ChunkRules, Fit, SeriesState, retain};

/// Series behind one lock.
pub(crate) const STRIP_LEN: u32 = 16;
const PAGE_STRIPS: u32 = 64;
const SHELF_PAGES: u32 = 1024;
const SHELVES: u32 = 4096;

/// Neighbouring series.
#[derive(Debug, Default)]
pub(crate) struct Strip {
    series: Vec<SeriesState>,
    labels: Vec<u8>,
    label_ends: Vec<u32>,
}

impl Strip {
    /// State of the series in `slot`, which this strip covers.
    pub(crate) fn series(&self, slot: u32) -> Option<&SeriesState> {
        self.series.get((slot % STRIP_LEN) as usize)
    }

    /// State of the series in `slot`, which this strip covers.
    pub(crate) fn series_mut(&mut self, slot: u32) -> Option<&mut SeriesState> {
        self.series.get_mut((slot % STRIP_LEN) as usize)
    }

    /// Packed label set of the series in `slot`; empty if there is none.
    pub(crate) fn label_set(&self, slot: u32) -> &[u8] {
        let index = (slot % STRIP_LEN) as usize;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.label_ends.get(before));
        let end = self.label_ends.get(index);
        let range = start.map_or(0, |start| *start as usize)..end.map_or(0, |end| *end as usize);
        self.labels.get(range).unwrap_or_default()
    }

    fn push(&mut self, state: SeriesState, label_set: &[u8]) {
        if self.series.is_empty() {
            self.series.reserve_exact(STRIP_LEN as usize);
            self.label_ends.reserve_exact(STRIP_LEN as usize);
        }
        self.series.push(state);
        self.labels.extend_from_slice(label_set);
        self.label_ends.push(self.labels.len() as u32);
        if self.series.len() == STRIP_LEN as usize {
            self.labels.shrink_to_fit();
        }
    }

    /// Heap bytes, by purpose: series and labels, open chunks, closed chunks.
    pub(crate) fn heap_bytes(&self) -> [usize; 3] {
        let mut bytes = [
            self.series.capacity() * size_of::<SeriesState>()
                + self.labels.capacity()
                + self.label_ends.capacity() * 4,
            0,
            0,
        ];
        for state in &self.series {
            let [cold, open, closed] = state.heap_bytes();
            bytes[0] += cold;
            bytes[1] += open;
            bytes[2] += closed;
        }
        bytes
    }
}

type Page = Box<[Mutex<Strip>]>;
type Shelf = Box<[OnceLock<Page>]>;
type RefShelf = Box<[OnceLock<Box<[AtomicU32]>>]>;

/// All series of a head.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    shelves: Box<[OnceLock<Shelf>]>,
    len: AtomicU32,
    /// Held while a slot is given out and filled.
    creation: Mutex<()>,
    /// Slot plus one by reference, 0 for none, in pages made when first used.
    refs: Box<[OnceLock<RefShelf>]>,
    /// References too large for the pages; only foreign or damaged logs have them.
    large_refs: RwLock<HashMap<u64, u32, foldhash::fast::FixedState>>,
}

/// A strip kept locked from one series to the next.
#[derive(Default)]
pub(crate) struct StripCursor<'a> {
    held: Option<(u32, MutexGuard<'a, Strip>)>,
}

impl SeriesTable {
    pub(crate) fn new() -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| OnceLock::new()).collect(),
            len: AtomicU32::new(0),
            creation: Mutex::new(()),
            refs: (0..SHELVES).map(|_| OnceLock::new()).collect(),
            large_refs: RwLock::default(),
        }
    }

    /// Number of slots in use.
    pub(crate) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// The strip that covers `slot`, made if need be.
    fn strip(&self, slot: u32) -> Option<&Mutex<Strip>> {
        let strip = slot / STRIP_LEN;
        let page = strip / PAGE_STRIPS;
        let shelf = self
            .shelves
            .get((page / SHELF_PAGES) as usize)?
            .get_or_init(|| (0..SHELF_PAGES).map(|_| OnceLock::new()).collect());
        let page = shelf
            .get((page % SHELF_PAGES) as usize)?
            .get_or_init(|| (0..PAGE_STRIPS).map(|_| Mutex::default()).collect());
        page.get((strip % PAGE_STRIPS) as usize)
    }

    /// Locks the strip that covers `slot`, letting go of the one `cursor` held if it is another.
    pub(crate) fn seek<'a, 'c>(
        &'a self,
        cursor: &'c mut StripCursor<'a>,
        slot: u32,
    ) -> Option<&'c mut Strip> {
        let wanted = slot / STRIP_LEN;
        if cursor.held.as_ref().is_none_or(|(held, _)| *held != wanted) {
            // One strip at a time: two would need an order.
            cursor.held = None;
            if slot >= self.len() {
                return None;
            }
            cursor.held = Some((wanted, self.strip(slot)?.lock()));
        }
        cursor.held.as_mut().map(|(_, strip)| &mut **strip)
    }

    /// Locks the strip that covers `slot`.
    pub(crate) fn lock(&self, slot: u32) -> Option<MutexGuard<'_, Strip>> {
        if slot >= self.len() {
            return None;
        }
        Some(self.strip(slot)?.lock())
    }

    /// Puts a new series into the next slot. `None` when all four billion are taken.
    pub(crate) fn push(&self, state: SeriesState, label_set: &[u8]) -> Option<u32> {
        let _creation = self.creation.lock();
        let slot = self.len();
        let after = slot.checked_add(1)?;
        self.strip(slot)?.lock().push(state, label_set);
        self.len.store(after, Ordering::Release);
        Some(slot)
    }

    /// The place that says which slot `series_ref` means; with `make` false only if there is one.
    fn ref_place(&self, series_ref: u64, make: bool) -> Option<&AtomicU32> {
        const PAGE: u64 = (STRIP_LEN * PAGE_STRIPS) as u64;
        let page = series_ref / PAGE;
        let shelf = self
            .refs
            .get(usize::try_from(page / u64::from(SHELF_PAGES)).ok()?)?;
        let index = (page % u64::from(SHELF_PAGES)) as usize;
        if !make {
            return shelf
                .get()?
                .get(index)?
                .get()?
                .get((series_ref % PAGE) as usize);
        }
        shelf
            .get_or_init(|| (0..SHELF_PAGES).map(|_| OnceLock::new()).collect())
            .get(index)?
            .get_or_init(|| (0..PAGE).map(|_| AtomicU32::new(0)).collect())
            .get((series_ref % PAGE) as usize)
    }

    /// Makes `series_ref` mean `slot`.
    pub(crate) fn set_ref(&self, series_ref: u64, slot: u32) {
        match self.ref_place(series_ref, true) {
            Some(place) => place.store(slot + 1, Ordering::Release),
            None => {
                self.large_refs.write().insert(series_ref, slot);
            }
        }
    }

    /// The slot that `series_ref` means.
    pub(crate) fn slot_of(&self, series_ref: u64) -> Option<u32> {
        match self.ref_place(series_ref, false) {
            Some(place) => place.load(Ordering::Acquire).checked_sub(1),
            None if series_ref > u64::from(u32::MAX) => {
                self.large_refs.read().get(&series_ref).copied()
            }
            None => None,
        }
    }
}
