//! What all samples of a chunk share, and the chunk's header.

use std::sync::Arc;

use gocompat::math::{frexp, ldexp};
use model::Span;
use model::histogram::CUSTOM_BUCKETS_SCHEMA;

use crate::bitstream::{BitReader, BitWriter};
use crate::start_timestamp::{StartReader, StartWriter};
use crate::varbit::{read_signed, read_unsigned, write_signed, write_unsigned};
use crate::{DecodeError, Encoding};

/// More buckets than any chunk can hold: each takes at least a bit.
const BUCKETS_MAX: u64 = 1 << 24;
/// Exponent of the zero threshold that would be stored as byte 0.
const THRESHOLD_EXPONENT_BASE: i32 = -243;
/// Bytes before the bit stream.
pub(super) const HEADER_LEN: usize = 3;
/// Bits of the counter reset flags.
const FLAGS: u8 = 0b1100_0000;
/// Most samples of a chunk with start timestamps, whose count shares a field with the flags.
pub(super) const COUNT_ST_MAX: u16 = 0x3fff;
/// Custom bounds up to this many thousandths are stored as integers.
const THOUSANDTHS_MAX: f64 = 33_554_430.0;

/// Resolution and bucket layout.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) zero_threshold: f64,
    pub(super) schema: i32,
    /// Positive, negative.
    pub(super) spans: [Vec<Span>; 2],
    pub(super) custom_values: Option<Arc<[f64]>>,
}

impl Layout {
    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let zero_threshold = match reader.read_bits(8)? {
            0 => 0.0,
            255 => f64::from_bits(reader.read_bits(64)?),
            byte => ldexp(0.5, byte as i32 + THRESHOLD_EXPONENT_BASE),
        };
        let schema = i32::try_from(read_signed(reader)?).map_err(|_| DecodeError::InvalidLayout)?;
        let spans = [read_spans(reader)?, read_spans(reader)?];
        let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA {
            Some(read_bounds(reader)?)
        } else {
            None
        };
        Ok(Self {
            zero_threshold,
            schema,
            spans,
            custom_values,
        })
    }

    pub(super) fn write(&self, writer: &mut BitWriter<'_>) {
        write_threshold(writer, self.zero_threshold);
        write_signed(writer, i64::from(self.schema));
        for spans in &self.spans {
            write_unsigned(writer, spans.len() as u64);
            for span in spans {
                write_unsigned(writer, u64::from(span.length));
                write_signed(writer, i64::from(span.offset));
            }
        }
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            let bounds = self.custom_values.as_deref().unwrap_or_default();
            write_unsigned(writer, bounds.len() as u64);
            for bound in bounds {
                write_bound(writer, *bound);
            }
        }
    }
}

fn write_threshold(writer: &mut BitWriter<'_>, threshold: f64) {
    let (fraction, exponent) = frexp(threshold);
    let byte = exponent - THRESHOLD_EXPONENT_BASE;
    if threshold == 0.0 {
        writer.write_byte(0);
    } else if fraction == 0.5 && (1..=254).contains(&byte) {
        writer.write_byte(byte as u8);
    } else {
        writer.write_byte(255);
        writer.write_bits(threshold.to_bits(), 64);
    }
}

fn write_bound(writer: &mut BitWriter<'_>, bound: f64) {
    let thousandths = (bound * 1000.0).round();
    if (0.0..=THOUSANDTHS_MAX).contains(&(bound * 1000.0)) && thousandths / 1000.0 == bound {
        write_unsigned(writer, thousandths as u64 + 1);
    } else {
        writer.write_bit(false);
        writer.write_bits(bound.to_bits(), 64);
    }
}

/// Reads spans. Spans without buckets are joined to the next one, so that there are never more
/// spans than buckets, and samples of hostile chunks are no larger than their bits allow.
fn read_spans(reader: &mut BitReader<'_>) -> Result<Vec<Span>, DecodeError> {
    let count = read_unsigned(reader)?;
    let mut spans = Vec::new();
    let mut gap = 0_i32;
    let mut buckets = 0_u64;
    for _ in 0..count {
        let length = read_unsigned(reader)?;
        let offset = i32::try_from(read_signed(reader)?).map_err(|_| DecodeError::InvalidLayout)?;
        gap = gap.checked_add(offset).ok_or(DecodeError::InvalidLayout)?;
        // Two bits or more for each span end this loop with the bytes.
        if length == 0 {
            continue;
        }
        buckets = buckets.saturating_add(length);
        if buckets > BUCKETS_MAX {
            return Err(DecodeError::InvalidLayout);
        }
        spans.push(Span {
            offset: std::mem::take(&mut gap),
            length: length as u32,
        });
    }
    Ok(spans)
}

fn read_bounds(reader: &mut BitReader<'_>) -> Result<Arc<[f64]>, DecodeError> {
    let count = read_unsigned(reader)?;
    let mut bounds = Vec::new();
    for _ in 0..count {
        bounds.push(match read_unsigned(reader)? {
            0 => f64::from_bits(reader.read_bits(64)?),
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
    }
    Ok(bounds.into())
}

/// Number of buckets that spans lay out.
pub(super) fn bucket_count(spans: &[Span]) -> u64 {
    spans.iter().map(|span| u64::from(span.length)).sum()
}

/// Head of a chunk.
pub(super) struct Header<'a> {
    /// Number of samples.
    pub(super) count: u16,
    /// Counter reset flags, in the top two bits.
    pub(super) flags: u8,
    /// Reads the start timestamps, if the chunk can have some.
    pub(super) starts: Option<StartReader>,
    /// The bit stream.
    pub(super) reader: BitReader<'a>,
}

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8], encoding: Encoding) -> Result<Self, DecodeError> {
        let Some(([high, low, third], data)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::UnexpectedEnd);
        };
        let field = u16::from_be_bytes([*high, *low]);
        let reader = BitReader::new(data);
        Ok(if encoding.has_start_timestamps() {
            Self {
                count: field & COUNT_ST_MAX,
                flags: *high & FLAGS,
                starts: Some(StartReader::new(*third)),
                reader,
            }
        } else {
            Self {
                count: field,
                flags: *third,
                starts: None,
                reader,
            }
        })
    }
}

/// The bytes before the bit stream of a chunk; with `starts` of one with start timestamps.
pub(super) fn header_bytes(
    count: u16,
    flags: u8,
    starts: Option<&StartWriter>,
) -> [u8; HEADER_LEN] {
    let [high, low] = count.to_be_bytes();
    match starts {
        Some(starts) => [high & !FLAGS | flags, low, starts.header()],
        None => [high, low, flags],
    }
}
