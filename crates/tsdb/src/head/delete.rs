//! Deleting samples of the head: hidden until they are truncated or cut, late ones at once.

use model::{Matcher, Timestamp};
use stdx::cancel::CancelToken;

use super::Head;
use super::postings::Runs;
use super::series::SeriesState;
use crate::Error;
use crate::wal::Batch;
use crate::wal::record::{TombstoneEntry, encode_tombstones};

/// Tombstones of one record.
const RECORD_TOMBSTONES: usize = 10_000;

impl Head {
    /// Deletes the samples with `mint <= t <= maxt` that the series which satisfy `matchers` have
    /// now: those in order get tombstones, logged and hidden; late ones are removed, and a record of
    /// that stands at its place in their log.
    pub(crate) fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        matchers: &[Matcher],
    ) -> Result<(), Error> {
        // A checkpoint must find what is logged before it in memory.
        let _maintenance = self.maintenance.lock();
        let never = CancelToken::new();
        let slots = self
            .slots(matchers, &never)
            .map_err(|err| Error::Select(err.to_string()))?;
        self.delete_in_order(mint, maxt, &slots)?;
        self.delete_late(mint, maxt, &slots)
    }

    fn delete_in_order(&self, mint: Timestamp, maxt: Timestamp, slots: &Runs) -> Result<(), Error> {
        let Some((oldest, newest)) = self.min_time().zip(self.max_time()) else {
            return Ok(());
        };
        let (mint, maxt) = (mint.max(oldest), maxt.min(newest));
        let stones = self.stones(slots, mint, maxt, |state| {
            state.first_sample_time(&self.files).zip(state.last_time())
        });
        for part in stones.chunks(RECORD_TOMBSTONES) {
            let mut wal = self.wal.lock();
            wal.as_mut()
                .ok_or(Error::Closed)?
                .write(&self.batch(part), None)?;
            drop(wal);
            for (slot, entry) in part {
                self.add_tombstone(*slot, entry.mint, entry.maxt);
            }
        }
        Ok(())
    }

    fn delete_late(&self, mint: Timestamp, maxt: Timestamp, slots: &Runs) -> Result<(), Error> {
        // Nobody adds late samples meanwhile: the record stands behind all that are removed.
        let mut log = self.out_of_order.log.lock();
        let Some(writer) = log.as_mut() else {
            return Ok(());
        };
        let stones = self.stones(slots, mint, maxt, |state| state.late()?.range());
        for part in stones.chunks(RECORD_TOMBSTONES) {
            writer.write(&self.batch(part))?;
            for (slot, entry) in part {
                self.remove_late(*slot, entry.mint, entry.maxt)?;
            }
        }
        Ok(())
    }

    /// Removes late samples of a series.
    pub(crate) fn remove_late(
        &self,
        slot: u32,
        mint: Timestamp,
        maxt: Timestamp,
    ) -> Result<(), Error> {
        if let Some(mut strip) = self.series.lock(slot)
            && let Some(state) = strip.series_mut(slot)
            && state.late().is_some()
        {
            let series_ref = state.series_ref;
            state
                .late_mut()
                .delete(mint, maxt, series_ref, &self.files, self.rules().encodings)?;
            state.tidy_late();
        }
        Ok(())
    }

    /// A tombstone for every series whose samples, in the range that `range` gives, meet
    /// `mint <= t <= maxt`.
    fn stones(
        &self,
        slots: &Runs,
        mint: Timestamp,
        maxt: Timestamp,
        range: impl Fn(&SeriesState) -> Option<(Timestamp, Timestamp)>,
    ) -> Vec<(u32, TombstoneEntry)> {
        let mut stones = Vec::new();
        for slot in slots.iter() {
            let Some(strip) = self.series.lock(slot) else {
                continue;
            };
            let Some(state) = strip.series(slot).filter(|state| state.series_ref != 0) else {
                continue;
            };
            if let Some((first, last)) = range(state)
                && first.max(mint) <= last.min(maxt)
            {
                let entry = TombstoneEntry {
                    series_ref: state.series_ref,
                    mint: mint.max(first),
                    maxt: maxt.min(last),
                };
                stones.push((slot, entry));
            }
        }
        stones
    }

    fn batch(&self, stones: &[(u32, TombstoneEntry)]) -> Batch {
        let entries: Vec<TombstoneEntry> = stones.iter().map(|(_, entry)| *entry).collect();
        Batch::pack(&[encode_tombstones(&entries)], self.wal_compression)
    }
}
