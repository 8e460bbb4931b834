//! Compression of answers, as the client's `Accept-Encoding` allows.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// A content coding that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// The first coding of the header's list that is one of ours, written without parameters: the
    /// reference knows no weights.
    pub(crate) fn negotiate(accept: &str) -> Option<Self> {
        accept.split(',').find_map(|name| match name.trim() {
            "gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        })
    }

    /// The name for `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The bytes, compressed; `deflate` means the zlib format (RFC 9110 8.4.1.2).
    pub(crate) fn encode(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let out = Vec::with_capacity(bytes.len() / 4 + 64);
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_first_known_name_wins() {
        let check = |accept: &str, expected: Option<Encoding>| {
            assert_eq!(Encoding::negotiate(accept), expected, "{accept}");
        };
        check("gzip", Some(Encoding::Gzip));
        check("br, deflate, gzip", Some(Encoding::Deflate));
        check("gzip;q=0, identity", None);
        check("*", None);
        check("", None);
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let text = b"some text ".repeat(100);
        let mut back = Vec::new();
        let encoded = Encoding::Gzip.encode(&text).expect("in memory");
        flate2::read::GzDecoder::new(&*encoded)
            .read_to_end(&mut back)
            .expect("gzip");
        assert_eq!(back, text);
        back.clear();
        let encoded = Encoding::Deflate.encode(&text).expect("in memory");
        flate2::read::ZlibDecoder::new(&*encoded)
            .read_to_end(&mut back)
            .expect("zlib");
        assert_eq!(back, text);
    }
}
