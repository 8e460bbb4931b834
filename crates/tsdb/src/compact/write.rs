//! From a [`Source`] to a published block.
//!
//! Chunks go as they are where that is right: wholly inside the range, nothing of them deleted, no
//! other chunk of the series at the same times. The others are decoded and encoded anew. Memory
//! holds one series and what the index collects (`index::Writer`).

use std::path::Path;
use std::time::Instant;

use chunk::Encoding;
use model::Timestamp;
use stdx::cancel::CancelToken;

use crate::Error;
use crate::block::meta::{Compaction, Meta};
use crate::block::new_block_name;
use crate::block::writer::{BlockWriter, CHUNK_FILE_BYTES, NewChunk};
use crate::compact::metrics::CompactionMetrics;
use crate::compact::overlap::Merger;
use crate::compact::pace::Pace;
use crate::compact::source::{Source, SourceChunk, SourceSeries};
use crate::compact::trim::{Trimmer, Wanted};

/// Series written between two looks at the cancel token and at who reads.
const BATCH_LEN: usize = 128;

/// Choices for [`write_block`].
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    /// Bytes that chunk files grow to.
    pub(crate) chunk_file_bytes: u64,
    /// Most samples of a chunk that is encoded anew because chunks overlap.
    pub(crate) samples_per_chunk: u16,
    /// How floats are encoded where chunks overlap.
    pub(crate) floats: Encoding,
    /// What counts the work.
    pub(crate) metrics: Option<CompactionMetrics>,
    /// Who is left room for.
    pub(crate) pace: Pace,
    /// Stops the writing; nothing of the block remains then.
    pub(crate) cancel: CancelToken,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            chunk_file_bytes: CHUNK_FILE_BYTES,
            samples_per_chunk: 120,
            floats: Encoding::Xor,
            metrics: None,
            pace: Pace::default(),
            cancel: CancelToken::new(),
        }
    }
}

/// Writes the samples of `source` with `range.0 <= t < range.1` as a block in `parent`. Without
/// `compaction.sources` the block is its own source, as one cut from a head is. `None` if there are
/// no samples; then, and on an error, nothing is left behind.
pub(crate) fn write_block(
    parent: &Path,
    source: &mut dyn Source,
    range: (Timestamp, Timestamp),
    compaction: Compaction,
    options: &WriteOptions,
) -> Result<Option<Meta>, Error> {
    let start = Instant::now();
    let metrics = options.metrics.as_ref();
    metrics.inspect(|metrics| metrics.populating.set(1.0));
    let written = write(parent, source, range, compaction, options);
    metrics.inspect(|metrics| {
        metrics.populating.set(0.0);
        metrics.runs.inc();
        let took = start.elapsed().as_secs_f64();
        metrics.duration_seconds.observe(took);
    });
    written
}

fn write(
    parent: &Path,
    source: &mut dyn Source,
    range: (Timestamp, Timestamp),
    mut compaction: Compaction,
    options: &WriteOptions,
) -> Result<Option<Meta>, Error> {
    options.cancel.check()?;
    let ulid = new_block_name();
    if compaction.sources.is_empty() {
        compaction.sources.push(ulid.clone());
    }
    let symbols = source.symbols()?;
    let mut writer = BlockWriter::create(parent, &ulid, symbols, options.chunk_file_bytes)?;
    let metrics = options.metrics.as_ref();
    let observed = metrics.filter(|_| compaction.level == 1);
    if let Err(err) = write_series(&mut writer, source, range, options, observed) {
        // What cannot be removed now is removed by the next start.
        let _ = writer.discard();
        return Err(err);
    }
    if writer.sample_count() == 0 {
        let folder = writer.folder().to_path_buf();
        writer
            .discard()
            .map_err(|err| Error::io("remove", &folder, err))?;
        return Ok(None);
    }
    Ok(Some(writer.finish(range.0, range.1, compaction)?))
}

fn write_series(
    writer: &mut BlockWriter,
    source: &mut dyn Source,
    range: (Timestamp, Timestamp),
    options: &WriteOptions,
    observed: Option<&CompactionMetrics>,
) -> Result<(), Error> {
    let mut series = SourceSeries::default();
    let mut trimmer = Trimmer::default();
    let mut merger = Merger::new(options.samples_per_chunk, options.floats);
    let mut wanted_chunks = [Vec::new()];
    let mut chunks: Vec<SourceChunk> = Vec::new();
    let mut count = 0_usize;
    let mut stint = options.pace.start();
    loop {
        if count.is_multiple_of(BATCH_LEN) {
            options.cancel.check()?;
            stint.pause();
        }
        count += 1;
        series.clear();
        if !source.next(&mut series)? {
            return Ok(());
        }
        let deleted = std::mem::take(&mut series.deleted);
        let wanted = Wanted::new((range.0, range.1.saturating_sub(1)), deleted);
        let failed = |source| Error::SourceChunk {
            labels: format!("{:?}", series.labels),
            source,
        };
        let [kept] = &mut wanted_chunks;
        trimmer
            .trim(&series.chunks, &mut series.data, &wanted, kept)
            .map_err(failed)?;
        kept.sort_by_key(|chunk| (chunk.mint, chunk.maxt));
        merger
            .merge(&wanted_chunks, &mut series.data, &mut chunks)
            .map_err(failed)?;
        let encoded = |chunk: &SourceChunk| NewChunk {
            mint: chunk.mint,
            maxt: chunk.maxt,
            encoding: chunk.encoding,
            data: series.bytes(chunk),
        };
        let encoded: Vec<NewChunk<'_>> = chunks.iter().map(encoded).collect();
        if let Some(metrics) = observed {
            encoded.iter().for_each(|chunk| metrics.observe(chunk));
        }
        writer.add(&series.labels, &encoded)?;
    }
}

#[cfg(test)]
mod tests;
