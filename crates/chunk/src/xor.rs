//! Floats as delta-of-delta times and xor-ed values (encoding 1).
//!
//! Layout: `docs/internals/formats/chunk_xor.md`. The appender is a small value that can be put
//! away with its bytes between two samples, so that a head with millions of open chunks pays for
//! the bytes and this state only.

mod scan;

use model::Timestamp;
use model::sample::SampleColumns;

use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter};
use crate::varbit::{fits_signed, sign_extend};

/// Most bytes one sample takes: 68 bits of time and 77 of value, and the bits they share a byte with.
pub const SAMPLE_BYTES_MAX: usize = 20;
/// Leading zero count that says "no window yet".
pub(crate) const NO_WINDOW: u8 = 0xff;
/// Field widths of a time's delta of delta by prefix.
const DOD_WIDTHS: [u32; 5] = [0, 14, 17, 20, 64];

/// State of an open chunk, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appender {
    timestamp: Timestamp,
    value: f64,
    delta: u64,
    count: u16,
    leading: u8,
    trailing: u8,
    free: u8,
    /// Lies in padding. Whoever has this or another appender finds room for the choice here.
    _niche: Niche,
}

/// A byte with values to spare.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(u8)]
enum Niche {
    Used = 1,
}

impl Default for Appender {
    fn default() -> Self {
        Self {
            timestamp: 0,
            value: 0.0,
            delta: 0,
            count: 0,
            leading: NO_WINDOW,
            trailing: 0,
            free: 0,
            _niche: Niche::Used,
        }
    }
}

impl Appender {
    /// An appender for an empty chunk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time of the newest sample; 0 if there is none.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Value of the newest sample; 0 if there is none.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Samples so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Adds a sample to the chunk in `bytes`, which must be the vector that all samples before
    /// went to (empty for the first). A chunk holds at most 65,535 samples; callers close it
    /// long before that.
    #[inline]
    pub fn append(&mut self, bytes: &mut Vec<u8>, timestamp: Timestamp, value: f64) {
        debug_assert!(self.count < u16::MAX, "a full chunk is not appended to");
        if self.count == 0 {
            bytes.clear();
            bytes.extend_from_slice(&[0, 0]);
        }
        let mut writer = BitWriter::new(bytes, self.free);
        match self.count {
            0 => {
                writer.write_varint(timestamp);
                writer.write_bits(value.to_bits(), 64);
            }
            1 => {
                self.delta = timestamp.wrapping_sub(self.timestamp) as u64;
                writer.write_uvarint(self.delta);
                write_value(
                    &mut writer,
                    self.value,
                    value,
                    &mut self.leading,
                    &mut self.trailing,
                );
            }
            _ => {
                let delta = timestamp.wrapping_sub(self.timestamp) as u64;
                write_dod(&mut writer, delta.wrapping_sub(self.delta) as i64);
                self.delta = delta;
                write_value(
                    &mut writer,
                    self.value,
                    value,
                    &mut self.leading,
                    &mut self.trailing,
                );
            }
        }
        self.free = writer.free();
        self.timestamp = timestamp;
        self.value = value;
        self.count = self.count.saturating_add(1);
        if let Some(header) = bytes.first_chunk_mut::<2>() {
            *header = self.count.to_be_bytes();
        }
    }
}

#[inline]
fn write_dod(writer: &mut BitWriter<'_>, dod: i64) {
    if dod == 0 {
        // Most often.
        writer.write_bit(false);
        return;
    }
    let ones = DOD_WIDTHS
        .iter()
        .position(|width| fits_signed(dod, *width))
        .unwrap_or(4);
    match ones {
        4 => {
            writer.write_bits(0b1111, 4);
            writer.write_bits(dod as u64, 64);
        }
        _ => {
            let (prefix, width) = ((1_u64 << (ones + 1)) - 2, DOD_WIDTHS[ones]);
            let field = dod as u64 & ((1 << width) - 1);
            writer.write_bits(prefix << width | field, ones as u32 + 1 + width);
        }
    }
}

/// Writes `value` against `previous`; the window of significant bits is read and updated.
#[inline]
pub(crate) fn write_value(
    writer: &mut BitWriter<'_>,
    previous: f64,
    value: f64,
    window_leading: &mut u8,
    window_trailing: &mut u8,
) {
    let delta = previous.to_bits() ^ value.to_bits();
    if delta == 0 {
        writer.write_bit(false);
        return;
    }
    let leading = (delta.leading_zeros() as u8).min(31);
    let trailing = delta.trailing_zeros() as u8;
    if *window_leading != NO_WINDOW && leading >= *window_leading && trailing >= *window_trailing {
        let significant = 64 - u32::from(*window_leading) - u32::from(*window_trailing);
        write_behind(writer, (0b10, 2), delta >> *window_trailing, significant);
        return;
    }
    *window_leading = leading;
    *window_trailing = trailing;
    let significant = 64 - u32::from(leading) - u32::from(trailing);
    // 64 does not fit six bits and is written as 0, which nothing else needs.
    let field = u64::from(leading) << 6 | u64::from(significant & 63);
    let head = (0b11 << 11 | field, 13);
    write_behind(writer, head, delta >> trailing, significant);
}

/// Writes `head`, a value and its number of bits, and behind it the low `count` bits of `value`,
/// which has no others.
#[inline]
fn write_behind(writer: &mut BitWriter<'_>, head: (u64, u32), value: u64, count: u32) {
    if head.1 + count <= 64 {
        writer.write_bits(head.0 << count | value, head.1 + count);
    } else {
        writer.write_bits(head.0, head.1);
        writer.write_bits(value, count);
    }
}

/// The window of significant bits while decoding: trailing zeros and significant bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    trailing: u32,
    significant: u32,
}

impl Window {
    /// A chunk's window before any value set it: a reference to it reads no bits.
    pub(crate) const NONE: Self = Self {
        trailing: 0,
        significant: 64,
    };

    /// Reads a new window: five bits of leading zeros, six of significant bits.
    #[inline]
    pub(crate) fn read(reader: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let field = reader.read_bits(11)?;
        let (leading, significant) = ((field >> 6) as u32, (field & 63) as u32);
        let significant = if significant == 0 { 64 } else { significant };
        let Some(trailing) = (64 - leading).checked_sub(significant) else {
            return Err(DecodeError::InvalidWindow {
                leading: leading as u8,
                significant: significant as u8,
            });
        };
        Ok(Self {
            trailing,
            significant,
        })
    }

    /// Reads the bits inside the window, in their place.
    #[inline]
    pub(crate) fn read_bits(&self, reader: &mut BitReader<'_>) -> Result<u64, DecodeError> {
        Ok(reader.read_bits(self.significant)? << self.trailing)
    }
}

/// Reads a value that was written against `previous`.
#[inline]
pub(crate) fn read_value(
    reader: &mut BitReader<'_>,
    previous: u64,
    window: &mut Window,
) -> Result<u64, DecodeError> {
    let peeked = reader.peek();
    if peeked >> 63 == 0 {
        reader.skip(1)?;
        return Ok(previous);
    }
    if peeked >> 62 == 0b10 {
        reader.skip(2)?;
    } else {
        let leading = (peeked >> 57 & 31) as u32;
        let field = (peeked >> 51 & 63) as u32;
        reader.skip(13)?;
        let significant = if field == 0 { 64 } else { field };
        let Some(trailing) = (64 - leading).checked_sub(significant) else {
            return Err(DecodeError::InvalidWindow {
                leading: leading as u8,
                significant: significant as u8,
            });
        };
        *window = Window {
            trailing,
            significant,
        };
    }
    Ok(previous ^ reader.read_bits(window.significant)? << window.trailing)
}

#[inline]
fn read_dod(reader: &mut BitReader<'_>) -> Result<i64, DecodeError> {
    let peeked = reader.peek();
    if peeked >> 63 == 0 {
        reader.skip(1)?;
        return Ok(0);
    }
    let (prefix, width) = match (!(peeked)).leading_zeros() {
        1 => (2, 14),
        2 => (3, 17),
        3 => (4, 20),
        _ => {
            reader.skip(4)?;
            return Ok(reader.read_bits(64)? as i64);
        }
    };
    // Prefix and field were peeked at together: 24 bits at most.
    let field = peeked << prefix >> (64 - width);
    reader.skip(prefix + width)?;
    Ok(sign_extend(field, width))
}

/// Appends the samples with `mint <= t <= maxt` to `columns`, oldest first; stops decoding behind
/// `maxt`. On an error the columns hold what was decoded before it.
pub fn decode(
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    scan::decode(bytes, mint, maxt, columns)
}

/// Reopens a complete chunk for appending: decodes it and returns the state after its last sample.
pub fn reopen(bytes: &[u8]) -> Result<(Appender, Vec<u8>), DecodeError> {
    let mut columns = SampleColumns::default();
    decode(bytes, Timestamp::MIN, Timestamp::MAX, &mut columns)?;
    let mut appender = Appender::new();
    let mut copy = Vec::with_capacity(bytes.len() + SAMPLE_BYTES_MAX);
    for (timestamp, value) in columns.timestamps.iter().zip(&columns.values) {
        appender.append(&mut copy, *timestamp, *value);
    }
    Ok((appender, copy))
}

/// A complete chunk, ready to be appended to where it lies.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// State after the last sample.
    pub appender: Appender,
    /// The chunk's bytes, cut behind its last bit.
    pub bytes: Vec<u8>,
    /// Time of the first sample.
    pub first: Timestamp,
    /// Time of the sample asked for, if there are so many.
    pub nth: Option<Timestamp>,
}

/// Takes a complete chunk of at least one sample up again without encoding it anew, and finds the
/// time of sample number `nth` (from 0).
pub fn resume(mut bytes: Vec<u8>, nth: u16) -> Result<Resumed, DecodeError> {
    let Some((header, data)) = bytes.split_first_chunk::<2>() else {
        return Err(DecodeError::UnexpectedEnd);
    };
    let count = u16::from_be_bytes(*header);
    if count == 0 {
        return Err(DecodeError::UnexpectedEnd);
    }
    let mut reader = BitReader::new(data);
    let first = reader.read_varint()?;
    let mut state = Appender {
        timestamp: first,
        count,
        ..Appender::new()
    };
    let mut value = reader.read_bits(64)?;
    let mut window = Window::NONE;
    let mut at_nth = (nth == 0).then_some(first);
    for index in 1..count {
        state.delta = match index {
            1 => reader.read_uvarint()?,
            _ => state.delta.wrapping_add(read_dod(&mut reader)? as u64),
        };
        state.timestamp = state.timestamp.wrapping_add(state.delta as i64);
        if index == nth {
            at_nth = Some(state.timestamp);
        }
        let before = value;
        value = read_value(&mut reader, value, &mut window)?;
        if value != before {
            state.leading = (64 - window.significant - window.trailing) as u8;
            state.trailing = window.trailing as u8;
        }
    }
    state.value = f64::from_bits(value);
    let left = reader.left();
    state.free = (left % 8) as u8;
    bytes.truncate(bytes.len() - left / 8);
    if let Some(last) = bytes.last_mut() {
        // What a writer adds goes into zeros.
        *last &= 0xff_u8.wrapping_shl(u32::from(state.free));
    }
    Ok(Resumed {
        appender: state,
        bytes,
        first,
        nth: at_nth,
    })
}

#[cfg(test)]
mod tests;
