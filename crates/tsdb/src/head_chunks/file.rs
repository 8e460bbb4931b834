//! One file: written by one, mapped by many.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk::Encoding;
use memory::{FileMap, GrowingMap};

use super::scan::{Entry, parse_entry};
use super::{ChunkRef, HEADER_BYTES, MAGIC, NewHeadChunk, OUT_OF_ORDER_BIT};
use crate::Error;
use crate::wal::record::put_uvarint;

/// Bytes framed before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A file, readable as far as it is written.
#[derive(Debug)]
pub struct HeadChunkFile(Bytes);

#[derive(Debug)]
enum Bytes {
    Whole(FileMap),
    Growing(Arc<GrowingMap>),
}

impl HeadChunkFile {
    /// Maps a file that nobody writes any more.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let map = FileMap::open(path).map_err(|err| Error::io("map", path, err))?;
        Ok(Self(Bytes::Whole(map)))
    }

    /// What is written.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Whole(map) => map,
            Bytes::Growing(map) => map.bytes(),
        }
    }

    /// Whether a crash left it before its header was written.
    pub(super) fn is_unfinished(&self) -> bool {
        self.bytes()
            .first_chunk::<4>()
            .is_none_or(|magic| *magic == [0; 4])
    }

    /// The chunk whose entry is at `offset`, its checksum checked.
    pub(crate) fn chunk(&self, offset: u32) -> Result<(Encoding, &[u8]), String> {
        let entry = self.entry(offset)?;
        let data = self.bytes().get(entry.data.clone()).unwrap_or_default();
        Ok((entry.encoding, data))
    }

    /// First time of the chunk whose entry is at `offset`.
    pub(crate) fn mint(&self, offset: u32) -> Option<i64> {
        let at = offset as usize + 8;
        let field = self.bytes().get(at..at + 8)?;
        field
            .first_chunk::<8>()
            .map(|bytes| i64::from_be_bytes(*bytes))
    }

    fn entry(&self, offset: u32) -> Result<Entry, String> {
        match parse_entry(self.bytes(), offset as usize) {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(format!("no head chunk at {offset}")),
            Err(reason) => Err(reason),
        }
    }
}

/// The file that is written.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    file: File,
    number: u32,
    len: u64,
    tail_dirty: bool,
    map: Arc<GrowingMap>,
    framed: Vec<u8>,
}

impl OpenFile {
    /// Creates the file with its header.
    pub(super) fn create(
        path: &Path,
        number: u32,
        bytes_max: u64,
    ) -> Result<(Self, HeadChunkFile), Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|err| Error::io("create", path, err))?;
        let begun = Self::begin(path, number, bytes_max, file);
        if begun.is_err() {
            // Not left behind: the next attempt wants this name.
            let _ = std::fs::remove_file(path);
        }
        begun
    }

    fn begin(
        path: &Path,
        number: u32,
        bytes_max: u64,
        file: File,
    ) -> Result<(Self, HeadChunkFile), Error> {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC.to_be_bytes());
        header[4] = 1;
        file.write_all_at(&header, 0)
            .map_err(|err| Error::io("write", path, err))?;
        let len_max = usize::try_from(bytes_max.max(HEADER_BYTES as u64)).unwrap_or(usize::MAX);
        let map = GrowingMap::new(&file, len_max).map_err(|err| Error::io("map", path, err))?;
        map.grow_to(&file, HEADER_BYTES)
            .map_err(|err| Error::io("map", path, err))?;
        let map = Arc::new(map);
        let open = Self {
            path: path.to_owned(),
            file,
            number,
            len: HEADER_BYTES as u64,
            tail_dirty: false,
            map: map.clone(),
            framed: Vec::new(),
        };
        Ok((open, HeadChunkFile(Bytes::Growing(map))))
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes as many of `chunks` as fit below `bytes_max` and a buffer; returns how many. Their
    /// places are appended to `refs` once they can be read.
    pub(super) fn append(
        &mut self,
        chunks: &[NewHeadChunk<'_>],
        bytes_max: u64,
        refs: &mut Vec<ChunkRef>,
    ) -> Result<usize, Error> {
        self.cut_dirty_tail()?;
        self.framed.clear();
        let mut offsets = Vec::new();
        for chunk in chunks {
            let begin = self.framed.len();
            frame(&mut self.framed, chunk);
            let end = self.len + self.framed.len() as u64;
            let is_first = self.len == HEADER_BYTES as u64 && begin == 0;
            if end > bytes_max && !is_first {
                self.framed.truncate(begin);
                break;
            }
            if end > bytes_max {
                let what = std::io::Error::other("chunk is larger than a head chunk file");
                return Err(Error::io("write", &self.path, what));
            }
            offsets.push(self.len + begin as u64);
            if self.framed.len() >= WRITE_BYTES {
                break;
            }
        }
        if offsets.is_empty() {
            return Ok(0);
        }
        let written = self.file.write_all_at(&self.framed, self.len);
        if let Err(err) = written {
            self.tail_dirty = true;
            return Err(Error::io("write", &self.path, err));
        }
        self.len += self.framed.len() as u64;
        self.map
            .grow_to(&self.file, self.len as usize)
            .map_err(|err| Error::io("map", &self.path, err))?;
        refs.extend(offsets.iter().map(|offset| ChunkRef {
            file: self.number,
            offset: *offset as u32,
        }));
        Ok(offsets.len())
    }

    /// Cuts what a failed write left behind. Readers never saw it.
    pub(super) fn cut_dirty_tail(&mut self) -> Result<(), Error> {
        if self.tail_dirty {
            self.file
                .set_len(self.len)
                .map_err(|err| Error::io("truncate", &self.path, err))?;
            self.tail_dirty = false;
        }
        Ok(())
    }

    /// Brings the file to the disk.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.cut_dirty_tail()?;
        self.file
            .sync_data()
            .map_err(|err| Error::io("sync", &self.path, err))
    }
}

fn frame(framed: &mut Vec<u8>, chunk: &NewHeadChunk<'_>) {
    let begin = framed.len();
    framed.extend_from_slice(&chunk.series_ref.to_be_bytes());
    framed.extend_from_slice(&chunk.mint.to_be_bytes());
    framed.extend_from_slice(&chunk.maxt.to_be_bytes());
    let bit = if chunk.is_out_of_order {
        OUT_OF_ORDER_BIT
    } else {
        0
    };
    framed.push(chunk.encoding as u8 | bit);
    put_uvarint(framed, chunk.data.len() as u64);
    framed.extend_from_slice(chunk.data);
    let crc = crc32c::crc32c(framed.get(begin..).unwrap_or_default());
    framed.extend_from_slice(&crc.to_be_bytes());
}

/// Where the bytes of an entry's parts are.
pub(super) type DataRange = Range<usize>;
