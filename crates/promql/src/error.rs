//! Why a query failed; texts are those clients of the reference see.

use std::fmt;

use storage::StorageError;

/// What the engine was busy with when a query was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for its turn.
    Queue,
    /// Being prepared.
    Preparation,
    /// Being carried out.
    Execution,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "query queue",
            Self::Preparation => "query preparation",
            Self::Execution => "expression evaluation",
        })
    }
}

/// Why a query gave no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// It ran out of time.
    #[error("query timed out in {0}")]
    Timeout(Phase),
    /// Somebody cancelled it.
    #[error("query was canceled in {0}")]
    Canceled(Phase),
    /// It would hold more samples than allowed.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// It would hold more memory than allowed.
    #[error(
        "{what} exceeded: used {used_bytes} of {limit_bytes} bytes, {wanted_bytes} more wanted{place}"
    )]
    TooMuchMemory {
        /// Which limit.
        what: &'static str,
        /// What is held.
        used_bytes: u64,
        /// What may be held.
        limit_bytes: u64,
        /// What was asked for.
        wanted_bytes: u64,
        /// ` at line:column` of the expression that asked.
        place: String,
    },
    /// It had to wait and is expected to need far more memory than allowed.
    #[error(
        "query refused before it ran: it is expected to need about {expected_bytes} bytes for \
         {series} series and {samples} samples read, and may use {limit_bytes}"
    )]
    Hopeless {
        /// Bytes it is expected to hold.
        expected_bytes: u64,
        /// Bytes it may hold.
        limit_bytes: u64,
        /// Series of its result.
        series: u64,
        /// Samples it would read.
        samples: u64,
    },
    /// The store failed.
    #[error("expanding series: {0}")]
    Storage(StorageError),
    /// The expression has no value for this data.
    #[error("{0}")]
    Execution(String),
}

/// Why a query could not be prepared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PrepareError {
    /// The text is not an expression.
    #[error("{0}")]
    Parse(promql_parser::ParseErrors),
    /// The expression cannot be asked in this way.
    #[error("{0}")]
    Invalid(String),
}
