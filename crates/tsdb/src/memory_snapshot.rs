//! Records of a snapshot of the head's memory (`docs/internals/formats/memory_snapshot.md`): one a
//! series with its open chunk, then deletions, then exemplars. The files around them are those of a
//! log.

pub(crate) mod folder;

use std::sync::Arc;

use chunk::Encoding;
use model::sample::Value;
use model::{Labels, Metadata, Timestamp};

use crate::block::tombstones::{TombstoneError, Tombstones};
use crate::wal::record::{
    ExemplarEntry, Pair, RecordError, SnapshotCursor, decode_exemplars, decode_metadata,
    decode_series_body, encode_exemplars, encode_metadata, put_histogram_value, put_uvarint,
};

/// Type bytes.
const SERIES: u8 = 1;
const TOMBSTONES: u8 = 2;
const EXEMPLARS: u8 = 3;
/// Only in snapshots that are for us alone.
const METADATA: u8 = 4;
/// Only in snapshots that are for us alone.
const OTHER_REFERENCES: u8 = 5;

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A type of record that is not known.
    #[error("unsupported snapshot record type {0}")]
    Type(u8),
    /// A record is not laid out as it should be.
    #[error("decode snapshot record: {0}")]
    Record(#[from] RecordError),
    /// Bytes are left where a record should end.
    #[error("unexpected {0} bytes left in entry")]
    Left(usize),
    /// A chunk has an encoding that a head does not have.
    #[error("unsupported encoding {0} of a chunk in a snapshot")]
    Encoding(u8),
    /// The deletions cannot be read.
    #[error("decode tombstones: {0}")]
    Tombstones(#[from] TombstoneError),
}

/// The open chunk of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChunk<'a> {
    /// First time, milliseconds.
    pub mint: Timestamp,
    /// Last time, included.
    pub maxt: Timestamp,
    /// How the data is encoded: floats, or histograms of either kind.
    pub encoding: Encoding,
    /// Encoded samples.
    pub data: &'a [u8],
}

/// A series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSeries<'a> {
    /// What the log calls it.
    pub series_ref: u64,
    /// Names and values of its labels as they stand there.
    pub pairs: Vec<Pair<'a>>,
    /// There is none after a restart, and where the newest sample is in a file.
    pub open: Option<OpenChunk<'a>>,
}

/// What a record says.
#[derive(Debug)]
#[non_exhaustive]
pub enum SnapshotRecord<'a> {
    /// One series.
    Series(SnapshotSeries<'a>),
    /// Everything that is deleted.
    Tombstones(Tombstones),
    /// Some exemplars, in order of arrival.
    Exemplars(Vec<ExemplarEntry>),
    /// Metadata of series.
    Metadata(Vec<(u64, Arc<Metadata>)>),
    /// References that the log may use though no series has them, and labels.
    OtherReferences(Vec<(u64, Vec<Pair<'a>>)>),
}

/// Decodes one record.
pub fn decode(record: &[u8]) -> Result<SnapshotRecord<'_>, SnapshotError> {
    let Some((kind, body)) = record.split_first() else {
        return Err(SnapshotError::Type(0));
    };
    match *kind {
        SERIES => series(body).map(SnapshotRecord::Series),
        TOMBSTONES => {
            let mut cursor = SnapshotCursor::new(body);
            let entries = cursor.bytes()?;
            end(&cursor)?;
            Ok(SnapshotRecord::Tombstones(Tombstones::parse_bare(entries)?))
        }
        EXEMPLARS => Ok(SnapshotRecord::Exemplars(decode_exemplars(body)?)),
        METADATA => Ok(SnapshotRecord::Metadata(decode_metadata(body)?)),
        OTHER_REFERENCES => {
            let mut series = Vec::new();
            decode_series_body(body, |series_ref, pairs| {
                series.push((series_ref, pairs.to_vec()));
            })?;
            Ok(SnapshotRecord::OtherReferences(series))
        }
        unknown => Err(SnapshotError::Type(unknown)),
    }
}

fn series(body: &[u8]) -> Result<SnapshotSeries<'_>, SnapshotError> {
    let mut cursor = SnapshotCursor::new(body);
    let series_ref = cursor.be64()?;
    let mut pairs = Vec::new();
    cursor.pairs(&mut pairs)?;
    // Was a chunk's range once.
    cursor.be64()?;
    let open = match cursor.uvarint()? {
        0 => None,
        _ => {
            let (mint, maxt) = (cursor.be64()? as i64, cursor.be64()? as i64);
            let encoding = cursor.byte()?;
            let data = cursor.bytes()?;
            let encoding = match Encoding::try_from(encoding) {
                Ok(floats @ (Encoding::Xor | Encoding::Xor2)) => {
                    // Times and values of the last samples once; now the chunk tells.
                    for _ in 0..8 {
                        cursor.be64()?;
                    }
                    floats
                }
                Ok(integers @ (Encoding::Histogram | Encoding::HistogramSt)) => {
                    cursor.integer_histogram()?;
                    integers
                }
                Ok(floats @ (Encoding::FloatHistogram | Encoding::FloatHistogramSt)) => {
                    cursor.float_histogram()?;
                    floats
                }
                Err(_) => return Err(SnapshotError::Encoding(encoding)),
            };
            Some(OpenChunk {
                mint,
                maxt,
                encoding,
                data,
            })
        }
    };
    end(&cursor)?;
    Ok(SnapshotSeries {
        series_ref,
        pairs,
        open,
    })
}

fn end(cursor: &SnapshotCursor<'_>) -> Result<(), SnapshotError> {
    match cursor.left() {
        0 => Ok(()),
        left => Err(SnapshotError::Left(left)),
    }
}

/// The record of a series; `last` is the newest value of its open chunk.
pub fn encode_series(
    series_ref: u64,
    labels: &Labels,
    open: Option<(&OpenChunk<'_>, &Value)>,
) -> Vec<u8> {
    let mut out = vec![SERIES];
    out.extend_from_slice(&series_ref.to_be_bytes());
    crate::wal::record::put_labels(&mut out, labels);
    out.extend_from_slice(&[0; 8]);
    let Some((chunk, last)) = open else {
        out.push(0);
        return out;
    };
    out.push(1);
    out.extend_from_slice(&chunk.mint.to_be_bytes());
    out.extend_from_slice(&chunk.maxt.to_be_bytes());
    out.push(chunk.encoding as u8);
    put_uvarint(&mut out, chunk.data.len() as u64);
    out.extend_from_slice(chunk.data);
    match last {
        Value::Float(value) => {
            out.extend_from_slice(&[0; 56]);
            out.extend_from_slice(&value.to_bits().to_be_bytes());
        }
        histogram => put_histogram_value(&mut out, histogram),
    }
    out
}

/// The record of everything that is deleted.
pub fn encode_tombstones(tombstones: &Tombstones) -> Vec<u8> {
    let bare = tombstones.to_bare_bytes();
    let mut out = vec![TOMBSTONES];
    put_uvarint(&mut out, bare.len() as u64);
    out.extend_from_slice(&bare);
    out
}

/// A record of exemplars.
pub fn encode_snapshot_exemplars(exemplars: &[ExemplarEntry]) -> Vec<u8> {
    of_kind(EXEMPLARS, encode_exemplars(exemplars))
}

/// A record of metadata.
pub fn encode_snapshot_metadata<'a>(
    entries: impl IntoIterator<Item = (u64, &'a Metadata)>,
) -> Vec<u8> {
    of_kind(METADATA, encode_metadata(entries))
}

/// A record of references that no series has, and their labels.
pub fn encode_other_references<'a>(
    references: impl IntoIterator<Item = (u64, &'a Labels)>,
) -> Vec<u8> {
    of_kind(
        OTHER_REFERENCES,
        crate::wal::record::encode_series(references),
    )
}

/// A record of the log with another type.
fn of_kind(kind: u8, mut record: Vec<u8>) -> Vec<u8> {
    if let Some(first) = record.first_mut() {
        *first = kind;
    }
    record
}

#[cfg(test)]
mod tests;
