//! Head chunk files: closed chunks of the head, on disk and mapped, so that they leave memory.
//!
//! Layout: `docs/internals/formats/head_chunks.md`; files are exchangeable with the reference.
//! [`HeadChunks`] appends batches of chunks, hands out mapped files to readers, and removes files
//! nobody needs. Everything in them is in the write-ahead log too: damaged files are dropped, and
//! the log fills the gap.

mod file;
mod scan;

use crate::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::{Mutex, RwLock};
use chunk::Encoding;
use model::Timestamp;

use crate::Error;
use crate::wal::{create_log_dir, sync_dir};
pub use file::HeadChunkFile;
use file::OpenFile;
pub use scan::{Corruption, FoundChunk, scan_file};

/// First bytes of a file, then version 1 and three zeros.
pub(crate) const MAGIC: u32 = 0x0130_BC91;
/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 8;
/// Bytes a file may reach.
pub const FILE_BYTES_MAX: u64 = 128 << 20;
/// Set in the encoding byte of chunks of out-of-order samples.
pub(crate) const OUT_OF_ORDER_BIT: u8 = 0x80;

/// Where a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRef {
    /// Number of the file.
    pub file: u32,
    /// Offset of the entry in it.
    pub offset: u32,
}

impl From<u64> for ChunkRef {
    fn from(packed: u64) -> Self {
        Self {
            file: (packed >> 32) as u32,
            offset: packed as u32,
        }
    }
}

impl From<ChunkRef> for u64 {
    fn from(chunk_ref: ChunkRef) -> Self {
        Self::from(chunk_ref.file) << 32 | Self::from(chunk_ref.offset)
    }
}

/// A chunk on its way to a file.
#[derive(Debug, Clone, Copy)]
pub struct NewHeadChunk<'a> {
    /// Reference of its series.
    pub series_ref: u64,
    /// First time.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// How the data is encoded.
    pub encoding: Encoding,
    /// Whether the samples came out of order.
    pub is_out_of_order: bool,
    /// Encoded samples.
    pub data: &'a [u8],
}

/// The files of a head.
#[derive(Debug)]
pub(crate) struct HeadChunks {
    dir: PathBuf,
    file_bytes_max: u64,
    files: RwLock<BTreeMap<u32, Arc<HeadChunkFile>>>,
    open: Mutex<Option<OpenFile>>,
    /// Bytes of all files, for retention by size.
    bytes: AtomicU64,
}

impl HeadChunks {
    /// Opens the files in `dir`, which is created if need be. What a crash left of a file that was
    /// just begun is removed. With a gap in the numbers everything from the gap on is damage.
    pub(crate) fn open(dir: &Path, file_bytes_max: u64) -> Result<Self, Error> {
        create_log_dir(dir)?;
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        for (number, path) in file_names(dir)? {
            let file = HeadChunkFile::open(&path)?;
            bytes += file.bytes().len() as u64;
            files.insert(number, Arc::new(file));
        }
        if let Some((&last, file)) = files.last_key_value()
            && file.is_unfinished()
        {
            remove(&file_path(dir, last))?;
            bytes -= file.bytes().len() as u64;
            files.remove(&last);
        }
        Ok(Self {
            dir: dir.to_owned(),
            file_bytes_max: file_bytes_max.min(u64::from(u32::MAX)),
            files: RwLock::new(files),
            open: Mutex::new(None),
            bytes: AtomicU64::new(bytes),
        })
    }

    /// Hands every chunk to `each`, file by file, until damage or until `each` calls one damaged.
    pub(crate) fn for_each(
        &self,
        mut each: impl FnMut(&FoundChunk) -> Result<(), String>,
    ) -> Result<(), Corruption> {
        let files: Vec<(u32, Arc<HeadChunkFile>)> = self
            .files
            .read()
            .iter()
            .map(|(number, file)| (*number, file.clone()))
            .collect();
        let mut expected = files.first().map_or(1, |(number, _)| *number);
        for (number, file) in files {
            if number != expected {
                return Err(Corruption {
                    file: expected,
                    offset: 0,
                    reason: format!("found unsequential head chunk files {expected} and {number}"),
                });
            }
            scan_file(number, file.bytes(), &mut each)?;
            expected = number.saturating_add(1);
        }
        Ok(())
    }

    /// Removes the damaged file and all later ones.
    pub(crate) fn remove_from(&self, number: u32) -> Result<(), Error> {
        *self.open.lock() = None;
        let bad = self.files.write().split_off(&number);
        self.remove_files(bad)
    }

    /// Writes chunks behind each other; their places are appended to `refs`. On an error, those
    /// whose places were given are in a file.
    pub(crate) fn write(
        &self,
        chunks: &[NewHeadChunk<'_>],
        refs: &mut Vec<ChunkRef>,
    ) -> Result<(), Error> {
        let mut open = self.open.lock();
        let mut rest = chunks;
        while !rest.is_empty() {
            if open.is_none() {
                *open = Some(self.begin_file()?);
            }
            let Some(file) = open.as_mut() else { break };
            let before = file.len();
            let written = file.append(rest, self.file_bytes_max, refs);
            self.bytes.fetch_add(file.len() - before, Ordering::Relaxed);
            match written {
                Ok(0) => {
                    // Full.
                    file.finish()?;
                    *open = None;
                }
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(err) => {
                    // What lies behind the last good entry is cut off before the file is left.
                    let _ = file.cut_dirty_tail();
                    return Err(err);
                }
            }
        }
        Ok(())
    }

    fn begin_file(&self) -> Result<OpenFile, Error> {
        let number = self
            .files
            .read()
            .last_key_value()
            .map_or(1, |(last, _)| last.saturating_add(1));
        let path = file_path(&self.dir, number);
        let (open, shared) = OpenFile::create(&path, number, self.file_bytes_max)?;
        sync_dir(&self.dir)?;
        self.bytes.fetch_add(open.len(), Ordering::Relaxed);
        self.files.write().insert(number, Arc::new(shared));
        Ok(open)
    }

    /// Brings the open file to the disk; ended ones are there. Where the newest one is, its number,
    /// and how far it is filled.
    pub(crate) fn sync(&self) -> Result<Option<(PathBuf, u32, u64)>, Error> {
        let mut open = self.open.lock();
        if let Some(file) = open.as_mut() {
            file.finish()?;
            return Ok(Some((self.path(file.number()), file.number(), file.len())));
        }
        let files = self.files.read();
        Ok(files
            .last_key_value()
            .map(|(number, file)| (self.path(*number), *number, file.bytes().len() as u64)))
    }

    /// Where file `number` is.
    pub(crate) fn path(&self, number: u32) -> PathBuf {
        file_path(&self.dir, number)
    }

    /// Ends the open file; the next chunk starts another one.
    pub(crate) fn cut(&self) -> Result<(), Error> {
        match self.open.lock().take() {
            Some(mut file) => file.finish(),
            None => Ok(()),
        }
    }

    /// Removes all files before `number`, except the one that is written.
    pub(crate) fn truncate(&self, number: u32) -> Result<(), Error> {
        let number = match self.open.lock().as_ref() {
            Some(file) => number.min(file.number()),
            None => number,
        };
        let old = {
            let mut files = self.files.write();
            let keep = files.split_off(&number);
            std::mem::replace(&mut *files, keep)
        };
        self.remove_files(old)
    }

    fn remove_files(&self, files: BTreeMap<u32, Arc<HeadChunkFile>>) -> Result<(), Error> {
        for (number, file) in files {
            self.bytes
                .fetch_sub(file.bytes().len() as u64, Ordering::Relaxed);
            remove(&file_path(&self.dir, number))?;
        }
        sync_dir(&self.dir)
    }

    /// A file that a chunk lies in. Readers keep it as long as they need its chunks.
    pub(crate) fn file(&self, number: u32) -> Option<Arc<HeadChunkFile>> {
        self.files.read().get(&number).cloned()
    }

    /// Number of the last file; 0 if there is none.
    pub(crate) fn last_file(&self) -> u32 {
        self.files
            .read()
            .last_key_value()
            .map_or(0, |(last, _)| *last)
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn file_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}"))
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|err| Error::io("remove", path, err))
}

/// Files in `dir` by number; other names are ignored.
fn file_names(dir: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).map_err(|err| Error::io("list", dir, err))?;
    for entry in entries {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        let number = entry
            .file_name()
            .to_str()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|name| name.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
