//! The write-ahead log: a row of segment files of pages of record fragments.
//!
//! Layout: `docs/internals/formats/wal.md`; files are exchangeable with the reference. [`Writer`]
//! appends, [`CheckpointWriter`] makes its beginning short, [`Records`] and [`LogReader`] read,
//! [`repair()`] cuts a damaged tail, [`record`] knows what the records say. The reader and the record decoders serve tools too.

pub mod record;

mod batch;
mod checkpoint;
mod reader;
mod repair;
mod segment;
mod writer;

pub use batch::Batch;
pub use checkpoint::CheckpointWriter;
pub(crate) use checkpoint::{remove_checkpoints, remove_segments};
pub use reader::{Corruption, LogReader, Records};
pub(crate) use reader::{Place, RawRecord};
pub use repair::repair;
pub(crate) use segment::remove_temporary;
pub(crate) use segment::segment_path;
pub use segment::{Checkpoint, last_checkpoint, segments};
pub use writer::{Writer, WriterMetrics};
pub(crate) use writer::{create_dir as create_log_dir, sync_dir};

/// Bytes of a page; fragments never cross its border.
pub const PAGE_BYTES: usize = 32 * 1024;
/// Bytes before the data of a fragment: type, length, checksum.
pub const FRAGMENT_HEADER_BYTES: usize = 7;
/// Default bytes of a segment.
pub const SEGMENT_BYTES: u64 = 128 * 1024 * 1024;

/// Low bits of a fragment's first byte.
const FRAGMENT_TYPE_MASK: u8 = 0b0111;
/// The record is a snappy block.
const FLAG_SNAPPY: u8 = 0b0_1000;
/// The record is a zstd frame.
const FLAG_ZSTD: u8 = 0b1_0000;

/// What follows is padding up to the page's end.
const FRAGMENT_PADDING: u8 = 0;
/// A whole record.
const FRAGMENT_FULL: u8 = 1;
/// A record's beginning.
const FRAGMENT_FIRST: u8 = 2;
/// Something between.
const FRAGMENT_MIDDLE: u8 = 3;
/// A record's end.
const FRAGMENT_LAST: u8 = 4;

/// How records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy block format.
    #[default]
    Snappy,
    /// Zstandard frames.
    Zstd,
}

impl Compression {
    /// The name as flags and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
        }
    }
}

#[cfg(test)]
mod tests;
