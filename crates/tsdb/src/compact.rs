//! Compaction: from sources of series in label order to one block.

pub mod source;
