//! The texts of a body's series, found again after it was read. That is rare (the store has dropped a
//! series that its target still has), so nothing is kept for it but eight bytes a sample.

use exposition::{Conversion, Entry, Format, Parser, ParserOptions};

use crate::bounds::BODY_BYTES_MAX;

/// Where a text is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextRef {
    /// First byte in the body; where texts are made the number of the sample, counted from zero.
    start: u32,
    /// Bytes; where texts are made 0.
    len: u32,
}

// A body is no longer than this can say, and has fewer than two samples a byte: an empty histogram is
// three samples of two bytes.
const _: () = assert!(2 * BODY_BYTES_MAX <= u32::MAX as u64);

/// A body and how it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextSource<'a> {
    format: Format,
    body: &'a [u8],
    options: ParserOptions,
}

impl<'a> TextSource<'a> {
    pub(super) fn new(format: Format, body: &'a [u8], options: ParserOptions) -> Self {
        Self {
            format,
            body,
            options,
        }
    }

    /// A parser at its start.
    pub(super) fn parser(&self) -> Parser<'a> {
        Parser::with_options(self.format, self.body, self.options)
    }

    /// Whether texts are no parts of the body.
    fn are_made(&self) -> bool {
        self.format == Format::Protobuf || self.options.conversion != Conversion::Off
    }

    /// Of a `text` that a parser of it has yielded as that of sample `number`.
    pub(super) fn at(&self, text: &[u8], number: usize) -> TextRef {
        if self.are_made() {
            return TextRef {
                start: number as u32,
                len: 0,
            };
        }
        let start = text.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        TextRef {
            start: start as u32,
            len: text.len() as u32,
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
    parser: Parser<'a>,
    /// Samples read.
    read: u32,
}

impl<'a> Texts<'a> {
    pub(super) fn new(source: TextSource<'a>) -> Self {
        let again = source.are_made().then(|| Again {
            parser: source.parser(),
            read: 0,
        });
        Self {
            body: source.body,
            again,
        }
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
        again.parser.made_text()
    }
}
