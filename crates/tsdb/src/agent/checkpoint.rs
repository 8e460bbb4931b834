//! Checkpoints of an agent's log, out of memory: labels of all series, and a sample at the newest
//! time of each, whose value means nothing. So does the reference with
//! `--storage.agent.checkpoint-from-in-memory-series`.

use std::path::Path;

use model::{Labels, Timestamp};

use super::Shared;
use crate::Error;
use crate::wal::CheckpointWriter;
use crate::wal::record::{SampleEntry, encode_samples, encode_series};

/// Series of one record.
const RECORD_SERIES: usize = 1000;

impl Shared {
    /// Writes the checkpoint that stands for segments up to `last`.
    pub(super) fn write_checkpoint(&self, dir: &Path, last: u32) -> Result<(), Error> {
        let mut checkpoint = CheckpointWriter::create(dir, last, self.options.wal_compression)?;
        self.series.for_each_part(|part| {
            part.chunks(RECORD_SERIES)
                .try_for_each(|series| log_series(&mut checkpoint, series))
        })?;
        let mut deleted: Vec<(u64, Labels, Timestamp)> = {
            let deleted = self.deleted.lock();
            let needed = deleted
                .iter()
                .filter(|(_, deleted)| deleted.last_segment > last);
            let series = needed
                .map(|(series_ref, deleted)| (*series_ref, deleted.labels.clone(), Timestamp::MIN));
            series.collect()
        };
        deleted.sort_unstable_by_key(|(series_ref, ..)| *series_ref);
        for series in deleted.chunks(RECORD_SERIES) {
            log_series(&mut checkpoint, series)?;
        }
        checkpoint.finish()
    }
}

fn log_series(
    checkpoint: &mut CheckpointWriter,
    series: &[(u64, Labels, Timestamp)],
) -> Result<(), Error> {
    let labels = series
        .iter()
        .map(|(series_ref, labels, _)| (*series_ref, labels));
    let mut records = vec![encode_series(labels)];
    let samples: Vec<SampleEntry> = series
        .iter()
        .filter(|(.., last_time)| *last_time != Timestamp::MIN)
        .map(|(series_ref, _, last_time)| SampleEntry {
            series_ref: *series_ref,
            timestamp: *last_time,
            start: 0,
            value: 0.0,
        })
        .collect();
    if !samples.is_empty() {
        records.push(encode_samples(samples.iter()));
    }
    checkpoint.log(&records)
}
