//! What a block is written from: the head, a block, or several of them merged.

use chunk::Encoding;
use model::{Labels, Timestamp};

use crate::Error;

/// A chunk of a [`SourceSeries`]; its bytes are `data[start..end]` of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceChunk {
    /// First time.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// How the bytes are encoded.
    pub encoding: Encoding,
    /// Where the bytes begin in [`SourceSeries::data`].
    pub start: usize,
    /// Where they end.
    pub end: usize,
}

/// One series on its way into a block. Sources refill it, so that its memory is kept.
#[derive(Debug, Default)]
pub struct SourceSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its chunks, by first time; they may overlap only where a source says so.
    pub chunks: Vec<SourceChunk>,
    /// Bytes of the chunks.
    pub data: Vec<u8>,
    /// Deleted times, both ends included, in any order: samples in them do not go into the block.
    pub deleted: Vec<(Timestamp, Timestamp)>,
}

impl SourceSeries {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.labels = Labels::empty();
        self.chunks.clear();
        self.data.clear();
        self.deleted.clear();
    }

    /// Adds a chunk.
    pub fn push(&mut self, mint: Timestamp, maxt: Timestamp, encoding: Encoding, bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        self.chunks.push(SourceChunk {
            mint,
            maxt,
            encoding,
            start,
            end: self.data.len(),
        });
    }

    /// Bytes of one of its chunks.
    pub fn bytes(&self, chunk: &SourceChunk) -> &[u8] {
        self.data.get(chunk.start..chunk.end).unwrap_or_default()
    }
}

/// A row of series in label order.
pub trait Source: Send {
    /// All label names and values that will occur (more are allowed), sorted, unique.
    fn symbols(&mut self) -> Result<Vec<String>, Error>;

    /// Replaces the contents of `series` by the next series; `false` when there is none.
    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error>;
}
