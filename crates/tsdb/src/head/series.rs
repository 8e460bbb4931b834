//! Series by slot: labels, open chunk, closed chunks.
//!
//! Slots are dense numbers; those of removed series are given out again once nobody can hold them.
//! Sixteen neighbours share a *strip* with one lock: a scrape's series are neighbours, so it takes a
//! lock for sixteen samples, and a lock costs a series half a byte.

mod chunks;
mod extract;
mod floats;
mod histograms;
mod late;
mod refs;
mod state;

use crate::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use crate::sync::{Mutex, MutexGuard};

pub(crate) use chunks::ChunkBytes;
pub(crate) use extract::retain;
pub(crate) use histograms::LastHistogram;
pub(crate) use late::{LateChunk, LateSamples};
pub(crate) use refs::RefTable;
pub(crate) use state::{Appended, ChunkEncodings, ChunkRules, Fit, SeriesState};

use super::postings::Runs;

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
        self.labels
            .get(self.label_range((slot % STRIP_LEN) as usize))
            .unwrap_or_default()
    }

    fn label_range(&self, index: usize) -> std::ops::Range<usize> {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.label_ends.get(before));
        let end = self.label_ends.get(index);
        start.map_or(0, |start| *start as usize)..end.map_or(0, |end| *end as usize)
    }

    /// Puts a series into `slot`.
    fn put(&mut self, slot: u32, state: SeriesState, label_set: &[u8]) {
        let index = (slot % STRIP_LEN) as usize;
        if self.series.is_empty() {
            self.series.reserve_exact(STRIP_LEN as usize);
            self.label_ends.reserve_exact(STRIP_LEN as usize);
        }
        while self.series.len() <= index {
            self.series.push(SeriesState::vacant());
            self.label_ends.push(self.labels.len() as u32);
        }
        self.set_labels(index, label_set);
        if let Some(place) = self.series.get_mut(index) {
            *place = state;
        }
        if index + 1 == STRIP_LEN as usize {
            self.labels.shrink_to_fit();
        }
    }

    fn set_labels(&mut self, index: usize, label_set: &[u8]) {
        let range = self.label_range(index);
        let (before, after) = (range.len() as u32, label_set.len() as u32);
        self.labels.splice(range, label_set.iter().copied());
        for end in self.label_ends.iter_mut().skip(index) {
            *end = *end - before + after;
        }
    }

    /// Takes the series out of `slot`. A strip without series gives its memory back.
    pub(crate) fn vacate(&mut self, slot: u32) {
        let index = (slot % STRIP_LEN) as usize;
        if let Some(place) = self.series.get_mut(index) {
            *place = SeriesState::vacant();
            self.set_labels(index, &[]);
        }
        if self.series.iter().all(|state| state.series_ref == 0) {
            *self = Self::default();
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

/// All series of a head.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    shelves: Box<[OnceLock<Shelf>]>,
    /// One more than the highest slot that was ever given out.
    len: AtomicU32,
    /// Slots with a series.
    count: AtomicU32,
    /// Held while a slot is given out and filled: slots to be given out again, descending.
    free: Mutex<Vec<u32>>,
    pub(crate) refs: RefTable,
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
            count: AtomicU32::new(0),
            free: Mutex::default(),
            refs: RefTable::default(),
        }
    }

    /// One more than the highest slot ever used; some slots below may be vacant.
    pub(crate) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// Number of series.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
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

    /// Puts a new series into a vacant slot or the next one. `None` when all four billion are taken.
    pub(crate) fn push(&self, state: SeriesState, label_set: &[u8]) -> Option<u32> {
        let mut free = self.free.lock();
        let slot = free.pop().unwrap_or_else(|| self.len());
        let after = slot.checked_add(1)?;
        self.strip(slot)?.lock().put(slot, state, label_set);
        self.len.fetch_max(after, Ordering::AcqRel);
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(slot)
    }

    /// Counts `removed` series out whose slots were vacated.
    pub(crate) fn removed(&self, removed: u32) {
        self.count.fetch_sub(removed, Ordering::Relaxed);
    }

    /// Lets vacated slots be given out again: nobody may hold one any more.
    pub(crate) fn release(&self, slots: &Runs) {
        let mut free = self.free.lock();
        free.extend(slots.iter());
        // The lowest one is given out first, so that neighbours come together.
        free.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Heap bytes of the pages, the strips' insides not counted.
    pub(crate) fn page_bytes(&self) -> usize {
        let strips = self.len().div_ceil(STRIP_LEN).div_ceil(PAGE_STRIPS) * PAGE_STRIPS;
        strips as usize * size_of::<Mutex<Strip>>()
            + self.free.lock().capacity() * 4
            + self.refs.heap_bytes()
    }
}
