//! The time series database: a write-ahead log and the head, an in-memory store of all series.
//!
//! Write path: [`Db`] gives out appenders (`storage::Appendable`); a commit goes to the log with
//! one write and then becomes visible as a whole. Read path: a querier (`storage::Queryable`) takes
//! a snapshot of what is visible; label matchers select slots through run-encoded postings, samples
//! are decoded into the caller's columns; the head's answer is merged with those of the blocks.
//! Closed chunks go to head chunk files; every two hours the oldest part of the head becomes a
//! block, and the log is cut short. A start reads the log on all processors, or a snapshot of the
//! head's memory and what the log has behind it. Files are exchangeable with the reference's
//! (`docs/internals/formats/`).
//!
//! [`agent`] is the storage of an agent: the log alone.
//!
//! Synchronous: use it on pool threads.

pub mod agent;
pub mod block;
pub mod chunk_segment;
pub mod compact;
pub mod cursor;
pub mod head_chunks;
pub mod index;
pub mod memory_snapshot;
pub mod wal;

mod blocks;
mod checked_once;
mod db;
mod error;
mod exemplars;
mod head;
mod lock_file;
mod metrics;
mod options;
mod replay_status;
mod sync;

#[cfg(test)]
#[cfg(feature = "model-check")]
mod model_check;

pub use blocks::Retention;
pub use db::{Db, ExemplarSeries};
pub use error::Error;
pub use head::stats::{CardinalityStats, HeadStats, MemoryStats, NamedCount};
pub use options::{FloatEncoding, Options};
pub use replay_status::ReplayStatus;
