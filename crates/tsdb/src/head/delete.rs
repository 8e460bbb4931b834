//! Hiding samples of the head until they are truncated or cut.

use model::{Matcher, Timestamp};
use stdx::cancel::CancelToken;

use super::Head;
use super::series::LateSamples;
use crate::Error;
use crate::wal::Batch;
use crate::wal::record::{TombstoneEntry, encode_tombstones};

/// Tombstones of one record.
const RECORD_TOMBSTONES: usize = 10_000;

impl Head {
    /// Logs and adds tombstones for the samples with `mint <= t <= maxt` that the series which
    /// satisfy `matchers` have now.
    pub(crate) fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        matchers: &[Matcher],
    ) -> Result<(), Error> {
        // A checkpoint must find what is logged before it in memory.
        let _maintenance = self.maintenance.lock();
        let Some((mut oldest, newest)) = self.min_time().zip(self.max_time()) else {
            return Ok(());
        };
        if let Some((late, _)) = self.out_of_order.range() {
            oldest = oldest.min(late);
        }
        let (mint, maxt) = (mint.max(oldest), maxt.min(newest));
        if mint > maxt {
            return Ok(());
        }
        let never = CancelToken::new();
        let slots = self
            .slots(matchers, &never)
            .map_err(|err| Error::Select(err.to_string()))?;
        let mut stones = Vec::new();
        for slot in slots.iter() {
            let Some(strip) = self.series.lock(slot) else {
                continue;
            };
            let Some(state) = strip.series(slot).filter(|state| state.series_ref != 0) else {
                continue;
            };
            let in_order = state.first_sample_time(&self.files).zip(state.last_time());
            let late = state.late().and_then(LateSamples::range);
            let range = match (in_order, late) {
                (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                (one, other) => one.or(other),
            };
            let Some((first, last)) = range.filter(|(first, last)| *first <= maxt && *last >= mint)
            else {
                continue;
            };
            let entry = TombstoneEntry {
                series_ref: state.series_ref,
                mint: mint.max(first),
                maxt: maxt.min(last),
            };
            stones.push((slot, entry));
        }
        for part in stones.chunks(RECORD_TOMBSTONES) {
            let entries: Vec<TombstoneEntry> = part.iter().map(|(_, entry)| *entry).collect();
            let batch = Batch::pack(&[encode_tombstones(&entries)], self.wal_compression);
            let mut wal = self.wal.lock();
            wal.as_mut().ok_or(Error::Closed)?.write(&batch, None)?;
            drop(wal);
            for (slot, entry) in part {
                self.add_tombstone(*slot, entry.mint, entry.maxt);
            }
        }
        Ok(())
    }
}
