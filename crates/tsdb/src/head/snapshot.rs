//! The head's memory on its way into a snapshot.
//!
//! A snapshot stands for the log before a position. One made while samples come in may hold some of
//! what is logged behind the position too: read again from there, a sample that is not newer than
//! its series' newest is refused, a series that is there is found, a deletion hides what is hidden.
//! What must not happen is that something before the position is missing: so commits that were
//! logged before it are waited for, and deletions, truncation and the writing of chunks stand still
//! meanwhile (the maintenance lock).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::sync::atomic::Ordering;

use model::{Labels, Metadata, Timestamp};
use stdx::cancel::CancelToken;

use super::series::STRIP_LEN;
use super::{Head, label_sets};
use crate::Error;
use crate::block::tombstones::Tombstones;
use crate::memory_snapshot::folder::{FolderWriter, Kind, Position};
use crate::memory_snapshot::{
    encode_other_references, encode_series, encode_snapshot_exemplars, encode_snapshot_metadata,
    encode_tombstones,
};
use crate::wal::record::ExemplarEntry;

/// Series that are written together.
const BATCH_SERIES: u32 = 1024;
/// Exemplars, or references, of one record.
const RECORD_LEN: usize = 10_000;
/// Times that chunks of the same series may be closed while these are written down.
const ATTEMPTS_MAX: u32 = 10;

/// Records of neighbouring series.
#[derive(Default)]
struct Batch {
    records: Vec<Vec<u8>>,
    metadata: BTreeMap<u64, Arc<Metadata>>,
    /// Slots whose closed chunks are in no file yet: the batch cannot be used.
    unwritten: Vec<u32>,
}

impl Head {
    /// Writes the snapshot at `position`, the end of the closed log in `wal_dir`, to `dir`, in the
    /// form that the reference knows. Returns how many series are in it.
    pub(crate) fn put_away(
        &self,
        dir: &Path,
        wal_dir: &Path,
        position: Position,
    ) -> Result<usize, Error> {
        let _maintenance = self.maintenance.lock();
        let never = CancelToken::new();
        self.write_snapshot(dir, wal_dir, Kind::Shared, position, &never)
    }

    /// Writes a snapshot for ourselves to `dir` while the head is in use. Returns its position and
    /// how many series are in it; `None` if it would be at `last`, or the log is closed. Once `stop`
    /// says so, that is [`Error::Closed`].
    pub(crate) fn write_down(
        &self,
        dir: &Path,
        last: Option<Position>,
        stop: &CancelToken,
    ) -> Result<Option<(Position, usize)>, Error> {
        let _maintenance = self.maintenance.lock();
        let log = self.wal.lock().as_ref().map(|log| {
            let dir = log.writer.dir().to_owned();
            (log.writer.position(), dir)
        });
        let Some((position, wal_dir)) = log.filter(|(position, _)| Some(*position) != last) else {
            return Ok(None);
        };
        let series = self.write_snapshot(dir, &wal_dir, Kind::Private, position, stop)?;
        Ok(Some((position, series)))
    }

    /// The maintenance lock must be held.
    fn write_snapshot(
        &self,
        dir: &Path,
        wal_dir: &Path,
        kind: Kind,
        position: Position,
        stop: &CancelToken,
    ) -> Result<usize, Error> {
        // What these have logged is in memory when they are through.
        self.commits.wait_for_those_before(Timestamp::MAX);
        let mut folder = FolderWriter::create(dir, kind, position, self.wal_compression)?;
        let mut metadata = BTreeMap::new();
        let mut series = 0;
        for first in (0..self.series.len()).step_by(BATCH_SERIES as usize) {
            if stop.check().is_err() {
                return Err(Error::Closed);
            }
            let mut batch = self.snapshot_batch(first);
            let mut attempts = 0;
            while !batch.unwritten.is_empty() {
                attempts += 1;
                if attempts > ATTEMPTS_MAX {
                    let reason = "chunks are closed faster than they are written";
                    return Err(Error::Snapshot(reason.to_owned()));
                }
                self.write_batch(&batch.unwritten)?;
                batch = self.snapshot_batch(first);
            }
            series += batch.records.len();
            metadata.append(&mut batch.metadata);
            if !batch.records.is_empty() {
                folder.log(&batch.records)?;
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
        for part in exemplars.chunks(RECORD_LEN) {
            folder.log(&[encode_snapshot_exemplars(part)])?;
        }
        if kind == Kind::Private {
            for part in self.expired_labels().chunks(RECORD_LEN) {
                let references = part.iter().map(|(found, labels)| (*found, labels));
                folder.log(&[encode_other_references(references)])?;
            }
            if !metadata.is_empty() {
                let entries = metadata
                    .iter()
                    .map(|(found, metadata)| (*found, &**metadata));
                folder.log(&[encode_snapshot_metadata(entries)])?;
            }
        }
        // The chunks that left memory until here are not read from the log again.
        let chunks = self.files.sync()?;
        folder.finish(wal_dir, self.next_ref.load(Ordering::Acquire), chunks)?;
        Ok(series)
    }

    fn snapshot_batch(&self, first: u32) -> Batch {
        let mut batch = Batch::default();
        // Symbols before strips: every thread that needs both takes them in this order.
        let symbols = self.symbols.read();
        for begin in (first..first.saturating_add(BATCH_SERIES)).step_by(STRIP_LEN as usize) {
            let Some(strip) = self.series.lock(begin) else {
                break;
            };
            for slot in begin..begin + STRIP_LEN {
                let Some(state) = strip.series(slot) else {
                    continue;
                };
                // What the log does not know is not in the head after a restart either.
                if state.series_ref == 0 || !state.logged {
                    continue;
                }
                if state.unwritten_chunks().next().is_some() {
                    batch.unwritten.push(slot);
                    continue;
                }
                let labels = label_sets::unpack(strip.label_set(slot), &symbols);
                let open = state.open_chunk();
                let open = open.as_ref().map(|(chunk, last)| (chunk, last));
                let record = encode_series(state.series_ref, &labels, open);
                batch.records.push(record);
                if let Some(metadata) = state.metadata() {
                    batch.metadata.insert(state.series_ref, metadata.clone());
                }
            }
        }
        batch
    }

    /// References that the log may use though no series has them, and their labels.
    fn expired_labels(&self) -> Vec<(u64, Labels)> {
        let expired = self.expired.lock();
        let symbols = self.symbols.read();
        let mut references: Vec<_> = expired
            .iter()
            .map(|(series_ref, expired)| {
                let labels = label_sets::unpack(expired.label_set(), &symbols);
                (*series_ref, labels)
            })
            .collect();
        references.sort_by_key(|(series_ref, _)| *series_ref);
        references
    }
}
