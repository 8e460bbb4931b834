//! Reading an index file, versions 1 to 3.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;

use memory::file_map::FileMap;
use model::Labels;
use smallvec::SmallVec;

use crate::checked_once::CheckedOnce;
use crate::cursor::{Cursor, Truncated};
use crate::index::match_cache::{MatchCache, SELECTIONS, VALUES};
use crate::index::postings::Raw;
use crate::index::series_entry::{ChunkMeta, ChunkMetas, LabelSymbols};
use crate::index::toc::Toc;
use crate::index::{IndexError, MAGIC, cut};

/// Series entries start at multiples of it, except in version 1.
const SERIES_ALIGNMENT: usize = 16;

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
    /// Whether all of them are UTF-8, as they should be: then nobody needs to look again.
    symbols_are_text: bool,
    /// By name, in order; the empty name (all series) is kept apart.
    names: Vec<NameValues>,
    /// For each (name, value) in order: position in the postings offset table, behind the name.
    values: Vec<u32>,
    all: Option<usize>,
    checked_series: CheckedOnce,
    /// Lists by place in `values`; that of all series comes last.
    checked_lists: CheckedOnce,
    values_cache: MatchCache,
    selections_cache: MatchCache,
}

impl Reader {
    /// Opens `path`; checks the tables.
    pub fn open(path: &Path) -> std::io::Result<Result<Self, IndexError>> {
        Ok(Self::new(FileMap::open(path)?))
    }

    /// Takes the contents of an index file.
    pub fn new(file: FileMap) -> Result<Self, IndexError> {
        let mut header = Cursor::new(&file);
        if header.u32().map_err(cut("file too short", 0))? != MAGIC {
            return Err(IndexError::new("wrong magic number", 0));
        }
        let version = header.u8().map_err(cut("file too short", 0))?;
        if !(1..=3).contains(&version) {
            return Err(IndexError::new("unknown version", 4));
        }
        let toc = Toc::parse(&file)?;
        let (symbols, symbols_are_text) = symbol_positions(&file, toc.symbols)?;
        // Entries of version 1 may lie in the same sixteen bytes: each is checked each time.
        let series_parts = if version == 1 {
            0
        } else {
            toc.postings.div_ceil(SERIES_ALIGNMENT)
        };
        let mut reader = Self {
            file,
            version,
            toc,
            symbols,
            symbols_are_text,
            names: Vec::new(),
            values: Vec::new(),
            all: None,
            checked_series: CheckedOnce::new(series_parts),
            checked_lists: CheckedOnce::default(),
            values_cache: MatchCache::new(VALUES),
            selections_cache: MatchCache::new(SELECTIONS),
        };
        reader.read_postings_table()?;
        reader.checked_lists = CheckedOnce::new(reader.values.len() + 1);
        Ok(reader)
    }

    fn read_postings_table(&mut self) -> Result<(), IndexError> {
        let start = self.toc.postings_table;
        let short = || cut("postings table cut short", start);
        let body = section(&self.file, start, true)?;
        let base = start + 4;
        let mut cursor = Cursor::new(body);
        let count = cursor.u32().map_err(short())?;
        for _ in 0..count {
            if cursor.uvarint().map_err(short())? != 2 {
                return Err(IndexError::new("postings table entry is no pair", start));
            }
            let name = text(cursor.bytes().map_err(short())?, start)?;
            let at = base + body.len() - cursor.rest().len();
            text(cursor.bytes().map_err(short())?, start)?;
            let offset = cursor.uvarint().map_err(short())?;
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
        self.value_range(name)
            .map(|position| self.value(position as u32))
            .collect()
    }

    /// Positions of the values of label `name`, in order.
    pub(super) fn value_range(&self, name: &str) -> Range<usize> {
        let by_name = |found: &NameValues| found.name.as_str().cmp(name);
        match self.names.binary_search_by(by_name) {
            Ok(index) => self.names[index].values.clone(),
            Err(_) => 0..0,
        }
    }

    /// The value at a position.
    pub(super) fn value(&self, position: u32) -> Result<&str, IndexError> {
        self.value_and_list(position).map(|(value, _)| value)
    }

    /// The value at a position and where its list is.
    fn value_and_list(&self, position: u32) -> Result<(&str, usize), IndexError> {
        let at = self.values.get(position as usize).copied();
        let at = at.unwrap_or_default() as usize;
        let short = || cut("postings table cut short", at);
        let mut cursor = Cursor::new(self.file.get(at..).unwrap_or_default());
        let value = text(cursor.bytes().map_err(short())?, at)?;
        let offset = cursor.uvarint().map_err(short())?;
        let offset =
            usize::try_from(offset).map_err(|_| IndexError::new("list outside the file", at))?;
        Ok((value, offset))
    }

    /// Position of a value of label `name`.
    pub(super) fn find_value(&self, name: &str, value: &str) -> Result<Option<u32>, IndexError> {
        let range = self.value_range(name);
        let found = self.first_value_not_below(range.clone(), value)?;
        if found < range.end && self.value(found as u32)? == value {
            return Ok(Some(found as u32));
        }
        Ok(None)
    }

    /// Position of the first value of a range that is not below `bound`; the range's end if all are.
    pub(super) fn first_value_not_below(
        &self,
        range: Range<usize>,
        bound: &str,
    ) -> Result<usize, IndexError> {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.value(middle as u32)? < bound {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Series that have the value at a position.
    pub(super) fn list(&self, position: u32) -> Result<&Raw, IndexError> {
        let (_, offset) = self.value_and_list(position)?;
        self.list_at(offset, position as usize)
    }

    /// All series.
    pub(super) fn all_series(&self) -> Result<&Raw, IndexError> {
        match self.all {
            Some(offset) => self.list_at(offset, self.values.len()),
            None => Ok(&[]),
        }
    }

    fn list_at(&self, offset: usize, place: usize) -> Result<&Raw, IndexError> {
        let checked = self.checked_lists.contains(place);
        let body = section(&self.file, offset, !checked)?;
        let (count, refs) = body
            .split_first_chunk::<4>()
            .ok_or(IndexError::new("postings list cut short", offset))?;
        let (refs, rest) = refs.as_chunks::<4>();
        if refs.len() != u32::from_be_bytes(*count) as usize || !rest.is_empty() {
            return Err(IndexError::new("postings list of another length", offset));
        }
        if !checked {
            self.checked_lists.insert(place);
        }
        Ok(refs)
    }

    /// The reference of the series at a position of all series, in label order; `None` behind the
    /// last.
    pub fn series_at(&self, position: usize) -> Result<Option<u32>, IndexError> {
        let all = self.all_series()?;
        Ok(all.get(position).map(|bytes| u32::from_be_bytes(*bytes)))
    }

    /// The series with a reference that [`select`](Self::select) gave.
    pub fn series(&self, series: u32) -> Result<SeriesEntry, IndexError> {
        let mut entry = SeriesEntry::default();
        entry.labels = self.series_into(series, &mut entry.chunks)?;
        Ok(entry)
    }

    /// Labels of a series; its chunks replace the contents of `chunks`.
    pub fn series_into(
        &self,
        series: u32,
        chunks: &mut Vec<ChunkMeta>,
    ) -> Result<Labels, IndexError> {
        let labels = self.labels(series)?;
        chunks.clear();
        for chunk in self.chunk_metas(series)? {
            chunks.push(chunk.map_err(cut("series cut short", self.series_offset(series)))?);
        }
        Ok(labels)
    }

    /// Labels of a series.
    pub fn labels(&self, series: u32) -> Result<Labels, IndexError> {
        let at = self.series_offset(series);
        let mut symbols = self.label_symbols(series)?;
        let mut pairs: SmallVec<[(&[u8], &[u8]); 24]> = SmallVec::new();
        let mut in_order = true;
        while let Some((name, value)) = symbols.next().map_err(cut("series cut short", at))? {
            let (name, value) = (self.symbol_bytes(name, at)?, self.symbol_bytes(value, at)?);
            in_order &= !value.is_empty() && pairs.last().is_none_or(|(last, _)| *last < name);
            pairs.push((name, value));
        }
        if in_order && self.symbols_are_text {
            return Ok(Labels::from_sorted_bytes(pairs));
        }
        // An index that somebody made with right checksums and wrong contents is put right.
        let mut texts = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            texts.push((text(name, at)?, text(value, at)?));
        }
        Ok(Labels::from_pairs(texts))
    }

    /// How the labels of a series compare with `other`.
    pub(crate) fn cmp_labels(&self, series: u32, other: &Labels) -> Result<Ordering, IndexError> {
        let at = self.series_offset(series);
        let mut symbols = self.label_symbols(series)?;
        let mut last = None;
        let mut others = other.byte_pairs();
        while let Some((name, value)) = symbols.next().map_err(cut("series cut short", at))? {
            if last.is_some_and(|last| last >= name) {
                // Not in order, whatever the checksum says.
                return Ok(self.labels(series)?.cmp(other));
            }
            last = Some(name);
            let pair = (self.symbol_bytes(name, at)?, self.symbol_bytes(value, at)?);
            match others.next().map(|other| pair.cmp(&other)) {
                Some(Ordering::Equal) => {}
                Some(ordering) => return Ok(ordering),
                None => return Ok(Ordering::Greater),
            }
        }
        Ok(match others.next() {
            Some(_) => Ordering::Less,
            None => Ordering::Equal,
        })
    }

    /// Labels of a series as far as their names have one of `names`, the symbols of names in order
    /// ([`find_symbol`](Self::find_symbol)).
    pub(crate) fn labels_of(&self, series: u32, names: &[u64]) -> Result<Labels, IndexError> {
        let at = self.series_offset(series);
        let mut symbols = self.label_symbols(series)?;
        let mut pairs: SmallVec<[(&str, &str); 8]> = SmallVec::new();
        let mut wanted = names.iter();
        let mut next = wanted.next();
        // Symbols are in order of their texts, and so are labels.
        while next.is_some() {
            let Some((name, value)) = symbols.next().map_err(cut("series cut short", at))? else {
                break;
            };
            while next.is_some_and(|next| *next < name) {
                next = wanted.next();
            }
            if next == Some(&name) {
                let value = self.symbol(value, at)?;
                if !value.is_empty() {
                    pairs.push((self.symbol(name, at)?, value));
                }
                next = wanted.next();
            }
        }
        Ok(Labels::from_sorted(pairs))
    }

    /// Only the chunks of a series.
    pub fn chunks(&self, series: u32) -> Result<Vec<ChunkMeta>, IndexError> {
        let at = self.series_offset(series);
        let metas: Result<Vec<ChunkMeta>, Truncated> = self.chunk_metas(series)?.collect();
        metas.map_err(cut("series cut short", at))
    }

    /// The chunks of a series, read as they are asked for.
    pub(crate) fn chunk_metas(&self, series: u32) -> Result<ChunkMetas<'_>, IndexError> {
        let short = || cut("series cut short", self.series_offset(series));
        let rest = self.label_symbols(series)?.rest().map_err(short())?;
        ChunkMetas::new(rest).map_err(short())
    }

    /// What is wrong with a series whose chunks end early.
    pub(crate) fn cut_series(&self, series: u32) -> IndexError {
        IndexError::new("series cut short", self.series_offset(series))
    }

    /// The symbols of a series' labels.
    pub(super) fn label_symbols(&self, series: u32) -> Result<LabelSymbols<'_>, IndexError> {
        let short = || cut("series cut short", self.series_offset(series));
        LabelSymbols::new(self.series_body(series)?).map_err(short())
    }

    /// The symbol of a series' value of the label whose name has the symbol `name`.
    pub(super) fn label_symbol(
        &self,
        series: u32,
        name: Option<u64>,
    ) -> Result<Option<u64>, IndexError> {
        let Some(name) = name else {
            return Ok(None);
        };
        let at = self.series_offset(series);
        let mut symbols = self.label_symbols(series)?;
        // Symbols are in order of their texts, and so are labels.
        while let Some((found, value)) = symbols.next().map_err(cut("series cut short", at))? {
            if found >= name {
                return Ok((found == name).then_some(value));
            }
        }
        Ok(None)
    }

    /// Where a series' entry is.
    pub(super) fn series_offset(&self, series: u32) -> usize {
        // Version 1 has byte offsets; since then entries are aligned and counted in 16 bytes.
        if self.version == 1 {
            series as usize
        } else {
            series as usize * SERIES_ALIGNMENT
        }
    }

    fn series_body(&self, series: u32) -> Result<&[u8], IndexError> {
        let at = self.series_offset(series);
        let short = || cut("series cut short", at);
        let section = self.file.get(..self.toc.postings).unwrap_or_default();
        if at < self.toc.symbols {
            return Err(IndexError::new("series outside its section", at));
        }
        let mut cursor = Cursor::new(section.get(at..).unwrap_or_default());
        let body = cursor.bytes().map_err(short())?;
        let part = at / SERIES_ALIGNMENT;
        if !self.checked_series.contains(part) {
            check_crc(body, cursor.take(4).map_err(short())?, at)?;
            self.checked_series.insert(part);
        }
        Ok(body)
    }

    /// The text of a symbol, as entries refer to it; `at` is the place of the reference.
    pub(super) fn symbol(&self, symbol: u64, at: usize) -> Result<&str, IndexError> {
        text(self.symbol_bytes(symbol, at)?, at)
    }

    fn symbol_bytes(&self, symbol: u64, at: usize) -> Result<&[u8], IndexError> {
        let position = usize::try_from(symbol).ok().and_then(|symbol| {
            if self.version == 1 {
                Some(symbol)
            } else {
                self.symbols.get(symbol).map(|at| *at as usize)
            }
        });
        let unknown = || IndexError::new("unknown symbol", at);
        let bytes = position
            .and_then(|position| self.file.get(position..))
            .ok_or_else(unknown)?;
        Cursor::new(bytes).bytes().map_err(|_| unknown())
    }

    /// The symbol of a text, as entries refer to it.
    pub(crate) fn find_symbol(&self, wanted: &str) -> Result<Option<u64>, IndexError> {
        let (mut low, mut high) = (0, self.symbols.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let reference = self.symbol_reference(middle);
            match self.symbol(reference, self.toc.symbols)?.cmp(wanted) {
                std::cmp::Ordering::Equal => return Ok(Some(reference)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// How entries refer to the symbol of a rank: by its place in version 1, by the rank since.
    fn symbol_reference(&self, rank: usize) -> u64 {
        if self.version == 1 {
            self.symbols.get(rank).copied().map_or(u64::MAX, u64::from)
        } else {
            rank as u64
        }
    }

    /// All symbols in order.
    pub fn symbols(&self) -> impl Iterator<Item = Result<&str, IndexError>> {
        let ranks = 0..self.symbols.len();
        ranks.map(|rank| self.symbol(self.symbol_reference(rank), self.toc.symbols))
    }

    /// What values expressions are known to match.
    pub(super) fn values_cache(&self) -> &MatchCache {
        &self.values_cache
    }

    /// What series selectors are known to select.
    pub(super) fn selections_cache(&self) -> &MatchCache {
        &self.selections_cache
    }

    /// Gives the memory of the entries between two series free, the second one excluded; they are
    /// read from the file again when somebody wants them.
    pub(crate) fn release(&self, from: u32, to: u32) {
        self.file
            .release(self.series_offset(from)..self.series_offset(to));
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// Bytes of memory beside the map.
    pub(crate) fn heap_bytes(&self) -> usize {
        let names = self.names.iter().map(|name| name.name.capacity());
        (self.symbols.capacity() + self.values.capacity()) * size_of::<u32>()
            + self.names.capacity() * size_of::<NameValues>()
            + names.sum::<usize>()
            + self.checked_series.heap_bytes()
            + self.checked_lists.heap_bytes()
            + self.values_cache.heap_bytes()
            + self.selections_cache.heap_bytes()
    }

    /// Bytes of memory that find the symbols.
    pub fn symbol_table_bytes(&self) -> u64 {
        (self.symbols.len() * size_of::<u32>()) as u64
    }

    /// Where the series section starts; for tests and tools.
    pub fn series_start(&self) -> usize {
        self.toc.series
    }
}

/// Body of a section with a 32-bit length before it and a CRC behind it, which is looked at if told.
fn section(file: &[u8], offset: usize, check: bool) -> Result<&[u8], IndexError> {
    let short = || cut("section cut short", offset);
    let mut cursor = Cursor::new(file.get(offset..).unwrap_or_default());
    let len = cursor.u32().map_err(short())? as usize;
    let body = cursor.take(len).map_err(short())?;
    let crc = cursor.take(4).map_err(short())?;
    if check {
        check_crc(body, crc, offset)?;
    }
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

/// Where symbols are, and whether all are text.
fn symbol_positions(file: &[u8], offset: usize) -> Result<(Vec<u32>, bool), IndexError> {
    let short = || cut("symbol table cut short", offset);
    let body = section(file, offset, true)?;
    let base = offset + 4;
    let mut cursor = Cursor::new(body);
    let count = cursor.u32().map_err(short())? as usize;
    let mut positions = Vec::with_capacity(count.min(body.len()));
    let mut are_text = true;
    for _ in 0..count {
        let at = base + body.len() - cursor.rest().len();
        positions.push(u32::try_from(at).map_err(|_| IndexError::new("table too large", offset))?);
        are_text &= std::str::from_utf8(cursor.bytes().map_err(short())?).is_ok();
    }
    Ok((positions, are_text))
}
