//! What can go wrong with a database on disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::block::BlockError;
use crate::block::writer::BlockWriteError;
use crate::index::IndexWriteError;
use crate::wal::Corruption;

/// Why the database could not be opened, written or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process (of ours or of the reference) has the directory open.
    #[error("lock DB directory: resource temporarily unavailable")]
    Locked,
    /// The lock file could not be used at all.
    #[error("lock DB directory: {path}: {source}", path = path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file or directory could not be read or written.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb: `open`, `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Damage in a log.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// Damage in a checkpoint, which is never repaired: what it holds is nowhere else.
    #[error("read checkpoint {path}: {source}", path = path.display())]
    CorruptCheckpoint {
        /// Directory of the checkpoint.
        path: PathBuf,
        /// The damage.
        source: Corruption,
    },
    /// A snapshot of the head's memory cannot be used.
    #[error("chunk snapshot: {0}")]
    Snapshot(String),
    /// A block cannot be read.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Blocks cannot be read and no other has their samples, by name.
    #[error("{}", corrupted_blocks(.0))]
    CorruptedBlocks(BTreeMap<String, BlockError>),
    /// A block cannot be written.
    #[error(transparent)]
    BlockWrite(#[from] BlockWriteError),
    /// A chunk on its way into a block cannot be decoded.
    #[error("series {labels}: {source}")]
    SourceChunk {
        /// Labels of its series.
        labels: String,
        /// What is wrong with it.
        source: chunk::DecodeError,
    },
    /// The work was told to stop before its end.
    #[error("stopped before the end")]
    Stopped(stdx::cancel::Stop),
    /// A chunk of the head cannot be read from its file.
    #[error("head chunk: {0}")]
    HeadChunk(String),
    /// Series could not be selected.
    #[error("select series: {0}")]
    Select(String),
    /// Segment numbers have a gap.
    #[error("segments are not sequential in {path}: {before} is followed by {after}", path = path.display())]
    SegmentGap {
        /// Directory of the log.
        path: PathBuf,
        /// Segment before the gap.
        before: u32,
        /// Segment after it.
        after: u32,
    },
    /// Start timestamps are to be kept, in chunks that cannot hold any.
    #[error(
        "float chunk encoding \"xor\" is incompatible with start-timestamp storage; XOR chunks do not store start timestamps, use \"xor2\""
    )]
    StartTimestampsNeedXor2,
    /// An option that makes no sense.
    #[error("invalid option: {0}")]
    InvalidOption(String),
    /// The database was closed.
    #[error("database is closed")]
    Closed,
}

impl From<stdx::cancel::Stop> for Error {
    fn from(stop: stdx::cancel::Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl Error {
    /// The same error, met in the checkpoint at `path`: damage there cannot be repaired.
    pub(crate) fn in_checkpoint(self, path: PathBuf) -> Self {
        match self {
            Self::Corrupt(source) => Self::CorruptCheckpoint { path, source },
            other => other,
        }
    }

    /// Whether the disk was full: later the same may succeed.
    pub(crate) fn is_out_of_space(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } => source,
            Self::BlockWrite(BlockWriteError {
                what: IndexWriteError::Io(source),
                ..
            }) => source,
            _ => return false,
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    /// Wraps what the operating system said about `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn corrupted_blocks(blocks: &BTreeMap<String, BlockError>) -> String {
    let lines = blocks
        .iter()
        .map(|(ulid, err)| format!("corrupted block {ulid}: {}", err.what));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let failed = |kind: io::ErrorKind| Error::io("write", Path::new("x"), kind.into());
        assert!(failed(io::ErrorKind::StorageFull).is_out_of_space());
        assert!(failed(io::ErrorKind::QuotaExceeded).is_out_of_space());
        assert!(!failed(io::ErrorKind::PermissionDenied).is_out_of_space());
        let block = |what| {
            Error::from(BlockWriteError {
                path: PathBuf::new(),
                what,
            })
        };
        let full = IndexWriteError::Io(io::ErrorKind::StorageFull.into());
        assert!(block(full).is_out_of_space());
        assert!(!block(IndexWriteError::TooLarge).is_out_of_space());
    }
}
