//! Reading the integers and strings of the on-disk formats from a byte slice, without panics.

/// The bytes ended early, or an integer was longer than its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

/// A position in a byte slice.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// 32 bits, big endian.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// 64 bits, big endian.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// Unsigned LEB128.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u64, Truncated> {
        // Most integers are small.
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.long_uvarint()
    }

    fn long_uvarint(&mut self) -> Result<u64, Truncated> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Truncated);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Truncated)
    }

    /// Zigzag LEB128.
    #[inline]
    pub fn varint(&mut self) -> Result<i64, Truncated> {
        let value = self.uvarint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A length as unsigned LEB128, then as many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Truncated> {
        let len = usize::try_from(self.uvarint()?).map_err(|_| Truncated)?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_back_and_overlong_ones_are_refused() {
        let mut cursor = Cursor::new(&[0xac, 0x02, 0x01, 0x03, 0, 0, 0, 7]);
        assert_eq!(cursor.uvarint(), Ok(300));
        assert_eq!(cursor.varint(), Ok(-1));
        assert_eq!(cursor.varint(), Ok(-2));
        assert_eq!(cursor.u32(), Ok(7));
        assert!(cursor.is_empty());
        assert_eq!(cursor.u8(), Err(Truncated));
        assert_eq!(Cursor::new(&[0xff; 11]).uvarint(), Err(Truncated));
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor::new(&max).uvarint(), Ok(u64::MAX));
    }
}
