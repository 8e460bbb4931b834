//! The index of a block: symbols, series, postings (`docs/internals/formats/block_index.md`).
//!
//! [`Reader`] maps the file and finds everything by position; beside the map it keeps four bytes a
//! symbol and four a label value. Sections are checked against their CRC when they are first read:
//! the tables at opening, lists and series at their first use. Selecting ([`select`]) reads lists and
//! entries where they lie.

mod match_cache;
mod postings;
mod reader;
mod select;
mod series_entry;
mod toc;
mod writer;

use crate::cursor::Truncated;

pub use reader::{Reader, SeriesEntry};
pub use series_entry::{ChunkMeta, ChunkMetas};
pub use writer::{IndexWriteError, Writer};
pub(crate) use writer::{put_uvarint, put_varint};

/// First bytes of an index file.
const MAGIC: u32 = 0xBAAA_D700;

/// Damage in an index, with the place where it was met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid block index: {what} at byte {offset}")]
pub struct IndexError {
    /// What is wrong.
    pub what: &'static str,
    /// Where in the file.
    pub offset: u64,
}

impl IndexError {
    fn new(what: &'static str, offset: usize) -> Self {
        Self {
            what,
            offset: offset as u64,
        }
    }
}

/// Says where the bytes ended.
fn cut(what: &'static str, offset: usize) -> impl FnOnce(Truncated) -> IndexError {
    move |Truncated| IndexError::new(what, offset)
}
