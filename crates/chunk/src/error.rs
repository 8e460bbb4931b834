//! What can be wrong with chunk bytes.

/// Why chunk bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the announced samples do.
    #[error("chunk ends before its last sample")]
    UnexpectedEnd,
    /// A variable-length integer is longer than 64 bits.
    #[error("variable-length integer in chunk does not fit 64 bits")]
    VarintOverflow,
    /// A value's window of significant bits is impossible.
    #[error("chunk announces {significant} significant bits after {leading} leading zeros")]
    InvalidWindow {
        /// Leading zero bits.
        leading: u8,
        /// Significant bits.
        significant: u8,
    },
    /// A histogram chunk's schema, spans or number of buckets are impossible.
    #[error("invalid layout of histogram chunk")]
    InvalidLayout,
    /// An encoding byte nobody knows, or one that cannot be decoded yet.
    #[error("unsupported chunk encoding {0}")]
    UnsupportedEncoding(u8),
}

/// Why a sample cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A histogram's spans lay out more or fewer buckets than it has.
    #[error("histogram spans do not fit its buckets")]
    SpansMismatch,
}
