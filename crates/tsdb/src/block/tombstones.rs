//! Deleted intervals of a block's series (`docs/internals/formats/tombstones.md`).

use std::collections::BTreeMap;

use model::Timestamp;

use crate::cursor::{Cursor, Truncated};
use crate::index::{put_uvarint, put_varint};

/// The file's name in the block's folder.
pub const FILE_NAME: &str = "tombstones";

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

/// Deleted intervals by series reference; both ends included, sorted, apart from each other.
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
        Self::of_entries(entries)
    }

    /// Reads the version and entries of a tombstone file without what is around them.
    pub(crate) fn parse_bare(bytes: &[u8]) -> Result<Self, TombstoneError> {
        match bytes.split_first() {
            Some((1, entries)) => Self::of_entries(entries),
            _ => Err(TombstoneError::Header),
        }
    }

    fn of_entries(entries: &[u8]) -> Result<Self, TombstoneError> {
        let mut tombstones = Self::default();
        let mut cursor = Cursor::new(entries);
        while !cursor.is_empty() {
            let series = cursor.uvarint()?;
            let interval = (cursor.varint()?, cursor.varint()?);
            tombstones.add(series, interval);
        }
        Ok(tombstones)
    }

    /// Version and entries of a tombstone file.
    pub(crate) fn to_bare_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        for (series, (from, to)) in self.iter() {
            put_uvarint(&mut bytes, series);
            put_varint(&mut bytes, from);
            put_varint(&mut bytes, to);
        }
        bytes
    }

    /// The contents of a tombstone file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = MAGIC.to_be_bytes().to_vec();
        file.extend_from_slice(&self.to_bare_bytes());
        let entries_from = size_of_val(&MAGIC) + 1;
        let crc = crc32c::crc32c(file.get(entries_from..).unwrap_or_default());
        file.extend_from_slice(&crc.to_be_bytes());
        file
    }

    /// Adds an interval of one series; those that overlap or touch become one.
    pub fn add(&mut self, series: u64, interval: (Timestamp, Timestamp)) {
        let (mut from, mut to) = interval;
        let intervals = self.intervals.entry(series).or_default();
        let first = intervals.partition_point(|(_, end)| end.saturating_add(1) < from);
        let behind = intervals.partition_point(|(begin, _)| *begin <= to.saturating_add(1));
        if let Some(touched) = intervals.get(first..behind) {
            for (begin, end) in touched {
                from = from.min(*begin);
                to = to.max(*end);
            }
        }
        intervals.splice(first..behind.max(first), [(from, to)]);
    }

    /// Series and interval of everything deleted.
    pub fn iter(&self) -> impl Iterator<Item = (u64, (Timestamp, Timestamp))> {
        let all = self.intervals.iter();
        all.flat_map(|(series, intervals)| intervals.iter().map(|interval| (*series, *interval)))
    }

    /// Bytes of memory, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let interval = size_of::<(Timestamp, Timestamp)>();
        let series = size_of::<(u64, Vec<(Timestamp, Timestamp)>)>();
        let intervals = self.intervals.values().map(Vec::capacity).sum::<usize>();
        self.intervals.len() * series + intervals * interval
    }

    /// Number of intervals.
    pub fn len(&self) -> usize {
        self.intervals.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Deleted intervals of one series.
    pub fn of(&self, series: u64) -> &[(Timestamp, Timestamp)] {
        self.intervals.get(&series).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

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
    proptest! {
        #[test]
        fn intervals_are_a_union_that_comes_back(
            intervals in prop::collection::vec((0..3_u64, -50..50_i64, 0..20_i64), 0..20),
        ) {
            let mut tombstones = Tombstones::default();
            let mut deleted = BTreeSet::new();
            for (series, from, len) in intervals {
                tombstones.add(series, (from, from + len));
                deleted.extend((from..=from + len).map(|time| (series, time)));
            }
            for series in 0..3 {
                let intervals = tombstones.of(series);
                for pair in intervals.windows(2) {
                    prop_assert!(pair[0].1 + 1 < pair[1].0, "{intervals:?}");
                }
                let times = intervals.iter().flat_map(|(from, to)| *from..=*to);
                let expected = deleted.iter().filter(|(of, _)| *of == series);
                prop_assert!(times.eq(expected.map(|(_, time)| *time)));
            }
            prop_assert_eq!(Tombstones::parse(&tombstones.to_bytes()), Ok(tombstones));
        }
    }
}
