//! Reading an index file, versions 1 to 3.

use std::ops::Range;
use std::path::Path;

use memory::file_map::FileMap;
use model::{Labels, Matcher, Timestamp};

use crate::cursor::{Cursor, Truncated};
use crate::index::toc::Toc;
use crate::index::{IndexError, MAGIC, postings};

/// Where a chunk is and which times it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMeta {
    /// First time.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// Segment file (from 0) in the upper half, offset in the lower.
    pub chunk_ref: u64,
}

/// A series as the index has it.
#[derive(Debug, Clone, Default)]
pub struct SeriesEntry {
    /// Labels.
    pub labels: Labels,
    /// Chunks by time.
    pub chunks: Vec<ChunkMeta>,
}

/// Label values of one name: a range of the table of value positions.
#[derive(Debug)]
struct NameValues {
    name: String,
    values: Range<usize>,
}

/// An open index.
#[derive(Debug)]
pub struct Reader {
    file: FileMap,
    version: u8,
    toc: Toc,
    /// Position of each symbol's length field.
    symbols: Vec<u32>,
    /// By name, in order; the empty name (all series) is kept apart.
    names: Vec<NameValues>,
    /// For each (name, value) in order: position in the postings offset table, behind the name.
    values: Vec<u32>,
    all: Option<usize>,
}

impl Reader {
    /// Opens `path`; checks the tables.
    pub fn open(path: &Path) -> std::io::Result<Result<Self, IndexError>> {
        Ok(Self::new(FileMap::open(path)?))
    }

    /// Takes the contents of an index file.
    pub fn new(file: FileMap) -> Result<Self, IndexError> {
        let mut header = Cursor::new(&file);
        let cut = |_: Truncated| IndexError::new("file too short", 0);
        if header.u32().map_err(cut)? != MAGIC {
            return Err(IndexError::new("wrong magic number", 0));
        }
        let version = header.u8().map_err(cut)?;
        if !(1..=3).contains(&version) {
            return Err(IndexError::new("unknown version", 4));
        }
        let toc = Toc::parse(&file)?;
        let symbols = symbol_positions(&file, toc.symbols)?;
        let mut reader = Self {
            file,
            version,
            toc,
            symbols,
            names: Vec::new(),
            values: Vec::new(),
            all: None,
        };
        reader.read_postings_table()?;
        Ok(reader)
    }

    fn read_postings_table(&mut self) -> Result<(), IndexError> {
        let start = self.toc.postings_table;
        let cut = |_: Truncated| IndexError::new("postings table cut short", start);
        let body = section(&self.file, start)?;
        let base = start + 4;
        let mut cursor = Cursor::new(body);
        let count = cursor.u32().map_err(cut)?;
        for _ in 0..count {
            if cursor.uvarint().map_err(cut)? != 2 {
                return Err(IndexError::new("postings table entry is no pair", start));
            }
            let name = text(cursor.bytes().map_err(cut)?, start)?;
            let at = base + body.len() - cursor.rest().len();
            text(cursor.bytes().map_err(cut)?, start)?;
            let offset = cursor.uvarint().map_err(cut)?;
            if name.is_empty() {
                self.all = usize::try_from(offset).ok();
                continue;
            }
            let at = u32::try_from(at).map_err(|_| IndexError::new("table too large", start))?;
            let next = self.values.len();
            match self.names.last_mut() {
                Some(last) if last.name == name => last.values.end = next + 1,
                Some(last) if last.name.as_str() > name => {
                    return Err(IndexError::new("postings table out of order", start));
                }
                _ => self.names.push(NameValues {
                    name: name.to_owned(),
                    values: next..next + 1,
                }),
            }
            self.values.push(at);
        }
        Ok(())
    }

    /// Label names, sorted.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.name.as_str())
    }

    /// Values of label `name`, sorted.
    pub fn label_values(&self, name: &str) -> Result<Vec<&str>, IndexError> {
        let range = self.value_range(name);
        self.values[range]
            .iter()
            .map(|at| self.value_at(*at).map(|(value, _)| value))
            .collect()
    }

    fn value_range(&self, name: &str) -> Range<usize> {
        match self
            .names
            .binary_search_by(|found| found.name.as_str().cmp(name))
        {
            Ok(index) => self.names[index].values.clone(),
            Err(_) => 0..0,
        }
    }

    /// The value at a position of the postings table and where its list is.
    fn value_at(&self, at: u32) -> Result<(&str, usize), IndexError> {
        let at = at as usize;
        let cut = |_: Truncated| IndexError::new("postings table cut short", at);
        let mut cursor = Cursor::new(self.file.get(at..).unwrap_or_default());
        let value = text(cursor.bytes().map_err(cut)?, at)?;
        let offset = cursor.uvarint().map_err(cut)?;
        let offset =
            usize::try_from(offset).map_err(|_| IndexError::new("list outside the file", at))?;
        Ok((value, offset))
    }

    /// Series that satisfy all matchers, ascending: which is label order.
    pub fn select(&self, matchers: &[Matcher]) -> Result<Vec<u32>, IndexError> {
        let mut found: Option<Vec<u32>> = None;
        let mut excluded = Vec::new();
        for matcher in matchers {
            // A matcher that lacking labels satisfy cannot list what it selects, only what it
            // excludes: the series whose value does not match.
            if matcher.matches_empty() {
                excluded.push(self.union_where(&matcher.name, |value| !matcher.matches(value))?);
                continue;
            }
            let list = self.matching(matcher)?;
            found = Some(match found {
                Some(before) => postings::intersect(&before, &list),
                None => list,
            });
            if found.as_ref().is_some_and(Vec::is_empty) {
                return Ok(Vec::new());
            }
        }
        let mut found = match found {
            Some(found) => found,
            None => self.all_series()?,
        };
        for list in excluded {
            found = postings::subtract(&found, &list);
        }
        Ok(found)
    }

    /// Series of a matcher that needs the label to be there.
    fn matching(&self, matcher: &Matcher) -> Result<Vec<u32>, IndexError> {
        use model::MatchOp::{Equal, Regex};
        let literals = match (matcher.op, matcher.regex()) {
            (Equal, _) => Some(vec![&*matcher.value]),
            (Regex, Some(regex)) => regex
                .literal_set()
                .map(|set| set.iter().map(|value| &**value).collect()),
            _ => None,
        };
        let Some(literals) = literals else {
            return self.union_where(&matcher.name, |value| matcher.matches(value));
        };
        let mut lists = Vec::new();
        for value in literals {
            if let Some(offset) = self.find_value(&matcher.name, value)? {
                lists.push(self.list(offset)?);
            }
        }
        Ok(postings::union(lists))
    }

    fn find_value(&self, name: &str, value: &str) -> Result<Option<usize>, IndexError> {
        let range = self.value_range(name);
        let values = &self.values[range];
        let (mut low, mut high) = (0, values.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, offset) = self.value_at(values[middle])?;
            match found.cmp(value) {
                std::cmp::Ordering::Equal => return Ok(Some(offset)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn union_where(&self, name: &str, keep: impl Fn(&str) -> bool) -> Result<Vec<u32>, IndexError> {
        let mut lists = Vec::new();
        for at in &self.values[self.value_range(name)] {
            let (value, offset) = self.value_at(*at)?;
            if keep(value) {
                lists.push(self.list(offset)?);
            }
        }
        Ok(postings::union(lists))
    }

    fn all_series(&self) -> Result<Vec<u32>, IndexError> {
        self.all
            .map_or_else(|| Ok(Vec::new()), |offset| self.list(offset))
    }

    fn list(&self, offset: usize) -> Result<Vec<u32>, IndexError> {
        let refs = self.refs(offset)?.iter();
        Ok(refs.map(|bytes| u32::from_be_bytes(*bytes)).collect())
    }

    fn refs(&self, offset: usize) -> Result<&[[u8; 4]], IndexError> {
        let body = section(&self.file, offset)?;
        let (count, refs) = body
            .split_first_chunk::<4>()
            .ok_or(IndexError::new("postings list cut short", offset))?;
        let (refs, rest) = refs.as_chunks::<4>();
        if refs.len() != u32::from_be_bytes(*count) as usize || !rest.is_empty() {
            return Err(IndexError::new("postings list of another length", offset));
        }
        Ok(refs)
    }

    /// The series with a reference that [`select`](Self::select) gave.
    pub fn series(&self, series: u32) -> Result<SeriesEntry, IndexError> {
        let body = self.series_body(series)?;
        let at = self.series_offset(series);
        let cut = |_: Truncated| IndexError::new("series cut short", at);
        let mut cursor = Cursor::new(body);
        let count = cursor.uvarint().map_err(cut)?;
        let mut pairs = Vec::with_capacity(count.min(64) as usize);
        for _ in 0..count {
            let name = self.symbol(cursor.uvarint().map_err(cut)?, at)?;
            let value = self.symbol(cursor.uvarint().map_err(cut)?, at)?;
            pairs.push((name, value));
        }
        Ok(SeriesEntry {
            labels: Labels::from_pairs(pairs),
            chunks: chunk_metas(&mut cursor).map_err(cut)?,
        })
    }

    /// The reference of the series at a position of all series, in label order; `None` behind the
    /// last. The list's checksum is looked at with the first.
    pub fn series_at(&self, position: usize) -> Result<Option<u32>, IndexError> {
        let Some(offset) = self.all else {
            return Ok(None);
        };
        if position == 0 {
            self.refs(offset)?;
        }
        // Length and count stand before the references.
        let at = position
            .checked_mul(4)
            .and_then(|bytes| bytes.checked_add(offset.checked_add(8)?));
        let count = self
            .file
            .get(offset + 4..)
            .and_then(<[u8]>::first_chunk::<4>);
        if count.is_none_or(|count| position >= u32::from_be_bytes(*count) as usize) {
            return Ok(None);
        }
        at.and_then(|at| self.file.get(at..)?.first_chunk::<4>())
            .map(|bytes| Some(u32::from_be_bytes(*bytes)))
            .ok_or(IndexError::new("postings list cut short", offset))
    }

    /// Labels of a series; its chunks replace the contents of `chunks`.
    pub fn series_into(
        &self,
        series: u32,
        chunks: &mut Vec<ChunkMeta>,
    ) -> Result<Labels, IndexError> {
        let entry = self.series(series)?;
        *chunks = entry.chunks;
        Ok(entry.labels)
    }

    /// All symbols in order.
    pub fn symbols(&self) -> impl Iterator<Item = Result<&str, IndexError>> {
        self.symbols.iter().map(|position| {
            let at = *position as usize;
            let cut = |_: Truncated| IndexError::new("symbol table cut short", at);
            let bytes = self.file.get(at..).unwrap_or_default();
            text(Cursor::new(bytes).bytes().map_err(cut)?, at)
        })
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// Bytes of memory that find the symbols.
    pub fn symbol_table_bytes(&self) -> u64 {
        (self.symbols.len() * size_of::<u32>()) as u64
    }

    /// Only the chunks of a series: cheaper than [`series`](Self::series).
    pub fn chunks(&self, series: u32) -> Result<Vec<ChunkMeta>, IndexError> {
        let body = self.series_body(series)?;
        let at = self.series_offset(series);
        let cut = |_: Truncated| IndexError::new("series cut short", at);
        let mut cursor = Cursor::new(body);
        let count = cursor.uvarint().map_err(cut)?;
        for _ in 0..count.saturating_mul(2) {
            cursor.uvarint().map_err(cut)?;
        }
        chunk_metas(&mut cursor).map_err(cut)
    }

    fn series_offset(&self, series: u32) -> usize {
        // Version 1 has byte offsets; since then entries are aligned and counted in 16 bytes.
        if self.version == 1 {
            series as usize
        } else {
            series as usize * 16
        }
    }

    fn series_body(&self, series: u32) -> Result<&[u8], IndexError> {
        let at = self.series_offset(series);
        let cut = |_: Truncated| IndexError::new("series cut short", at);
        let section = self.file.get(..self.toc.postings).unwrap_or_default();
        if at < self.toc.symbols {
            return Err(IndexError::new("series outside its section", at));
        }
        let mut cursor = Cursor::new(section.get(at..).unwrap_or_default());
        let body = cursor.bytes().map_err(cut)?;
        check_crc(body, cursor.take(4).map_err(cut)?, at)?;
        Ok(body)
    }

    fn symbol(&self, index: u64, at: usize) -> Result<&str, IndexError> {
        let position = if self.version == 1 {
            usize::try_from(index).ok()
        } else {
            usize::try_from(index)
                .ok()
                .and_then(|i| self.symbols.get(i))
                .map(|at| *at as usize)
        };
        let unknown = IndexError::new("unknown symbol", at);
        let bytes = position
            .and_then(|position| self.file.get(position..))
            .ok_or(unknown.clone())?;
        let bytes = Cursor::new(bytes).bytes().map_err(|_| unknown)?;
        text(bytes, at)
    }

    /// Where the series section starts; for tests and tools.
    pub fn series_start(&self) -> usize {
        self.toc.series
    }
}

fn chunk_metas(cursor: &mut Cursor<'_>) -> Result<Vec<ChunkMeta>, Truncated> {
    let count = cursor.uvarint()?;
    let mut chunks = Vec::with_capacity(count.min(4096) as usize);
    let mut previous: Option<ChunkMeta> = None;
    for _ in 0..count {
        let (mint, chunk) = match previous {
            None => (cursor.varint()?, None),
            Some(before) => (
                before.maxt.wrapping_add(cursor.uvarint()? as i64),
                Some(before),
            ),
        };
        let maxt = mint.wrapping_add(cursor.uvarint()? as i64);
        let chunk_ref = match chunk {
            None => cursor.uvarint()?,
            Some(before) => before.chunk_ref.wrapping_add_signed(cursor.varint()?),
        };
        let meta = ChunkMeta {
            mint,
            maxt,
            chunk_ref,
        };
        chunks.push(meta);
        previous = Some(meta);
    }
    Ok(chunks)
}

/// Body of a section with a 32-bit length before it and a CRC behind it.
fn section(file: &[u8], offset: usize) -> Result<&[u8], IndexError> {
    let cut = |_: Truncated| IndexError::new("section cut short", offset);
    let mut cursor = Cursor::new(file.get(offset..).unwrap_or_default());
    let len = cursor.u32().map_err(cut)? as usize;
    let body = cursor.take(len).map_err(cut)?;
    check_crc(body, cursor.take(4).map_err(cut)?, offset)?;
    Ok(body)
}

fn check_crc(body: &[u8], crc: &[u8], offset: usize) -> Result<(), IndexError> {
    if crc32c::crc32c(body).to_be_bytes() == crc {
        Ok(())
    } else {
        Err(IndexError::new("wrong checksum", offset))
    }
}

fn text(bytes: &[u8], offset: usize) -> Result<&str, IndexError> {
    std::str::from_utf8(bytes).map_err(|_| IndexError::new("text is not UTF-8", offset))
}

fn symbol_positions(file: &[u8], offset: usize) -> Result<Vec<u32>, IndexError> {
    let cut = |_: Truncated| IndexError::new("symbol table cut short", offset);
    let body = section(file, offset)?;
    let base = offset + 4;
    let mut cursor = Cursor::new(body);
    let count = cursor.u32().map_err(cut)? as usize;
    let mut positions = Vec::with_capacity(count.min(body.len()));
    for _ in 0..count {
        let at = base + body.len() - cursor.rest().len();
        positions.push(u32::try_from(at).map_err(|_| IndexError::new("table too large", offset))?);
        cursor.bytes().map_err(cut)?;
    }
    Ok(positions)
}
