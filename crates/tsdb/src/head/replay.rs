//! The head out of the log.

use std::path::Path;

use model::Timestamp;
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX};
use model::sample::Value;

use super::append::Tally;
use super::checkpoint::Expired;
use super::label_sets::LabelSet;
use super::log::SegmentTimes;
use super::series::{Appended, StripCursor};
use super::visibility::SETTLED;
use super::{Head, label_sets};
use crate::Error;
use crate::exemplars::Kept;
use crate::head_chunks::FoundChunk;
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

/// What a replay brought beside the head's contents.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Newest samples by segment.
    pub(crate) newest: SegmentTimes,
    /// Damage in a segment; everything before it was read.
    pub(crate) corruption: Option<Corruption>,
    /// Chunks of late samples found in the head chunk files, in their order.
    pub(crate) late_chunks: Vec<FoundChunk>,
}

/// Chunks found in files, to be attached to their series when the log names these.
struct MappedChunks {
    /// By reference, then in the order of the files.
    chunks: Vec<FoundChunk>,
    /// Those of late samples, in the order of the files: their own log says which are needed.
    late: Vec<FoundChunk>,
}

impl MappedChunks {
    /// Reads the head chunk files. A damaged file is removed, and all later ones: the log has
    /// their samples.
    fn load(head: &Head) -> Result<Self, Error> {
        let mut chunks: Vec<FoundChunk> = Vec::new();
        let mut late: Vec<FoundChunk> = Vec::new();
        let begin = head.begin();
        let found = head.files.for_each(|chunk| {
            head.reserve_ref(chunk.series_ref);
            if chunk.is_out_of_order {
                late.push(*chunk);
            } else if chunk.maxt >= begin && chunk.sample_count > 0 {
                chunks.push(*chunk);
            }
            Ok(())
        });
        chunks.sort_by_key(|chunk| chunk.series_ref);
        let disordered = chunks.windows(2).any(|pair| match pair {
            [before, after] => before.series_ref == after.series_ref && after.mint <= before.maxt,
            _ => false,
        });
        let damage = match found {
            Err(damage) => Some((damage.file, damage.to_string())),
            Ok(()) if disordered => Some((0, "out of sequence head chunks".to_owned())),
            Ok(()) => None,
        };
        if let Some((file, reason)) = damage {
            head.metrics.chunk_corruptions.inc();
            tracing::error!(component = "tsdb", err = %reason, "Loading on-disk chunks failed");
            tracing::info!(component = "tsdb", "Deleting mmapped chunk files");
            head.files.remove_from(file)?;
            let kept = |chunk: &FoundChunk| chunk.chunk_ref.file < file;
            chunks.retain(kept);
            late.retain(kept);
        }
        Ok(Self { chunks, late })
    }

    /// Chunks of a series, oldest first.
    fn of(&self, series_ref: u64) -> &[FoundChunk] {
        let from = self
            .chunks
            .partition_point(|chunk| chunk.series_ref < series_ref);
        let rest = self.chunks.get(from..).unwrap_or_default();
        let len = rest.partition_point(|chunk| chunk.series_ref == series_ref);
        rest.get(..len).unwrap_or_default()
    }
}

/// Reads checkpoint and segments of the log in `dir` into an empty head, beginning with the head
/// chunk files. Damage in a segment is returned beside everything that was read before it; the
/// caller repairs.
pub(crate) fn replay(head: &Head, dir: &Path, status: &ReplayStatus) -> Result<Replayed, Error> {
    let mut replay = Replay {
        head,
        tally: ReplayTally::default(),
        chunks: MappedChunks::load(head)?,
        newest: SegmentTimes::default(),
        segment: 0,
        other_refs: Vec::new(),
    };
    let mut first = 0;
    if let Some(checkpoint) = wal::last_checkpoint(dir)? {
        tracing::info!(component = "tsdb", "Replaying WAL, this may take a while");
        replay.segment = checkpoint.last_segment;
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
        // A checkpoint of the reference may hold samples: the next one of ours covers it.
        replay.newest = SegmentTimes::default();
        tracing::info!(component = "tsdb", "WAL checkpoint loaded");
    }
    let segments = wal::segments(dir)?;
    let last = segments.last().map_or(first, |(number, _)| *number);
    // The segment that is about to be begun counts too, as in the reference.
    let next = if segments.is_empty() {
        first
    } else {
        last.saturating_add(1)
    };
    status.begin(first.min(last), next);
    let mut reader = LogReader::open(dir, first)?;
    let read = reader.for_each(|segment, record| {
        status.reached(segment);
        replay.segment = segment;
        replay.record(record)
    });
    status.reached(next);
    replay.report();
    replay.keep_other_refs(last);
    let corruption = match read {
        Ok(()) => None,
        Err(Error::Corrupt(corruption)) => Some(corruption),
        Err(err) => return Err(err),
    };
    Ok(Replayed {
        newest: replay.newest,
        corruption,
        late_chunks: replay.chunks.late,
    })
}

struct Replay<'a> {
    head: &'a Head,
    tally: ReplayTally,
    chunks: MappedChunks,
    newest: SegmentTimes,
    /// The one being read.
    segment: u32,
    /// References that mean a series with another reference.
    other_refs: Vec<(u64, u32)>,
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
                    match self.head.series.refs.slot_of(tombstone.series_ref) {
                        Some(slot) => {
                            self.head
                                .add_tombstone(slot, tombstone.mint, tombstone.maxt);
                        }
                        None => self.tally.unknown_tombstones += 1,
                    }
                }
            }
            Record::Exemplars(exemplars) => {
                for entry in exemplars {
                    self.exemplar(entry);
                }
            }
            Record::Metadata(entries) => {
                for (series_ref, metadata) in entries {
                    let slot = self.head.series.refs.slot_of(series_ref);
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
                    self.newest.cover(self.segment, entry.timestamp);
                    let times = (entry.timestamp, entry.start);
                    self.histogram(entry.series_ref, times, entry.value, &mut tally);
                }
                self.taken(&tally);
            }
            Record::Unknown(_) => self.tally.unknown_records += 1,
        }
        Ok(())
    }

    fn series(&mut self, series_ref: u64, labels: &model::Labels) {
        self.head.reserve_ref(series_ref);
        if labels.is_empty() {
            return;
        }
        let Some(found) = self.head.get_or_create(labels, Some(series_ref)) else {
            return;
        };
        if found.series_ref != series_ref {
            // The same labels under a second reference: both mean the first one's series.
            self.head.series.refs.set(series_ref, found.slot);
            self.other_refs.push((series_ref, found.slot));
        }
        let Some(mut strip) = self.head.series.lock(found.slot) else {
            return;
        };
        let Some(state) = strip.series_mut(found.slot) else {
            return;
        };
        state.logged = true;
        for chunk in self.chunks.of(series_ref) {
            // A repeated record finds its chunks attached already.
            if state.attach_between(chunk.mint, chunk.maxt, chunk.chunk_ref, &self.head.files) {
                self.head.cover(chunk.mint, chunk.maxt);
            }
        }
    }

    fn exemplar(&mut self, entry: wal::record::ExemplarEntry) {
        let wal::record::ExemplarEntry {
            series_ref,
            timestamp,
            value,
            labels,
        } = entry;
        let mut ring = self.head.exemplars.write();
        // Those of times that are in blocks are gone, as with the reference.
        if ring.len_max() == 0 || timestamp < self.head.begin() {
            return;
        }
        let series = ring.series(series_ref).or_else(|| {
            let slot = self.head.series.refs.slot_of(series_ref)?;
            let symbols = self.head.symbols.read();
            let strip = self.head.series.lock(slot)?;
            Some(label_sets::unpack(strip.label_set(slot), &symbols))
        });
        let Some(series) = series else {
            self.tally.unknown_exemplars += 1;
            return;
        };
        ring.push(Kept {
            series_ref,
            series,
            timestamp,
            value,
            labels,
        });
    }

    /// The log goes on using these references: a checkpoint must not lose their labels.
    fn keep_other_refs(&self, last_segment: u32) {
        let mut expired = self.head.expired.lock();
        for (series_ref, slot) in &self.other_refs {
            if let Some(strip) = self.head.series.lock(*slot) {
                let label_set = LabelSet::from_slice(strip.label_set(*slot));
                expired.insert(*series_ref, Expired::new(label_set, last_segment));
            }
        }
    }

    fn samples(&mut self, record: &[u8]) -> Result<(), wal::record::RecordError> {
        // Decoded whole before any is taken: a damaged record leaves nothing.
        let mut entries: Vec<SampleEntry> = Vec::with_capacity(record.len() / 10);
        decode_samples(record, |entry| entries.push(entry))?;
        let mut cursor = StripCursor::default();
        let mut tally = Tally::default();
        let mut closed = Vec::new();
        let begin = self.head.begin();
        let rules = self.head.rules();
        let mut newest = Timestamp::MIN;
        for SampleEntry {
            series_ref,
            timestamp,
            start,
            value,
        } in entries
        {
            if timestamp < begin {
                continue;
            }
            newest = newest.max(timestamp);
            let Some(slot) = self.head.series.refs.slot_of(series_ref) else {
                self.tally.unknown_samples += 1;
                continue;
            };
            if let Some(strip) = self.head.series.seek(&mut cursor, slot)
                && let Some(state) = strip.series_mut(slot)
            {
                let value = Value::Float(value);
                let times = (timestamp, start);
                let appended = state.append(times, value, SETTLED, u64::MAX, rules);
                if appended == Appended::Begun(true) {
                    closed.push(slot);
                }
                tally.count(appended, true, timestamp);
            }
        }
        drop(cursor);
        self.head.note_closed(&mut closed);
        if newest > Timestamp::MIN {
            self.newest.cover(self.segment, newest);
        }
        self.taken(&tally);
        Ok(())
    }

    fn histogram(
        &mut self,
        series_ref: u64,
        (timestamp, start): (Timestamp, Timestamp),
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
        let slot = self.head.series.refs.slot_of(series_ref);
        let strip = slot.and_then(|slot| Some((slot, self.head.series.lock(slot)?)));
        let Some((slot, mut strip)) = strip else {
            self.tally.unknown_histograms += 1;
            return;
        };
        if let Some(state) = strip.series_mut(slot) {
            let rules = self.head.rules();
            let appended = state.append((timestamp, start), value, SETTLED, u64::MAX, rules);
            tally.count(appended, false, timestamp);
            if appended == Appended::Begun(true) {
                self.head.note_closed(&mut vec![slot]);
            }
        }
    }

    fn taken(&mut self, tally: &Tally) {
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
