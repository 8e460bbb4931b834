//! Which slot a series reference means.

use crate::sync::atomic::{AtomicU32, Ordering};

use crate::sync::{RwLock, RwLockReadGuard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// References of one page.
const PAGE_LEN: u64 = 1024;
/// References from here on are kept in a map: only foreign or damaged logs have them.
const PAGED_MAX: u64 = u32::MAX as u64;

type Page = Box<[AtomicU32]>;

/// Slot plus one by reference, 0 for none, in pages made when first used and given back when no
/// reference of them is left.
#[derive(Debug, Default)]
pub(crate) struct RefTable {
    pages: RwLock<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    pages: Vec<Option<Page>>,
    large: HashMap<u64, u32, FixedState>,
}

impl Pages {
    fn place(&self, series_ref: u64) -> Option<&AtomicU32> {
        let page = usize::try_from(series_ref / PAGE_LEN).ok()?;
        self.pages
            .get(page)?
            .as_ref()?
            .get((series_ref % PAGE_LEN) as usize)
    }
}

/// The table as it is while the view lives; references inside may still be set.
pub(crate) struct RefView<'a> {
    pages: RwLockReadGuard<'a, Pages>,
}

impl RefView<'_> {
    /// The slot that `series_ref` means.
    #[inline]
    pub(crate) fn slot_of(&self, series_ref: u64) -> Option<u32> {
        if series_ref >= PAGED_MAX {
            return self.pages.large.get(&series_ref).copied();
        }
        self.pages
            .place(series_ref)?
            .load(Ordering::Acquire)
            .checked_sub(1)
    }
}

impl RefTable {
    /// A view for many look-ups. The thread must set no reference while it holds one.
    pub(crate) fn read(&self) -> RefView<'_> {
        RefView {
            pages: self.pages.read(),
        }
    }

    /// The slot that `series_ref` means.
    pub(crate) fn slot_of(&self, series_ref: u64) -> Option<u32> {
        self.read().slot_of(series_ref)
    }

    /// Makes `series_ref` mean `slot`.
    pub(crate) fn set(&self, series_ref: u64, slot: u32) {
        if series_ref >= PAGED_MAX {
            self.pages.write().large.insert(series_ref, slot);
            return;
        }
        if let Some(place) = self.pages.read().place(series_ref) {
            place.store(slot + 1, Ordering::Release);
            return;
        }
        let mut pages = self.pages.write();
        let index = (series_ref / PAGE_LEN) as usize;
        if pages.pages.len() <= index {
            pages.pages.resize_with(index + 1, || None);
        }
        if let Some(page) = pages.pages.get_mut(index)
            && page.is_none()
        {
            *page = Some((0..PAGE_LEN).map(|_| AtomicU32::new(0)).collect());
        }
        if let Some(place) = pages.place(series_ref) {
            place.store(slot + 1, Ordering::Release);
        }
    }

    /// Forgets all references for whose slot `gone` says so, and pages without any.
    pub(crate) fn forget(&self, gone: impl Fn(u32) -> bool) {
        let mut pages = self.pages.write();
        pages.large.retain(|_, slot| !gone(*slot));
        for page in &mut pages.pages {
            let Some(places) = page else { continue };
            let mut any = false;
            for place in places.iter_mut() {
                let place = place.get_mut();
                if place.checked_sub(1).is_some_and(&gone) {
                    *place = 0;
                }
                any |= *place != 0;
            }
            if !any {
                *page = None;
            }
        }
    }

    /// Heap bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let pages = self.pages.read();
        let used = pages.pages.iter().flatten().count();
        pages.pages.capacity() * size_of::<Option<Page>>()
            + used * PAGE_LEN as usize * 4
            + pages.large.capacity() * 13
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_mean_their_slots_until_they_are_forgotten() {
        let refs = RefTable::default();
        let all = [
            1_u64,
            2,
            1023,
            1024,
            5_000_000,
            u64::from(u32::MAX),
            u64::MAX,
        ];
        for (slot, series_ref) in all.iter().enumerate() {
            refs.set(*series_ref, slot as u32);
        }
        for (slot, series_ref) in all.iter().enumerate() {
            assert_eq!(refs.slot_of(*series_ref), Some(slot as u32));
        }
        assert_eq!(refs.slot_of(3), None);
        assert_eq!(refs.slot_of(9_000_000), None);
        let before = refs.heap_bytes();
        refs.forget(|slot| slot != 0 && slot != 6);
        assert_eq!(refs.slot_of(1), Some(0));
        assert_eq!(refs.slot_of(u64::MAX), Some(6));
        for series_ref in &all[1..6] {
            assert_eq!(refs.slot_of(*series_ref), None, "{series_ref}");
        }
        assert!(refs.heap_bytes() < before);
    }
}
