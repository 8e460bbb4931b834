//! The samples of a body in the shape the store takes.

use exposition::entry::{RawExemplar, Series};
use model::sample::Value;
use model::{Exemplar, Timestamp};
use storage::{Batch, BatchTimes, SeriesRef};

use super::texts::TextRef;
use crate::cache::EntryId;

/// The samples of a body, in columns that keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(super) series: Vec<SeriesRef>,
    pub(super) times: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
    /// Native histograms by position.
    pub(super) histograms: Vec<(u32, Value)>,
    /// Start timestamps: as many as series, or none if no sample has one.
    pub(super) start_timestamps: Vec<Timestamp>,
    /// By position.
    pub(super) exemplars: Vec<(u32, Exemplar)>,
    /// Where each sample came from.
    pub(super) origins: Vec<Origin>,
    /// Whether a sample has a time of its own.
    pub(super) own_times: bool,
}

/// Where a sample came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) entry: EntryId,
    pub(super) text: TextRef,
    /// Whether its line was unknown before.
    pub(super) new: bool,
    /// Whether the series is to end when the next scrape does not have it.
    pub(super) tracked: bool,
}

impl Columns {
    pub(super) fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps.clear();
        self.exemplars.clear();
        self.origins.clear();
        self.own_times = false;
    }

    /// Bytes of memory they take, exemplars' labels and histograms' buckets not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        self.series.capacity() * size_of::<SeriesRef>()
            + self.times.capacity() * size_of::<Timestamp>()
            + self.values.capacity() * size_of::<f64>()
            + self.histograms.capacity() * size_of::<(u32, Value)>()
            + self.start_timestamps.capacity() * size_of::<Timestamp>()
            + self.exemplars.capacity() * size_of::<(u32, Exemplar)>()
            + self.origins.capacity() * size_of::<Origin>()
    }

    /// Adds a sample of `time`.
    pub(super) fn push(
        &mut self,
        reference: SeriesRef,
        origin: Origin,
        series: &Series<'_>,
        time: Timestamp,
    ) {
        let position = self.series.len();
        self.push_start(series.start_timestamp);
        self.series.push(reference);
        self.times.push(time);
        self.values.push(series.value);
        self.origins.push(origin);
        if let Some(raw) = &series.exemplar {
            self.push_exemplar(position as u32, raw);
        }
    }

    /// Adds the start timestamp of the sample that comes next.
    fn push_start(&mut self, start: Timestamp) {
        if start != 0 || !self.start_timestamps.is_empty() {
            self.start_timestamps.resize(self.series.len(), 0);
            self.start_timestamps.push(start);
        }
    }

    /// Adds an exemplar of the sample at `position`.
    pub(super) fn push_exemplar(&mut self, position: u32, raw: &RawExemplar<'_>) {
        match raw.to_exemplar() {
            Ok(exemplar) => self.exemplars.push((position, exemplar)),
            Err(err) => {
                tracing::debug!(
                    component = "scrape manager",
                    err = %err,
                    "Error while adding exemplar in AddExemplar"
                );
            }
        }
    }

    /// Adds the sample at `position` of `other` under another reference, its exemplars left out.
    pub(super) fn push_copy(&mut self, other: &Self, position: u32, reference: SeriesRef) {
        let at = position as usize;
        let (Some(origin), Some(time), Some(value)) = (
            other.origins.get(at),
            other.times.get(at),
            other.values.get(at),
        ) else {
            return;
        };
        let found = other
            .histograms
            .binary_search_by_key(&position, |(position, _)| *position);
        if let Some((_, histogram)) = found.ok().and_then(|found| other.histograms.get(found)) {
            let position = self.series.len() as u32;
            self.histograms.push((position, histogram.clone()));
        }
        self.push_start(other.start_timestamps.get(at).copied().unwrap_or(0));
        self.series.push(reference);
        self.times.push(*time);
        self.values.push(*value);
        self.origins.push(Origin {
            new: true,
            ..*origin
        });
    }

    /// What the store takes.
    pub(super) fn batch<'a>(&'a self, times: BatchTimes<'a>) -> Batch<'a> {
        Batch {
            series: &self.series,
            times,
            values: &self.values,
            histograms: &self.histograms,
            start_timestamps: &self.start_timestamps,
            exemplars: &self.exemplars,
            reject_out_of_order: false,
        }
    }

    /// Of the exemplars at `refused`, ascending, those that are all their sample has: a sample of
    /// which only some are refused brings others again, which is as it should be.
    pub(super) fn wholly_refused(&self, refused: &[u32]) -> usize {
        let position_of = |at: u32| {
            self.exemplars
                .get(at as usize)
                .map(|(position, _)| *position)
        };
        let same_sample = |one: &u32, other: &u32| position_of(*one) == position_of(*other);
        let all_of = |group: &&[u32]| {
            let position = group.first().and_then(|at| position_of(*at));
            let first = self
                .exemplars
                .partition_point(|(other, _)| Some(*other) < position);
            let end = self
                .exemplars
                .partition_point(|(other, _)| Some(*other) <= position);
            group.len() == end - first
        };
        let groups = refused.chunk_by(same_sample).filter(all_of);
        groups.map(<[u32]>::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    #[test]
    fn refused_exemplars_count_where_a_sample_has_no_other() {
        let exemplar = Exemplar {
            labels: Labels::empty(),
            value: 1.0,
            timestamp: Some(1),
        };
        let columns = Columns {
            exemplars: [0, 2, 2, 2, 5, 5]
                .map(|position| (position, exemplar.clone()))
                .to_vec(),
            ..Columns::default()
        };
        assert_eq!(columns.wholly_refused(&[]), 0);
        assert_eq!(columns.wholly_refused(&[0]), 1);
        assert_eq!(columns.wholly_refused(&[0, 1, 2, 4, 5]), 3);
        assert_eq!(columns.wholly_refused(&[1, 2, 3]), 3);
    }
}
