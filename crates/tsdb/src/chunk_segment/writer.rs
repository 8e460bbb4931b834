//! Writing the chunk files of a block.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chunk::Encoding;

use super::MAGIC;
use crate::index::put_uvarint;

/// Bytes of a file's header: magic number, version, three zeros.
const HEADER_LEN: u64 = 8;
/// Most bytes that frame a chunk's data: length, encoding, CRC.
const FRAME_LEN_MAX: u64 = 5 + 1 + 4;

/// Chunk files in the making.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    file_bytes_max: u64,
    file: Option<BufWriter<File>>,
    /// Files begun so far.
    files: u64,
    position: u64,
    /// Where the series being written began in this file.
    series_start: u64,
    /// Bytes of its chunks in this file, each counted with the longest frame.
    series_bytes: u64,
    /// Chunk being put together; kept for its memory.
    framed: Vec<u8>,
}

impl Writer {
    /// Creates `folder`; files grow to about `file_bytes_max`.
    pub fn create(folder: &Path, file_bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir(folder)?;
        let folder = folder.to_path_buf();
        Ok(Self {
            folder,
            file_bytes_max,
            file: None,
            files: 0,
            position: 0,
            series_start: HEADER_LEN,
            series_bytes: 0,
            framed: Vec::new(),
        })
    }

    /// Says that the next chunks are of another series. A file ends between chunks: before one that
    /// would go past the file's bound, counted from where its series began in this file.
    pub fn begin_series(&mut self) {
        self.series_start = self.position.max(HEADER_LEN);
        self.series_bytes = 0;
    }

    /// Writes a chunk and returns its reference.
    pub fn add(&mut self, encoding: Encoding, data: &[u8]) -> io::Result<u64> {
        let size = data.len() as u64 + FRAME_LEN_MAX;
        let is_empty = self.series_start == HEADER_LEN && self.series_bytes == 0;
        let is_full = self.series_start + self.series_bytes + size > self.file_bytes_max;
        if self.file.is_none() || (is_full && !is_empty) {
            self.next_file()?;
            self.begin_series();
        }
        self.series_bytes += size;
        let chunk_ref = (self.files - 1) << 32 | self.position;
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        put_uvarint(&mut framed, data.len() as u64);
        let checked_from = framed.len();
        framed.push(encoding as u8);
        framed.extend_from_slice(data);
        let crc = crc32c::crc32c(framed.get(checked_from..).unwrap_or_default());
        framed.extend_from_slice(&crc.to_be_bytes());
        self.put(&framed)?;
        self.framed = framed;
        Ok(chunk_ref)
    }

    /// Brings everything to the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.close_file()?;
        File::open(&self.folder)?.sync_all()
    }

    fn next_file(&mut self) -> io::Result<()> {
        self.close_file()?;
        self.files += 1;
        let path = self.folder.join(format!("{:06}", self.files));
        self.file = Some(BufWriter::with_capacity(1 << 20, File::create_new(path)?));
        self.position = 0;
        self.put(&MAGIC.to_be_bytes())?;
        self.put(&[1, 0, 0, 0])
    }

    fn close_file(&mut self) -> io::Result<()> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        file.flush()?;
        file.get_ref().sync_all()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
            self.position += bytes.len() as u64;
        }
        Ok(())
    }
}
