//! The contracts between those who keep samples and those who use them.
//!
//! Write path: an [`Appender`] takes series (once) and [`Batch`]es of values for them; nothing is
//! visible before [`Appender::commit`], then all of it at once. Read path: a [`Querier`] over a
//! time range selects a [`SeriesSet`], an indexable list of series whose samples fill columns that
//! the caller owns. Implementations: the head, blocks, the in-memory store for tests, merges.

mod append;
mod error;
pub mod memory_store;
pub mod merge;
mod query;

pub use append::{Appendable, Appender, Batch, BatchTimes, SeriesRef};
pub use error::{AppendError, StorageError};
pub use query::{LabelHints, MatcherSet, Querier, Queryable, SelectHints, SeriesSet, Warnings};
