//! Which series the labels of a request meant before.
//!
//! Senders write the same labels in the same bytes, interval after interval. A keyed 128-bit hash
//! of them leads to the reference of the series, so that known labels are neither read nor looked
//! up. The key is of the process's own making: nobody outside can choose labels that collide.
//!
//! Entries live in two generations: when the young one is full it becomes the old one, whose
//! entries move back when they are met. So memory is bounded, and who sends no more is forgotten.

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
use parking_lot::Mutex;
use storage::SeriesRef;
use xxhash_rust::xxh3::xxh3_128_with_secret;

/// Parts with a lock of their own.
const SHARDS: usize = 16;
/// Bytes of the key.
const SECRET_BYTES: usize = 192;

/// Hash of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LabelsKey(u128);

impl LabelsKey {
    /// The hash as a part of what another hash is made of.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

/// An entry: halves of the hash, and the series.
type Entry = ([u64; 2], u64);

/// Bytes of an entry in a table that is seven eighths full at best.
const ENTRY_BYTES: usize = size_of::<Entry>() + 1;

#[derive(Debug, Default)]
struct Shard {
    young: HashTable<Entry>,
    old: HashTable<Entry>,
}

/// References by hash of labels.
#[derive(Debug)]
pub(super) struct KnownSeries {
    secret: Box<[u8; SECRET_BYTES]>,
    shards: [Mutex<Shard>; SHARDS],
    /// Entries of a generation of a shard.
    shard_len_max: usize,
}

impl KnownSeries {
    /// Remembers at least `len_max` series and at most twice as many.
    pub(super) fn new(len_max: usize) -> Self {
        let mut secret = Box::new([0; SECRET_BYTES]);
        for chunk in secret.chunks_mut(8) {
            let random = RandomState::new().build_hasher().finish();
            chunk.copy_from_slice(random.to_le_bytes().get(..chunk.len()).unwrap_or_default());
        }
        Self {
            secret,
            shards: std::array::from_fn(|_| Mutex::default()),
            shard_len_max: len_max.div_ceil(SHARDS).max(1),
        }
    }

    /// The hash of labels, or of any part of them, in this process.
    #[inline]
    pub(super) fn key(&self, bytes: &[u8]) -> LabelsKey {
        LabelsKey(xxh3_128_with_secret(bytes, &*self.secret))
    }

    fn shard(&self, key: LabelsKey) -> &Mutex<Shard> {
        // The table looks at both ends of the lower half; the upper half chooses the shard.
        &self.shards[(key.0 >> 64) as usize % SHARDS]
    }

    /// The series that labels of this hash meant.
    pub(super) fn find(&self, key: LabelsKey) -> Option<SeriesRef> {
        let (halves, hash) = parts(key);
        let mut shard = self.shard(key).lock();
        if let Some((_, series)) = shard.young.find(hash, |(found, _)| *found == halves) {
            return Some(SeriesRef(*series));
        }
        let entry = shard
            .old
            .find_entry(hash, |(found, _)| *found == halves)
            .ok()?;
        let (entry, _) = entry.remove();
        self.insert(&mut shard, hash, entry);
        Some(SeriesRef(entry.1))
    }

    /// Remembers what labels of this hash mean.
    pub(super) fn remember(&self, key: LabelsKey, series: SeriesRef) {
        let (halves, hash) = parts(key);
        let mut shard = self.shard(key).lock();
        if let Some((_, known)) = shard.young.find_mut(hash, |(found, _)| *found == halves) {
            *known = series.0;
            return;
        }
        self.insert(&mut shard, hash, (halves, series.0));
    }

    fn insert(&self, shard: &mut Shard, hash: u64, entry: Entry) {
        if shard.young.len() >= self.shard_len_max {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard
            .young
            .insert_unique(hash, entry, |(halves, _)| halves[0]);
    }

    /// Entries, and the bytes they take.
    pub(super) fn usage(&self) -> (usize, usize) {
        let (mut len, mut bytes) = (0, SECRET_BYTES);
        for shard in &self.shards {
            let shard = shard.lock();
            len += shard.young.len() + shard.old.len();
            let capacity = shard.young.capacity() + shard.old.capacity();
            bytes += capacity * 8 / 7 * ENTRY_BYTES;
        }
        (len, bytes)
    }
}

fn parts(key: LabelsKey) -> ([u64; 2], u64) {
    let (low, high) = (key.0 as u64, (key.0 >> 64) as u64);
    ([low, high], low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let known = KnownSeries::new(160);
        let key = |number: u64| known.key(&number.to_le_bytes());
        for number in 0..10_000 {
            known.remember(key(number), SeriesRef(number));
            // One that is met all the time.
            assert_eq!(known.find(key(0)), Some(SeriesRef(0)), "after {number}");
        }
        assert_eq!(known.find(key(9_999)), Some(SeriesRef(9_999)));
        assert_eq!(known.find(key(1)), None);
        let (len, _) = known.usage();
        assert!((160..=320).contains(&len), "{len}");
    }

    #[test]
    fn a_series_that_was_made_anew_replaces_the_old_one() {
        let known = KnownSeries::new(16);
        let key = known.key(b"labels");
        known.remember(key, SeriesRef(1));
        known.remember(key, SeriesRef(2));
        assert_eq!(known.find(key), Some(SeriesRef(2)));
        assert_eq!(known.usage().0, 1);
    }

    #[test]
    fn keys_differ_between_processes() {
        let (one, other) = (KnownSeries::new(1), KnownSeries::new(1));
        assert_ne!(one.key(b"labels"), other.key(b"labels"));
    }
}
