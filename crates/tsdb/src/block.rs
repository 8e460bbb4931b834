//! Blocks: immutable folders with an index, chunk files, tombstones and `meta.json`.
//!
//! Read path: [`Block::open`] maps everything; [`querier`] selects from the index and decodes
//! chunks as their series are read. Write path: [`writer`]; compaction is not built yet.

pub mod meta;
pub mod querier;
pub mod tombstones;
pub mod writer;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::chunk_segment::{self, ChunkError};
use crate::index::{self, IndexError};
use meta::Meta;
use tombstones::{TombstoneError, Tombstones};

/// Why a block cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("block {}: {what}", path.display())]
pub struct BlockError {
    /// The block's folder.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub what: BlockErrorKind,
}

/// Kinds of [`BlockError`].
#[derive(Debug, thiserror::Error)]
pub enum BlockErrorKind {
    /// The operating system failed us.
    #[error("{file}: {source}")]
    Io {
        /// File in the block's folder.
        file: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// `meta.json` makes no sense.
    #[error("meta.json: {0}")]
    Meta(String),
    /// The index is damaged.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A chunk file is damaged.
    #[error(transparent)]
    Chunks(#[from] ChunkError),
    /// The tombstones are damaged.
    #[error(transparent)]
    Tombstones(#[from] TombstoneError),
}

/// An open block.
#[derive(Debug)]
pub struct Block {
    meta: Meta,
    index: index::Reader,
    chunks: chunk_segment::Reader,
    tombstones: Tombstones,
}

impl Block {
    /// Opens the block in the folder `path`.
    pub fn open(path: &Path) -> Result<Self, BlockError> {
        open(path).map_err(|what| BlockError {
            path: path.to_path_buf(),
            what,
        })
    }

    /// What the block says about itself.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Its index.
    pub fn index(&self) -> &index::Reader {
        &self.index
    }

    /// Its chunk files.
    pub fn chunks(&self) -> &chunk_segment::Reader {
        &self.chunks
    }

    /// Its deleted intervals.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }
}

/// Whether a folder's name is that of a block.
pub fn is_block_name(name: &str) -> bool {
    name.len() == 26 && ulid::Ulid::from_string(name).is_ok()
}

/// A name for a new block: later ones sort behind earlier ones of other milliseconds.
pub(crate) fn new_block_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::time::{SystemTime, UNIX_EPOCH};

    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let timestamp_ms = since.map_or(0, |since| since.as_millis() as u64);
    // Keys of a hash state are random, and no two of a process are equal.
    let random = || u128::from(RandomState::new().hash_one(timestamp_ms));
    ulid::Ulid::from_parts(timestamp_ms, random() << 64 | random()).to_string()
}

fn open(path: &Path) -> Result<Block, BlockErrorKind> {
    let failed = |file| move |source| BlockErrorKind::Io { file, source };
    let text = fs::read(path.join("meta.json")).map_err(failed("meta.json"))?;
    let meta: Meta =
        serde_json::from_slice(&text).map_err(|err| BlockErrorKind::Meta(err.to_string()))?;
    if meta.version != 1 {
        return Err(BlockErrorKind::Meta(format!(
            "unexpected meta file version {}",
            meta.version
        )));
    }
    let index = index::Reader::open(&path.join("index")).map_err(failed("index"))??;
    let chunks = chunk_segment::Reader::open(&path.join("chunks")).map_err(failed("chunks"))??;
    let tombstones = match fs::read(path.join("tombstones")) {
        Ok(bytes) => Tombstones::parse(&bytes)?,
        Err(err) if err.kind() == io::ErrorKind::NotFound => Tombstones::default(),
        Err(err) => return Err(failed("tombstones")(err)),
    };
    Ok(Block {
        meta,
        index,
        chunks,
        tombstones,
    })
}

#[cfg(test)]
mod tests;
