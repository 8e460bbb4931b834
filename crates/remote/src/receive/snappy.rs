//! Snappy blocks of requests, with a bound that holds before memory is taken.

use snap::raw::{Decoder, decompress_len};

/// Most bytes a request may unpack to.
pub(super) const UNPACKED_BYTES_MAX: usize = 32 << 20;

/// Most bytes a snappy block of `UNPACKED_BYTES_MAX` can have: a longer body is none of ours.
pub const PACKED_BYTES_MAX: usize = 32 + UNPACKED_BYTES_MAX + UNPACKED_BYTES_MAX / 6;

/// The best a block can do: an element of three bytes stands for 64.
const EXPANSION_MAX: usize = 22;

/// Why a body cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnappyError {
    /// It is no snappy block, or a damaged one.
    #[error("snappy: corrupt input")]
    Corrupt,
    /// It says of itself that it unpacks to more than is taken.
    #[error("snappy: decoded length {0} exceeds limit {UNPACKED_BYTES_MAX}")]
    TooLong(usize),
}

/// Unpacked size of `body` as it says itself; refused if it cannot be, or is too much.
pub fn unpacked_len(body: &[u8]) -> Result<usize, SnappyError> {
    if body.is_empty() {
        return Err(SnappyError::Corrupt);
    }
    let len = decompress_len(body).map_err(|_| SnappyError::Corrupt)?;
    if len > UNPACKED_BYTES_MAX {
        return Err(SnappyError::TooLong(len));
    }
    if len > body.len().saturating_mul(EXPANSION_MAX) {
        return Err(SnappyError::Corrupt);
    }
    Ok(len)
}

/// Unpacks `body`.
pub(super) fn unpack(body: &[u8]) -> Result<Vec<u8>, SnappyError> {
    let mut unpacked = vec![0; unpacked_len(body)?];
    let len = Decoder::new()
        .decompress(body, &mut unpacked)
        .map_err(|_| SnappyError::Corrupt)?;
    unpacked.truncate(len);
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back() {
        let data: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let zeros = vec![0; 1 << 20];
        for data in [&data, &zeros, &Vec::new()] {
            let packed = snap::raw::Encoder::new()
                .compress_vec(data)
                .expect("packed");
            assert_eq!(unpack(&packed).as_ref(), Ok(data));
        }
    }

    #[test]
    fn a_length_beyond_the_bound_takes_no_memory() {
        let claims = |len: u64| {
            let mut body = Vec::new();
            let mut rest = len;
            while rest >= 0x80 {
                body.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            body.push(rest as u8);
            body.extend_from_slice(&[0, 0]);
            body
        };
        let err = unpack(&claims(33_554_433)).expect_err("too long");
        assert_eq!(
            err.to_string(),
            "snappy: decoded length 33554433 exceeds limit 33554432"
        );
        // Within the bound, but more than the body can stand for.
        assert_eq!(unpack(&claims(33_554_432)), Err(SnappyError::Corrupt));
        assert_eq!(unpack(&claims(1 << 40)), Err(SnappyError::Corrupt));
        assert_eq!(unpack(b""), Err(SnappyError::Corrupt));
        assert_eq!(unpack(b"\x05abc"), Err(SnappyError::Corrupt));
    }
}
