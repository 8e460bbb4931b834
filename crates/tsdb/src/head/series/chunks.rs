//! A series' closed chunks: in memory until they are written, then as places in head chunk files.

use std::sync::Arc;

use chunk::Encoding;
use model::Timestamp;

use crate::head_chunks::{ChunkRef, HeadChunkFile, HeadChunks};

/// A chunk that takes no more samples and is in no file yet.
#[derive(Debug, Clone)]
pub(crate) struct ClosedChunk {
    pub(crate) mint: Timestamp,
    pub(crate) maxt: Timestamp,
    pub(crate) encoding: Encoding,
    pub(crate) data: Arc<[u8]>,
}

/// A chunk in a head chunk file. Its first time is read from there when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MappedChunk {
    pub(crate) maxt: Timestamp,
    pub(crate) chunk_ref: ChunkRef,
}

impl MappedChunk {
    /// Its first time; the earliest there is where the file cannot tell.
    pub(crate) fn mint(&self, files: &HeadChunks) -> Timestamp {
        files
            .file(self.chunk_ref.file)
            .and_then(|file| file.mint(self.chunk_ref.offset))
            .unwrap_or(Timestamp::MIN)
    }
}

/// Whether chunks that end at `maxts` (ascending, not overlapping) may reach into a range; `first`
/// tells when chunk `index` begins and is asked at most once.
pub(crate) fn any_reaches(
    chunks: &[MappedChunk],
    mint: Timestamp,
    maxt: Timestamp,
    first: impl FnOnce(&MappedChunk) -> Timestamp,
) -> bool {
    let from = chunks.partition_point(|chunk| chunk.maxt < mint);
    // Later chunks begin behind the end of this one.
    match chunks.get(from) {
        None => false,
        Some(chunk) if chunk.maxt <= maxt => true,
        Some(chunk) => first(chunk) <= maxt,
    }
}

/// Bytes of a chunk that a reader took along.
#[derive(Debug, Clone)]
pub(crate) enum ChunkBytes {
    /// Not in a file yet.
    Memory(Encoding, Arc<[u8]>),
    /// The file keeps existing while it is held.
    Mapped(Arc<HeadChunkFile>, u32),
    /// A file that should be there is not.
    Missing(ChunkRef),
}

impl ChunkBytes {
    /// Takes along a chunk in a file.
    pub(crate) fn at(chunk_ref: ChunkRef, files: &HeadChunks) -> Self {
        match files.file(chunk_ref.file) {
            Some(file) => Self::Mapped(file, chunk_ref.offset),
            None => Self::Missing(chunk_ref),
        }
    }

    /// Encoding and bytes, the checksum of a file's chunk checked.
    pub(crate) fn read(&self) -> Result<(Encoding, &[u8]), String> {
        match self {
            Self::Memory(encoding, data) => Ok((*encoding, data)),
            Self::Mapped(file, offset) => file.chunk(*offset),
            Self::Missing(place) => Err(format!("head chunk file {:06} is missing", place.file)),
        }
    }
}
