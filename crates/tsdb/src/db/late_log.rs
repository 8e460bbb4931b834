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
