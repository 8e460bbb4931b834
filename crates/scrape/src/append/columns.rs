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

    /// The sample at `position`: start timestamp, time, value.
    pub(super) fn sample(&self, position: u32) -> Option<(Timestamp, Timestamp, Value)> {
        let at = position as usize;
        let start = self.start_timestamps.get(at).copied().unwrap_or(0);
        let time = *self.times.get(at)?;
        let value = match self.histogram_at(position) {
            Ok(found) => self.histograms.get(found)?.1.clone(),
            Err(_) => Value::Float(*self.values.get(at)?),
        };
        Some((start, time, value))
    }

    fn histogram_at(&self, position: u32) -> Result<usize, usize> {
        let positions = |(position, _): &(u32, Value)| *position;
        self.histograms.binary_search_by_key(&position, positions)
    }

    /// Gives the sample at `position` a start timestamp and another value of the same kind.
    pub(super) fn replace(&mut self, position: u32, start: Timestamp, value: Value) {
        let at = position as usize;
        if self.start_timestamps.is_empty() {
            self.start_timestamps.resize(self.series.len(), 0);
        }
        if let Some(place) = self.start_timestamps.get_mut(at) {
            *place = start;
        }
        match (value, self.histogram_at(position)) {
            (Value::Float(number), _) => {
                if let Some(place) = self.values.get_mut(at) {
                    *place = number;
                }
            }
            (histogram, Ok(found)) => {
                if let Some((_, place)) = self.histograms.get_mut(found) {
                    *place = histogram;
                }
            }
            (_, Err(_)) => {}
        }
    }

    /// Removes the samples at `positions`, ascending, with their exemplars.
    pub(super) fn remove(&mut self, positions: &[u32]) {
        if positions.is_empty() {
            return;
        }
        let removed = |position: u32| positions.binary_search(&position).is_ok();
        retain(&mut self.series, removed);
        retain(&mut self.times, removed);
        retain(&mut self.values, removed);
        retain(&mut self.start_timestamps, removed);
        retain(&mut self.origins, removed);
        let moved = |position: &mut u32| {
            let before = positions.binary_search(position);
            *position -= before.unwrap_or_else(|before| before) as u32;
            before.is_err()
        };
        self.histograms.retain_mut(|(position, _)| moved(position));
        self.exemplars.retain_mut(|(position, _)| moved(position));
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

/// Removes the elements whose positions are `removed`.
fn retain<T>(column: &mut Vec<T>, removed: impl Fn(u32) -> bool) {
    let mut position = 0;
    column.retain(|_| {
        position += 1;
        !removed(position - 1)
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Histogram, Labels};

    use super::*;

    #[test]
    fn samples_are_replaced_and_removed_with_what_belongs_to_them() {
        let exemplar = Exemplar {
            labels: Labels::empty(),
            value: 1.0,
            timestamp: Some(1),
        };
        let histogram = |count: u64| {
            Value::Histogram(Arc::new(Histogram {
                count,
                ..Histogram::default()
            }))
        };
        let mut columns = Columns {
            series: (0..6).map(SeriesRef).collect(),
            times: (0..6).collect(),
            values: (0..6).map(f64::from).collect(),
            histograms: [1, 3, 4].map(|at| (at, histogram(at.into()))).to_vec(),
            exemplars: [0, 1, 3, 5].map(|at| (at, exemplar.clone())).to_vec(),
            ..Columns::default()
        };
        columns.replace(4, 7, histogram(9));
        columns.replace(5, 8, Value::Float(9.0));
        assert_eq!(columns.sample(4), Some((7, 4, histogram(9))));
        assert_eq!(columns.sample(6), None);
        columns.remove(&[]);
        columns.remove(&[0, 3]);
        let numbers: Vec<u64> = columns.series.iter().map(|series| series.0).collect();
        assert_eq!(numbers, [1, 2, 4, 5]);
        assert_eq!(columns.sample(0), Some((0, 1, histogram(1))));
        assert_eq!(columns.sample(1), Some((0, 2, Value::Float(2.0))));
        assert_eq!(columns.sample(2), Some((7, 4, histogram(9))));
        assert_eq!(columns.sample(3), Some((8, 5, Value::Float(9.0))));
        let positions: Vec<u32> = columns.exemplars.iter().map(|(at, _)| *at).collect();
        assert_eq!(positions, [0, 3]);
    }

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
