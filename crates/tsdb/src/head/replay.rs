//! The head out of the log.
//!
//! Reading has three parts. `decode` turns the bytes of records into entries, some records at a
//! time. The thread that reads takes the entries in the order of the log: it creates series and
//! keeps what they share (label index, references, deletions, exemplars). What concerns a single
//! series goes on to `apply`, each series to one applier, again in the order of the log. So the
//! result is that of reading record after record, whatever the number of threads.

mod apply;
mod decode;
mod mapped;
mod series_record;
mod snapshot;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX};
use model::sample::Value;
use model::{Exemplar, Metadata, Timestamp};
use stdx::cancel::CancelToken;

use super::checkpoint::Expired;
use super::label_sets::LabelSet;
use super::log::SegmentTimes;
use super::{Head, label_sets};
use crate::Error;
use crate::exemplars::Kept;
use crate::head_chunks::FoundChunk;
use crate::memory_snapshot::folder::Folder;
use crate::replay_status::ReplayStatus;
use crate::wal::record::{ExemplarEntry, HistogramEntry, Record, SampleEntry};
use crate::wal::{self, Corruption, LogReader};
use apply::{Appliers, Change, PlacedFloats};
use decode::{Decoded, Decoders};
use mapped::MappedChunks;
use series_record::SeriesRecord;
use snapshot::Part;

/// Finest schema that is known at all; such histograms need a coarser one to be stored.
const KNOWN_SCHEMA_MAX: i32 = 52;

/// Most threads of a kind: the thread that reads keeps no more of them busy.
const THREADS_MAX: usize = 8;

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

/// How a replay is run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// Where its progress shows.
    pub(crate) status: Arc<ReplayStatus>,
    /// Ends it early, with [`Error::Stopped`].
    pub(crate) stop: CancelToken,
    /// Processors it may use.
    pub(crate) threads: usize,
}

/// Reads checkpoint and segments of the log in `dir` into an empty head, beginning with the head
/// chunk files. Damage in a segment is returned beside everything that was
/// read before it; the caller repairs.
///
/// With a snapshot, that is read first, and the log from its position on. If it cannot be used,
/// the error is [`Error::Snapshot`] or what the operating system said, and the head has to be
/// emptied.
pub(crate) fn replay(
    head: &Head,
    dir: &Path,
    snapshot: Option<&Folder>,
    control: &Control,
) -> Result<Replayed, Error> {
    let Control {
        status,
        stop,
        threads,
    } = control;
    let chunks = MappedChunks::load(head)?;
    // One processor does everything in turn. Two have this thread's work, the decoders' and the
    // appliers' to share, which are about the same; more of them need more of each.
    let of_each = if *threads > 1 {
        (threads / 2).min(THREADS_MAX)
    } else {
        0
    };
    thread::scope(|scope| {
        let mut replay = Replay {
            head,
            tally: ReplayTally::default(),
            chunks,
            newest: SegmentTimes::default(),
            segment: 0,
            other_refs: Vec::new(),
            stored_until: Timestamp::MIN,
            appliers: Appliers::start(scope, head, of_each),
        };
        let mut first = 0;
        if let Some(folder) = snapshot {
            let decoders = Decoders::start(scope, of_each, Part::group);
            replay
                .load_snapshot(folder, dir, decoders, stop)
                .map_err(|err| match err {
                    Error::Corrupt(damage) => Error::Snapshot(damage.to_string()),
                    other => other,
                })?;
            first = folder.position.segment;
        } else if let Some(checkpoint) = wal::last_checkpoint(dir)? {
            tracing::info!(component = "tsdb", "Replaying WAL, this may take a while");
            replay.segment = checkpoint.last_segment;
            let mut reader = LogReader::open(&checkpoint.path, 0)?;
            Decoders::start(scope, of_each, Decoded::group)
                .read(&mut reader, stop, |_, record| replay.record(record))
                .map_err(|err| err.in_checkpoint(checkpoint.path))?;
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
        let mut reader = match snapshot {
            Some(folder) => LogReader::open_at(dir, first, folder.position.offset)?
                .ok_or_else(|| Error::Snapshot("the log does not reach its position".to_owned()))?,
            None => LogReader::open(dir, first)?,
        };
        let read = Decoders::start(scope, of_each, Decoded::group).read(
            &mut reader,
            stop,
            |place, record| {
                status.reached(place.segment);
                replay.segment = place.segment;
                replay.record(record);
            },
        );
        let corruption = match read {
            Ok(()) => None,
            Err(Error::Corrupt(corruption)) => Some(corruption),
            Err(err) => return Err(err),
        };
        let applied = replay.appliers.finish();
        if snapshot.is_some() {
            applied.map_err(Error::Snapshot)?;
        }
        status.reached(next);
        report(head, &replay.tally);
        keep_other_refs(head, &replay.other_refs, last);
        Ok(Replayed {
            newest: replay.newest,
            corruption,
            late_chunks: replay.chunks.late,
        })
    })
}

/// The thread that reads.
struct Replay<'scope> {
    head: &'scope Head,
    tally: ReplayTally,
    chunks: MappedChunks,
    newest: SegmentTimes,
    /// The one being read.
    segment: u32,
    /// References that mean a series with another reference.
    other_refs: Vec<(u64, u32)>,
    /// Newest time in a snapshot and in the files.
    stored_until: Timestamp,
    appliers: Appliers<'scope>,
}

impl Replay<'_> {
    fn record(&mut self, record: Decoded) {
        match record {
            Decoded::Series(record) => self.series(&record),
            Decoded::Samples(entries) => self.samples(entries),
            Decoded::Rare(Record::Tombstones(tombstones)) => {
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
            Decoded::Rare(Record::Exemplars(exemplars)) => {
                for entry in exemplars {
                    self.exemplar(entry);
                }
            }
            Decoded::Rare(Record::Metadata(entries)) => {
                for (series_ref, metadata) in entries {
                    self.metadata(series_ref, metadata);
                }
            }
            Decoded::Rare(Record::Histograms(entries)) => {
                for entry in entries {
                    self.histogram(entry);
                }
            }
            Decoded::Rare(Record::Unknown(_)) => self.tally.unknown_records += 1,
            // Markers are in the log of late samples only; the other kinds were taken above.
            Decoded::Rare(Record::MmapMarkers(_) | Record::Series(_) | Record::Samples(_)) => {}
        }
    }

    fn series(&mut self, record: &SeriesRecord) {
        self.series_with(record, false, |_, _, _| {});
    }

    /// Finds or creates the series of a record (of a snapshot's records). `first` may add what comes
    /// before their chunks in files; it gets the position in the record and the slot.
    fn series_with(
        &mut self,
        record: &SeriesRecord,
        from_snapshot: bool,
        mut first: impl FnMut(&mut Appliers<'_>, usize, u32),
    ) {
        let refs = record.refs();
        record.adopt(self.head, |index, found| {
            let Some(series_ref) = refs.get(index).copied() else {
                return;
            };
            if found.series_ref != series_ref {
                // The same labels under a second reference: both mean the first one's series.
                self.head.series.refs.set(series_ref, found.slot);
                self.other_refs.push((series_ref, found.slot));
            }
            first(&mut self.appliers, index, found.slot);
            let chunks = self.chunks.of(series_ref);
            if !chunks.is_empty() {
                let change = if from_snapshot {
                    Change::ChunksBesideOpen(chunks.to_vec())
                } else {
                    Change::Chunks(chunks.to_vec())
                };
                self.appliers.push(found.slot, change);
            }
        });
    }

    fn metadata(&mut self, series_ref: u64, metadata: Arc<Metadata>) {
        match self.head.series.refs.slot_of(series_ref) {
            Some(slot) => self.appliers.push(slot, Change::Metadata(metadata)),
            None => self.tally.unknown_metadata += 1,
        }
    }

    fn exemplar(&mut self, entry: ExemplarEntry) {
        let ExemplarEntry {
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
            exemplar: Exemplar {
                labels,
                value,
                timestamp: Some(timestamp),
            },
        });
    }

    fn samples(&mut self, mut entries: Vec<SampleEntry>) {
        let begin = self.head.begin();
        let mut newest = Timestamp::MIN;
        let mut unknown = 0;
        let refs = self.head.series.refs.read();
        entries.retain_mut(|entry| {
            if entry.timestamp < begin {
                return false;
            }
            newest = newest.max(entry.timestamp);
            let slot = refs.slot_of(entry.series_ref);
            unknown += u64::from(slot.is_none());
            entry.series_ref = u64::from(slot.unwrap_or_default());
            slot.is_some()
        });
        drop(refs);
        self.tally.unknown_samples += unknown;
        if newest > Timestamp::MIN {
            self.newest.cover(self.segment, newest);
        }
        self.appliers.push_floats(PlacedFloats(entries));
    }

    fn histogram(&mut self, entry: HistogramEntry) {
        if entry.timestamp < self.head.begin() {
            return;
        }
        self.newest.cover(self.segment, entry.timestamp);
        let schema = match &entry.value {
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
        match self.head.series.refs.slot_of(entry.series_ref) {
            Some(slot) => {
                let change = Change::Histogram((entry.timestamp, entry.start), entry.value);
                self.appliers.push(slot, change);
            }
            None => self.tally.unknown_histograms += 1,
        }
    }
}

/// The log goes on using these references: a checkpoint must not lose their labels.
fn keep_other_refs(head: &Head, other_refs: &[(u64, u32)], last_segment: u32) {
    let mut expired = head.expired.lock();
    for (series_ref, slot) in other_refs {
        if let Some(strip) = head.series.lock(*slot) {
            let label_set = LabelSet::from_slice(strip.label_set(*slot));
            expired.insert(*series_ref, Expired::new(label_set, last_segment));
        }
    }
}

fn report(head: &Head, tally: &ReplayTally) {
    let unknown = [
        ("samples", tally.unknown_samples),
        ("histograms", tally.unknown_histograms),
        ("exemplars", tally.unknown_exemplars),
        ("metadata", tally.unknown_metadata),
        ("tombstones", tally.unknown_tombstones),
    ];
    for (what, count) in unknown {
        if count > 0 {
            head.metrics
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

#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod tests;
