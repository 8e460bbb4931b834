//! Floats whose times and values share control bits, with start timestamps (encoding 4).
//!
//! Layout: `docs/internals/formats/chunk_xor2.md`. A sample that comes on time and does not change
//! takes one bit; a staleness marker on time five, and it leaves the value before it as the one that
//! the next is compared with.

use model::Timestamp;
use model::sample::SampleColumns;
use model::staleness::{STALE_NAN_BITS, is_stale};

use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter};
use crate::start_timestamp::{StartReader, StartWriter};
use crate::xor::{NO_WINDOW, Window};

/// Most bytes one sample takes: 69 bits of time, 78 of value, 72 of start timestamp.
pub const SAMPLE_BYTES_MAX: usize = 29;
/// Bytes before the bit stream: sample count, header of the start timestamps.
const HEADER_LEN: usize = 3;
/// Widths of a time's delta of delta that is not zero, by number of ones behind the first two.
const DOD_WIDTHS: [u32; 3] = [13, 20, 64];
/// Control bits: on time and stale.
const STALE_ON_TIME: u64 = 0b11111;

/// State of an open chunk, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appender {
    timestamp: Timestamp,
    delta: u64,
    /// Value of the newest sample, stale or not.
    value: f64,
    /// Newest value that was not stale: what the next is compared with.
    base: f64,
    starts: StartWriter,
    count: u16,
    leading: u8,
    trailing: u8,
    free: u8,
}

impl Default for Appender {
    fn default() -> Self {
        Self {
            timestamp: 0,
            delta: 0,
            value: 0.0,
            base: 0.0,
            starts: StartWriter::default(),
            count: 0,
            leading: NO_WINDOW,
            trailing: 0,
            free: 0,
        }
    }
}

impl Appender {
    /// An appender for an empty chunk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time of the newest sample; 0 if there is none.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Start timestamp of the newest sample; 0 for none.
    pub fn start_timestamp(&self) -> Timestamp {
        self.starts.start()
    }

    /// Value of the newest sample; 0 if there is none.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Samples so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Adds a sample to the chunk in `bytes`, which must be the vector that all samples before
    /// went to (empty for the first). `start` 0 is no start timestamp. A chunk holds at most
    /// 65,535 samples; callers close it long before that.
    pub fn append(
        &mut self,
        bytes: &mut Vec<u8>,
        timestamp: Timestamp,
        start: Timestamp,
        value: f64,
    ) {
        debug_assert!(self.count < u16::MAX, "a full chunk is not appended to");
        if self.count == 0 {
            bytes.clear();
            bytes.extend_from_slice(&[0; HEADER_LEN]);
        }
        let mut writer = BitWriter::new(bytes, self.free);
        let delta = timestamp.wrapping_sub(self.timestamp) as u64;
        match self.count {
            0 => {
                writer.write_varint(timestamp);
                writer.write_bits(value.to_bits(), 64);
                self.starts.first(&mut writer, timestamp, start);
            }
            1 => {
                writer.write_uvarint(delta);
                self.write_value(&mut writer, value);
                self.delta = delta;
            }
            _ => {
                self.write_joint(&mut writer, delta.wrapping_sub(self.delta) as i64, value);
                self.delta = delta;
            }
        }
        if self.count > 0 {
            let (index, before) = (self.count, self.timestamp);
            self.starts.next(&mut writer, index, before, start);
        }
        self.free = writer.free();
        self.timestamp = timestamp;
        self.value = value;
        if !is_stale(value) {
            self.base = value;
        }
        self.count = self.count.saturating_add(1);
        if let Some([high, low, header]) = bytes.first_chunk_mut::<HEADER_LEN>() {
            [*high, *low] = self.count.to_be_bytes();
            *header = self.starts.header();
        }
    }

    /// Writes control bits that say how time and value go on, and what they need.
    fn write_joint(&mut self, writer: &mut BitWriter<'_>, dod: i64, value: f64) {
        if dod != 0 {
            let fits = |width: &u32| *width == 64 || dod >> (width - 1) == dod >> 63;
            let ones = DOD_WIDTHS.iter().position(fits).unwrap_or(2);
            writer.write_bits((1 << (ones + 3)) - 2, ones as u32 + 3);
            writer.write_bits(dod as u64, DOD_WIDTHS[ones]);
            self.write_value(writer, value);
        } else if is_stale(value) {
            writer.write_bits(STALE_ON_TIME, 5);
        } else if value.to_bits() == self.base.to_bits() {
            writer.write_bit(false);
        } else {
            writer.write_bits(0b10, 2);
            self.write_change(writer, value);
        }
    }

    /// Writes a value that may be unchanged or stale.
    fn write_value(&mut self, writer: &mut BitWriter<'_>, value: f64) {
        if is_stale(value) {
            writer.write_bits(0b111, 3);
        } else if value.to_bits() == self.base.to_bits() {
            writer.write_bit(false);
        } else {
            writer.write_bit(true);
            // What tells a new window from a stale marker comes between its first bit and the rest.
            if self.fits_window(value) {
                writer.write_bit(false);
                self.write_in_window(writer, value);
            } else {
                writer.write_bits(0b10, 2);
                self.write_with_window(writer, value);
            }
        }
    }

    /// Writes a value that differs from the last.
    fn write_change(&mut self, writer: &mut BitWriter<'_>, value: f64) {
        if self.fits_window(value) {
            writer.write_bit(false);
            self.write_in_window(writer, value);
        } else {
            writer.write_bit(true);
            self.write_with_window(writer, value);
        }
    }

    fn fits_window(&self, value: f64) -> bool {
        let change = self.base.to_bits() ^ value.to_bits();
        let leading = change.leading_zeros().min(31) as u8;
        self.leading != NO_WINDOW
            && leading >= self.leading
            && change.trailing_zeros() as u8 >= self.trailing
    }

    fn write_in_window(&self, writer: &mut BitWriter<'_>, value: f64) {
        let change = self.base.to_bits() ^ value.to_bits();
        let significant = 64 - u32::from(self.leading) - u32::from(self.trailing);
        writer.write_bits(change >> self.trailing, significant);
    }

    fn write_with_window(&mut self, writer: &mut BitWriter<'_>, value: f64) {
        let change = self.base.to_bits() ^ value.to_bits();
        self.leading = change.leading_zeros().min(31) as u8;
        self.trailing = change.trailing_zeros() as u8;
        let significant = 64 - u32::from(self.leading) - u32::from(self.trailing);
        // 64 does not fit six bits and is written as 0, which nothing else needs.
        let field = u64::from(self.leading) << 6 | u64::from(significant & 63);
        writer.write_bits(field, 11);
        writer.write_bits(change >> self.trailing, significant);
    }
}

/// Appends the samples with `mint <= t <= maxt` to `columns`, oldest first; stops decoding behind
/// `maxt`. On an error the columns hold what was decoded before it.
pub fn decode(
    bytes: &[u8],
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let Some(([high, low, header], data)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(DecodeError::UnexpectedEnd);
    };
    let count = u16::from_be_bytes([*high, *low]);
    if count == 0 {
        return Ok(());
    }
    let mut reader = BitReader::new(data);
    let mut starts = StartReader::new(*header);
    let mut state = State::first(&mut reader)?;
    let mut start = starts.first(&mut reader, state.timestamp)?;
    let mut index = 0_u16;
    loop {
        if state.timestamp > maxt {
            return Ok(());
        }
        if state.timestamp >= mint {
            columns.push_float(state.timestamp, f64::from_bits(state.value));
            if start != 0 {
                columns.set_last_start_timestamp(start);
            }
        }
        index += 1;
        if index == count {
            return Ok(());
        }
        let before = state.timestamp;
        state.next(&mut reader, index)?;
        start = starts.next(&mut reader, index, before)?;
    }
}

/// Times and values while decoding.
struct State {
    timestamp: Timestamp,
    delta: u64,
    value: u64,
    base: u64,
    window: Window,
}

impl State {
    fn first(reader: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let timestamp = reader.read_varint()?;
        let value = reader.read_bits(64)?;
        let stale = value == STALE_NAN_BITS;
        Ok(Self {
            timestamp,
            delta: 0,
            value,
            base: if stale { 0 } else { value },
            window: Window::NONE,
        })
    }

    #[inline]
    fn next(&mut self, reader: &mut BitReader<'_>, index: u16) -> Result<(), DecodeError> {
        if index == 1 {
            self.delta = reader.read_uvarint()?;
            self.timestamp = self.timestamp.wrapping_add(self.delta as i64);
            return self.read_value(reader);
        }
        let ones = (!reader.peek()).leading_zeros().min(5);
        reader.skip(if ones == 5 { 5 } else { ones + 1 })?;
        let width = match ones {
            0 | 1 | 5 => 0,
            2 => 13,
            3 => 20,
            _ => 64,
        };
        if width > 0 {
            let field = reader.read_bits(width)?;
            let dod = (field << (64 - width)) as i64 >> (64 - width);
            self.delta = self.delta.wrapping_add(dod as u64);
        }
        self.timestamp = self.timestamp.wrapping_add(self.delta as i64);
        match ones {
            0 => self.value = self.base,
            1 => {
                let with_window = reader.read_bit()?;
                self.read_change(reader, with_window)?;
            }
            5 => self.value = STALE_NAN_BITS,
            _ => return self.read_value(reader),
        }
        Ok(())
    }

    #[inline]
    fn read_value(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        let ones = (!reader.peek()).leading_zeros().min(3);
        reader.skip(if ones == 3 { 3 } else { ones + 1 })?;
        match ones {
            0 => self.value = self.base,
            3 => self.value = STALE_NAN_BITS,
            ones => self.read_change(reader, ones == 2)?,
        }
        Ok(())
    }

    #[inline]
    fn read_change(
        &mut self,
        reader: &mut BitReader<'_>,
        with_window: bool,
    ) -> Result<(), DecodeError> {
        if with_window {
            self.window = Window::read(reader)?;
        }
        self.base ^= self.window.read_bits(reader)?;
        self.value = self.base;
        Ok(())
    }
}

/// Reopens a complete chunk for appending: decodes it and returns the state after its last sample.
pub fn reopen(bytes: &[u8]) -> Result<(Appender, Vec<u8>), DecodeError> {
    let mut columns = SampleColumns::default();
    decode(bytes, Timestamp::MIN, Timestamp::MAX, &mut columns)?;
    let mut appender = Appender::new();
    let mut copy = Vec::with_capacity(bytes.len() + SAMPLE_BYTES_MAX);
    for (index, (timestamp, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
        let start = columns.start_timestamps.get(index).copied().unwrap_or(0);
        appender.append(&mut copy, *timestamp, start, *value);
    }
    Ok((appender, copy))
}

#[cfg(test)]
mod tests;
