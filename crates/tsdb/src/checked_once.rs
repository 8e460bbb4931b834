//! Which parts of a mapped file have had their checksum looked at: once in the life of a map.

use std::sync::atomic::{AtomicU64, Ordering};

/// A bit for each part. The memory of parts that nobody reads is never touched.
#[derive(Debug, Default)]
pub(crate) struct CheckedOnce {
    words: Vec<AtomicU64>,
}

impl CheckedOnce {
    /// Bits for `parts` parts, none of them checked.
    pub(crate) fn new(parts: usize) -> Self {
        let mut words = Vec::new();
        words.resize_with(parts.div_ceil(64), AtomicU64::default);
        Self { words }
    }

    /// Whether the part was checked. What has no bit never was.
    #[inline]
    pub(crate) fn contains(&self, part: usize) -> bool {
        let word = self.words.get(part / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & Self::bit(part) != 0)
    }

    /// Notes that the part was checked and is good.
    #[inline]
    pub(crate) fn insert(&self, part: usize) {
        if let Some(word) = self.words.get(part / 64) {
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
        let checked = CheckedOnce::new(65);
        checked.insert(64);
        checked.insert(3);
        checked.insert(500);
        let found: Vec<usize> = (0..600).filter(|part| checked.contains(*part)).collect();
        assert_eq!(found, [3, 64]);
    }
}
