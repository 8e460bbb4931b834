//! The chunk header and the choice of decoder.

use model::Timestamp;
use model::sample::SampleColumns;

use crate::{DecodeError, histogram, xor, xor2};

/// How a chunk's samples are encoded; the number is the encoding byte of all chunk files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Floats, delta of delta times and xor values.
    Xor = 1,
    /// Native histograms with integer counts.
    Histogram = 2,
    /// Native histograms with float counts.
    FloatHistogram = 3,
    /// Floats with start timestamps.
    Xor2 = 4,
    /// Native histograms with integer counts and start timestamps.
    HistogramSt = 5,
    /// Native histograms with float counts and start timestamps.
    FloatHistogramSt = 6,
}

impl Encoding {
    /// Whether the samples are plain numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Xor | Self::Xor2)
    }

    /// Whether samples can have start timestamps.
    pub fn has_start_timestamps(self) -> bool {
        matches!(
            self,
            Self::Xor2 | Self::HistogramSt | Self::FloatHistogramSt
        )
    }
}

impl TryFrom<u8> for Encoding {
    type Error = DecodeError;

    fn try_from(byte: u8) -> Result<Self, DecodeError> {
        Ok(match byte {
            1 => Self::Xor,
            2 => Self::Histogram,
            3 => Self::FloatHistogram,
            4 => Self::Xor2,
            5 => Self::HistogramSt,
            6 => Self::FloatHistogramSt,
            _ => return Err(DecodeError::UnsupportedEncoding(byte)),
        })
    }
}

/// Number of samples a chunk announces.
pub fn sample_count(encoding: Encoding, bytes: &[u8]) -> Result<u16, DecodeError> {
    let header = bytes.first_chunk::<2>().ok_or(DecodeError::UnexpectedEnd)?;
    let field = u16::from_be_bytes(*header);
    Ok(match encoding {
        // The top two bits are the counter reset flags.
        Encoding::HistogramSt | Encoding::FloatHistogramSt => field & 0x3fff,
        Encoding::Xor | Encoding::Histogram | Encoding::FloatHistogram | Encoding::Xor2 => field,
    })
}

/// Appends the samples with `mint <= t <= maxt` to `columns`, oldest first. On an error the
/// columns hold what was decoded before it.
pub fn decode(
    encoding: Encoding,
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    match encoding {
        Encoding::Xor => xor::decode(bytes, mint, maxt, columns),
        Encoding::Xor2 => xor2::decode(bytes, mint, maxt, columns),
        Encoding::Histogram | Encoding::HistogramSt => {
            histogram::decode_integer(encoding, bytes, mint, maxt, columns)
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            histogram::decode_float(encoding, bytes, mint, maxt, columns)
        }
    }
}
