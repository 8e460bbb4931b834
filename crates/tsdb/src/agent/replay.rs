//! An agent's series out of its log.

use std::collections::HashMap;
use std::path::Path;

use model::{Labels, Timestamp};

use super::{Deleted, Shared};
use crate::Error;
use crate::head::log::SegmentTimes;
use crate::wal::record::{Record, decode};
use crate::wal::{self, Corruption, LogReader};

/// Reads checkpoint and segments of the log in `dir`. Damage in a segment is returned beside what
/// was read before it; the caller repairs.
pub(super) fn replay(
    shared: &Shared,
    dir: &Path,
) -> Result<(SegmentTimes, Option<Corruption>), Error> {
    let mut replay = Replay {
        shared,
        newest: SegmentTimes::default(),
        segment: 0,
        other_refs: HashMap::new(),
        unknown: 0,
    };
    let mut first = 0;
    if let Some(checkpoint) = wal::last_checkpoint(dir)? {
        replay.segment = checkpoint.last_segment;
        let mut reader = LogReader::open(&checkpoint.path, 0)?;
        reader
            .for_each(|_, record| replay.record(record))
            .map_err(|err| err.in_checkpoint(checkpoint.path))?;
        first = checkpoint.last_segment.saturating_add(1);
        // The next checkpoint covers it.
        replay.newest = SegmentTimes::default();
        tracing::info!(component = "agent", "WAL checkpoint loaded");
    }
    let mut reader = LogReader::open(dir, first)?;
    let read = reader.for_each(|segment, record| {
        replay.segment = segment;
        replay.record(record)
    });
    if replay.unknown > 0 {
        tracing::warn!(
            component = "agent",
            samples = replay.unknown,
            "Unknown series references in the WAL"
        );
    }
    match read {
        Ok(()) => Ok((replay.newest, None)),
        Err(Error::Corrupt(corruption)) => Ok((replay.newest, Some(corruption))),
        Err(err) => Err(err),
    }
}

struct Replay<'a> {
    shared: &'a Shared,
    newest: SegmentTimes,
    /// The one being read.
    segment: u32,
    /// References that mean a series with another reference.
    other_refs: HashMap<u64, u64>,
    /// Samples of references that are not known.
    unknown: u64,
}

impl Replay<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), String> {
        match decode(record).map_err(|err| format!("decode record: {err}"))? {
            Record::Series(series) => {
                for (series_ref, labels) in series {
                    self.series(series_ref, &labels);
                }
            }
            Record::Samples(samples) => {
                for sample in samples {
                    self.sample(sample.series_ref, sample.timestamp);
                }
            }
            Record::Histograms(samples) => {
                for sample in samples {
                    self.sample(sample.series_ref, sample.timestamp);
                }
            }
            // Nothing is remembered of these.
            Record::Exemplars(_)
            | Record::Metadata(_)
            | Record::Tombstones(_)
            | Record::MmapMarkers(_)
            | Record::Unknown(_) => {}
        }
        Ok(())
    }

    fn series(&mut self, series_ref: u64, labels: &Labels) {
        let series = &self.shared.series;
        series.reserve_ref(series_ref);
        if labels.is_empty() {
            return;
        }
        // A reference means one series: what a damaged or foreign log says of it later is ignored.
        let is_known = series.with(series_ref, |_| ()).is_some();
        if is_known {
            return;
        }
        let Some(found) = series.get_or_create(labels, Some(series_ref)) else {
            return;
        };
        if found.series_ref != series_ref {
            self.other_refs.insert(series_ref, found.series_ref);
            self.used(series_ref, Some(labels));
        }
    }

    fn sample(&mut self, series_ref: u64, timestamp: Timestamp) {
        self.newest.cover(self.segment, timestamp);
        let meant = self.other_refs.get(&series_ref).copied();
        if meant.is_some() {
            self.used(series_ref, None);
        }
        let known = self
            .shared
            .series
            .with(meant.unwrap_or(series_ref), |series| {
                series.last_time = series.last_time.max(timestamp);
            });
        self.unknown += u64::from(known.is_none());
    }

    /// Notes that the segment at hand uses a second reference of a series: checkpoints must keep
    /// its labels until that segment is gone.
    fn used(&self, series_ref: u64, labels: Option<&Labels>) {
        let mut deleted = self.shared.deleted.lock();
        match (deleted.get_mut(&series_ref), labels) {
            (Some(known), _) => known.last_segment = known.last_segment.max(self.segment),
            (None, Some(labels)) => {
                let entry = Deleted {
                    labels: labels.clone(),
                    last_segment: self.segment,
                };
                deleted.insert(series_ref, entry);
            }
            (None, None) => {}
        }
    }
}
