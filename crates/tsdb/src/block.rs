//! Blocks: immutable folders with an index, chunk files, tombstones and `meta.json`.
//!
//! Read path: [`Block::open`] maps everything; [`querier`] selects from the index and decodes
//! chunks as their series are read. Write path: [`writer`], fed by `compact`. Of a published block
//! only the tombstones ([`delete`]) and `meta.json` change.

mod delete;
pub mod meta;
pub mod querier;
mod snapshot;
pub mod tombstones;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::sync::RwLock;
use model::Timestamp;

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

/// An open block. Its files stay readable until it is dropped, even if its folder is removed.
#[derive(Debug)]
pub struct Block {
    path: PathBuf,
    index: index::Reader,
    chunks: chunk_segment::Reader,
    /// The two files that change in a block's life.
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    meta: Arc<Meta>,
    meta_bytes: u64,
    tombstones: Arc<Tombstones>,
    tombstones_bytes: u64,
}

impl Block {
    /// Opens the block in the folder `path`.
    pub fn open(path: &Path) -> Result<Self, BlockError> {
        open(path).map_err(|what| BlockError {
            path: path.to_path_buf(),
            what,
        })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the block says about itself at this moment.
    pub fn meta(&self) -> Arc<Meta> {
        self.state.read().meta.clone()
    }

    /// Its index.
    pub fn index(&self) -> &index::Reader {
        &self.index
    }

    /// Its chunk files.
    pub fn chunks(&self) -> &chunk_segment::Reader {
        &self.chunks
    }

    /// Its deleted intervals at this moment.
    pub fn tombstones(&self) -> Arc<Tombstones> {
        self.state.read().tombstones.clone()
    }

    /// Bytes of its files.
    pub fn file_bytes(&self) -> u64 {
        let state = self.state.read();
        let changing = state.meta_bytes + state.tombstones_bytes;
        self.index.file_bytes() + self.chunks.file_bytes() + changing
    }

    /// Bytes of memory beside the maps of its files.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let tombstones = self.tombstones();
        let bytes = self.index.heap_bytes() + self.chunks.heap_bytes() + tombstones.heap_bytes();
        bytes as u64
    }

    /// Whether it may have samples in `mint..=maxt`.
    pub fn overlaps(&self, mint: Timestamp, maxt: Timestamp) -> bool {
        let meta = self.meta();
        meta.min_time <= maxt && mint < meta.max_time
    }

    /// Changes what the block says about itself, on the disk first.
    pub(crate) fn change_meta(&self, change: impl FnOnce(&mut Meta)) -> Result<(), BlockError> {
        let mut state = self.state.write();
        let mut meta = Meta::clone(&state.meta);
        change(&mut meta);
        let text = meta.to_text();
        meta::replace_file(&self.path, meta::FILE_NAME, &text)
            .map_err(|source| self.io_error(meta::FILE_NAME, source))?;
        state.meta_bytes = text.len() as u64;
        state.meta = Arc::new(meta);
        Ok(())
    }

    fn io_error(&self, file: &'static str, source: io::Error) -> BlockError {
        BlockError {
            path: self.path.clone(),
            what: BlockErrorKind::Io { file, source },
        }
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
    let text = fs::read(path.join(meta::FILE_NAME)).map_err(failed(meta::FILE_NAME))?;
    let meta = Meta::parse(&text).map_err(BlockErrorKind::Meta)?;
    let chunks = chunk_segment::Reader::open(&path.join("chunks")).map_err(failed("chunks"))??;
    let index = index::Reader::open(&path.join("index")).map_err(failed("index"))??;
    let (tombstones, tombstones_bytes) = match fs::read(path.join(tombstones::FILE_NAME)) {
        Ok(bytes) => (Tombstones::parse(&bytes)?, bytes.len() as u64),
        Err(err) if err.kind() == io::ErrorKind::NotFound => (Tombstones::default(), 0),
        Err(err) => return Err(failed(tombstones::FILE_NAME)(err)),
    };
    let state = State {
        meta: Arc::new(meta),
        meta_bytes: text.len() as u64,
        tombstones: Arc::new(tombstones),
        tombstones_bytes,
    };
    Ok(Block {
        path: path.to_path_buf(),
        index,
        chunks,
        state: RwLock::new(state),
    })
}

#[cfg(test)]
mod tests;
