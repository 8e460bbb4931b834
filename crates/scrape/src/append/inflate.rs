//! Uncompresses bodies, bounded: a small body may hold a huge one.

use std::io::{ErrorKind, Read as _};

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;
use crate::fetch::BODY_BYTES_MAX;

/// Bytes reserved at first for a compressed byte; text usually takes more, and the buffer grows.
const EXPECTED_RATIO: usize = 8;
/// Most bytes reserved before anything is known.
const RESERVED_BYTES_MAX: usize = 4 << 20;

/// The body as the target meant it; `limit` (0: none) must not be reached.
pub(super) fn uncompressed(body: Vec<u8>, gzip: bool, limit: u64) -> Result<Vec<u8>, Error> {
    let limit = if limit == 0 { BODY_BYTES_MAX } else { limit };
    if !gzip {
        return if body.len() as u64 >= limit {
            Err(Error::BodySizeLimit)
        } else {
            Ok(body)
        };
    }
    let reserved = body
        .len()
        .saturating_mul(EXPECTED_RATIO)
        .min(RESERVED_BYTES_MAX);
    let mut bytes = Vec::with_capacity(reserved);
    let read = MultiGzDecoder::new(body.as_slice())
        .take(limit)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 >= limit {
        return Err(Error::BodySizeLimit);
    }
    match read {
        Ok(_) => Ok(bytes),
        Err(err) => Err(Error::Body(match err.kind() {
            ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
            _ if err.to_string().contains("header") => "gzip: invalid header".to_owned(),
            _ if err.to_string().contains("checksum") => "gzip: invalid checksum".to_owned(),
            _ => "flate: corrupt input".to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 1 << 18);
        assert_eq!(
            uncompressed(bomb.clone(), true, 1 << 20),
            Err(Error::BodySizeLimit)
        );
        assert_eq!(
            uncompressed(bomb, true, 0).map(|bytes| bytes.len()),
            Ok(10 << 20)
        );
    }

    #[test]
    fn damage_is_named() {
        let good = gzip(b"a 1\n");
        let cut = good.get(..good.len() - 3).unwrap_or_default().to_vec();
        assert_eq!(
            uncompressed(cut, true, 0),
            Err(Error::Body("unexpected EOF".to_owned()))
        );
        let plain = Error::Body("gzip: invalid header".to_owned());
        assert_eq!(
            uncompressed(b"not compressed".to_vec(), true, 0),
            Err(plain)
        );
    }

    #[test]
    fn reaching_the_limit_fails() {
        assert_eq!(
            uncompressed(b"abc".to_vec(), false, 3),
            Err(Error::BodySizeLimit)
        );
        assert_eq!(uncompressed(b"ab".to_vec(), false, 3), Ok(b"ab".to_vec()));
    }
}
