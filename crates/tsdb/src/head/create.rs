//! Series by their labels: found, or created.

use model::Labels;
use storage::SeriesRef;

use super::series::{SeriesState, Strip};
use super::{Head, SHARDS, label_sets};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

/// What a series lookup found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) slot: u32,
    pub(crate) series_ref: u64,
    pub(crate) created: bool,
}

impl Head {
    /// The series with these labels, if there is one.
    pub(crate) fn find(&self, labels: &Labels) -> Option<SeriesRef> {
        let _creation = self.creation.read();
        let set = label_sets::pack_known(labels, &self.symbols.read())?;
        let hash = label_sets::hash(&set);
        let shard = self.by_labels.get(shard_of(hash))?.lock();
        let (slot, _) = shard.find(spread(hash), |(slot, found)| {
            let same = |strip: MutexGuard<'_, Strip>| strip.label_set(*slot) == &*set;
            *found == hash && self.series.lock(*slot).is_some_and(same)
        })?;
        let series_ref = self.series.lock(*slot)?.series(*slot)?.series_ref;
        Some(SeriesRef(series_ref))
    }

    /// The series with these labels, created if need be, with the next reference; a new one is
    /// pinned once. `None` when there is no slot left.
    pub(crate) fn get_or_create(&self, labels: &Labels) -> Option<Found> {
        let _creation = self.creation.read();
        let set = label_sets::pack(labels, &self.symbols);
        let found = self.find_or_place(&set, None, |slot| {
            self.postings
                .add(slot, label_sets::pairs(&set), || self.symbols.read());
        })?;
        if found.created {
            self.metrics.series_created.inc();
        }
        Some(found)
    }

    /// The series with these labels, created if need be, with reference `wanted` (its labels are
    /// logged then) or the next one. `index` gets the slot of a new one before anybody finds it by
    /// its labels. Who calls it counts the new ones.
    pub(super) fn find_or_place(
        &self,
        set: &[u8],
        wanted: Option<u64>,
        index: impl FnOnce(u32),
    ) -> Option<Found> {
        let hash = label_sets::hash(set);
        let spread = spread(hash);
        let mut shard = self.by_labels.get(shard_of(hash))?.lock();
        let known = shard.find(spread, |(slot, found)| {
            *found == hash
                && self
                    .series
                    .lock(*slot)
                    .is_some_and(|strip| strip.label_set(*slot) == set)
        });
        if let Some((slot, _)) = known {
            let slot = *slot;
            let series_ref = self.series.lock(slot)?.series(slot)?.series_ref;
            return Some(Found {
                slot,
                series_ref,
                created: false,
            });
        }
        let placed = self.place(set, wanted)?;
        // Postings first: whoever finds the series by its labels may make it visible.
        index(placed.slot);
        shard.insert_unique(spread, (placed.slot, hash), |(_, hash)| self::spread(*hash));
        Some(placed)
    }

    /// Makes a series without looking for one. It cannot be found by its labels yet.
    pub(super) fn place(&self, set: &[u8], wanted: Option<u64>) -> Option<Found> {
        let series_ref = match wanted {
            Some(series_ref) => {
                self.reserve_ref(series_ref);
                series_ref
            }
            None => self.next_ref.fetch_add(1, Ordering::AcqRel),
        };
        let mut state = SeriesState::new(series_ref);
        state.logged = wanted.is_some();
        // Its creator will log and append; only then may it be removed.
        state.pins = u32::from(wanted.is_none());
        let slot = self.series.push(state, set)?;
        self.series.refs.set(series_ref, slot);
        Some(Found {
            slot,
            series_ref,
            created: true,
        })
    }

    /// Which of the series with these hashes are surely not there, and not twice among them; the
    /// others have to be looked for. Shard by shard: each look-up waits for memory, and within a
    /// shard they wait together.
    pub(super) fn surely_new(&self, hashes: &[u32]) -> Vec<bool> {
        let mut by_shard: Vec<(u32, u32)> = (0..).zip(hashes).map(|(i, hash)| (*hash, i)).collect();
        by_shard.sort_unstable_by_key(|(hash, _)| shard_first(*hash));
        let mut new = vec![true; hashes.len()];
        let mut known = |index: u32| {
            if let Some(new) = new.get_mut(index as usize) {
                *new = false;
            }
        };
        for two in by_shard.windows(2) {
            if let [(one, first), (other, second)] = two
                && one == other
            {
                known(*first);
                known(*second);
            }
        }
        for of_shard in by_shard.chunk_by(|(one, _), (other, _)| shard_of(*one) == shard_of(*other))
        {
            let shard = of_shard
                .first()
                .and_then(|(hash, _)| self.by_labels.get(shard_of(*hash)));
            let Some(shard) = shard.map(|shard| shard.lock()) else {
                continue;
            };
            for (hash, index) in of_shard {
                if shard
                    .find(spread(*hash), |(_, found)| found == hash)
                    .is_some()
                {
                    known(*index);
                }
            }
        }
        new
    }

    /// Makes placed series findable by their labels: slots and hashes, in any order.
    pub(super) fn index_placed(&self, mut placed: Vec<(u32, u32)>) {
        placed.sort_unstable_by_key(|(_, hash)| shard_first(*hash));
        for of_shard in placed.chunk_by(|(_, one), (_, other)| shard_of(*one) == shard_of(*other)) {
            let shard = of_shard
                .first()
                .and_then(|(_, hash)| self.by_labels.get(shard_of(*hash)));
            let Some(mut shard) = shard.map(|shard| shard.lock()) else {
                continue;
            };
            for (slot, hash) in of_shard {
                shard.insert_unique(spread(*hash), (*slot, *hash), |(_, hash)| spread(*hash));
            }
        }
    }
}

fn shard_of(hash: u32) -> usize {
    hash as usize % SHARDS
}

/// Sorts hashes by their shard, equal ones next to each other.
fn shard_first(hash: u32) -> (usize, u32) {
    (shard_of(hash), hash)
}

/// A table's 64-bit hash from the stored 32 bits: the table looks at both ends.
pub(super) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
