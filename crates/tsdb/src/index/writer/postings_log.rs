//! Which series has which value, collected while series are written: per label name a row of bytes
//! in order of the series, a few bytes an entry. Rows leave the memory for a nameless file when they
//! grow beyond a bound.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::cursor::Cursor;
use crate::index::put_uvarint;

/// Most bytes of rows in memory.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// A part of a row that was put into the file.
#[derive(Debug, Clone, Copy)]
struct Extent {
    offset: u64,
    len: usize,
}

/// The entries of one label name. An entry is the distance to the series before, doubled, plus one
/// if the value is another than before, which then follows.
#[derive(Debug, Default)]
struct Row {
    extents: Vec<Extent>,
    bytes: Vec<u8>,
    series: u32,
    value: Option<u32>,
}

/// The rows of all label names, by the names' symbol numbers.
#[derive(Debug)]
pub(super) struct PostingsLog {
    path: PathBuf,
    rows: BTreeMap<u32, Row>,
    memory_bytes: usize,
    memory_bytes_max: usize,
    file: Option<File>,
    file_len: u64,
}

impl PostingsLog {
    /// An empty log; `path` is where a file may be made, which loses its name at once.
    pub(super) fn new(path: &Path) -> Self {
        Self::with_limit(path, MEMORY_BYTES_MAX)
    }

    fn with_limit(path: &Path, memory_bytes_max: usize) -> Self {
        Self {
            path: path.to_path_buf(),
            rows: BTreeMap::new(),
            memory_bytes: 0,
            memory_bytes_max,
            file: None,
            file_len: 0,
        }
    }

    /// Adds a pair of `series`, which is not below any series before.
    pub(super) fn add(&mut self, name: u32, value: u32, series: u32) -> io::Result<()> {
        let row = self.rows.entry(name).or_default();
        let before = row.bytes.len();
        let distance = u64::from(series.wrapping_sub(row.series));
        if row.value == Some(value) {
            put_uvarint(&mut row.bytes, distance << 1);
        } else {
            put_uvarint(&mut row.bytes, distance << 1 | 1);
            put_uvarint(&mut row.bytes, u64::from(value));
        }
        (row.series, row.value) = (series, Some(value));
        self.memory_bytes += row.bytes.len() - before;
        if self.memory_bytes > self.memory_bytes_max {
            self.spill()?;
        }
        Ok(())
    }

    /// Names with entries, in order.
    pub(super) fn names(&self) -> Vec<u32> {
        self.rows.keys().copied().collect()
    }

    /// Calls `visit` with series and value of every entry of `name`, in order of the series.
    pub(super) fn visit(&mut self, name: u32, mut visit: impl FnMut(u32, u32)) -> io::Result<()> {
        let Some(row) = self.rows.get(&name) else {
            return Ok(());
        };
        let (mut series, mut value) = (0, 0);
        let mut buffer = Vec::new();
        for extent in &row.extents {
            let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
            buffer.resize(extent.len, 0);
            file.seek(SeekFrom::Start(extent.offset))?;
            file.read_exact(&mut buffer)?;
            (series, value) = walk(&buffer, series, value, &mut visit)?;
        }
        walk(&row.bytes, series, value, &mut visit)?;
        Ok(())
    }

    /// Gives the memory of a name's row free.
    pub(super) fn forget(&mut self, name: u32) {
        self.rows.remove(&name);
    }

    /// Moves all rows to the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = File::options();
                options.read(true).write(true).create_new(true);
                let file = options.open(&self.path)?;
                fs::remove_file(&self.path)?;
                none.insert(file)
            }
        };
        file.seek(SeekFrom::Start(self.file_len))?;
        for row in self.rows.values_mut() {
            if row.bytes.is_empty() {
                continue;
            }
            file.write_all(&row.bytes)?;
            row.extents.push(Extent {
                offset: self.file_len,
                len: row.bytes.len(),
            });
            self.file_len += row.bytes.len() as u64;
            row.bytes = Vec::new();
        }
        self.memory_bytes = 0;
        Ok(())
    }
}

fn walk(
    bytes: &[u8],
    mut series: u32,
    mut value: u32,
    visit: &mut impl FnMut(u32, u32),
) -> io::Result<(u32, u32)> {
    let damaged = |_| io::Error::from(io::ErrorKind::InvalidData);
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_empty() {
        let step = cursor.uvarint().map_err(damaged)?;
        series = series.wrapping_add((step >> 1) as u32);
        if step & 1 == 1 {
            value = cursor.uvarint().map_err(damaged)? as u32;
        }
        visit(series, value);
    }
    Ok((series, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_back_whether_or_not_they_left_the_memory(
            entries in prop::collection::vec((0..4_u32, 0..300_u32, 0..5000_u32), 0..200),
            limit in prop_oneof![Just(0_usize), 1..200_usize, Just(1 << 20)],
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut log = PostingsLog::with_limit(&dir.path().join("spill"), limit);
            let mut series = 0;
            let mut expected: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
            for (name, value, step) in entries {
                series += step;
                log.add(name, value, series).unwrap();
                expected.entry(name).or_default().push((series, value));
            }
            prop_assert_eq!(log.names(), expected.keys().copied().collect::<Vec<_>>());
            for (name, expected) in expected {
                let mut found = Vec::new();
                log.visit(name, |series, value| found.push((series, value))).unwrap();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
}
