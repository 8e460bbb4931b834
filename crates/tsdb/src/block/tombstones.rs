//! Deleted intervals of a block's series (`docs/internals/formats/tombstones.md`).

use std::collections::BTreeMap;

use model::Timestamp;

use crate::cursor::{Cursor, Truncated};

/// First bytes of the file, then version 1.
const MAGIC: u32 = 0x0130_BA30;

/// Why a tombstone file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TombstoneError {
    /// Not such a file, or of an unknown version.
    #[error("tombstone file has a wrong header")]
    Header,
    /// The file ends inside an entry.
    #[error("tombstone file is cut short")]
    Truncated,
    /// The bytes do not match their checksum.
    #[error("tombstone file has a wrong checksum")]
    Checksum,
}

impl From<Truncated> for TombstoneError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// Deleted intervals by series reference; both ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    intervals: BTreeMap<u64, Vec<(Timestamp, Timestamp)>>,
}

impl Tombstones {
    /// Reads the contents of a tombstone file.
    pub fn parse(file: &[u8]) -> Result<Self, TombstoneError> {
        let mut cursor = Cursor::new(file);
        if cursor.u32()? != MAGIC || cursor.u8()? != 1 {
            return Err(TombstoneError::Header);
        }
        let rest = cursor.rest();
        let entries = rest.len().checked_sub(4).ok_or(TombstoneError::Truncated)?;
        let (entries, crc) = rest.split_at(entries);
        if crc32c::crc32c(entries).to_be_bytes() != crc {
            return Err(TombstoneError::Checksum);
        }
        let mut tombstones = Self::default();
        let mut cursor = Cursor::new(entries);
        while !cursor.is_empty() {
            let series = cursor.uvarint()?;
            let interval = (cursor.varint()?, cursor.varint()?);
            tombstones
                .intervals
                .entry(series)
                .or_default()
                .push(interval);
        }
        Ok(tombstones)
    }

    /// Deleted intervals of one series.
    pub fn of(&self, series: u64) -> &[(Timestamp, Timestamp)] {
        self.intervals.get(&series).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(entries: &[u8]) -> Vec<u8> {
        let mut file = vec![0x01, 0x30, 0xba, 0x30, 1];
        file.extend_from_slice(entries);
        file.extend_from_slice(&crc32c::crc32c(entries).to_be_bytes());
        file
    }

    #[test]
    fn the_empty_file_of_the_reference_is_read() {
        let empty = [0x01, 0x30, 0xba, 0x30, 1, 0, 0, 0, 0];
        assert_eq!(Tombstones::parse(&empty), Ok(Tombstones::default()));
    }

    #[test]
    fn intervals_are_read_and_damage_is_an_error() {
        let whole = file(&[7, 2, 20, 7, 40, 60]);
        let read = Tombstones::parse(&whole).unwrap();
        assert_eq!(read.of(7), [(1, 10), (20, 30)]);
        assert_eq!(read.of(8), []);
        for at in 0..whole.len() {
            assert!(Tombstones::parse(&whole[..at]).is_err(), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(Tombstones::parse(&damaged).is_err(), "flipped at {at}");
        }
    }
}
