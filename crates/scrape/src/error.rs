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
    /// The body is longer than memory allows where its job has no limit.
    #[error("body of more than {0} bytes takes too much memory (set body_size_limit to take it)")]
    BodyTooLong(u64),
    /// The bodies of all targets take too much memory.
    #[error(
        "no room for the body: bodies of targets hold {} of {} MiB (see body_size_limit and --memory.limit)",
        mebibytes(*.used_bytes), mebibytes(*.limit_bytes)
    )]
    NoRoomForBody {
        /// What they hold.
        used_bytes: u64,
        /// What they may hold.
        limit_bytes: u64,
    },
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
    /// The samples of a body take too much memory.
    #[error("more than {0} samples take too much memory (see sample_limit and --memory.limit)")]
    TooManySamples(usize),
    /// Memory is scarce, and this target has added more series than others.
    #[error(
        "no room for more series of this target: it has added {added} within two hours, and {} of {} MiB of memory are in use (see sample_limit and --memory.limit)",
        mebibytes(*.used_bytes), mebibytes(*.limit_bytes)
    )]
    TooManyNewSeries {
        /// Series that it has added.
        added: u64,
        /// Memory in use.
        used_bytes: u64,
        /// Memory that may be in use.
        limit_bytes: u64,
    },
    /// There is no memory for new series.
    #[error(
        "no room for new series: {} of {} MiB of memory are in use (see --memory.limit)",
        mebibytes(*.used_bytes), mebibytes(*.limit_bytes)
    )]
    NoRoomForSeries {
        /// Memory in use.
        used_bytes: u64,
        /// Memory that may be in use.
        limit_bytes: u64,
    },
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

impl Error {
    /// Whether the length of the body is to blame.
    pub(crate) fn is_body_too_long(&self) -> bool {
        matches!(self, Self::BodySizeLimit | Self::BodyTooLong(_))
    }

    /// Whether memory is to blame.
    pub(crate) fn is_for_memory(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLong(_)
                | Self::NoRoomForBody { .. }
                | Self::TooManySamples(_)
                | Self::TooManyNewSeries { .. }
                | Self::NoRoomForSeries { .. }
                | Self::HistogramsTooLarge
        )
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}
