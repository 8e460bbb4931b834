//! Compaction: from sources of series in label order to one block.
//!
//! [`source`] is the seam to whatever has series; [`mod@write`] takes a source and publishes a block,
//! leaving out what is not wanted ([`trim`]) and merging chunks that share times ([`overlap`]);
//! [`merge`] makes one source of several blocks, which [`mod@plan`] chooses.

pub mod source;

mod encode;
mod merge;
mod metrics;
mod overlap;
mod pace;
mod plan;
#[cfg(test)]
mod reference_merge_tests;
#[cfg(test)]
pub(crate) mod test_blocks;
mod tie_heap;
mod trim;
mod write;

pub(crate) use encode::{Choice, Encoder};
pub(crate) use merge::{BlocksSource, lineage, rewritten};
pub(crate) use metrics::CompactionMetrics;
pub(crate) use pace::Pace;
pub(crate) use plan::{block_ranges, plan};
pub(crate) use write::{WriteOptions, write_block};
