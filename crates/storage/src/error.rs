//! Errors of the storage contracts; texts are those clients of the reference see.

use model::Timestamp;

/// Why one sample, exemplar or series was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Older than the newest sample of its series, and no out-of-order window covers it.
    #[error("out of order sample")]
    OutOfOrder,
    /// Older than the out-of-order window.
    #[error("too old sample")]
    TooOld,
    /// Another value for a time that has one.
    #[error("duplicate sample for timestamp")]
    DuplicateTimestamp,
    /// Another float for a time that has a value.
    #[error("{}", duplicate_text(*timestamp, *existing_bits, *new_bits))]
    DuplicateFloat {
        /// The time.
        timestamp: Timestamp,
        /// Bits of the number kept; `None` if a histogram is.
        existing_bits: Option<u64>,
        /// Bits of the number refused.
        new_bits: u64,
    },
    /// Before what the head takes, or too far in the future.
    #[error("out of bounds")]
    OutOfBounds,
    /// The series reference is unknown (never given out, or its series was dropped since):
    /// resolve the labels again.
    #[error("unknown series reference")]
    UnknownSeries,
    /// A series without labels, or otherwise unacceptable.
    #[error("invalid sample: {0}")]
    InvalidSeries(String),
    /// An exemplar older than its series' newest.
    #[error("out of order exemplar")]
    OutOfOrderExemplar,
    /// The same exemplar again.
    #[error("duplicate exemplar")]
    DuplicateExemplar,
    /// More label text than an exemplar may have.
    #[error(
        "label length for exemplar exceeds maximum of {} UTF-8 characters",
        model::exemplar::EXEMPLAR_LABELS_CHARS_MAX
    )]
    ExemplarLabelsTooLong,
    /// Native histograms cannot be stored.
    #[error("native histograms are disabled")]
    HistogramsDisabled,
    /// A native histogram that contradicts itself.
    #[error("{0}")]
    InvalidHistogram(String),
    /// The log could not be written; nothing of the transaction was taken.
    #[error("{0}")]
    Io(String),
}

impl AppendError {
    /// A float refused for a time that has `existing`, or a histogram if that is `None`.
    pub fn duplicate_float(timestamp: Timestamp, existing: Option<f64>, new: f64) -> Self {
        Self::DuplicateFloat {
            timestamp,
            existing_bits: existing.map(f64::to_bits),
            new_bits: new.to_bits(),
        }
    }
}

fn duplicate_text(timestamp: Timestamp, existing: Option<u64>, new: u64) -> String {
    let number = |bits| gocompat::float::format_g(f64::from_bits(bits));
    let existing = existing.map_or_else(|| "is a histogram".to_owned(), number);
    let new = number(new);
    format!(
        "duplicate sample for timestamp {timestamp}; overrides not allowed: existing {existing}, new value {new}"
    )
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The store is not (yet, or any more) answering.
    #[error("TSDB not ready")]
    NotReady,
    /// Damaged data was met.
    #[error("{0}")]
    Corrupt(String),
    /// The operating system failed us.
    #[error("{0}")]
    Io(String),
    /// The query was cancelled or ran out of time.
    #[error("{}", match .0 { stdx::cancel::Stop::Cancelled => "query was canceled", stdx::cancel::Stop::DeadlineExceeded => "query timed out" })]
    Stopped(stdx::cancel::Stop),
}

impl From<stdx::cancel::Stop> for StorageError {
    fn from(stop: stdx::cancel::Stop) -> Self {
        Self::Stopped(stop)
    }
}
