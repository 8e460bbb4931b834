//! Shortening the log: a checkpoint out of memory instead of segments that only hold old samples.
//!
//! The reference reads two thirds of the log again and writes down what is still needed. Here a
//! segment goes when all its samples are in blocks; what else it held is in memory: series,
//! tombstones, metadata, exemplars. The checkpoint costs as much as there are series, not as the
//! log is long.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use model::{Labels, Metadata, Timestamp};
use std::sync::Arc;

use super::label_sets::LabelSet;
use super::series::STRIP_LEN;
use super::{Head, label_sets};
use crate::Error;
use crate::wal::record::{
    ExemplarEntry, TombstoneEntry, encode_exemplars, encode_metadata, encode_series,
    encode_tombstones,
};
use crate::wal::{self, CheckpointWriter};

/// Series of one record.
const RECORD_SERIES: u32 = 1024;

/// A reference that the log may still use though the head does not: its series was removed, or
/// has another reference.
#[derive(Debug)]
pub(crate) struct Expired {
    label_set: LabelSet,
    last_segment: u32,
}

impl Expired {
    /// A reference with this label set that segments after `last_segment` do not use.
    pub(crate) fn new(label_set: LabelSet, last_segment: u32) -> Self {
        Self {
            label_set,
            last_segment,
        }
    }

    pub(crate) fn label_set(&self) -> &[u8] {
        &self.label_set
    }
}

impl Head {
    /// Deletes segments whose samples are all before `mint`, where blocks begin to be the only
    /// ones who have them, after writing down what else they hold.
    pub(crate) fn truncate_log(&self, mint: Timestamp) -> Result<(), Error> {
        let _maintenance = self.maintenance.lock();
        let begun = Instant::now();
        let (dir, last, metrics) = {
            let mut wal = self.wal.lock();
            let log = wal.as_mut().ok_or(Error::Closed)?;
            log.writer.next_segment()?;
            let Some(last) = log.last_obsolete(mint) else {
                return Ok(());
            };
            (
                log.writer.dir().to_owned(),
                last,
                log.writer.metrics().clone(),
            )
        };
        let first = wal::segments(&dir)?.first().map(|(number, _)| *number);
        if first.is_none_or(|first| first > last) {
            return Ok(());
        }
        metrics.truncations.inc();
        // What these have logged in a segment about to go is in memory when they are through.
        self.appenders.wait_for_those_before(Timestamp::MAX);
        self.metrics.checkpoint_creations.inc();
        if let Err(err) = self.write_checkpoint(&dir, last, mint) {
            self.metrics.checkpoint_creations_failed.inc();
            return Err(err);
        }
        self.expired
            .lock()
            .retain(|_, expired| expired.last_segment > last);
        if let Some(log) = self.wal.lock().as_mut() {
            log.forget(last);
        }
        // Left-over segments cost space, and the next attempt removes them.
        if let Err(err) = wal::remove_segments(&dir, last) {
            metrics.truncations_failed.inc();
            tracing::error!(component = "tsdb", err = %err, "Truncating segments failed");
        }
        self.metrics.checkpoint_deletions.inc();
        if let Err(err) = wal::remove_checkpoints(&dir, last) {
            self.metrics.checkpoint_deletions_failed.inc();
            tracing::error!(component = "tsdb", err = %err, "Deleting old checkpoints failed");
        }
        let took = begun.elapsed();
        self.metrics
            .wal_truncate_duration
            .observe(took.as_secs_f64());
        tracing::info!(
            component = "tsdb",
            last,
            duration = ?took,
            "WAL checkpoint complete"
        );
        Ok(())
    }

    fn write_checkpoint(&self, dir: &Path, last: u32, mint: Timestamp) -> Result<(), Error> {
        let mut checkpoint = CheckpointWriter::create(dir, last, self.wal_compression)?;
        let mut metadata = BTreeMap::new();
        for first in (0..self.series.len()).step_by(RECORD_SERIES as usize) {
            let series = self.series_from(first, &mut metadata);
            log_series(&mut checkpoint, &series)?;
        }
        let expired: Vec<(u64, Labels)> = {
            let expired = self.expired.lock();
            let symbols = self.symbols.read();
            let needed = expired
                .iter()
                .filter(|(_, expired)| expired.last_segment > last);
            let mut series: Vec<_> = needed
                .map(|(series_ref, expired)| {
                    (
                        *series_ref,
                        label_sets::unpack(&expired.label_set, &symbols),
                    )
                })
                .collect();
            series.sort_by_key(|(series_ref, _)| *series_ref);
            series
        };
        log_series(&mut checkpoint, &expired)?;
        let tombstones = self.tombstone_entries(mint);
        if !tombstones.is_empty() {
            checkpoint.log(&[encode_tombstones(&tombstones)])?;
        }
        let exemplars = self.exemplar_entries(mint);
        if !exemplars.is_empty() {
            checkpoint.log(&[encode_exemplars(&exemplars)])?;
        }
        if !metadata.is_empty() {
            let entries = metadata
                .iter()
                .map(|(series_ref, found)| (*series_ref, &**found));
            checkpoint.log(&[encode_metadata(entries)])?;
        }
        checkpoint.finish()
    }

    /// References and labels of the series in the slots of one record; their metadata by the way.
    fn series_from(
        &self,
        first: u32,
        metadata: &mut BTreeMap<u64, Arc<Metadata>>,
    ) -> Vec<(u64, Labels)> {
        let mut series = Vec::with_capacity(RECORD_SERIES as usize);
        // Symbols before strips: every thread that needs both takes them in this order.
        let symbols = self.symbols.read();
        for begin in (first..first.saturating_add(RECORD_SERIES)).step_by(STRIP_LEN as usize) {
            let Some(strip) = self.series.lock(begin) else {
                break;
            };
            for slot in begin..begin + STRIP_LEN {
                let Some(state) = strip.series(slot).filter(|state| state.series_ref != 0) else {
                    continue;
                };
                let labels = label_sets::unpack(strip.label_set(slot), &symbols);
                series.push((state.series_ref, labels));
                if let Some(found) = state.metadata() {
                    metadata.insert(state.series_ref, found.clone());
                }
            }
        }
        series
    }

    pub(super) fn tombstone_entries(&self, mint: Timestamp) -> Vec<TombstoneEntry> {
        let tombstones = self.tombstones.read();
        let mut entries = Vec::new();
        let mut slots: Vec<_> = tombstones.iter().collect();
        slots.sort_by_key(|(slot, _)| **slot);
        for (slot, intervals) in slots {
            let Some(series_ref) = self
                .series
                .lock(*slot)
                .and_then(|strip| Some(strip.series(*slot)?.series_ref))
            else {
                continue;
            };
            let reaching = intervals.iter().filter(|(_, maxt)| *maxt >= mint);
            entries.extend(reaching.map(|(mint, maxt)| TombstoneEntry {
                series_ref,
                mint: *mint,
                maxt: *maxt,
            }));
        }
        entries
    }

    pub(super) fn exemplar_entries(&self, mint: Timestamp) -> Vec<ExemplarEntry> {
        let ring = self.exemplars.read();
        ring.range(mint, Timestamp::MAX)
            .map(|kept| ExemplarEntry {
                series_ref: kept.series_ref,
                timestamp: kept.timestamp,
                value: kept.exemplar.value,
                labels: kept.exemplar.labels.clone(),
            })
            .collect()
    }
}

fn log_series(checkpoint: &mut CheckpointWriter, series: &[(u64, Labels)]) -> Result<(), Error> {
    if series.is_empty() {
        return Ok(());
    }
    checkpoint.log(&[encode_series(
        series
            .iter()
            .map(|(series_ref, labels)| (*series_ref, labels)),
    )])
}
