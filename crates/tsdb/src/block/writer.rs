//! Writing a block: built in a folder of another name, brought to the disk, published by one rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use chunk::Encoding;
use model::{Labels, Timestamp};

use super::meta::{self, Compaction, Meta, Stats};
use super::tombstones::{self, Tombstones};
use crate::chunk_segment;
use crate::index::{self, ChunkMeta, IndexWriteError};

/// Ending of a folder that is being written.
pub(crate) const CREATION_SUFFIX: &str = ".tmp-for-creation";
/// Bytes of a chunk file.
pub const CHUNK_FILE_BYTES: u64 = 512 << 20;

/// Why a block cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write block {}: {what}", path.display())]
pub struct BlockWriteError {
    /// The folder.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub what: IndexWriteError,
}

/// A chunk on its way into a block.
#[derive(Debug, Clone, Copy)]
pub struct NewChunk<'a> {
    /// First time.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// How the data is encoded.
    pub encoding: Encoding,
    /// Encoded samples.
    pub data: &'a [u8],
}

/// A block in the making. Dropped unfinished, it leaves a folder that the next start removes.
#[derive(Debug)]
pub struct BlockWriter {
    parent: PathBuf,
    folder: PathBuf,
    ulid: String,
    index: index::Writer,
    chunks: chunk_segment::Writer,
    stats: Stats,
    metas: Vec<ChunkMeta>,
}

impl BlockWriter {
    /// Starts a block named `ulid` in `parent`. `symbols` are all label names and values that will
    /// occur, sorted, unique.
    pub fn create(
        parent: &Path,
        ulid: &str,
        symbols: Vec<String>,
        chunk_file_bytes: u64,
    ) -> Result<Self, BlockWriteError> {
        let folder = parent.join(format!("{ulid}{CREATION_SUFFIX}"));
        Self::create_in(parent, &folder, ulid, symbols, chunk_file_bytes)
            .map_err(|what| BlockWriteError { path: folder, what })
    }

    fn create_in(
        parent: &Path,
        folder: &Path,
        ulid: &str,
        symbols: Vec<String>,
        chunk_file_bytes: u64,
    ) -> Result<Self, IndexWriteError> {
        fs::create_dir(folder)?;
        Ok(Self {
            parent: parent.to_path_buf(),
            folder: folder.to_path_buf(),
            ulid: ulid.to_owned(),
            index: index::Writer::create(&folder.join("index"), symbols)?,
            chunks: chunk_segment::Writer::create(&folder.join("chunks"), chunk_file_bytes)?,
            stats: Stats::default(),
            metas: Vec::new(),
        })
    }

    /// Adds a series with its chunks in order of time; series come in label order. One without
    /// chunks is left out.
    pub fn add(&mut self, labels: &Labels, chunks: &[NewChunk<'_>]) -> Result<(), BlockWriteError> {
        let result = self.add_series(labels, chunks);
        result.map_err(|what| BlockWriteError {
            path: self.folder.clone(),
            what,
        })
    }

    fn add_series(
        &mut self,
        labels: &Labels,
        chunks: &[NewChunk<'_>],
    ) -> Result<(), IndexWriteError> {
        if chunks.is_empty() {
            return Ok(());
        }
        self.chunks.begin_series();
        self.metas.clear();
        for new in chunks {
            let chunk_ref = self.chunks.add(new.encoding, new.data)?;
            self.metas.push(ChunkMeta {
                mint: new.mint,
                maxt: new.maxt,
                chunk_ref,
            });
            let samples = chunk::sample_count(new.encoding, new.data).map_or(0, u64::from);
            self.stats.num_samples += samples;
            match new.encoding {
                Encoding::Xor | Encoding::Xor2 => self.stats.num_float_samples += samples,
                _ => self.stats.num_histogram_samples += samples,
            }
        }
        self.stats.num_series += 1;
        self.stats.num_chunks += chunks.len() as u64;
        self.index.add(labels, &self.metas)
    }

    /// Where it is built.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Samples added so far.
    pub fn sample_count(&self) -> u64 {
        self.stats.num_samples
    }

    /// Brings the block for `min_time <= t < max_time` to the disk and publishes it.
    pub fn finish(
        self,
        min_time: Timestamp,
        max_time: Timestamp,
        compaction: Compaction,
    ) -> Result<Meta, BlockWriteError> {
        let path = self.folder.clone();
        self.publish(min_time, max_time, compaction)
            .map_err(|what| {
                // What is left over otherwise is removed by the next start.
                let _ = fs::remove_dir_all(&path);
                BlockWriteError { path, what }
            })
    }

    fn publish(
        self,
        min_time: Timestamp,
        max_time: Timestamp,
        compaction: Compaction,
    ) -> Result<Meta, IndexWriteError> {
        self.index.finish()?;
        self.chunks.finish()?;
        let meta = Meta {
            ulid: self.ulid,
            min_time,
            max_time,
            stats: self.stats,
            compaction,
            version: 1,
        };
        write_synced(&self.folder.join(meta::FILE_NAME), &meta.to_text())?;
        write_synced(
            &self.folder.join(tombstones::FILE_NAME),
            &Tombstones::default().to_bytes(),
        )?;
        File::open(&self.folder)?.sync_all()?;
        fs::rename(&self.folder, self.parent.join(&meta.ulid))?;
        File::open(&self.parent)?.sync_all()?;
        Ok(meta)
    }

    /// Gives up and removes what was written.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
