//! Why a scrape or a pool failed; the texts of scrape errors are what `lastError` shows.

use model::labels::LABEL_BYTES_MAX;

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request failed.
    #[error("{0}")]
    Request(String),
    /// The answer has another status than 200.
    #[error("server returned HTTP status {0}")]
    Status(String),
    /// The body, uncompressed, reaches the limit.
    #[error("body size limit exceeded")]
    BodySizeLimit,
    /// The body cannot be uncompressed or did not come to its end.
    #[error("{0}")]
    Body(String),
    /// The body is in no known format.
    #[error("{0}")]
    ContentType(String),
    /// The body is not in the format it claims.
    #[error(transparent)]
    Parse(#[from] exposition::ParseError),
    /// A sample without a name.
    #[error("missing metric name (__name__ label)")]
    NoMetricName,
    /// A name is not legal.
    #[error("invalid metric name or label names: {0}")]
    InvalidNames(String),
    /// A sample with one label twice.
    #[error("label name {0} is not unique: invalid sample")]
    DuplicateLabel(String),
    /// The text of a series is longer than any labels can be.
    #[error("series of {0} bytes is too long, at most {LABEL_BYTES_MAX} are taken")]
    SeriesTooLong(usize),
    /// Labels are too many or too long.
    #[error("{0}")]
    LabelLimit(String),
    /// Samples are too many.
    #[error("sample limit exceeded")]
    SampleLimit,
    /// A native histogram has too many buckets and cannot have fewer.
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    /// The native histograms of a body take too much memory.
    #[error("native histograms take too much memory, set native_histogram_bucket_limit")]
    HistogramsTooLarge,
    /// Targets are too many.
    #[error("target_limit exceeded (number of targets: {count}, limit: {limit})")]
    TargetLimit {
        /// Targets there are.
        count: usize,
        /// Targets there may be.
        limit: usize,
    },
    /// The store refused.
    #[error("{0}")]
    Append(#[from] storage::AppendError),
    /// The job on the worker pool did not end well.
    #[error("{0}")]
    Worker(String),
    /// The log of failed scrapes cannot be opened.
    #[error("{0}")]
    FailureLog(String),
    /// A pool's client could not be set up.
    #[error("{0}")]
    Client(String),
}
