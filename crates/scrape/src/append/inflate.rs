//! Uncompresses bodies, bounded: a small body may hold a huge one.
//!
//! A body as targets send it, one gzip member with an ordinary header, is inflated at once into a
//! buffer that its worker keeps. At the first surprise flate2 decides, which takes four times as long,
//! needs no word about the size beforehand, and words refusals. The quick way takes codes that are not
//! complete, which nobody writes; what comes out has the right checksum all the same.

use std::borrow::Cow;
use std::io::{ErrorKind, Read as _};

use flate2::bufread::MultiGzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;

use crate::error::Error;
use crate::fetch::BodyLimits;

/// Bytes reserved at first for a compressed byte; text usually takes more, and the buffer grows.
const EXPECTED_RATIO: usize = 8;
/// Most bytes reserved before anything is known.
const RESERVED_BYTES_MAX: usize = 4 << 20;

/// Larger bodies do not get the buffer, which stays as large as it ever was.
const BUFFER_BYTES_MAX: usize = 8 << 20;
/// What a compressed byte can stand for; who claims more does not tell the truth.
const RATIO_MAX: usize = 1032;
/// How a member begins; its method is deflate.
const MEMBER_START: [u8; 3] = [0x1f, 0x8b, 8];

/// A decoder and where it puts what it made.
pub(super) struct Inflater {
    decoder: Decompressor,
    buffer: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            decoder: Decompressor::new(),
            buffer: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// The body as the target meant it.
    pub(super) fn uncompressed(
        &mut self,
        body: Vec<u8>,
        gzip: bool,
        limits: BodyLimits<'_>,
    ) -> Result<Cow<'_, [u8]>, Error> {
        let limit = limits.bytes_end();
        if !gzip {
            return if body.len() as u64 >= limit {
                Err(limits.refusal())
            } else {
                Ok(Cow::Owned(body))
            };
        }
        match self.quick(&body, limit) {
            Some(size) => Ok(Cow::Borrowed(self.buffer.get(..size).unwrap_or_default())),
            None => step_by_step(&body, limits).map(Cow::Owned),
        }
    }

    /// Inflates `body` into the buffer if it is an ordinary one; the size.
    fn quick(&mut self, body: &[u8], limit: u64) -> Option<usize> {
        let ordinary = body.strip_prefix(&MEMBER_START).is_some_and(|rest| {
            rest.first() == Some(&0) && memmem::find(rest, &MEMBER_START).is_none()
        });
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *body.last_chunk()?;
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let fits = size as u64 <= limit.saturating_sub(1)
            && (1..=BUFFER_BYTES_MAX).contains(&size)
            && size / RATIO_MAX <= body.len();
        if !ordinary || !fits {
            return None;
        }
        if self.buffer.len() < size {
            self.buffer.reserve_exact(size - self.buffer.len());
            self.buffer.resize(size, 0);
        }
        let bytes = self.buffer.get_mut(..size)?;
        let made = self.decoder.gzip_decompress(body, bytes).ok()?;
        // The decoder stops after the member. If checksum and size at the very end are those of what
        // it made, nothing follows (or somebody took great pains).
        let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
        (made == size && libdeflater::crc32(bytes) == checksum).then_some(size)
    }

    /// Bytes of memory it takes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.buffer.capacity() + DECODER_BYTES
    }
}

/// Tables of a decoder.
const DECODER_BYTES: usize = 12 << 10;

/// All members of `body`, piece by piece.
fn step_by_step(body: &[u8], limits: BodyLimits<'_>) -> Result<Vec<u8>, Error> {
    let limit = limits.bytes_end();
    let reserved = body
        .len()
        .saturating_mul(EXPECTED_RATIO)
        .min(RESERVED_BYTES_MAX);
    let mut bytes = Vec::with_capacity(reserved);
    let read = MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 >= limit {
        return Err(limits.refusal());
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
    use crate::bounds::{BODY_BYTES_MAX, Bounds};
    use crate::options::JobOptions;

    fn with<R>(limit: u64, check: impl FnOnce(BodyLimits<'_>) -> R) -> R {
        let options = JobOptions {
            body_size_limit: limit,
            ..JobOptions::default()
        };
        check(BodyLimits::new(&options, &Bounds::default()))
    }

    fn inflate(inflater: &mut Inflater, body: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
        with(limit, |limits| {
            let inflated = inflater.uncompressed(body.to_vec(), true, limits);
            inflated.map(Cow::into_owned)
        })
    }

    fn uncompressed(body: Vec<u8>, gzip: bool, limit: u64) -> Result<Vec<u8>, Error> {
        let mut inflater = Inflater::default();
        with(limit, |limits| {
            let inflated = inflater.uncompressed(body, gzip, limits);
            inflated.map(Cow::into_owned)
        })
    }

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
    fn without_a_limit_memory_bounds_it() {
        let bounds = Bounds::within(1 << 20, || 0);
        let options = JobOptions::default();
        let mut inflater = Inflater::default();
        let bomb = gzip(&vec![0; 16 << 20]);
        let limits = BodyLimits::new(&options, &bounds);
        let refused = inflater.uncompressed(bomb, true, limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "body of more than 16777216 bytes takes too much memory (set body_size_limit to take it)"
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

    #[test]
    fn ordinary_bodies_go_the_quick_way() {
        let mut inflater = Inflater::default();
        for size in [1, 1000, 3, 100_000] {
            let text = vec![b'a'; size];
            let body = gzip(&text);
            assert_eq!(inflater.quick(&body, BODY_BYTES_MAX), Some(size));
            assert_eq!(inflate(&mut inflater, &body, 0), Ok(text));
        }
        assert_eq!(inflater.buffer.capacity(), 100_000);
        assert_eq!(inflater.quick(&gzip(b"abc"), 3), None);
        assert_eq!(inflater.quick(&gzip(b"abc"), 4), Some(3));
    }

    #[test]
    fn claims_of_a_size_reserve_nothing() {
        let mut inflater = Inflater::default();
        let mut body = gzip(b"a 1\n");
        let end = body.len();
        body[end - 4..].copy_from_slice(&(1_u32 << 20).to_le_bytes());
        let found = inflate(&mut inflater, &body, 0);
        assert_eq!(found, Err(Error::Body("gzip: invalid checksum".to_owned())));
        let bomb = gzip(&vec![0; 10 << 20]);
        let found = inflate(&mut inflater, &bomb, 0);
        assert_eq!(found.map(|bytes| bytes.len()), Ok(10 << 20));
        assert_eq!(inflater.buffer.capacity(), 0);
    }

    /// Whatever the quick way takes, the other one takes with the same result, or refuses for codes
    /// that are not complete: but then it is the text that was meant, by its checksum.
    #[track_caller]
    fn both_ways_agree(inflater: &mut Inflater, body: &[u8], meant: &[u8]) {
        for limit in [BODY_BYTES_MAX, 5, 8] {
            let expected = with(limit, |limits| step_by_step(body, limits));
            let found = inflate(inflater, body, limit);
            let incomplete = Err(Error::Body("flate: corrupt input".to_owned()));
            let tolerant = expected == incomplete && found.as_deref() == Ok(meant);
            assert!(found == expected || tolerant, "{body:?} {limit}");
        }
    }

    #[test]
    fn the_quick_way_agrees_on_damaged_bodies() {
        let mut inflater = Inflater::default();
        let texts: [&[u8]; 5] = [b"", b"a", b"a 1\nb 2\n", &[b'x'; 5000], &[0; 300]];
        for text in texts {
            let good = gzip(text);
            both_ways_agree(&mut inflater, &good, text);
            for end in 0..good.len() {
                both_ways_agree(&mut inflater, &good[..end], text);
            }
            for at in 0..good.len() {
                for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                    let mut damaged = good.clone();
                    damaged[at] ^= flip;
                    both_ways_agree(&mut inflater, &damaged, text);
                }
            }
            for other in texts {
                let two = [good.clone(), gzip(other)].concat();
                both_ways_agree(&mut inflater, &two, &[]);
            }
            for rest in [&b"\0"[..], b"\0\0\0\0\0\0\0\0", b"garbage", b"\x1f\x8b"] {
                both_ways_agree(&mut inflater, &[&good, rest].concat(), &[]);
            }
        }
    }
}
