//! The head's memory in a snapshot, from one run of the database to the next.

use std::path::Path;
use std::time::Instant;

use super::Shared;
use crate::Error;
use crate::head::log::Log;
use crate::memory_snapshot::folder::{self, Folder, Kind, Position};
use crate::wal::{self, segment_path};

impl Shared {
    /// Writes the snapshot of the head behind the closed `log`.
    pub(super) fn put_away(&self, log: &Log) -> Result<(), Error> {
        tracing::info!(component = "tsdb", "creating chunk snapshot");
        let begun = Instant::now();
        let wal_dir = log.writer.dir();
        let segment = log.writer.segment();
        let path = segment_path(wal_dir, segment);
        let file = std::fs::metadata(&path).map_err(|err| Error::io("look at", &path, err))?;
        let position = Position {
            segment,
            offset: file.len(),
        };
        let series = self.head.put_away(&self.dir, wal_dir, position)?;
        tracing::info!(
            component = "tsdb",
            duration = ?begun.elapsed(),
            num_series = series,
            "chunk snapshot complete"
        );
        Ok(())
    }

    /// Writes the head's memory down while it is in use.
    pub(super) fn write_down(&self) -> Result<(), Error> {
        let mut last = self.written_down.lock();
        let begun = Instant::now();
        let written = match self.head.write_down(&self.dir, *last, &self.closing) {
            Err(Error::Closed) => None,
            written => written?,
        };
        if let Some((position, series)) = written {
            *last = Some(position);
            tracing::info!(
                component = "tsdb",
                duration = ?begun.elapsed(),
                series,
                segment = position.segment,
                offset = position.offset,
                "Wrote the head's memory down"
            );
        }
        Ok(())
    }
}

/// The snapshot in `dir` of one of these kinds to begin with, if there is one for a place in the log
/// in `wal_dir` that the log still has.
pub(super) fn usable_snapshot(
    dir: &Path,
    wal_dir: &Path,
    kinds: &[Kind],
) -> Result<Option<Folder>, Error> {
    let Some(found) = Folder::last(dir, kinds)? else {
        return Ok(None);
    };
    let last = wal::segments(wal_dir)?.last().map(|(number, _)| *number);
    if last.is_none_or(|last| last < found.position.segment) {
        tracing::warn!(
            component = "tsdb",
            "Last WAL file is behind snapshot, removing snapshots"
        );
        folder::remove_all(dir)?;
        return Ok(None);
    }
    // A checkpoint behind it knows more: series that were removed, and references used again.
    let checkpoint = wal::last_checkpoint(wal_dir)?;
    let is_older =
        checkpoint.is_some_and(|found_there| found_there.last_segment >= found.position.segment);
    Ok(Some(found).filter(|_| !is_older))
}
