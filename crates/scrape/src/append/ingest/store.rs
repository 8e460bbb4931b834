//! From batches to the store, and what it says of them.

use model::Timestamp;
use storage::{AppendError, Appender, BatchTimes};

use super::labels::final_labels;
use super::{Columns, Run};
use crate::append::texts::Texts;
use crate::cache::{Entry as Known, EntryId};
use crate::error::Error;
use crate::synthesis::Outcome;

/// Samples that were not taken, by reason.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) out_of_order: usize,
    pub(super) duplicate: usize,
    pub(super) out_of_bounds: usize,
    pub(super) exemplar_out_of_order: usize,
    pub(super) over_sample_limit: bool,
    pub(super) over_bucket_limit: bool,
}

impl Run<'_, '_> {
    /// Appends the columns.
    pub(super) fn append(&mut self, appender: &mut dyn Appender) -> Result<(), Error> {
        self.synthesize_starts();
        let mut results = Vec::new();
        let mut exemplar_results = Vec::new();
        let columns = &*self.columns;
        let mut batch = columns.batch(self.times(&columns.times));
        batch.reject_out_of_order = self.synthesis.is_some();
        appender.append(&batch, &mut results, &mut exemplar_results)?;
        self.count_refused_exemplars(exemplar_results);
        let unknown = self.count_refused(results)?;
        if !unknown.is_empty() {
            self.append_again(&unknown, appender)?;
        }
        Ok(())
    }

    /// Gives counters that tell no start one, if that is wanted.
    fn synthesize_starts(&mut self) {
        let Some(synthesis) = &mut self.synthesis else {
            return;
        };
        let scrape = self.scan.scrape();
        let mut left_out = Vec::new();
        for position in 0..self.columns.origins.len() as u32 {
            let origin = self.columns.origins.get(position as usize);
            let entry = origin.and_then(|origin| self.scan.entry(origin.entry));
            let Some(entry) = entry.filter(|entry| entry.is_cumulative()) else {
                continue;
            };
            let Some((start, time, value)) = self.columns.sample(position) else {
                continue;
            };
            if start != 0 {
                synthesis.forget(entry.hash());
                continue;
            }
            match synthesis.take(entry.hash(), scrape, time, value) {
                Outcome::First => left_out.push(position),
                Outcome::Since(start, value) => self.columns.replace(position, start, value),
            }
        }
        for position in &left_out {
            if let Some(origin) = self.columns.origins.get(*position as usize) {
                self.scan.untrack(origin.entry);
            }
        }
        self.columns.remove(&left_out);
    }

    fn count_refused_exemplars(&mut self, results: Vec<(u32, AppendError)>) {
        let late = |(_, reason): &(u32, AppendError)| *reason == AppendError::OutOfOrderExemplar;
        let refused: Vec<u32> = results.into_iter().filter(late).map(|(at, _)| at).collect();
        let count = self.columns.wholly_refused(&refused);
        self.refusals.exemplar_out_of_order += count;
        let metrics = &self.context.metrics;
        metrics.exemplar_out_of_order.add(count as f64);
    }

    fn times<'a>(&self, times: &'a [Timestamp]) -> BatchTimes<'a> {
        if self.columns.own_times {
            BatchTimes::Each(times)
        } else {
            BatchTimes::Same(self.time)
        }
    }

    /// Counts what was not taken; the positions whose series the store has dropped meanwhile.
    fn count_refused(&mut self, results: Vec<(u32, AppendError)>) -> Result<Vec<u32>, Error> {
        let mut unknown = Vec::new();
        let refused: Vec<u32> = results.iter().map(|(position, _)| *position).collect();
        let mut untracked = Vec::new();
        for (position, reason) in results {
            let metrics = &self.context.metrics;
            match reason {
                AppendError::OutOfOrder | AppendError::TooOld => {
                    self.refusals.out_of_order += 1;
                    metrics.out_of_order.inc();
                }
                AppendError::DuplicateTimestamp | AppendError::DuplicateFloat { .. } => {
                    self.refusals.duplicate += 1;
                    metrics.duplicate_timestamp.inc();
                }
                AppendError::OutOfBounds => {
                    self.refusals.out_of_bounds += 1;
                    metrics.out_of_bounds.inc();
                }
                AppendError::UnknownSeries => {
                    unknown.push(position);
                    continue;
                }
                other => return Err(other.into()),
            }
            if let Some(origin) = self.columns.origins.get(position as usize).copied() {
                if let Some(synthesis) = &mut self.synthesis
                    && let Some(entry) = self.scan.entry(origin.entry)
                {
                    synthesis.forget(entry.hash());
                }
                if origin.new {
                    self.counts.series_added = self.counts.series_added.saturating_sub(1);
                } else {
                    self.scan.untrack(origin.entry);
                    untracked.push(origin.entry);
                }
            }
        }
        untracked.sort_unstable();
        self.track_others_of(&untracked, &refused);
        Ok(unknown)
    }

    /// A series of which one sample was refused and another one was not stays tracked. Both lists
    /// are sorted.
    fn track_others_of(&mut self, entries: &[EntryId], refused: &[u32]) {
        if entries.is_empty() {
            return;
        }
        for (position, origin) in (0_u32..).zip(&self.columns.origins) {
            if origin.tracked
                && entries.binary_search(&origin.entry).is_ok()
                && refused.binary_search(&position).is_err()
            {
                self.scan.track(origin.entry);
            }
        }
    }

    /// Appends the samples at `positions` with their series resolved anew.
    fn append_again(
        &mut self,
        positions: &[u32],
        appender: &mut dyn Appender,
    ) -> Result<(), Error> {
        let mut again = Columns::default();
        let mut texts = Texts::new(self.texts);
        for position in positions {
            let Some(origin) = self.columns.origins.get(*position as usize).copied() else {
                continue;
            };
            let Some(metric_type) = self.scan.entry(origin.entry).and_then(Known::metric_type)
            else {
                continue;
            };
            let Some(text) = texts.find(origin.text) else {
                continue;
            };
            // Neither labels nor texts are kept: this is rare.
            let labels = final_labels(self.context, self.format, text, metric_type)?;
            let Some(labels) = labels else {
                continue;
            };
            let series = appender.series(&labels)?;
            self.scan.set_series(origin.entry, series);
            again.push_copy(self.columns, *position, series);
            self.counts.series_added += 1;
        }
        let mut results = Vec::new();
        let mut batch = again.batch(BatchTimes::Each(&again.times));
        batch.reject_out_of_order = self.synthesis.is_some();
        appender.append(&batch, &mut results, &mut Vec::new())?;
        *self.columns = again;
        self.count_refused(results)?;
        Ok(())
    }

    /// One line a scrape and reason, not one a sample.
    pub(super) fn warn(&self) {
        let warn = |count: usize, message: &str| {
            if count > 0 {
                tracing::warn!(
                    component = "scrape manager",
                    scrape_pool = %self.context.options.job_name,
                    target = %self.context.target.url(),
                    num_dropped = count,
                    "{message}"
                );
            }
        };
        warn(
            self.refusals.out_of_order,
            "Error on ingesting out-of-order samples",
        );
        warn(
            self.refusals.duplicate,
            "Error on ingesting samples with different value but same timestamp",
        );
        warn(
            self.refusals.out_of_bounds,
            "Error on ingesting samples that are too old or are too far into the future",
        );
        warn(
            self.refusals.exemplar_out_of_order,
            "Error on ingesting out-of-order exemplars",
        );
    }
}
