//! Which parts of a mapped file have had their checksum looked at: once in the life of a map.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a page.
const PAGE_WORDS: usize = 64;
/// Parts of a page.
const PAGE_PARTS: usize = PAGE_WORDS * 64;

/// Bits of neighbouring parts.
type Page = Box<[AtomicU64; PAGE_WORDS]>;

/// A bit for each part. Where nobody reads there are no bits: 512 bytes for 4,096 parts are taken
/// with the first of them that is read.
#[derive(Debug, Default)]
pub(crate) struct CheckedOnce {
    pages: Vec<OnceLock<Page>>,
}

impl CheckedOnce {
    /// Bits for `parts` parts, none of them checked.
    pub(crate) fn new(parts: usize) -> Self {
        let mut pages = Vec::new();
        pages.resize_with(parts.div_ceil(PAGE_PARTS), OnceLock::new);
        Self { pages }
    }

    /// Whether the part was checked. What has no bit never was.
    #[inline]
    pub(crate) fn contains(&self, part: usize) -> bool {
        let page = self.pages.get(part / PAGE_PARTS).and_then(OnceLock::get);
        let word = page.and_then(|page| page.get(part / 64 % PAGE_WORDS));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & Self::bit(part) != 0)
    }

    /// Notes that the part was checked and is good.
    #[inline]
    pub(crate) fn insert(&self, part: usize) {
        let Some(page) = self.pages.get(part / PAGE_PARTS) else {
            return;
        };
        let page = page.get_or_init(|| Box::new([const { AtomicU64::new(0) }; PAGE_WORDS]));
        if let Some(word) = page.get(part / 64 % PAGE_WORDS) {
            word.fetch_or(Self::bit(part), Ordering::Relaxed);
        }
    }

    fn bit(part: usize) -> u64 {
        1 << (part % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_those_without_a_bit_stay_unchecked() {
        let checked = CheckedOnce::new(PAGE_PARTS + 65);
        for part in [PAGE_PARTS + 64, 3, 64, 4 * PAGE_PARTS] {
            checked.insert(part);
        }
        let parts = 0..5 * PAGE_PARTS;
        let found: Vec<usize> = parts.filter(|part| checked.contains(*part)).collect();
        assert_eq!(found, [3, 64, PAGE_PARTS + 64]);
    }
}
