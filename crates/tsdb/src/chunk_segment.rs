//! Chunk files of a block (`docs/internals/formats/chunk_segment.md`): mapped, read by reference.

mod writer;

use std::io;
use std::path::Path;

use memory::file_map::FileMap;

use chunk::Encoding;

use crate::checked_once::CheckedOnce;
use crate::cursor::{Cursor, Truncated};

pub use writer::Writer;

/// First bytes of a chunk file.
const MAGIC: u32 = 0x85BD_40DD;

/// Why a chunk could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The index names a file that is not there.
    #[error("no chunk file {0}")]
    NoFile(u32),
    /// Not a chunk file, or of an unknown version.
    #[error("chunk file {0} has a wrong header")]
    Header(u32),
    /// The file ends inside the chunk.
    #[error("chunk {0:#x} is cut short")]
    Truncated(u64),
    /// The bytes do not match their checksum.
    #[error("chunk {0:#x} has a wrong checksum")]
    Checksum(u64),
    /// The bytes are no chunk.
    #[error("chunk {0:#x}: {1}")]
    Decode(u64, chunk::DecodeError),
}

/// The chunk files of one block.
#[derive(Debug)]
pub struct Reader {
    files: Vec<SegmentFile>,
}

#[derive(Debug)]
struct SegmentFile {
    map: FileMap,
    /// Chunks by their offset, in steps of less than the smallest chunk.
    checked: CheckedOnce,
}

/// No chunk with its frame and a sample count takes less.
const CHUNK_BYTES_MIN: usize = 8;

impl Reader {
    /// Maps all files in the block's `chunks` folder and checks their headers.
    pub fn open(folder: &Path) -> io::Result<Result<Self, ChunkError>> {
        let mut names: Vec<_> = std::fs::read_dir(folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        names.sort();
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let map = FileMap::open(&folder.join(name))?;
            let checked = CheckedOnce::new(map.len() / CHUNK_BYTES_MIN);
            files.push(SegmentFile { map, checked });
        }
        for (sequence, file) in files.iter().enumerate() {
            let mut header = Cursor::new(&file.map);
            if header.u32() != Ok(MAGIC) || header.u8() != Ok(1) {
                return Ok(Err(ChunkError::Header(sequence as u32)));
            }
        }
        Ok(Ok(Self { files }))
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.map.len() as u64).sum()
    }

    /// Gives the memory of the chunks between two references free, the second one excluded; they
    /// are read from the files again when somebody wants them.
    pub(crate) fn release(&self, from: u64, to: u64) {
        let place = |chunk_ref: u64| {
            let offset = (chunk_ref & u64::from(u32::MAX)) as usize;
            ((chunk_ref >> 32) as usize, offset)
        };
        let ((first, from), (last, to)) = (place(from), place(to));
        for (sequence, file) in self.files.iter().enumerate().take(last + 1).skip(first) {
            let begin = if sequence == first { from } else { 0 };
            let end = if sequence == last { to } else { usize::MAX };
            file.map.release(begin..end);
        }
    }

    /// The chunk at a reference from the index. Its checksum is looked at when it is first read.
    pub fn chunk(&self, chunk_ref: u64) -> Result<(Encoding, &[u8]), ChunkError> {
        let sequence = (chunk_ref >> 32) as u32;
        let file = self
            .files
            .get(sequence as usize)
            .ok_or(ChunkError::NoFile(sequence))?;
        let cut = |_: Truncated| ChunkError::Truncated(chunk_ref);
        let at = (chunk_ref & u64::from(u32::MAX)) as usize;
        let mut cursor = Cursor::new(file.map.get(at..).unwrap_or_default());
        let len = usize::try_from(cursor.uvarint().map_err(cut)?)
            .ok()
            .and_then(|len| len.checked_add(1))
            .ok_or(ChunkError::Truncated(chunk_ref))?;
        let framed = cursor.take(len).map_err(cut)?;
        let crc = cursor.take(4).map_err(cut)?;
        let part = at / CHUNK_BYTES_MIN;
        if !file.checked.contains(part) {
            if crc32c::crc32c(framed).to_be_bytes() != crc {
                return Err(ChunkError::Checksum(chunk_ref));
            }
            // Two chunks that are shorter may share a part; they are checked each time.
            if framed.len() + 5 >= CHUNK_BYTES_MIN {
                file.checked.insert(part);
            }
        }
        let (encoding, data) = framed
            .split_first()
            .ok_or(ChunkError::Truncated(chunk_ref))?;
        let encoding =
            Encoding::try_from(*encoding).map_err(|err| ChunkError::Decode(chunk_ref, err))?;
        Ok((encoding, data))
    }
}
