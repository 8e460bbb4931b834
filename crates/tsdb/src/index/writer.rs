//! Writing an index file, version 2, in one pass over the series.
//!
//! Beside the symbols, memory is a few bytes for each label of each series (and bounded, see
//! [`postings_log`]), then eight bytes a label value while the lists are written.

mod postings_log;
mod symbol_table;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use model::Labels;

use crate::index::{ChunkMeta, MAGIC};
use postings_log::PostingsLog;
use symbol_table::SymbolTable;

/// Version written.
const VERSION: u8 = 2;
/// Series entries start at multiples of it.
const SERIES_ALIGNMENT: u64 = 16;
/// Postings lists start at multiples of it.
const POSTINGS_ALIGNMENT: u64 = 4;
/// Row of the log that has every series; no symbol has this number.
const ALL_SERIES: u32 = u32::MAX;
/// Most bytes of an index: series references are 32 bits and count in 16 bytes.
const INDEX_BYTES_MAX: u64 = 64 << 30;

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
    /// CRC of the section being written.
    crc: u32,
    symbols: SymbolTable,
    series_start: u64,
    last: Option<Labels>,
    log: PostingsLog,
    series_count: u32,
    /// Series entry being put together; kept for its memory.
    body: Vec<u8>,
}

/// The lists of one label name, as the offset table needs them.
#[derive(Debug)]
struct NameLists {
    name: u32,
    /// Value and length of each list.
    lists: Vec<(u32, u32)>,
}

impl Writer {
    /// Starts the file at `path`. `symbols` are all label names and values, sorted, unique.
    pub fn create(path: &Path, symbols: Vec<String>) -> Result<Self, IndexWriteError> {
        let mut writer = Self {
            file: BufWriter::with_capacity(1 << 20, File::create_new(path)?),
            position: 0,
            crc: 0,
            symbols: SymbolTable::new(symbols)?,
            series_start: 0,
            last: None,
            log: PostingsLog::new(&path.with_extension("postings.tmp")),
            series_count: 0,
            body: Vec::new(),
        };
        writer.put(&MAGIC.to_be_bytes())?;
        writer.put(&[VERSION])?;
        writer.write_symbols()?;
        writer.series_start = writer.position;
        Ok(writer)
    }

    /// Adds a series; they come in label order. Chunks are in order of time.
    pub fn add(&mut self, labels: &Labels, chunks: &[ChunkMeta]) -> Result<(), IndexWriteError> {
        if self.last.as_ref().is_some_and(|last| last >= labels) {
            return Err(IndexWriteError::OutOfOrder(labels.clone()));
        }
        self.pad(SERIES_ALIGNMENT)?;
        if self.position >= INDEX_BYTES_MAX {
            return Err(IndexWriteError::TooLarge);
        }
        let series = (self.position / SERIES_ALIGNMENT) as u32;
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        put_uvarint(&mut body, labels.len() as u64);
        for (name, value) in labels {
            let (name, value) = (self.symbol(name)?, self.symbol(value)?);
            put_uvarint(&mut body, u64::from(name));
            put_uvarint(&mut body, u64::from(value));
            self.log.add(name, value, series)?;
        }
        self.log.add(ALL_SERIES, 0, series)?;
        put_chunks(&mut body, chunks);
        let mut len = Vec::with_capacity(5);
        put_uvarint(&mut len, body.len() as u64);
        self.put(&len)?;
        self.put(&body)?;
        self.put(&crc32c::crc32c(&body).to_be_bytes())?;
        self.body = body;
        self.series_count = self
            .series_count
            .checked_add(1)
            .ok_or(IndexWriteError::TooLarge)?;
        self.last = Some(labels.clone());
        Ok(())
    }

    /// Writes the rest and brings the file to the disk.
    pub fn finish(mut self) -> Result<(), IndexWriteError> {
        let postings_start = self.position;
        let all_offset = self.write_all_series()?;
        let names = self.write_lists()?;
        let table_start = self.position;
        self.write_offset_table(all_offset, &names)?;
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
            toc.extend_from_slice(&u64::to_be_bytes(offset));
        }
        self.put(&toc)?;
        self.put(&crc32c::crc32c(&toc).to_be_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(())
    }

    fn write_symbols(&mut self) -> Result<(), IndexWriteError> {
        let symbols = std::mem::take(&mut self.symbols);
        let len: u64 = symbols.iter().map(text_len).sum();
        self.begin_section(4 + len)?;
        self.put_checked(&(symbols.len() as u32).to_be_bytes())?;
        let mut entry = Vec::new();
        for symbol in symbols.iter() {
            entry.clear();
            put_text(&mut entry, symbol);
            self.put_checked(&entry)?;
        }
        self.symbols = symbols;
        self.end_section()
    }

    fn write_all_series(&mut self) -> Result<u64, IndexWriteError> {
        let mut all = Vec::with_capacity(self.series_count as usize);
        self.log.visit(ALL_SERIES, |series, _| all.push(series))?;
        self.log.forget(ALL_SERIES);
        self.write_list(all.iter().copied(), all.len())
    }

    /// Writes the lists of all label pairs, by name, then by value.
    fn write_lists(&mut self) -> Result<Vec<NameLists>, IndexWriteError> {
        let mut names = Vec::new();
        // By symbol number of a value: first the length of its list, then where its list is filled.
        let mut cursors = vec![0_u32; self.symbols.len()];
        let mut all = Vec::new();
        for name in self.log.names() {
            let mut values = Vec::new();
            self.log.visit(name, |_, value| {
                if let Some(length) = cursors.get_mut(value as usize) {
                    if *length == 0 {
                        values.push(value);
                    }
                    *length += 1;
                }
            })?;
            values.sort_unstable();
            let mut lists = Vec::with_capacity(values.len());
            let mut start = 0;
            for value in values {
                if let Some(cursor) = cursors.get_mut(value as usize) {
                    lists.push((value, *cursor));
                    start += std::mem::replace(cursor, start);
                }
            }
            all.clear();
            all.resize(start as usize, 0_u32);
            self.log.visit(name, |series, value| {
                if let Some(cursor) = cursors.get_mut(value as usize)
                    && let Some(place) = all.get_mut(*cursor as usize)
                {
                    *place = series;
                    *cursor += 1;
                }
            })?;
            self.log.forget(name);
            let mut rest = all.as_slice();
            for (value, length) in &lists {
                let (list, behind) = rest.split_at(*length as usize);
                self.write_list(list.iter().copied(), list.len())?;
                rest = behind;
                if let Some(cursor) = cursors.get_mut(*value as usize) {
                    *cursor = 0;
                }
            }
            names.push(NameLists { name, lists });
        }
        Ok(names)
    }

    /// Writes a list and returns where it begins.
    fn write_list(
        &mut self,
        list: impl Iterator<Item = u32>,
        len: usize,
    ) -> Result<u64, IndexWriteError> {
        self.pad(POSTINGS_ALIGNMENT)?;
        let offset = self.position;
        self.begin_section(4 + len as u64 * 4)?;
        self.put_checked(&(len as u32).to_be_bytes())?;
        let mut batch = Vec::with_capacity(4096);
        for series in list {
            batch.extend_from_slice(&series.to_be_bytes());
            if batch.len() >= 4096 {
                self.put_checked(&batch)?;
                batch.clear();
            }
        }
        self.put_checked(&batch)?;
        self.end_section()?;
        Ok(offset)
    }

    fn write_offset_table(
        &mut self,
        all_offset: u64,
        names: &[NameLists],
    ) -> Result<(), IndexWriteError> {
        let symbols = std::mem::take(&mut self.symbols);
        // The length stands before the entries: they are gone through twice rather than kept.
        let (mut count, mut len) = (0_u64, 0_u64);
        for_each_entry(all_offset, self.series_count, names, &symbols, |entry| {
            count += 1;
            len += entry.len() as u64;
            Ok(())
        })?;
        let count = u32::try_from(count).map_err(|_| IndexWriteError::TooLarge)?;
        self.begin_section(4 + len)?;
        self.put_checked(&count.to_be_bytes())?;
        for_each_entry(all_offset, self.series_count, names, &symbols, |entry| {
            self.put_checked(entry)
        })?;
        self.end_section()
    }

    /// Writes a section's length; what it counts follows through [`put_checked`](Self::put_checked).
    fn begin_section(&mut self, len: u64) -> Result<(), IndexWriteError> {
        let len = u32::try_from(len).map_err(|_| IndexWriteError::TooLarge)?;
        self.crc = 0;
        self.put(&len.to_be_bytes())
    }

    fn put_checked(&mut self, bytes: &[u8]) -> Result<(), IndexWriteError> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.put(bytes)
    }

    fn end_section(&mut self) -> Result<(), IndexWriteError> {
        self.put(&self.crc.to_be_bytes())
    }

    fn symbol(&self, text: &str) -> Result<u32, IndexWriteError> {
        self.symbols
            .number(text)
            .ok_or_else(|| IndexWriteError::UnknownSymbol(text.to_owned()))
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

/// Calls `visit` with every entry of the postings offset table, in order.
fn for_each_entry(
    all_offset: u64,
    series_count: u32,
    names: &[NameLists],
    symbols: &SymbolTable,
    mut visit: impl FnMut(&[u8]) -> Result<(), IndexWriteError>,
) -> Result<(), IndexWriteError> {
    let mut offset = all_offset;
    let mut entry = Vec::new();
    let mut put = |name: &str, value: &str, length: u32| {
        entry.clear();
        put_uvarint(&mut entry, 2);
        put_text(&mut entry, name);
        put_text(&mut entry, value);
        put_uvarint(&mut entry, offset);
        // Length, count, references, CRC; the next list is aligned.
        offset += (12 + u64::from(length) * 4).next_multiple_of(POSTINGS_ALIGNMENT);
        visit(&entry)
    };
    put("", "", series_count)?;
    for NameLists { name, lists } in names {
        for (value, length) in lists {
            put(symbols.text(*name), symbols.text(*value), *length)?;
        }
    }
    Ok(())
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

/// Bytes of a text with its length before it.
fn text_len(text: &str) -> u64 {
    let length_bits = u64::BITS - (text.len() as u64 | 1).leading_zeros();
    u64::from(length_bits.div_ceil(7)) + text.len() as u64
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

pub(crate) fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    put_uvarint(bytes, (value << 1 ^ value >> 63) as u64);
}
