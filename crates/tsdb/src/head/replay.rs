//! The head out of the log.

use std::path::Path;

use model::Timestamp;
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX};
use model::sample::Value;

use super::Head;
use super::append::Tally;
use super::series::StripCursor;
use super::visibility::SETTLED;
use crate::Error;
use crate::exemplars::Kept;
use crate::replay_status::ReplayStatus;
use crate::wal::record::{Record, SampleEntry, decode, decode_samples, kind};
use crate::wal::{self, Corruption, LogReader};

/// Finest schema that is known at all; such histograms need a coarser one to be stored.
const KNOWN_SCHEMA_MAX: i32 = 52;

/// What a replay met beside good records.
#[derive(Debug, Default)]
pub(crate) struct ReplayTally {
    unknown_samples: u64,
    unknown_histograms: u64,
    unknown_exemplars: u64,
    unknown_metadata: u64,
    unknown_tombstones: u64,
    skipped_histograms: u64,
    unknown_records: u64,
}

/// Reads checkpoint and segments of the log in `dir` into an empty head. Damage in a segment is
/// returned beside everything that was read before it; the caller repairs.
pub(crate) fn replay(
    head: &Head,
    dir: &Path,
    status: &ReplayStatus,
) -> Result<Option<Corruption>, Error> {
    let mut replay = Replay {
        head,
        tally: ReplayTally::default(),
    };
    let mut first = 0;
    if let Some(checkpoint) = wal::last_checkpoint(dir)? {
        tracing::info!(component = "tsdb", "Replaying WAL, this may take a while");
        let mut reader = LogReader::open(&checkpoint.path, 0)?;
        reader
            .for_each(|_, record| replay.record(record))
            .map_err(|err| match err {
                Error::Corrupt(source) => Error::CorruptCheckpoint {
                    path: checkpoint.path,
                    source,
                },
                other => other,
            })?;
        first = checkpoint.last_segment.saturating_add(1);
        tracing::info!(component = "tsdb", "WAL checkpoint loaded");
    }
    let segments = wal::segments(dir)?;
    let last = segments.last().map_or(first, |(number, _)| *number);
    status.begin(first.min(last), last);
    let mut reader = LogReader::open(dir, first)?;
    let read = reader.for_each(|segment, record| {
        status.reached(segment);
        replay.record(record)
    });
    status.reached(last);
    replay.report();
    match read {
        Ok(()) => Ok(None),
        Err(Error::Corrupt(corruption)) => Ok(Some(corruption)),
        Err(err) => Err(err),
    }
}

struct Replay<'a> {
    head: &'a Head,
    tally: ReplayTally,
}

impl Replay<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), String> {
        // Most records are these, and they need no list.
        if matches!(record.first(), Some(&(kind::SAMPLES | kind::SAMPLES_V2))) {
            return self
                .samples(record)
                .map_err(|err| format!("decode samples: {err}"));
        }
        match decode(record).map_err(|err| format!("decode record: {err}"))? {
            Record::Series(series) => {
                for (series_ref, labels) in series {
                    self.series(series_ref, &labels);
                }
            }
            Record::Samples(_) | Record::MmapMarkers(_) => {}
            Record::Tombstones(tombstones) => {
                for tombstone in tombstones {
                    match self.head.series.slot_of(tombstone.series_ref) {
                        Some(slot) => {
                            self.head
                                .add_tombstone(slot, tombstone.mint, tombstone.maxt);
                        }
                        None => self.tally.unknown_tombstones += 1,
                    }
                }
            }
            Record::Exemplars(exemplars) => {
                let mut ring = self.head.exemplars.write();
                for entry in exemplars {
                    let Some(slot) = self.head.series.slot_of(entry.series_ref) else {
                        self.tally.unknown_exemplars += 1;
                        continue;
                    };
                    let wal::record::ExemplarEntry {
                        timestamp,
                        value,
                        labels,
                        ..
                    } = entry;
                    ring.push(Kept {
                        slot,
                        timestamp,
                        value,
                        labels,
                    });
                }
            }
            Record::Metadata(entries) => {
                for (series_ref, metadata) in entries {
                    let slot = self.head.series.slot_of(series_ref);
                    let strip = slot.and_then(|slot| Some((slot, self.head.series.lock(slot)?)));
                    match strip {
                        Some((slot, mut strip)) => {
                            if let Some(state) = strip.series_mut(slot) {
                                state.set_metadata(metadata);
                            }
                        }
                        None => self.tally.unknown_metadata += 1,
                    }
                }
            }
            Record::Histograms(entries) => {
                let mut tally = Tally::default();
                let begin = self.head.begin();
                for entry in entries.into_iter().filter(|entry| entry.timestamp >= begin) {
                    self.histogram(entry.series_ref, entry.timestamp, entry.value, &mut tally);
                }
                self.taken(&tally);
            }
            Record::Unknown(_) => self.tally.unknown_records += 1,
        }
        Ok(())
    }

    fn series(&self, series_ref: u64, labels: &model::Labels) {
        self.head.reserve_ref(series_ref);
        if labels.is_empty() {
            return;
        }
        let Some(found) = self.head.get_or_create(labels, Some(series_ref)) else {
            return;
        };
        if found.series_ref != series_ref {
            // The same labels under a second reference: both mean the first one's series.
            self.head.series.set_ref(series_ref, found.slot);
        }
        if let Some(mut strip) = self.head.series.lock(found.slot)
            && let Some(state) = strip.series_mut(found.slot)
        {
            state.logged = true;
        }
    }

    fn samples(&mut self, record: &[u8]) -> Result<(), wal::record::RecordError> {
        // Decoded whole before any is taken: a damaged record leaves nothing.
        let mut entries: Vec<SampleEntry> = Vec::with_capacity(record.len() / 10);
        decode_samples(record, |entry| entries.push(entry))?;
        let mut cursor = StripCursor::default();
        let mut tally = Tally::default();
        let begin = self.head.begin();
        for SampleEntry {
            series_ref,
            timestamp,
            value,
        } in entries
        {
            if timestamp < begin {
                continue;
            }
            let Some(slot) = self.head.series.slot_of(series_ref) else {
                self.tally.unknown_samples += 1;
                continue;
            };
            if let Some(strip) = self.head.series.seek(&mut cursor, slot)
                && let Some(state) = strip.series_mut(slot)
            {
                let value = Value::Float(value);
                let appended = state.append(timestamp, value, SETTLED, u64::MAX, self.head.rules);
                tally.count(appended, true, timestamp);
            }
        }
        self.taken(&tally);
        Ok(())
    }

    fn histogram(
        &mut self,
        series_ref: u64,
        timestamp: Timestamp,
        value: Value,
        tally: &mut Tally,
    ) {
        let schema = match &value {
            Value::Histogram(histogram) => histogram.schema,
            Value::FloatHistogram(histogram) => histogram.schema,
            Value::Float(_) => return,
        };
        // Schemas finer than can be stored would have to be reduced first.
        let known =
            schema == CUSTOM_BUCKETS_SCHEMA || (-9..=EXPONENTIAL_SCHEMA_MAX).contains(&schema);
        if !known {
            self.tally.skipped_histograms += 1;
            if !(-9..=KNOWN_SCHEMA_MAX).contains(&schema) {
                tracing::warn!(
                    component = "tsdb",
                    schema,
                    "Unknown histogram schema in WAL record, skipping"
                );
            }
            return;
        }
        let slot = self.head.series.slot_of(series_ref);
        let strip = slot.and_then(|slot| Some((slot, self.head.series.lock(slot)?)));
        let Some((slot, mut strip)) = strip else {
            self.tally.unknown_histograms += 1;
            return;
        };
        if let Some(state) = strip.series_mut(slot) {
            let appended = state.append(timestamp, value, SETTLED, u64::MAX, self.head.rules);
            tally.count(appended, false, timestamp);
        }
    }

    fn taken(&self, tally: &Tally) {
        if let Some((mint, maxt)) = tally.range() {
            self.head.cover(mint, maxt);
        }
        self.head.metrics.chunks_created.add(tally.chunks as f64);
    }

    fn report(&self) {
        let tally = &self.tally;
        let unknown = [
            ("samples", tally.unknown_samples),
            ("histograms", tally.unknown_histograms),
            ("exemplars", tally.unknown_exemplars),
            ("metadata", tally.unknown_metadata),
            ("tombstones", tally.unknown_tombstones),
        ];
        for (what, count) in unknown {
            if count > 0 {
                self.head
                    .metrics
                    .replay_unknown_refs
                    .with(&[what])
                    .add(count as f64);
            }
        }
        if unknown.iter().any(|(_, count)| *count > 0) {
            tracing::warn!(
                component = "tsdb",
                samples = tally.unknown_samples,
                exemplars = tally.unknown_exemplars,
                histograms = tally.unknown_histograms,
                metadata = tally.unknown_metadata,
                tombstones = tally.unknown_tombstones,
                "Unknown series references"
            );
        }
        if tally.unknown_records + tally.skipped_histograms > 0 {
            tracing::warn!(
                component = "tsdb",
                records = tally.unknown_records,
                histograms = tally.skipped_histograms,
                "Skipped parts of the WAL that this version does not know"
            );
        }
    }
}
