//! Reading the entries of a file.

use chunk::Encoding;
use model::Timestamp;

use super::file::DataRange;
use super::{ChunkRef, HEADER_BYTES, MAGIC, OUT_OF_ORDER_BIT};
use crate::cursor::Cursor;

/// Damage in a head chunk file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corruption in head chunk file {file:06} at {offset}: {reason}")]
pub struct Corruption {
    /// Number of the file.
    pub file: u32,
    /// Where the first bad entry begins.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// A chunk found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundChunk {
    /// Reference of its series.
    pub series_ref: u64,
    /// Where it lies.
    pub chunk_ref: ChunkRef,
    /// First time.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Whether the samples came out of order.
    pub is_out_of_order: bool,
    /// Samples it announces.
    pub sample_count: u16,
}

/// An entry, with its data by range.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    series_ref: u64,
    mint: Timestamp,
    maxt: Timestamp,
    pub(super) encoding: Encoding,
    is_out_of_order: bool,
    pub(super) data: DataRange,
    end: usize,
}

/// Reads the entry at `offset`; `None` where the file ends or only preallocated zeros follow.
pub(super) fn parse_entry(file: &[u8], offset: usize) -> Result<Option<Entry>, String> {
    let Some(rest) = file.get(offset..).filter(|rest| !rest.is_empty()) else {
        return Ok(None);
    };
    let short = |_| "head chunk entry is cut short".to_owned();
    let mut cursor = Cursor::new(rest);
    let (Ok(series_ref), Ok(mint), Ok(maxt)) = (cursor.u64(), cursor.u64(), cursor.u64()) else {
        return if rest.iter().all(|byte| *byte == 0) {
            Ok(None)
        } else {
            Err("head chunk entry is cut short".to_owned())
        };
    };
    if series_ref == 0 && mint == 0 && maxt == 0 {
        return Ok(None);
    }
    let byte = cursor.u8().map_err(short)?;
    let encoding = Encoding::try_from(byte & !OUT_OF_ORDER_BIT).map_err(|err| err.to_string())?;
    let length = cursor.uvarint().map_err(short)?;
    let length = usize::try_from(length).map_err(|err| err.to_string())?;
    let data_start = rest.len() - cursor.rest().len();
    let data_end = data_start
        .checked_add(length)
        .filter(|end| *end <= rest.len())
        .ok_or_else(|| "head chunk entry is cut short".to_owned())?;
    let found = crc32c::crc32c(rest.get(..data_end).unwrap_or_default());
    let crc = rest
        .get(data_end..)
        .and_then(<[u8]>::first_chunk::<4>)
        .ok_or_else(|| "head chunk entry is cut short".to_owned())?;
    let expected = u32::from_be_bytes(*crc);
    if found != expected {
        return Err(format!(
            "checksum mismatch expected:{expected:x}, actual:{found:x}"
        ));
    }
    Ok(Some(Entry {
        series_ref,
        mint: mint as i64,
        maxt: maxt as i64,
        encoding,
        is_out_of_order: byte & OUT_OF_ORDER_BIT != 0,
        data: offset + data_start..offset + data_end,
        end: offset + data_end + 4,
    }))
}

/// Hands the chunks of the file with these bytes to `each`, whose `Err` is a reason to call the
/// chunk damaged.
pub fn scan_file(
    number: u32,
    file: &[u8],
    mut each: impl FnMut(&FoundChunk) -> Result<(), String>,
) -> Result<(), Corruption> {
    let damage = |offset: usize, reason: String| Corruption {
        file: number,
        offset: offset as u64,
        reason,
    };
    let mut header = Cursor::new(file);
    if header.u32() != Ok(MAGIC) {
        return Err(damage(0, "invalid magic number".to_owned()));
    }
    match header.u8() {
        Ok(1) => {}
        version => {
            return Err(damage(
                4,
                format!("invalid chunk format version {version:?}"),
            ));
        }
    }
    if file.len() < HEADER_BYTES {
        return Err(damage(5, "header is cut short".to_owned()));
    }
    let mut offset = HEADER_BYTES;
    loop {
        let entry = match parse_entry(file, offset) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(()),
            Err(reason) => return Err(damage(offset, reason)),
        };
        let data = file.get(entry.data.clone()).unwrap_or_default();
        let sample_count = chunk::sample_count(entry.encoding, data)
            .map_err(|err| damage(offset, err.to_string()))?;
        let at = u32::try_from(offset).map_err(|err| damage(offset, err.to_string()))?;
        let found = FoundChunk {
            series_ref: entry.series_ref,
            chunk_ref: ChunkRef {
                file: number,
                offset: at,
            },
            mint: entry.mint,
            maxt: entry.maxt,
            encoding: entry.encoding,
            is_out_of_order: entry.is_out_of_order,
            sample_count,
        };
        each(&found).map_err(|reason| damage(offset, reason))?;
        offset = entry.end;
    }
}
