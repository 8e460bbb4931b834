//! Integers in a prefix code with eight field widths: the building block of histogram chunks.
//!
//! A unary prefix names the width. Signed fields of n bits hold -(2^(n-1)-1) to 2^(n-1).

use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter};

/// Field widths by number of leading ones in the prefix; the last prefix has no closing zero.
const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

fn write_prefix(writer: &mut BitWriter<'_>, ones: usize) {
    if ones == WIDTHS.len() - 1 {
        writer.write_bits(0xff, 8);
    } else {
        writer.write_bits((1 << (ones + 1)) - 2, ones as u32 + 1);
    }
}

/// Whether `value` fits a signed field of `width` bits.
pub(crate) fn fits_signed(value: i64, width: u32) -> bool {
    match width {
        0 => value == 0,
        64 => true,
        _ => -((1 << (width - 1)) - 1) <= value && value <= 1 << (width - 1),
    }
}

/// The value of a signed field of `width` (1 to 63) bits.
#[inline]
pub(crate) fn sign_extend(field: u64, width: u32) -> i64 {
    if field > 1 << (width - 1) {
        (field as i64).wrapping_sub(1 << width)
    } else {
        field as i64
    }
}

/// Writes a signed integer.
pub fn write_signed(writer: &mut BitWriter<'_>, value: i64) {
    let ones = WIDTHS
        .iter()
        .position(|width| fits_signed(value, *width))
        .unwrap_or(8);
    write_prefix(writer, ones);
    writer.write_bits(value as u64, WIDTHS[ones]);
}

/// Writes an unsigned integer.
pub fn write_unsigned(writer: &mut BitWriter<'_>, value: u64) {
    let bits = 64 - value.leading_zeros();
    let ones = WIDTHS.iter().position(|width| bits <= *width).unwrap_or(8);
    write_prefix(writer, ones);
    writer.write_bits(value, WIDTHS[ones]);
}

fn read_field(reader: &mut BitReader<'_>) -> Result<(u64, u32), DecodeError> {
    let ones = (!reader.peek() | 1 << 55).leading_zeros().min(8);
    reader.skip(if ones == 8 { 8 } else { ones + 1 })?;
    let width = WIDTHS.get(ones as usize).copied().unwrap_or(64);
    Ok((reader.read_bits(width)?, width))
}

/// Reads a signed integer.
pub fn read_signed(reader: &mut BitReader<'_>) -> Result<i64, DecodeError> {
    let (field, width) = read_field(reader)?;
    Ok(match width {
        0 => 0,
        64 => field as i64,
        _ => sign_extend(field, width),
    })
}

/// Reads an unsigned integer.
pub fn read_unsigned(reader: &mut BitReader<'_>) -> Result<u64, DecodeError> {
    read_field(reader).map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed_bytes(value: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_signed(&mut BitWriter::new(&mut bytes, 0), value);
        bytes
    }

    #[test]
    fn the_smallest_width_that_fits_is_used() {
        assert_eq!(signed_bytes(0), [0b0000_0000]);
        assert_eq!(signed_bytes(4), [0b1010_0000]);
        assert_eq!(signed_bytes(-3), [0b1010_1000]);
        assert_eq!(signed_bytes(-4), [0b1101_1110, 0]);
        assert_eq!(signed_bytes(i64::MIN).len(), 9);
        assert_eq!(signed_bytes(1 << 55).len(), 8);
    }

    proptest! {
        #[test]
        fn integers_come_back(values in prop::collection::vec((any::<u64>(), 0..64_u32), 0..40)) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes, 0);
            for (value, shift) in &values {
                write_signed(&mut writer, *value as i64 >> shift);
                write_unsigned(&mut writer, value >> shift);
            }
            let mut reader = BitReader::new(&bytes);
            for (value, shift) in &values {
                prop_assert_eq!(read_signed(&mut reader), Ok(*value as i64 >> shift));
                prop_assert_eq!(read_unsigned(&mut reader), Ok(value >> shift));
            }
        }

        #[test]
        fn field_borders_come_back(width in 0..64_u32, near in -2..=2_i64) {
            let value = (1_i64 << width).wrapping_add(near);
            for value in [value, value.wrapping_neg()] {
                let bytes = signed_bytes(value);
                prop_assert_eq!(read_signed(&mut BitReader::new(&bytes)), Ok(value));
            }
        }
    }
}
