//! The read side.

use std::cmp::Ordering;

use stdx::cancel::CancelToken;

use model::sample::SampleColumns;
use model::{Labels, Matcher, Timestamp};

use crate::StorageError;
use crate::merge::merge_samples;

/// Remarks that come with an answer and do not spoil it, in order, without repeats.
pub type Warnings = Vec<String>;

/// Matchers that must all hold.
pub type MatcherSet = [Matcher];

/// What the engine knows about the use of a selection; stores may profit, none has to.
#[derive(Debug, Clone, Default)]
pub struct SelectHints {
    /// First and last time of interest; narrower than the querier's range at times.
    pub start: Timestamp,
    /// Last time of interest.
    pub end: Timestamp,
    /// Evaluation step, milliseconds; 0 for an instant query.
    pub step_ms: i64,
    /// Window of a range selector, milliseconds; 0 for an instant selector.
    pub range_ms: i64,
    /// Enclosing function or aggregation, as written in PromQL; empty if none.
    pub function: String,
    /// Labels of the enclosing aggregation.
    pub grouping: Vec<String>,
    /// `grouping` is `by` (true) or `without`.
    pub by: bool,
    /// Most series wanted; 0 for all.
    pub limit: usize,
}

/// What is known about the use of label names and values.
#[derive(Debug, Clone, Default)]
pub struct LabelHints {
    /// Most results wanted; 0 for all.
    pub limit: usize,
}

/// Opens views on a time range.
pub trait Queryable: Send + Sync {
    /// A view of the samples with `mint <= t <= maxt`, as of this moment: what is committed later
    /// is not seen through it.
    fn querier(&self, mint: Timestamp, maxt: Timestamp) -> Result<Box<dyn Querier>, StorageError>;
}

/// A view on a time range. Blocking: use it on a pool thread.
pub trait Querier: Send + Sync {
    /// The series that satisfy all `matchers` and may have samples in the range. With `sort` they
    /// come in label order; without, in an order of the store's choice that is the same each time.
    fn select(
        &self,
        sort: bool,
        hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError>;

    /// Values of label `name` among series satisfying `matchers`, sorted, unique.
    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError>;

    /// Label names among series satisfying `matchers`, sorted, unique.
    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError>;
}

/// An indexable list of series: splitting a selection among threads is splitting a range of
/// indexes. It holds handles, not samples.
pub trait SeriesSet: Send + Sync {
    /// Number of series.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels of series `index` (less than [`len`](Self::len)); made at the call, so ask once.
    fn labels(&self, index: usize) -> Labels;

    /// Those labels of series `index` whose names are among `names`, which are sorted and the same
    /// at each call. Stores that need not make the others override it.
    fn labels_of(&self, index: usize, names: &[&str]) -> Labels {
        self.labels(index).only(names)
    }

    /// How the labels of series `index` compare with `other`.
    fn cmp_labels(&self, index: usize, other: &Labels) -> Ordering {
        self.labels(index).cmp(other)
    }

    /// Replaces the contents of `columns` by the samples of series `index` with
    /// `mint <= t <= maxt`, oldest first, staleness markers included. A range outside the
    /// querier's is cut to it.
    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError>;

    /// Merges the samples of series `index` with `mint <= t <= maxt` into `columns`; of two samples
    /// with the same time the one in `columns` stays. Stores that can append override it.
    fn read_more(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        let mut more = SampleColumns::default();
        self.read(index, mint, maxt, &mut more)?;
        merge_samples(columns, &more);
        Ok(())
    }

    /// The newest sample of series `index` in `mint <= t <= maxt`, staleness markers included:
    /// what an instant selector wants. Stores that can answer without decoding override it.
    fn read_last(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        self.read(index, mint, maxt, columns)?;
        columns.keep_last();
        Ok(())
    }

    /// Remarks about the selection.
    fn warnings(&self) -> Warnings {
        Warnings::new()
    }
}
