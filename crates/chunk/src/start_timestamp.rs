//! Start timestamps beside samples: how chunks of encodings 4 to 6 keep them.
//!
//! A header byte says whether the first sample has one (bit 7) and from which sample on there is a
//! field (bits 6 to 0; 0 for none). Up to there each sample has the start of the one before. The
//! first field is the distance from the start back from the time of the sample before; the later
//! ones are changes of that distance. Layout: `docs/internals/formats/chunk_xor2.md`.

use model::Timestamp;

use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter};
use crate::varbit::{read_signed, write_signed};

/// Header bit: the first sample has a start timestamp.
const FIRST_KNOWN: u8 = 0x80;
/// Largest sample number that fits the header: there the field begins whether needed or not.
const CHANGE_MAX: u8 = 0x7f;

/// What is kept while start timestamps are written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct StartWriter {
    start: Timestamp,
    distance: i64,
    header: u8,
}

impl StartWriter {
    /// The header byte as it stands.
    pub(crate) fn header(&self) -> u8 {
        self.header
    }

    /// The newest sample's; 0 for none.
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// Writes what the first sample needs; 0 is no start timestamp.
    pub(crate) fn first(
        &mut self,
        writer: &mut BitWriter<'_>,
        timestamp: Timestamp,
        start: Timestamp,
    ) {
        if start != 0 {
            writer.write_varint(timestamp.wrapping_sub(start));
            self.header |= FIRST_KNOWN;
        }
        self.start = start;
    }

    /// Writes what sample `index`, not the first, needs; `before` is the time of the sample before.
    pub(crate) fn next(
        &mut self,
        writer: &mut BitWriter<'_>,
        index: u16,
        before: Timestamp,
        start: Timestamp,
    ) {
        let distance = before.wrapping_sub(start);
        if self.header & CHANGE_MAX != 0 {
            write_signed(writer, distance.wrapping_sub(self.distance));
        } else if start != self.start || index == u16::from(CHANGE_MAX) {
            write_signed(writer, distance);
            // Not above the border, as the field begins there at the latest.
            self.header |= index.min(u16::from(CHANGE_MAX)) as u8;
        } else {
            return;
        }
        (self.start, self.distance) = (start, distance);
    }
}

/// What is kept while they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartReader {
    start: Timestamp,
    distance: i64,
    first_known: bool,
    /// From which sample on there is a field; 0 for none.
    change: u16,
}

impl StartReader {
    pub(crate) fn new(header: u8) -> Self {
        Self {
            start: 0,
            distance: 0,
            first_known: header & FIRST_KNOWN != 0,
            change: u16::from(header & CHANGE_MAX),
        }
    }

    /// The first sample's start timestamp.
    #[inline]
    pub(crate) fn first(
        &mut self,
        reader: &mut BitReader<'_>,
        timestamp: Timestamp,
    ) -> Result<Timestamp, DecodeError> {
        if self.first_known {
            self.start = timestamp.wrapping_sub(reader.read_varint()?);
        }
        Ok(self.start)
    }

    /// The start timestamp of sample `index`, not the first; `before` is the time of the sample
    /// before.
    #[inline]
    pub(crate) fn next(
        &mut self,
        reader: &mut BitReader<'_>,
        index: u16,
        before: Timestamp,
    ) -> Result<Timestamp, DecodeError> {
        if self.change != 0 && index >= self.change {
            self.distance = self.distance.wrapping_add(read_signed(reader)?);
            self.start = before.wrapping_sub(self.distance);
        }
        Ok(self.start)
    }
}
