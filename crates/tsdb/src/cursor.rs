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
        if let Some((&first, rest)) = self.rest.split_first() {
            if first < 0x80 {
                self.rest = rest;
                return Ok(u64::from(first));
            }
            if let Some((&second, rest)) = rest.split_first()
                && second < 0x80
            {
                self.rest = rest;
                return Ok(u64::from(first & 0x7f) | u64::from(second) << 7);
            }
        }
        self.long_uvarint()
    }

    /// Goes over `count` integers in LEB128, whatever they are.
    #[inline]
    pub fn skip_varints(&mut self, mut count: u64) -> Result<(), Truncated> {
        /// The bit that the last byte of an integer does not have, in eight bytes.
        const MORE: u64 = 0x8080_8080_8080_8080;
        while count > 0 {
            let Some((word, rest)) = self.rest.split_first_chunk::<8>() else {
                return self.skip_last_varints(count);
            };
            let mut ends = !u64::from_le_bytes(*word) & MORE;
            let ended = u64::from(ends.count_ones());
            if ended < count {
                count -= ended;
                self.rest = rest;
                continue;
            }
            for _ in 1..count {
                ends &= ends - 1;
            }
            let bytes = ends.trailing_zeros() as usize / 8 + 1;
            self.rest = self.rest.get(bytes..).unwrap_or_default();
            return Ok(());
        }
        Ok(())
    }

    fn skip_last_varints(&mut self, count: u64) -> Result<(), Truncated> {
        for _ in 0..count {
            let last = self.rest.iter().position(|byte| *byte < 0x80);
            let bytes = last.ok_or(Truncated)? + 1;
            self.rest = self.rest.get(bytes..).unwrap_or_default();
        }
        Ok(())
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
    #[test]
    fn integers_are_gone_over_as_they_are_read() {
        let values: Vec<u64> = (0..60).map(|at| 1_u64.wrapping_shl(at * 7 % 64)).collect();
        let mut bytes = Vec::new();
        let mut starts = vec![0];
        for value in &values {
            crate::index::put_uvarint(&mut bytes, *value);
            starts.push(bytes.len());
        }
        for from in 0..=values.len() {
            for to in from..=values.len() {
                let mut cursor = Cursor::new(&bytes[starts[from]..]);
                assert_eq!(cursor.skip_varints((to - from) as u64), Ok(()));
                assert_eq!(cursor.rest(), &bytes[starts[to]..]);
                let mut cut = Cursor::new(&bytes[starts[from]..starts[to]]);
                assert_eq!(cut.skip_varints((to - from) as u64 + 1), Err(Truncated));
            }
        }
    }
}
