//! What the records of the log say.
//!
//! Layout: `docs/internals/formats/wal.md`. Decoders keep what they understand of text that is not
//! UTF-8 (replacement characters); every other oddity is a [`RecordError`].

mod decode;
mod encode;

use std::sync::Arc;

use model::sample::Value;
use model::{Labels, Metadata, Timestamp};

pub(crate) use decode::{
    Cursor as SnapshotCursor, decode_exemplars, decode_metadata, decode_series, decode_series_body,
    labels as labels_of_pairs,
};
pub use decode::{Pair, decode, decode_samples};
pub use encode::{
    encode_exemplars, encode_histograms, encode_histograms_v2, encode_metadata,
    encode_mmap_markers, encode_samples, encode_samples_v2, encode_series, encode_tombstones,
};
pub(crate) use encode::{put_histogram_value, put_labels, put_uvarint};

/// Why a record could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record ends inside an entry.
    #[error("record ends inside an entry")]
    UnexpectedEnd,
    /// A variable-length integer has more than 64 bits.
    #[error("variable-length integer does not fit 64 bits")]
    VarintOverflow,
    /// A count is larger than the bytes that follow could hold.
    #[error("record announces {0} items, more than it can hold")]
    ImpossibleCount(u64),
    /// A number out of its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

/// One entry of a samples record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleEntry {
    /// Series reference.
    pub series_ref: u64,
    /// Time.
    pub timestamp: Timestamp,
    /// Start timestamp; 0 for none. Only records of the second version hold it.
    pub start: Timestamp,
    /// Value.
    pub value: f64,
}

/// One entry of a histogram record.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramEntry {
    /// Series reference.
    pub series_ref: u64,
    /// Time.
    pub timestamp: Timestamp,
    /// Start timestamp; 0 for none. Only records of the second version hold it.
    pub start: Timestamp,
    /// An integer or float histogram, never [`Value::Float`].
    pub value: Value,
}

/// One entry of an exemplars record.
#[derive(Debug, Clone, PartialEq)]
pub struct ExemplarEntry {
    /// Series reference.
    pub series_ref: u64,
    /// Time.
    pub timestamp: Timestamp,
    /// Observed value.
    pub value: f64,
    /// Its labels.
    pub labels: Labels,
}

/// One entry of a tombstones record: samples of a series with `mint <= t <= maxt` are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneEntry {
    /// Series reference.
    pub series_ref: u64,
    /// First deleted time.
    pub mint: Timestamp,
    /// Last deleted time.
    pub maxt: Timestamp,
}

/// A decoded record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// References and their label sets.
    Series(Vec<(u64, Labels)>),
    /// Float samples.
    Samples(Vec<SampleEntry>),
    /// Deletions.
    Tombstones(Vec<TombstoneEntry>),
    /// Exemplars.
    Exemplars(Vec<ExemplarEntry>),
    /// Series and head chunk references (out-of-order log only).
    MmapMarkers(Vec<(u64, u64)>),
    /// Metadata of series.
    Metadata(Vec<(u64, Arc<Metadata>)>),
    /// Native histogram samples of every kind.
    Histograms(Vec<HistogramEntry>),
    /// A type this version does not know; readers go on.
    Unknown(u8),
}

/// How an entry of the second version, but for the first one, says its start timestamp.
pub(crate) mod start_marker {
    /// It has none.
    pub(crate) const NONE: u8 = 0;
    /// That of the entry before.
    pub(crate) const SAME: u8 = 1;
    /// The difference to the first entry's follows.
    pub(crate) const GIVEN: u8 = 2;
}

/// Type bytes.
pub(crate) mod kind {
    pub(crate) const SERIES: u8 = 1;
    pub(crate) const SAMPLES: u8 = 2;
    pub(crate) const TOMBSTONES: u8 = 3;
    pub(crate) const EXEMPLARS: u8 = 4;
    pub(crate) const MMAP_MARKERS: u8 = 5;
    pub(crate) const METADATA: u8 = 6;
    pub(crate) const HISTOGRAMS: u8 = 7;
    pub(crate) const FLOAT_HISTOGRAMS: u8 = 8;
    pub(crate) const CUSTOM_HISTOGRAMS: u8 = 9;
    pub(crate) const CUSTOM_FLOAT_HISTOGRAMS: u8 = 10;
    pub(crate) const SAMPLES_V2: u8 = 11;
    pub(crate) const HISTOGRAMS_V2: u8 = 12;
    pub(crate) const FLOAT_HISTOGRAMS_V2: u8 = 13;
}

#[cfg(test)]
mod tests;
