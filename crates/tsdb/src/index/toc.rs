//! The table of contents at the end of an index.

use crate::cursor::Cursor;
use crate::index::IndexError;

/// Length of the table with its CRC.
const TOC_LEN: usize = 6 * 8 + 4;

/// Where the sections are; label indices are no longer read by anybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Toc {
    pub(super) symbols: usize,
    pub(super) series: usize,
    pub(super) postings: usize,
    pub(super) postings_table: usize,
}

impl Toc {
    pub(super) fn parse(file: &[u8]) -> Result<Self, IndexError> {
        let start = file
            .len()
            .checked_sub(TOC_LEN)
            .ok_or(IndexError::new("file too short", 0))?;
        let error = |what| IndexError::new(what, start);
        let (body, crc) = file[start..].split_at(TOC_LEN - 4);
        if crc32c::crc32c(body).to_be_bytes() != crc {
            return Err(error("wrong checksum of the table of contents"));
        }
        let mut cursor = Cursor::new(body);
        let mut positions = [0_usize; 6];
        for position in &mut positions {
            let offset = cursor
                .u64()
                .map_err(|_| error("table of contents cut short"))?;
            *position = usize::try_from(offset)
                .ok()
                .filter(|offset| *offset <= start)
                .ok_or(error("section outside the file"))?;
        }
        let [symbols, series, _, _, postings, postings_table] = positions;
        Ok(Self {
            symbols,
            series,
            postings,
            postings_table,
        })
    }
}
