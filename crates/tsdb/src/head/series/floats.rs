//! The open chunk of a series of floats.

use chunk::{Encoding, xor, xor2};
use model::Timestamp;

use crate::FloatEncoding;

/// State of an open chunk, without its bytes. Most series have XOR chunks, so only these lie in the
/// series itself.
#[derive(Debug)]
pub(super) enum OpenFloats {
    Xor(xor::Appender),
    Xor2(Box<xor2::Appender>),
}

impl OpenFloats {
    /// An empty chunk of the usual encoding.
    pub(super) fn empty() -> Self {
        Self::Xor(xor::Appender::new())
    }

    /// An empty chunk.
    pub(super) fn new(encoding: FloatEncoding) -> Self {
        match encoding {
            FloatEncoding::Xor => Self::empty(),
            FloatEncoding::Xor2 => Self::Xor2(Box::default()),
        }
    }

    /// Samples so far.
    pub(super) fn count(&self) -> u16 {
        match self {
            Self::Xor(open) => open.count(),
            Self::Xor2(open) => open.count(),
        }
    }

    /// Time of the newest sample.
    pub(super) fn timestamp(&self) -> Timestamp {
        match self {
            Self::Xor(open) => open.timestamp(),
            Self::Xor2(open) => open.timestamp(),
        }
    }

    /// Start timestamp of the newest sample; 0 for none.
    pub(super) fn start_timestamp(&self) -> Timestamp {
        match self {
            Self::Xor(_) => 0,
            Self::Xor2(open) => open.start_timestamp(),
        }
    }

    /// Value of the newest sample.
    pub(super) fn value(&self) -> f64 {
        match self {
            Self::Xor(open) => open.value(),
            Self::Xor2(open) => open.value(),
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::Xor(_) => Encoding::Xor,
            Self::Xor2(_) => Encoding::Xor2,
        }
    }

    /// Whether the chunk is closed before a sample that is to be encoded as `wanted`: a chunk goes on
    /// in its own encoding, unless start timestamps must not get lost.
    pub(super) fn must_change(&self, wanted: FloatEncoding, store_starts: bool) -> bool {
        store_starts && self.encoding() != wanted.into()
    }

    /// Adds a sample to the chunk in `bytes`; an XOR chunk drops the start timestamp.
    #[inline]
    pub(super) fn append(
        &mut self,
        bytes: &mut Vec<u8>,
        (timestamp, start): (Timestamp, Timestamp),
        value: f64,
    ) {
        match self {
            Self::Xor(open) => {
                reserve_class(bytes, xor::SAMPLE_BYTES_MAX);
                open.append(bytes, timestamp, value);
            }
            Self::Xor2(open) => {
                reserve_class(bytes, xor2::SAMPLE_BYTES_MAX);
                open.append(bytes, timestamp, start, value);
            }
        }
    }

    /// Heap bytes beside the chunk's.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Xor(_) => 0,
            Self::Xor2(_) => size_of::<xor2::Appender>(),
        }
    }
}

/// Grows an open chunk's buffer to the next size class when a sample might not fit.
#[inline]
fn reserve_class(bytes: &mut Vec<u8>, sample_bytes_max: usize) {
    let wanted = bytes.len() + sample_bytes_max;
    if wanted > bytes.capacity() {
        grow(bytes, wanted);
    }
}

#[cold]
fn grow(bytes: &mut Vec<u8>, wanted: usize) {
    const CLASSES: [usize; 9] = [32, 64, 96, 128, 192, 256, 512, 768, 1056];
    let class = CLASSES
        .into_iter()
        .find(|class| *class >= wanted)
        .unwrap_or(wanted);
    bytes.reserve_exact(class - bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_encoding_takes_no_room_in_a_series() {
        assert_eq!(size_of::<OpenFloats>(), size_of::<xor::Appender>());
    }
}
