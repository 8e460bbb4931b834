//! The head's memory on its way into a snapshot.

use crate::sync::atomic::Ordering;
use std::path::Path;

use model::Timestamp;

use super::series::STRIP_LEN;
use super::{Head, label_sets};
use crate::Error;
use crate::block::tombstones::Tombstones;
use crate::memory_snapshot::folder::{FolderWriter, Position};
use crate::memory_snapshot::{encode_series, encode_snapshot_exemplars, encode_tombstones};
use crate::wal::record::ExemplarEntry;

/// Series that are written together.
const BATCH_SERIES: u32 = 1024;
/// Exemplars of one record.
const RECORD_EXEMPLARS: usize = 10_000;

impl Head {
    /// Writes the snapshot at `position`, the end of the log in `wal_dir`, to `dir`. The log must be
    /// closed, so that nobody begins to add to the head any more, all closed chunks must be in
    /// files, and files and log on the disk. Returns how many series are in it.
    pub(crate) fn write_snapshot(
        &self,
        dir: &Path,
        wal_dir: &Path,
        position: Position,
    ) -> Result<usize, Error> {
        // What these have logged is in memory when they are through.
        self.commits.wait_for_those_before(Timestamp::MAX);
        let _maintenance = self.maintenance.lock();
        let mut folder = FolderWriter::create(dir, position, self.wal_compression)?;
        let mut series = 0;
        for first in (0..self.series.len()).step_by(BATCH_SERIES as usize) {
            let records = self.snapshot_series(first)?;
            series += records.len();
            if !records.is_empty() {
                folder.log(&records)?;
            }
        }
        let mut tombstones = Tombstones::default();
        for entry in self.tombstone_entries(Timestamp::MIN) {
            tombstones.add(entry.series_ref, (entry.mint, entry.maxt));
        }
        folder.log(&[encode_tombstones(&tombstones)])?;
        // Those of removed series are left out: the format knows them by reference only.
        let mut exemplars: Vec<ExemplarEntry> = self.exemplar_entries(Timestamp::MIN);
        exemplars.retain(|entry| self.series.refs.slot_of(entry.series_ref).is_some());
        for part in exemplars.chunks(RECORD_EXEMPLARS) {
            folder.log(&[encode_snapshot_exemplars(part)])?;
        }
        folder.finish(wal_dir, self.next_ref.load(Ordering::Acquire))?;
        Ok(series)
    }

    fn snapshot_series(&self, first: u32) -> Result<Vec<Vec<u8>>, Error> {
        let mut records = Vec::with_capacity(BATCH_SERIES as usize);
        // Symbols before strips: every thread that needs both takes them in this order.
        let symbols = self.symbols.read();
        for begin in (first..first.saturating_add(BATCH_SERIES)).step_by(STRIP_LEN as usize) {
            let Some(strip) = self.series.lock(begin) else {
                break;
            };
            for slot in begin..begin + STRIP_LEN {
                // What the log does not know is not in the head after a restart either.
                let known = |state: &&_| is_logged(state);
                let Some(state) = strip.series(slot).filter(known) else {
                    continue;
                };
                if state.unwritten_chunks().next().is_some() {
                    return Err(Error::Snapshot("a closed chunk is in no file".to_owned()));
                }
                let labels = label_sets::unpack(strip.label_set(slot), &symbols);
                let open = state.open_chunk();
                let open = open.as_ref().map(|(chunk, last)| (chunk, last));
                records.push(encode_series(state.series_ref, &labels, open));
            }
        }
        Ok(records)
    }
}

fn is_logged(state: &super::series::SeriesState) -> bool {
    state.series_ref != 0 && state.logged
}
