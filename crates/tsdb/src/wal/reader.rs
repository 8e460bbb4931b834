//! Records out of segments.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    FLAG_SNAPPY, FLAG_ZSTD, FRAGMENT_FIRST, FRAGMENT_FULL, FRAGMENT_HEADER_BYTES, FRAGMENT_LAST,
    FRAGMENT_MIDDLE, FRAGMENT_PADDING, FRAGMENT_TYPE_MASK, PAGE_BYTES,
};
use crate::Error;
use crate::memory_snapshot::folder::Position;

/// Most bytes a record may have after decompression. The reference writes records of a scrape's
/// size; this bound keeps damaged or hostile length fields from eating the memory.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Damage at a place of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corruption in segment {path} at {offset}: {reason}", path = path.display())]
pub struct Corruption {
    /// The segment file.
    pub path: PathBuf,
    /// Its number.
    pub segment: u32,
    /// Where the first bad record begins: everything before it is good.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// Records of one segment, in order. Buffers one page and one record.
#[derive(Debug)]
pub struct Records<R> {
    source: R,
    page: Box<[u8]>,
    /// Next byte in the page; [`PAGE_BYTES`] when the next page has to be read.
    position: usize,
    /// Where the current page begins.
    page_offset: u64,
    pages: u64,
    record_start: u64,
    raw: Vec<u8>,
    plain: Vec<u8>,
    failed: bool,
}

enum Fragment {
    End,
    Data {
        kind: u8,
        flags: u8,
        start: usize,
        end: usize,
    },
}

impl<R: Read> Records<R> {
    /// Reads the segment in `source` from its beginning.
    pub fn new(source: R) -> Self {
        Self {
            source,
            page: vec![0; PAGE_BYTES].into(),
            position: PAGE_BYTES,
            page_offset: 0,
            pages: 0,
            record_start: 0,
            raw: Vec::new(),
            plain: Vec::new(),
            failed: false,
        }
    }

    /// Goes on reading at `offset`, where a record begins; nothing may have been read yet. `false`
    /// if the segment does not reach there.
    fn skip_to(&mut self, offset: u64) -> Result<bool, String>
    where
        R: Seek,
    {
        let in_page = (offset % PAGE_BYTES as u64) as usize;
        let page_offset = offset - in_page as u64;
        let end = self.source.seek(SeekFrom::End(0));
        if end.map_err(|err| format!("seek: {err}"))? < offset {
            return Ok(false);
        }
        let at = self.source.seek(SeekFrom::Start(page_offset));
        at.map_err(|err| format!("seek: {err}"))?;
        self.pages = page_offset / PAGE_BYTES as u64;
        if in_page == 0 {
            // As if the page before had just been read.
            self.page_offset = page_offset.saturating_sub(PAGE_BYTES as u64);
            return Ok(true);
        }
        let is_there = self.read_page()?;
        self.position = in_page;
        Ok(is_there)
    }

    /// Where the last record begins, or where a failed read found the first bad record.
    pub fn record_start(&self) -> u64 {
        self.record_start
    }

    /// Where reading has come to.
    pub fn offset(&self) -> u64 {
        if self.pages == 0 {
            0
        } else {
            self.page_offset + self.position as u64
        }
    }

    /// The next record, decompressed; `None` at the segment's end. After an error (the reason)
    /// there are no more records.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, String> {
        match self.next_raw()? {
            None => Ok(None),
            Some(flags) => {
                let plain = decompress(flags, &self.raw, &mut self.plain);
                self.failed = plain.is_err();
                plain.map(Some)
            }
        }
    }

    /// Reads the next record to `raw`, as it is in the log, and says how it is compressed.
    fn next_raw(&mut self) -> Result<Option<u8>, String> {
        if self.failed {
            return Ok(None);
        }
        let read = self.read_record();
        self.failed = read.is_err();
        read
    }

    fn read_record(&mut self) -> Result<Option<u8>, String> {
        self.raw.clear();
        let mut inside = false;
        loop {
            if !inside {
                self.record_start = self.offset();
            }
            let (kind, flags, start, end) = match self.read_fragment()? {
                Fragment::End if inside => return Err("last record is torn".to_owned()),
                Fragment::End => return Ok(None),
                Fragment::Data {
                    kind,
                    flags,
                    start,
                    end,
                } => (kind, flags, start, end),
            };
            match (kind, inside) {
                (FRAGMENT_FULL, true) => return Err("unexpected full record".to_owned()),
                (FRAGMENT_FIRST, true) => {
                    return Err("unexpected first record, dropping buffer".to_owned());
                }
                (FRAGMENT_MIDDLE, false) => {
                    return Err("unexpected middle record, dropping buffer".to_owned());
                }
                (FRAGMENT_LAST, false) => {
                    return Err("unexpected last record, dropping buffer".to_owned());
                }
                (FRAGMENT_FULL..=FRAGMENT_LAST, _) => {}
                _ => return Err(format!("unexpected record type {kind}")),
            }
            self.raw
                .extend_from_slice(self.page.get(start..end).unwrap_or_default());
            if self.raw.len() > RECORD_BYTES_MAX {
                return Err("record is too large".to_owned());
            }
            if matches!(kind, FRAGMENT_FULL | FRAGMENT_LAST) {
                return Ok(Some(flags));
            }
            inside = true;
        }
    }

    fn read_fragment(&mut self) -> Result<Fragment, String> {
        loop {
            if PAGE_BYTES - self.position < FRAGMENT_HEADER_BYTES {
                // The writer pads these itself; the reference does not look at them either.
                self.position = PAGE_BYTES;
            }
            if self.position == PAGE_BYTES && !self.read_page()? {
                return Ok(Fragment::End);
            }
            let rest = self.page.get(self.position..).unwrap_or_default();
            let Some((header, data)) = rest.split_first_chunk::<FRAGMENT_HEADER_BYTES>() else {
                continue;
            };
            let [kind, length_high, length_low, crc @ ..] = *header;
            if kind & FRAGMENT_TYPE_MASK == FRAGMENT_PADDING {
                if rest.iter().any(|byte| *byte != 0) {
                    return Err("unexpected non-zero byte in padded page".to_owned());
                }
                self.position = PAGE_BYTES;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            let Some(data) = data.get(..length) else {
                return Err(format!("invalid record size {length}"));
            };
            let (found, expected) = (crc32c::crc32c(data), u32::from_be_bytes(crc));
            if found != expected {
                return Err(format!(
                    "unexpected checksum {found:x}, expected {expected:x}"
                ));
            }
            let start = self.position + FRAGMENT_HEADER_BYTES;
            self.position = start + length;
            return Ok(Fragment::Data {
                kind: kind & FRAGMENT_TYPE_MASK,
                flags: kind & !FRAGMENT_TYPE_MASK,
                start,
                end: start + length,
            });
        }
    }

    /// Reads the next page, padding a short one with zeros; `false` at the end of the file.
    fn read_page(&mut self) -> Result<bool, String> {
        let mut filled = 0;
        while let Some(rest) = self.page.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(format!("read page: {err}")),
            }
        }
        if filled == 0 {
            return Ok(false);
        }
        if let Some(rest) = self.page.get_mut(filled..) {
            rest.fill(0);
        }
        self.page_offset = self.pages * PAGE_BYTES as u64;
        self.pages += 1;
        self.position = 0;
        Ok(true)
    }
}

/// The record that `raw` holds compressed as `flags` say; made in `plain` if need be.
fn decompress<'a>(flags: u8, raw: &'a [u8], plain: &'a mut Vec<u8>) -> Result<&'a [u8], String> {
    match flags {
        0 => Ok(raw),
        FLAG_SNAPPY => {
            let size = snap::raw::decompress_len(raw).map_err(|err| err.to_string())?;
            // Snappy cannot shrink more than 64 to 3 at best; a larger claim is damage.
            if size > RECORD_BYTES_MAX || size / 32 > raw.len() {
                return Err(format!("snappy block claims {size} bytes"));
            }
            plain.resize(size, 0);
            let size = snap::raw::Decoder::new()
                .decompress(raw, plain)
                .map_err(|err| err.to_string())?;
            plain.truncate(size);
            Ok(plain)
        }
        FLAG_ZSTD => {
            plain.clear();
            let decoder = zstd::stream::read::Decoder::with_buffer(raw)
                .map_err(|err| format!("zstd: {err}"))?;
            let limit = RECORD_BYTES_MAX as u64;
            let size = decoder
                .take(limit + 1)
                .read_to_end(plain)
                .map_err(|err| format!("zstd: {err}"))?;
            if size as u64 > limit {
                return Err("zstd frame is too large".to_owned());
            }
            Ok(plain)
        }
        _ => Err(format!("unknown compression flags {flags:#x}")),
    }
}

/// Where a record lies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: Arc<Path>,
    pub(crate) segment: u32,
    offset: u64,
}

impl Place {
    /// Segment, and offset in it.
    pub(crate) fn position(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.offset,
        }
    }

    /// Damage of the record there.
    pub(crate) fn corruption(&self, reason: String) -> Corruption {
        Corruption {
            path: self.path.to_path_buf(),
            segment: self.segment,
            offset: self.offset,
            reason,
        }
    }
}

/// A record as it is in the log, its checksum checked.
#[derive(Debug)]
pub(crate) struct RawRecord {
    pub(crate) place: Place,
    flags: u8,
    bytes: Vec<u8>,
}

impl RawRecord {
    /// Bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What it says, decompressed to `plain` if need be.
    pub(crate) fn plain<'a>(&'a self, plain: &'a mut Vec<u8>) -> Result<&'a [u8], String> {
        decompress(self.flags, &self.bytes, plain)
    }
}

/// Records of a whole log (or of a checkpoint), segment after segment.
#[derive(Debug)]
pub struct LogReader {
    segments: std::vec::IntoIter<(u32, PathBuf)>,
    current: Option<(u32, Arc<Path>, Records<File>)>,
}

impl LogReader {
    /// Opens the log in `dir` from segment `first` on.
    pub fn open(dir: &Path, first: u32) -> Result<Self, Error> {
        let mut segments = super::segments(dir)?;
        segments.retain(|(number, _)| *number >= first);
        Ok(Self {
            segments: segments.into_iter(),
            current: None,
        })
    }

    /// Opens the log in `dir` from `offset` in segment `first` on. `None` if the log does not reach
    /// there.
    pub(crate) fn open_at(dir: &Path, first: u32, offset: u64) -> Result<Option<Self>, Error> {
        let mut reader = Self::open(dir, first)?;
        if !reader.next_segment()? || reader.segment() != Some(first) {
            return Ok(None);
        }
        let reached = match &mut reader.current {
            Some((_, path, records)) => records
                .skip_to(offset)
                .map_err(|reason| Error::io("read", path, std::io::Error::other(reason)))?,
            None => false,
        };
        Ok(reached.then_some(reader))
    }

    /// Number of the segment being read.
    pub fn segment(&self) -> Option<u32> {
        self.current.as_ref().map(|(number, ..)| *number)
    }

    /// Where the last record lies that was read.
    fn place(&self) -> Option<Place> {
        let (segment, path, records) = self.current.as_ref()?;
        Some(Place {
            path: path.clone(),
            segment: *segment,
            offset: records.record_start(),
        })
    }

    /// Damage at the last record read, for reasons only its reader sees.
    pub fn corruption(&self, reason: String) -> Option<Corruption> {
        Some(self.place()?.corruption(reason))
    }

    /// The next record as it is in the log; `None` at the log's end.
    pub(crate) fn next_raw(&mut self) -> Result<Option<RawRecord>, Error> {
        loop {
            if let Some((_, _, records)) = &mut self.current {
                let read = records.next_raw();
                let bytes = std::mem::take(&mut records.raw);
                match (read, self.place()) {
                    (Ok(Some(flags)), Some(place)) => {
                        return Ok(Some(RawRecord {
                            place,
                            flags,
                            bytes,
                        }));
                    }
                    (Err(reason), Some(place)) => return Err(place.corruption(reason).into()),
                    _ => {}
                }
            }
            if !self.next_segment()? {
                return Ok(None);
            }
        }
    }

    /// Hands the records to `each` until it or the log ends. `each` gets the segment number and
    /// the record; its `Err` is a reason to call that record damaged.
    pub fn for_each(
        &mut self,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), String>,
    ) -> Result<(), Error> {
        while self.next_segment()? {
            while let Some((segment, _, records)) = &mut self.current {
                let reason = match records.next_record() {
                    Ok(None) => break,
                    Ok(Some(record)) => each(*segment, record).err(),
                    Err(reason) => Some(reason),
                };
                if let Some(corruption) = reason.and_then(|reason| self.corruption(reason)) {
                    return Err(corruption.into());
                }
            }
        }
        Ok(())
    }

    fn next_segment(&mut self) -> Result<bool, Error> {
        let Some((number, path)) = self.segments.next() else {
            return Ok(false);
        };
        let file = File::open(&path).map_err(|err| Error::io("open", &path, err))?;
        // Read ahead as far as the system likes: after a start nothing of it is in memory. Only advice.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        self.current = Some((number, path.into(), Records::new(file)));
        Ok(true)
    }
}
