//! Decoding a whole chunk: most of the time that a query over many samples takes.
//!
//! Instead of handing out fields one by one, a sample is taken apart in a word that holds at least
//! 57 bits from where it begins; runs of samples that come on time and do not change are counted as
//! zeros. Behind the end of the data the bits are zeros, and the end is looked at once a sample.

use model::Timestamp;
use model::sample::SampleColumns;

use crate::DecodeError;
use crate::bitstream::BitReader;
use crate::varbit::sign_extend;

/// Bits that a look always finds, whatever bit of a byte it begins at.
const PEEKED_BITS: u32 = 57;

/// Bits by position.
struct Bits<'a> {
    data: &'a [u8],
    /// First byte from which on there are no eight left.
    tail_start: usize,
    /// What comes from there on, then zeros.
    tail: [u8; 16],
    /// Number of bits.
    len: usize,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        let tail_start = data.len().saturating_sub(7);
        let mut tail = [0; 16];
        for (byte, known) in tail
            .iter_mut()
            .zip(data.get(tail_start..).unwrap_or_default())
        {
            *byte = *known;
        }
        Self {
            data,
            tail_start,
            tail,
            len: data.len() * 8,
        }
    }

    /// At least [`PEEKED_BITS`] bits from `position` on, left-aligned.
    #[inline(always)]
    fn peek(&self, position: usize) -> u64 {
        let byte = position / 8;
        let word = match self
            .data
            .get(byte..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            Some(word) => u64::from_be_bytes(*word),
            None => self.peek_tail(byte),
        };
        word << (position % 8)
    }

    #[inline]
    fn peek_tail(&self, byte: usize) -> u64 {
        let tail = self.tail.get(byte.saturating_sub(self.tail_start)..);
        match tail.and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => 0,
        }
    }

    /// `count` (1 to 64) bits from `position` on.
    #[inline(always)]
    fn read(&self, position: usize, count: u32) -> u64 {
        if count <= PEEKED_BITS {
            return self.peek(position) >> (64 - count);
        }
        let high = self.peek(position) >> 32;
        let low_count = count - 32;
        high << low_count | self.peek(position + 32) >> (64 - low_count)
    }
}

/// Where decoded samples go, as far as they are not before `mint`.
struct Output<'a> {
    timestamps: &'a mut [Timestamp],
    values: &'a mut [f64],
    kept: usize,
    mint: Timestamp,
}

impl Output<'_> {
    #[inline(always)]
    fn put(&mut self, timestamp: Timestamp, value: u64) {
        let slots = (
            self.timestamps.get_mut(self.kept),
            self.values.get_mut(self.kept),
        );
        if let (Some(time), Some(number)) = slots {
            *time = timestamp;
            *number = f64::from_bits(value);
        }
        self.kept += usize::from(timestamp >= self.mint);
    }
}

/// See [`decode`](super::decode).
pub(super) fn decode(
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let Some((header, data)) = bytes.split_first_chunk::<2>() else {
        return Err(DecodeError::UnexpectedEnd);
    };
    let count = usize::from(u16::from_be_bytes(*header));
    if count == 0 {
        return Ok(());
    }
    let before = columns.timestamps.len();
    columns.timestamps.resize(before + count, 0);
    columns.values.resize(before + count, 0.0);
    let mut output = Output {
        timestamps: columns.timestamps.get_mut(before..).unwrap_or_default(),
        values: columns.values.get_mut(before..).unwrap_or_default(),
        kept: 0,
        mint,
    };
    let outcome = samples(data, count, maxt, &mut output);
    let len = before + output.kept;
    columns.timestamps.truncate(len);
    columns.values.truncate(len);
    if !columns.start_timestamps.is_empty() {
        columns.start_timestamps.resize(len, 0);
    }
    outcome
}

fn samples(
    data: &[u8],
    count: usize,
    maxt: Timestamp,
    output: &mut Output<'_>,
) -> Result<(), DecodeError> {
    let mut reader = BitReader::new(data);
    let mut timestamp = reader.read_varint()?;
    let mut value = reader.read_bits(64)?;
    if timestamp > maxt {
        return Ok(());
    }
    output.put(timestamp, value);
    if count == 1 {
        return Ok(());
    }
    let mut delta = reader.read_uvarint()?;
    let bits = Bits::new(data);
    let mut at = bits.len - reader.left();
    let (mut trailing, mut significant) = (0, 64);
    // The second sample has its delta before its value; from then on they come together.
    let mut word = bits.peek(at);
    let mut left = count - 1;
    loop {
        // The value: unchanged, in the window of the last change, or with a window of its own.
        if word >> 63 == 0 {
            at += 1;
        } else {
            if word >> 62 == 0b10 {
                at += 2;
            } else {
                let leading = (word >> 57 & 31) as u32;
                let field = (word >> 51 & 63) as u32;
                at += 13;
                significant = if field == 0 { 64 } else { field };
                trailing = match (64 - leading).checked_sub(significant) {
                    Some(trailing) => trailing,
                    None if at > bits.len => return Err(DecodeError::UnexpectedEnd),
                    None => {
                        return Err(DecodeError::InvalidWindow {
                            leading: leading as u8,
                            significant: significant as u8,
                        });
                    }
                };
            }
            value ^= bits.read(at, significant) << trailing;
            at += significant as usize;
        }
        if at > bits.len {
            return Err(DecodeError::UnexpectedEnd);
        }
        timestamp = timestamp.wrapping_add(delta as i64);
        if timestamp > maxt {
            return Ok(());
        }
        output.put(timestamp, value);
        left -= 1;
        if left == 0 {
            return Ok(());
        }
        word = bits.peek(at);
        // Two zeros are a sample on time and unchanged.
        let quiet = (word.leading_zeros().min(PEEKED_BITS) / 2) as usize;
        if quiet > 0 {
            let wanted = quiet.min(left);
            // Behind the end there are zeros too.
            let run = wanted.min((bits.len - at) / 2);
            for _ in 0..run {
                timestamp = timestamp.wrapping_add(delta as i64);
                if timestamp > maxt {
                    return Ok(());
                }
                output.put(timestamp, value);
            }
            if run < wanted {
                return Err(DecodeError::UnexpectedEnd);
            }
            at += 2 * run;
            left -= run;
            if left == 0 {
                return Ok(());
            }
            word = bits.peek(at);
        }
        // The time: a delta of delta with one of five widths.
        if word >> 63 == 0 {
            at += 1;
            word <<= 1;
            continue;
        }
        let (prefix, width) = match (!word).leading_zeros() {
            1 => (2, 14),
            2 => (3, 17),
            3 => (4, 20),
            _ => (4, 64),
        };
        let field = bits.read(at + prefix, width);
        let dod = match width {
            64 => field as i64,
            _ => sign_extend(field, width),
        };
        delta = delta.wrapping_add(dod as u64);
        at += prefix + width as usize;
        word = bits.peek(at);
    }
}
