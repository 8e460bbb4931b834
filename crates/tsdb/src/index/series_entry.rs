//! One series in the index: label symbols, then where its chunks are. Read in place.

use model::Timestamp;

use crate::cursor::{Cursor, Truncated};

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

/// The labels of an entry: symbols of name and value.
#[derive(Debug)]
pub(super) struct LabelSymbols<'a> {
    cursor: Cursor<'a>,
    left: u64,
}

impl<'a> LabelSymbols<'a> {
    /// Reads the body of an entry.
    pub(super) fn new(body: &'a [u8]) -> Result<Self, Truncated> {
        let mut cursor = Cursor::new(body);
        let left = cursor.uvarint()?;
        Ok(Self { cursor, left })
    }

    /// Name and value of the next label.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u64, u64)>, Truncated> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        Ok(Some((self.cursor.uvarint()?, self.cursor.uvarint()?)))
    }

    /// What follows the labels.
    pub(super) fn rest(mut self) -> Result<&'a [u8], Truncated> {
        self.cursor.skip_varints(self.left.saturating_mul(2))?;
        Ok(self.cursor.rest())
    }
}

/// The chunks of an entry, by time.
#[derive(Debug)]
pub struct ChunkMetas<'a> {
    cursor: Cursor<'a>,
    left: u64,
    previous: Option<ChunkMeta>,
}

impl<'a> ChunkMetas<'a> {
    /// Reads what follows the labels of an entry.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let mut cursor = Cursor::new(bytes);
        let left = cursor.uvarint()?;
        Ok(Self {
            cursor,
            left,
            previous: None,
        })
    }

    #[inline]
    fn read(&mut self) -> Result<ChunkMeta, Truncated> {
        let cursor = &mut self.cursor;
        let meta = match self.previous {
            None => {
                let mint = cursor.varint()?;
                ChunkMeta {
                    mint,
                    maxt: mint.wrapping_add(cursor.uvarint()? as i64),
                    chunk_ref: cursor.uvarint()?,
                }
            }
            Some(before) => {
                let mint = before.maxt.wrapping_add(cursor.uvarint()? as i64);
                ChunkMeta {
                    mint,
                    maxt: mint.wrapping_add(cursor.uvarint()? as i64),
                    chunk_ref: before.chunk_ref.wrapping_add_signed(cursor.varint()?),
                }
            }
        };
        self.previous = Some(meta);
        Ok(meta)
    }
}

impl Iterator for ChunkMetas<'_> {
    type Item = Result<ChunkMeta, Truncated>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = self.read();
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}
