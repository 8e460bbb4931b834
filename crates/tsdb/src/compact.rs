//! Compaction: from sources of series in label order to one block.
//!
//! [`source`] is the seam to whatever has series; [`write`] takes a source and publishes a block,
//! leaving out what is not wanted ([`trim`]) and merging chunks that share times ([`overlap`]).

#![allow(
    dead_code,
    unused_imports,
    reason = "the head's block cut and compaction of blocks are about to use it"
)]

pub mod source;

mod encode;
mod metrics;
mod overlap;
mod trim;
mod write;

pub(crate) use metrics::ChunkMetrics;
pub(crate) use write::{WriteOptions, write_block};
