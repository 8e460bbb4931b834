//! Writing an index file, version 2, in one pass over the series.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use model::Labels;

use crate::index::{ChunkMeta, MAGIC};

/// Version written.
const VERSION: u8 = 2;
/// Series entries start at multiples of it.
const SERIES_ALIGNMENT: u64 = 16;
/// Postings lists start at multiples of it.
const POSTINGS_ALIGNMENT: u64 = 4;

/// Why an index cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum IndexWriteError {
    /// The operating system failed us.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Series must come in label order, each once.
    #[error("out-of-order series added with label set {0:?}")]
    OutOfOrder(Labels),
    /// A label name or value that was not among the symbols.
    #[error("unknown symbol {0:?}")]
    UnknownSymbol(String),
    /// More than the format can address.
    #[error("the index is too large")]
    TooLarge,
}

/// An index in the making.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    position: u64,
    symbols: Vec<String>,
    series_start: u64,
    last: Option<Labels>,
    /// References of series by symbol numbers of name and value.
    postings: BTreeMap<(u32, u32), Vec<u32>>,
    all: Vec<u32>,
}

impl Writer {
    /// Starts the file at `path`. `symbols` are all label names and values, sorted, unique.
    pub fn create(path: &Path, symbols: Vec<String>) -> Result<Self, IndexWriteError> {
        debug_assert!(symbols.is_sorted(), "symbols out of order");
        let mut writer = Self {
            file: BufWriter::with_capacity(1 << 20, File::create_new(path)?),
            position: 0,
            symbols: Vec::new(),
            series_start: 0,
            last: None,
            postings: BTreeMap::new(),
            all: Vec::new(),
        };
        writer.put(&MAGIC.to_be_bytes())?;
        writer.put(&[VERSION])?;
        writer.write_symbols(&symbols)?;
        writer.symbols = symbols;
        writer.series_start = writer.position;
        Ok(writer)
    }

    /// Adds a series; they come in label order. Chunks are in order of time.
    pub fn add(&mut self, labels: &Labels, chunks: &[ChunkMeta]) -> Result<(), IndexWriteError> {
        if self.last.as_ref().is_some_and(|last| last >= labels) {
            return Err(IndexWriteError::OutOfOrder(labels.clone()));
        }
        self.pad(SERIES_ALIGNMENT)?;
        let series = u32::try_from(self.position / SERIES_ALIGNMENT)
            .map_err(|_| IndexWriteError::TooLarge)?;
        let mut body = Vec::with_capacity(128);
        put_uvarint(&mut body, labels.len() as u64);
        for (name, value) in labels {
            let pair = (self.symbol(name)?, self.symbol(value)?);
            put_uvarint(&mut body, u64::from(pair.0));
            put_uvarint(&mut body, u64::from(pair.1));
            self.postings.entry(pair).or_default().push(series);
        }
        put_chunks(&mut body, chunks);
        let mut len = Vec::with_capacity(5);
        put_uvarint(&mut len, body.len() as u64);
        self.put(&len)?;
        self.put(&body)?;
        self.put(&crc32c::crc32c(&body).to_be_bytes())?;
        self.all.push(series);
        self.last = Some(labels.clone());
        Ok(())
    }

    /// Writes the rest and brings the file to the disk.
    pub fn finish(mut self) -> Result<(), IndexWriteError> {
        let postings_start = self.position;
        let mut table = Vec::new();
        let lists = std::mem::take(&mut self.postings);
        let all = std::mem::take(&mut self.all);
        let count = u32::try_from(lists.len() + 1).map_err(|_| IndexWriteError::TooLarge)?;
        table.extend_from_slice(&count.to_be_bytes());
        self.write_list("", "", &all, &mut table)?;
        let symbols = std::mem::take(&mut self.symbols);
        for ((name, value), list) in &lists {
            let text = |symbol: u32| symbols.get(symbol as usize).map_or("", String::as_str);
            self.write_list(text(*name), text(*value), list, &mut table)?;
        }
        let table_start = self.position;
        self.section(&table)?;
        // The label indices of old are no longer written: their place is said to be the postings'.
        let mut toc = Vec::with_capacity(48);
        for offset in [
            5,
            self.series_start,
            postings_start,
            table_start,
            postings_start,
            table_start,
        ] {
            toc.extend_from_slice(&offset.to_be_bytes());
        }
        self.put(&toc)?;
        self.put(&crc32c::crc32c(&toc).to_be_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(())
    }

    fn write_symbols(&mut self, symbols: &[String]) -> Result<(), IndexWriteError> {
        let mut body = Vec::new();
        let count = u32::try_from(symbols.len()).map_err(|_| IndexWriteError::TooLarge)?;
        body.extend_from_slice(&count.to_be_bytes());
        for symbol in symbols {
            put_text(&mut body, symbol);
        }
        self.section(&body)
    }

    fn write_list(
        &mut self,
        name: &str,
        value: &str,
        list: &[u32],
        table: &mut Vec<u8>,
    ) -> Result<(), IndexWriteError> {
        self.pad(POSTINGS_ALIGNMENT)?;
        put_uvarint(table, 2);
        put_text(table, name);
        put_text(table, value);
        put_uvarint(table, self.position);
        let mut body = Vec::with_capacity(4 + list.len() * 4);
        let count = u32::try_from(list.len()).map_err(|_| IndexWriteError::TooLarge)?;
        body.extend_from_slice(&count.to_be_bytes());
        for series in list {
            body.extend_from_slice(&series.to_be_bytes());
        }
        self.section(&body)
    }

    /// Length, body, CRC.
    fn section(&mut self, body: &[u8]) -> Result<(), IndexWriteError> {
        let len = u32::try_from(body.len()).map_err(|_| IndexWriteError::TooLarge)?;
        self.put(&len.to_be_bytes())?;
        self.put(body)?;
        self.put(&crc32c::crc32c(body).to_be_bytes())
    }

    fn symbol(&self, text: &str) -> Result<u32, IndexWriteError> {
        self.symbols
            .binary_search_by(|symbol| symbol.as_str().cmp(text))
            .map(|index| index as u32)
            .map_err(|_| IndexWriteError::UnknownSymbol(text.to_owned()))
    }

    fn pad(&mut self, alignment: u64) -> Result<(), IndexWriteError> {
        let missing = self.position.next_multiple_of(alignment) - self.position;
        self.put(&[0; SERIES_ALIGNMENT as usize][..missing as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), IndexWriteError> {
        self.file.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

fn put_chunks(body: &mut Vec<u8>, chunks: &[ChunkMeta]) {
    put_uvarint(body, chunks.len() as u64);
    let mut previous: Option<&ChunkMeta> = None;
    for chunk in chunks {
        match previous {
            None => put_varint(body, chunk.mint),
            Some(before) => put_uvarint(body, chunk.mint.wrapping_sub(before.maxt) as u64),
        }
        put_uvarint(body, chunk.maxt.wrapping_sub(chunk.mint) as u64);
        match previous {
            None => put_uvarint(body, chunk.chunk_ref),
            Some(before) => put_varint(body, chunk.chunk_ref.wrapping_sub(before.chunk_ref) as i64),
        }
        previous = Some(chunk);
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_uvarint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_uvarint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    put_uvarint(bytes, (value << 1 ^ value >> 63) as u64);
}
