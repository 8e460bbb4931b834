//! Chunks that the head chunk files have, until the log names their series.

use model::Timestamp;

use crate::Error;
use crate::head::Head;
use crate::head_chunks::FoundChunk;

/// Chunks found in files, to be attached to their series when the log names these.
pub(super) struct MappedChunks {
    /// By reference, then in the order of the files.
    chunks: Vec<FoundChunk>,
    /// Those of late samples, in the order of the files: their own log says which are needed.
    pub(super) late: Vec<FoundChunk>,
    /// Whether some were removed.
    pub(super) damaged: bool,
}

impl MappedChunks {
    /// Reads the head chunk files. A damaged file is removed, and all later ones: the log has
    /// their samples.
    pub(super) fn load(head: &Head) -> Result<Self, Error> {
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
        let damaged = damage.is_some();
        if let Some((file, reason)) = damage {
            head.metrics.chunk_corruptions.inc();
            tracing::error!(component = "tsdb", err = %reason, "Loading on-disk chunks failed");
            tracing::info!(component = "tsdb", "Deleting mmapped chunk files");
            head.files.remove_from(file)?;
            let kept = |chunk: &FoundChunk| chunk.chunk_ref.file < file;
            chunks.retain(kept);
            late.retain(kept);
        }
        Ok(Self {
            chunks,
            late,
            damaged,
        })
    }

    /// Newest time of all.
    pub(super) fn newest(&self) -> Timestamp {
        let times = self.chunks.iter().map(|chunk| chunk.maxt);
        times.max().unwrap_or(Timestamp::MIN)
    }

    /// Chunks of a series, oldest first.
    pub(super) fn of(&self, series_ref: u64) -> &[FoundChunk] {
        let from = self
            .chunks
            .partition_point(|chunk| chunk.series_ref < series_ref);
        let rest = self.chunks.get(from..).unwrap_or_default();
        let len = rest.partition_point(|chunk| chunk.series_ref == series_ref);
        rest.get(..len).unwrap_or_default()
    }
}
