//! Dropping old samples: chunks first, then series without any, then what only they had.
//!
//! Nothing stops the world: series are looked at strip by strip; removed ones leave the index under
//! the lock of their shard. Their slots are given out again when no reader can hold them any more.

use std::collections::HashSet;
use std::time::Instant;

use model::Timestamp;

use super::checkpoint::Expired;
use super::create::spread;
use super::postings::Runs;
use super::series::STRIP_LEN;
use super::symbols::SymbolSet;
use super::{Head, SHARDS, label_sets};
use crate::Error;

/// Unused strings are looked for when this part of the series went away since the last time.
const SWEEP_FRACTION: u32 = 16;

/// What a pass over all series found.
#[derive(Debug)]
struct Pass {
    chunks_removed: usize,
    /// Series without samples, by slot and reference.
    empty: Vec<(u32, u64)>,
    /// Oldest head chunk file still needed.
    first_file: Option<u32>,
    oldest: Option<Timestamp>,
}

impl Head {
    /// Drops samples before `mint`, which must be in a block by now, and series without samples.
    /// Waits for queries that still read there; those that begin later must not
    /// ([`hide_before`](Self::hide_before)).
    pub(crate) fn truncate(&self, mint: Timestamp) -> Result<(), Error> {
        if self.min_time().is_none_or(|oldest| oldest >= mint) && self.begin() >= mint {
            return Ok(());
        }
        self.metrics.truncations.inc();
        // Without the lock: chunks are written while a slow query is waited for.
        self.readers.wait_for_those_before(mint);
        let mut retired = self.maintenance.lock();
        self.release_slots(&mut retired.slots);
        let begun = Instant::now();
        raise(&self.begin, mint);
        if self.min_time().is_some() {
            raise(&self.min_time, mint);
        }
        if let Err(err) = self.write_chunks_held() {
            // They stay in memory; dropping old samples does not depend on it.
            tracing::error!(component = "tsdb", err = %err, "Writing head chunks failed");
        }
        let pass = self.drop_chunks(mint);
        self.metrics.chunks_removed.add(pass.chunks_removed as f64);
        let removed = self.remove_series(&pass.empty);
        self.forget(&removed, mint);
        if !removed.is_empty() {
            retired.slots.push((self.visibility.mark(), removed));
        }
        self.release_slots(&mut retired.slots);
        self.begin_where_samples_are(pass.oldest, mint);
        self.metrics
            .gc_duration
            .observe(begun.elapsed().as_secs_f64());
        self.files.cut()?;
        let first_file = pass.first_file.unwrap_or(u32::MAX);
        self.files
            .truncate(first_file.min(self.files.last_file().saturating_add(1)))
    }

    /// The head's oldest time is that of a sample again, but not in the part that appenders may
    /// still fill.
    fn begin_where_samples_are(&self, oldest: Option<Timestamp>, mint: Timestamp) {
        let Some(oldest) = oldest.filter(|oldest| *oldest > mint) else {
            return;
        };
        let bound = self.min_valid_time().unwrap_or(mint).max(mint);
        raise(&self.min_time, oldest.min(bound));
        raise(&self.begin, oldest.min(bound));
    }

    fn drop_chunks(&self, mint: Timestamp) -> Pass {
        let mut pass = Pass {
            chunks_removed: 0,
            empty: Vec::new(),
            first_file: None,
            oldest: None,
        };
        for first in (0..self.series.len()).step_by(STRIP_LEN as usize) {
            let Some(mut strip) = self.series.lock(first) else {
                continue;
            };
            for slot in first..first + STRIP_LEN {
                let Some(state) = strip.series_mut(slot).filter(|state| state.series_ref != 0)
                else {
                    continue;
                };
                pass.chunks_removed += state.truncate(mint);
                if state.is_removable() {
                    pass.empty.push((slot, state.series_ref));
                    continue;
                }
                pass.first_file = lower(pass.first_file, state.first_file());
                let oldest = state.first_sample_time(&self.files);
                pass.oldest = lower(pass.oldest, oldest);
            }
        }
        pass
    }

    /// Removes series that are still without samples and without a transaction; gives their slots.
    fn remove_series(&self, empty: &[(u32, u64)]) -> Runs {
        let segment = self
            .wal
            .lock()
            .as_ref()
            .map_or(0, |log| log.writer.segment());
        let mut removed = Vec::new();
        for (slot, series_ref) in empty {
            let label_set = match self.series.lock(*slot) {
                Some(strip) => label_sets::LabelSet::from_slice(strip.label_set(*slot)),
                None => continue,
            };
            let hash = label_sets::hash(&label_set);
            let Some(shard) = self.by_labels.get(hash as usize % SHARDS) else {
                continue;
            };
            // The shard before the strip, as whoever looks a series up.
            let mut shard = shard.lock();
            let Some(mut strip) = self.series.lock(*slot) else {
                continue;
            };
            let still = strip
                .series(*slot)
                .is_some_and(|state| state.series_ref == *series_ref && state.is_removable());
            if !still {
                continue;
            }
            if let Ok(entry) = shard.find_entry(spread(hash), |(found, _)| found == slot) {
                entry.remove();
            }
            let expired = Expired::new(label_set, segment);
            self.expired.lock().insert(*series_ref, expired);
            strip.vacate(*slot);
            removed.push(*slot);
        }
        self.series.removed(removed.len() as u32);
        self.metrics.series_removed.add(removed.len() as f64);
        Runs::from_sorted(removed)
    }

    /// Takes removed series out of everything that names their slots.
    fn forget(&self, removed: &Runs, mint: Timestamp) {
        self.trim_tombstones(removed, mint);
        if removed.is_empty() {
            return;
        }
        let gone: HashSet<u32> = removed.iter().collect();
        self.series.refs.forget(|slot| gone.contains(&slot));
        self.postings.remove(removed, &self.symbols);
        let many = removed.len() as u32 >= self.series.count() / SWEEP_FRACTION;
        if many {
            self.sweep_symbols();
        }
    }

    fn trim_tombstones(&self, removed: &Runs, mint: Timestamp) {
        let mut tombstones = self.tombstones.write();
        for slot in removed.iter() {
            tombstones.remove(&slot);
        }
        tombstones.retain(|_, intervals| {
            intervals.retain(|(_, maxt)| *maxt >= mint);
            !intervals.is_empty()
        });
        let any = !tombstones.is_empty();
        self.has_tombstones
            .store(any, crate::sync::atomic::Ordering::Release);
    }

    /// Frees strings that no series and no expired reference has.
    fn sweep_symbols(&self) {
        // No series comes into being meanwhile; looking up and appending go on.
        let _creation = self.creation.write();
        self.postings.drop_empty_names();
        let mut used = SymbolSet::new(self.symbols.read().id_count());
        for first in (0..self.series.len()).step_by(STRIP_LEN as usize) {
            let Some(strip) = self.series.lock(first) else {
                continue;
            };
            for slot in first..first + STRIP_LEN {
                used.add_label_set(strip.label_set(slot));
            }
        }
        let expired = self.expired.lock();
        expired
            .values()
            .for_each(|expired| used.add_label_set(expired.label_set()));
        drop(expired);
        self.symbols.sweep(&used);
    }

    /// Gives slots out again that nobody can hold any more.
    fn release_slots(&self, retired: &mut Vec<(u64, Runs)>) {
        retired.retain(|(mark, slots)| {
            let settled = self.visibility.is_settled(*mark);
            if settled {
                self.series.release(slots);
            }
            !settled
        });
    }
}

fn lower<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn raise(bound: &crate::sync::atomic::AtomicI64, time: Timestamp) {
    bound.fetch_max(time, crate::sync::atomic::Ordering::AcqRel);
}
