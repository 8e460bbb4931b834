//! The log of late samples as a whole: read at the start, begun with the first window, cut short
//! when its samples are in blocks.

use std::path::PathBuf;

use crate::Error;
use crate::head::Head;
use crate::head::out_of_order::replay_late;
use crate::head_chunks::FoundChunk;
use crate::wal::{self, Compression, Writer, WriterMetrics};

/// Where the log is and how it is written.
#[derive(Debug)]
pub(super) struct LateLog {
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) compression: Compression,
    pub(super) metrics: WriterMetrics,
}

impl LateLog {
    /// Reads what there is and repairs its end; begins a segment if there is a window or was one.
    pub(super) fn load(&self, head: &Head, chunks: &[FoundChunk]) -> Result<(), Error> {
        if let Some(corruption) = replay_late(head, &self.dir, chunks)? {
            head.metrics.wal_corruptions.inc();
            tracing::warn!(component = "tsdb", err = %corruption, "Encountered WBL read error, attempting repair");
            wal::repair(
                &self.dir,
                &corruption,
                self.segment_bytes,
                self.compression,
                &self.metrics,
            )?;
        }
        let was_used = !wal::segments(&self.dir)?.is_empty();
        if was_used || head.out_of_order.window_ms() > 0 {
            self.begin(head)?;
        }
        Ok(())
    }

    /// Begins a segment, unless the log is open.
    pub(super) fn begin(&self, head: &Head) -> Result<(), Error> {
        let mut log = head.out_of_order.log.lock();
        if log.is_some() {
            return Ok(());
        }
        wal::create_log_dir(&self.dir)?;
        let last = wal::segments(&self.dir)?.last().map(|(number, _)| *number);
        let next = last.map_or(0, |last| last.saturating_add(1));
        *log = Some(Writer::create(
            &self.dir,
            next,
            self.segment_bytes,
            self.compression,
            self.metrics.clone(),
        )?);
        Ok(())
    }

    /// Deletes segments up to `last`.
    pub(super) fn truncate(&self, last: u32) -> Result<(), Error> {
        wal::remove_segments(&self.dir, last)
    }
}

#[cfg(test)]
mod tests {
    use model::sample::SampleColumns;
    use model::{Labels, Matcher};
    use stdx::cancel::CancelToken;
    use storage::{Appendable, BatchTimes, Queryable, SelectHints};
    use telemetry::Registry;

    use crate::wal::record::encode_mmap_markers;
    use crate::wal::{Batch, Compression};
    use crate::{Db, Options};

    fn append(db: &Db, labels: &Labels, timestamp: i64) {
        let mut appender = db.appender();
        let series = appender.series(labels).unwrap();
        let batch = storage::Batch {
            series: &[series],
            times: BatchTimes::Each(&[timestamp]),
            values: &[1.0],
            histograms: &[],
            start_timestamps: &[],
            exemplars: &[],
            reject_out_of_order: false,
        };
        appender
            .append(&batch, &mut Vec::new(), &mut Vec::new())
            .unwrap();
        appender.commit().unwrap();
    }

    fn open(dir: &std::path::Path) -> Db {
        let options = Options {
            out_of_order_window_ms: 1_000_000,
            ..Options::default()
        };
        Db::open(dir, options, &Registry::new()).unwrap()
    }

    fn count(db: &Db) -> usize {
        let querier = db.querier(i64::MIN, i64::MAX).unwrap();
        let hints = SelectHints::default();
        let matchers = [Matcher::equal("a", "b")];
        let set = querier
            .select(true, &hints, &matchers, &CancelToken::new())
            .unwrap();
        let mut columns = SampleColumns::default();
        set.read(0, i64::MIN, i64::MAX, &mut columns).unwrap();
        columns.len()
    }

    /// As the reference leaves it when it is killed while it makes blocks of late samples: no chunk,
    /// no block, and a marker that says that a new list began.
    #[test]
    fn a_marker_without_a_chunk_loses_no_late_sample() {
        let dir = tempfile::tempdir().unwrap();
        let labels = Labels::from_pairs([("a", "b")]);
        let db = open(dir.path());
        append(&db, &labels, 1_000_000);
        for late in 0..20 {
            append(&db, &labels, 500_000 + late);
        }
        let marker = encode_mmap_markers(&[(1, 0)]);
        let mut log = db.shared.head.out_of_order.log.lock();
        log.as_mut()
            .unwrap()
            .write(&Batch::pack(&[marker], Compression::None))
            .unwrap();
        drop(log);
        append(&db, &labels, 400_000);
        drop(db);
        let db = open(dir.path());
        assert_eq!(count(&db), 22);
        db.compact().unwrap();
        drop(db);
        assert_eq!(count(&open(dir.path())), 22);
    }

    /// The lists are in chunks and no block holds them yet; new lists begin.
    #[test]
    fn a_cut_that_was_broken_off_loses_no_late_sample() {
        let dir = tempfile::tempdir().unwrap();
        let labels = Labels::from_pairs([("a", "b")]);
        let db = open(dir.path());
        append(&db, &labels, 1_000_000);
        for late in 0..50 {
            append(&db, &labels, 500_000 + late);
        }
        db.shared.head.write_late().unwrap();
        append(&db, &labels, 400_000);
        drop(db);
        let db = open(dir.path());
        assert_eq!(count(&db), 52);
        // Fills the list that was read from the log, so that a marker names its chunk.
        for late in 0..40 {
            append(&db, &labels, 600_000 + late);
        }
        assert_eq!(count(&db), 92);
        drop(db);
        let db = open(dir.path());
        assert_eq!(count(&db), 92);
        db.compact().unwrap();
        assert_eq!(count(&db), 92);
        drop(db);
        assert_eq!(count(&open(dir.path())), 92);
    }
}
