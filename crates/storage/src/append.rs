//! The write side.

use model::sample::Value;
use model::{Exemplar, Labels, Metadata, Timestamp};

use crate::AppendError;

/// Identifies a series within one store while the series lives. Never reused. 0 is "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SeriesRef(pub u64);

/// Times of a batch.
#[derive(Debug, Clone, Copy)]
pub enum BatchTimes<'a> {
    /// All values have this time: a scrape, a rule evaluation.
    Same(Timestamp),
    /// One time a value.
    Each(&'a [Timestamp]),
}

/// Values for many series, in columns. All slices are owned by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Series, from [`Appender::series`]. A series may occur more than once.
    pub series: &'a [SeriesRef],
    /// Their times.
    pub times: BatchTimes<'a>,
    /// Their values, as long as `series`; where `histograms` names a position the number is ignored.
    pub values: &'a [f64],
    /// Histograms by position, sorted by position; never [`Value::Float`].
    pub histograms: &'a [(u32, Value)],
    /// Start timestamps (0: none), as long as `series`, or empty.
    pub start_timestamps: &'a [Timestamp],
    /// Exemplars by position, sorted by position.
    pub exemplars: &'a [(u32, Exemplar)],
    /// Whether a sample not newer than its series' newest is refused even where an out-of-order
    /// window would take it (staleness markers of a vanished target, rule results).
    pub reject_out_of_order: bool,
}

/// Opens transactions.
pub trait Appendable: Send + Sync {
    /// Starts a transaction; transactions of several threads run side by side.
    fn appender(&self) -> Box<dyn Appender>;
}

/// One transaction: a scrape, a rule evaluation, a remote-write request. Dropping it rolls back.
///
/// Blocking: call it on a pool thread, never on an async one.
pub trait Appender: Send {
    /// The reference of the series with these labels; creates the series if need be (an empty
    /// label set is [`AppendError::InvalidSeries`]). Callers keep the reference and skip this call
    /// while [`append`](Self::append) does not say [`AppendError::UnknownSeries`].
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError>;

    /// Adds a batch. `results` is cleared and then filled with the entries that were not taken:
    /// (position, reason), ascending; exemplar failures are reported in `exemplar_results` by
    /// position in `batch.exemplars`. Several batches may follow each other in one transaction.
    ///
    /// `Err` means that the transaction as a whole is lost.
    fn append(
        &mut self,
        batch: &Batch<'_>,
        results: &mut Vec<(u32, AppendError)>,
        exemplar_results: &mut Vec<(u32, AppendError)>,
    ) -> Result<(), AppendError>;

    /// The series with these labels if there is one; creates none. A store that cannot tell without
    /// creating says `None`.
    fn known_series(&mut self, _labels: &Labels) -> Option<SeriesRef> {
        None
    }

    /// Samples of any series before this time are refused as [`AppendError::OutOfBounds`]: who asks
    /// first creates no series for them. `None` if no such time is known.
    fn oldest_taken(&self) -> Option<Timestamp> {
        None
    }

    /// Adds an exemplar to a series, which may be without a sample in this transaction. Stores
    /// without exemplars take and forget it.
    fn append_exemplar(
        &mut self,
        _series: SeriesRef,
        _exemplar: &Exemplar,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    /// Remembers metadata of a series (its metric family).
    fn update_metadata(
        &mut self,
        series: SeriesRef,
        metadata: &Metadata,
    ) -> Result<(), AppendError>;

    /// Logs, then publishes: when it returns `Ok`, a crash of the process loses nothing of it and
    /// every query that starts from now on sees all of it.
    fn commit(self: Box<Self>) -> Result<(), AppendError>;

    /// Forgets everything but series creation.
    fn rollback(self: Box<Self>);
}
