//! The texts of a body's series, found again after it was read. That is rare (the store has dropped a
//! series that its target still has), so nothing is kept for it but eight bytes a sample.

use exposition::protobuf::ProtobufParser;
use exposition::{Entry, Format, Histograms};

use crate::fetch::BODY_BYTES_MAX;

/// Where a text is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextRef {
    /// First byte in the body; of protobuf the number of the sample, counted from zero.
    start: u32,
    /// Bytes; of protobuf 0.
    len: u32,
}

// A body is no longer than this can say, and has fewer than two samples a byte: an empty histogram is
// three samples of two bytes.
const _: () = assert!(2 * BODY_BYTES_MAX <= u32::MAX as u64);

impl TextRef {
    /// Of a `text` that a parser of `body` has yielded as that of sample `number`.
    pub(super) fn new(format: Format, body: &[u8], text: &[u8], number: usize) -> Self {
        match format {
            Format::Text | Format::OpenMetrics => {
                let start = text.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
                Self {
                    start: start as u32,
                    len: text.len() as u32,
                }
            }
            Format::Protobuf => Self {
                start: number as u32,
                len: 0,
            },
        }
    }
}

/// Finds texts in a body.
pub(super) struct Texts<'a> {
    body: &'a [u8],
    /// Where a text is not a part of the body: a second pass over it.
    again: Option<Again<'a>>,
}

struct Again<'a> {
    parser: ProtobufParser<'a>,
    /// Samples read.
    read: u32,
}

impl<'a> Texts<'a> {
    /// Of a body that was read so.
    pub(super) fn new(format: Format, body: &'a [u8], histograms: Histograms) -> Self {
        let again = (format == Format::Protobuf).then(|| Again {
            parser: ProtobufParser::new(body, histograms),
            read: 0,
        });
        Self { body, again }
    }

    /// The text at `at`. Samples must be asked for in the order of the body.
    pub(super) fn find(&mut self, at: TextRef) -> Option<&[u8]> {
        let Some(again) = &mut self.again else {
            let start = at.start as usize;
            return self.body.get(start..start + at.len as usize);
        };
        while again.read <= at.start {
            match again.parser.next_entry() {
                Ok(Some(Entry::Series(_) | Entry::Histogram(_))) => again.read += 1,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
        Some(again.parser.series_text())
    }
}
