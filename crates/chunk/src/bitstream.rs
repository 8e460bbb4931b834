//! Bits to bytes and back, most significant bit first; the last byte is filled with zero bits.

use crate::DecodeError;

/// Appends bits to a byte vector that the caller owns. The only state beside the bytes is how many
/// bits of the last byte are free, so that a writer can be put away and taken up again.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    free: u8,
}

impl<'a> BitWriter<'a> {
    /// A writer that continues after `bytes`, of whose last byte `free` (0 to 7) bits are unused.
    pub fn new(bytes: &'a mut Vec<u8>, free: u8) -> Self {
        debug_assert!(
            free < 8 && (free == 0 || !bytes.is_empty()),
            "no byte has {free} free bits"
        );
        Self { bytes, free }
    }

    /// Unused bits of the last byte, 0 to 7.
    pub fn free(&self) -> u8 {
        self.free
    }

    /// Writes the low `count` (at most 64) bits of `value`.
    #[inline]
    pub fn write_bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64, "a word has 64 bits");
        if count == 0 {
            return;
        }
        // Left-align, then hand out bytes from the top.
        let mut rest = value << (64 - count);
        let mut left = count;
        let free = u32::from(self.free);
        if free > 0 {
            if let Some(last) = self.bytes.last_mut() {
                *last |= (rest >> (64 - free)) as u8;
            }
            if left <= free {
                self.free = (free - left) as u8;
                return;
            }
            rest <<= free;
            left -= free;
        }
        let bytes = rest.to_be_bytes();
        let used = left.div_ceil(8) as usize;
        if self.bytes.capacity() - self.bytes.len() >= bytes.len() {
            // A fixed number of bytes is one store.
            let end = self.bytes.len() + used;
            self.bytes.extend_from_slice(&bytes);
            self.bytes.truncate(end);
        } else {
            self.bytes
                .extend_from_slice(bytes.get(..used).unwrap_or(&bytes));
        }
        self.free = ((8 - left % 8) % 8) as u8;
    }

    /// Writes one bit.
    pub fn write_bit(&mut self, bit: bool) {
        self.write_bits(u64::from(bit), 1);
    }

    /// Writes a byte, not aligned.
    pub fn write_byte(&mut self, byte: u8) {
        self.write_bits(u64::from(byte), 8);
    }

    /// Writes an unsigned LEB128 integer, not aligned.
    pub fn write_uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.write_byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.write_byte(value as u8);
    }

    /// Writes a zigzag LEB128 integer, not aligned.
    pub fn write_varint(&mut self, value: i64) {
        self.write_uvarint(((value << 1) ^ (value >> 63)) as u64);
    }
}

/// Reads bits from bytes.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    /// Not loaded yet.
    rest: &'a [u8],
    /// Loaded bits, left-aligned. Bits below the first `loaded` ones are either zero or already
    /// what the next load will put there.
    window: u64,
    loaded: u32,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            window: 0,
            loaded: 0,
        }
    }

    /// Bits that were not consumed.
    pub fn left(&self) -> usize {
        self.rest.len() * 8 + self.loaded as usize
    }

    /// Loads whole bytes until at least 57 bits are there or the bytes end.
    #[inline]
    fn load(&mut self) {
        if let Some(word) = self.rest.first_chunk::<8>() {
            self.window |= u64::from_be_bytes(*word) >> self.loaded;
            let bytes = (63 - self.loaded) / 8;
            self.loaded += bytes * 8;
            self.rest = self.rest.get(bytes as usize..).unwrap_or_default();
            return;
        }
        self.load_last();
    }

    #[cold]
    fn load_last(&mut self) {
        while self.loaded <= 56 {
            let Some((byte, rest)) = self.rest.split_first() else {
                return;
            };
            self.window |= u64::from(*byte) << (56 - self.loaded);
            self.loaded += 8;
            self.rest = rest;
        }
    }

    /// The next up to 57 bits left-aligned, padded with zeros behind the end; nothing is consumed.
    #[inline]
    pub fn peek(&mut self) -> u64 {
        if self.loaded < 57 {
            self.load();
        }
        self.window
    }

    /// Consumes `count` (at most 56) bits that were peeked at.
    #[inline]
    pub fn skip(&mut self, count: u32) -> Result<(), DecodeError> {
        debug_assert!(count <= 56, "more than was peeked at");
        if self.loaded < count {
            return Err(DecodeError::UnexpectedEnd);
        }
        self.window <<= count;
        self.loaded -= count;
        Ok(())
    }

    /// Reads `count` (at most 64) bits.
    #[inline]
    pub fn read_bits(&mut self, count: u32) -> Result<u64, DecodeError> {
        debug_assert!(count <= 64, "a word has 64 bits");
        if count > 56 {
            let high = self.read_short(count - 32)?;
            return Ok(high << 32 | self.read_short(32)?);
        }
        self.read_short(count)
    }

    /// Reads at most 56 bits.
    #[inline]
    fn read_short(&mut self, count: u32) -> Result<u64, DecodeError> {
        if count == 0 {
            return Ok(0);
        }
        if self.loaded < count {
            self.load();
        }
        let value = self.window >> (64 - count);
        self.skip(count)?;
        Ok(value)
    }

    /// Reads one bit.
    #[inline]
    pub fn read_bit(&mut self) -> Result<bool, DecodeError> {
        Ok(self.read_short(1)? != 0)
    }

    /// Reads an unsigned LEB128 integer.
    pub fn read_uvarint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.read_short(8)?;
            if shift == 63 && byte > 1 {
                return Err(DecodeError::VarintOverflow);
            }
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintOverflow)
    }

    /// Reads a zigzag LEB128 integer.
    pub fn read_varint(&mut self) -> Result<i64, DecodeError> {
        let raw = self.read_uvarint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back_as_written(fields in prop::collection::vec((any::<u64>(), 0..=64_u32), 0..50)) {
            let mut bytes = Vec::new();
            let mut free = 0;
            for (value, count) in &fields {
                // A new writer each time: its state is the free bits alone.
                let mut writer = BitWriter::new(&mut bytes, free);
                writer.write_bits(*value, *count);
                free = writer.free();
            }
            let mut reader = BitReader::new(&bytes);
            for (value, count) in &fields {
                let mask = if *count == 0 { 0 } else { u64::MAX >> (64 - count) };
                prop_assert_eq!(reader.read_bits(*count), Ok(value & mask));
            }
            let rest = reader.read_bits(u32::from(free));
            prop_assert_eq!(rest, Ok(0));
            prop_assert_eq!(reader.read_bit(), Err(DecodeError::UnexpectedEnd));
        }

        #[test]
        fn varints_come_back(signed: i64, unsigned: u64, lead in 0..8_u32) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes, 0);
            writer.write_bits(0, lead);
            writer.write_varint(signed);
            writer.write_uvarint(unsigned);
            let mut reader = BitReader::new(&bytes);
            prop_assert_eq!(reader.read_bits(lead), Ok(0));
            prop_assert_eq!(reader.read_varint(), Ok(signed));
            prop_assert_eq!(reader.read_uvarint(), Ok(unsigned));
        }
    }

    #[test]
    fn overlong_varints_are_refused() {
        let mut reader = BitReader::new(&[0xff; 12]);
        assert_eq!(reader.read_uvarint(), Err(DecodeError::VarintOverflow));
    }
}
