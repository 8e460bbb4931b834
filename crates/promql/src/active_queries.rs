//! The file of running queries, by which the next start can tell which ones a crash cut off.
//!
//! As in the reference: a `[`, then a slot of 1000 bytes for each query that may run at a time. The
//! slot of a running query holds it as JSON, zeros, and a comma at its end; a free one is all zeros.
//! The page `docs/internals/formats/queries_active.md` describes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::json_text;

/// Bytes of a slot.
const SLOT_LEN: usize = 1000;
/// The file's name in the data directory.
const FILE_NAME: &str = "queries.active";
/// Most slots that are made or read back.
const SLOTS_MAX: usize = 100_000;

/// Keeps the file.
#[derive(Debug)]
pub struct ActiveQueries {
    file: File,
    /// Slots that nobody uses.
    free: Mutex<Vec<usize>>,
}

/// Why the file cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct ActiveQueriesError {
    path: PathBuf,
    source: io::Error,
}

impl ActiveQueries {
    /// Makes the file in `folder` anew; gives the entries that the run before left in it, as JSON.
    pub fn open(
        folder: &Path,
        max_concurrent: usize,
    ) -> Result<(Self, Option<String>), ActiveQueriesError> {
        let path = folder.join(FILE_NAME);
        let failed = |source| ActiveQueriesError {
            path: path.clone(),
            source,
        };
        let slots = max_concurrent.min(SLOTS_MAX);
        let left = left_over(&path);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed)?;
        // Written out, so that a full disk is met now and not while a query runs.
        let mut content = vec![0; 1 + slots * SLOT_LEN];
        if let Some(first) = content.first_mut() {
            *first = b'[';
        }
        file.write_all_at(&content, 0).map_err(failed)?;
        let active = Self {
            file,
            free: Mutex::new((0..slots).rev().collect()),
        };
        Ok((active, left))
    }

    /// Notes that `query` runs, until what is returned is dropped.
    pub(crate) fn insert(&self, query: &str, now_seconds: i64) -> Option<Running<'_>> {
        let slot = self.free.lock().pop()?;
        let running = Running { active: self, slot };
        self.write(slot, &entry(query, now_seconds));
        Some(running)
    }

    fn write(&self, slot: usize, content: &[u8; SLOT_LEN]) {
        // The file is a help for people after a crash: a query does not fail for it.
        let _ = self
            .file
            .write_all_at(content, (1 + slot * SLOT_LEN) as u64);
    }
}

/// A running query in the file.
pub(crate) struct Running<'a> {
    active: &'a ActiveQueries,
    slot: usize,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.active.write(self.slot, &[0; SLOT_LEN]);
        self.active.free.lock().push(self.slot);
    }
}

/// The content of a slot: the query is cut until it fits.
fn entry(query: &str, now_seconds: i64) -> [u8; SLOT_LEN] {
    let mut slot = [0; SLOT_LEN];
    let mut len = query.floor_char_boundary(SLOT_LEN - 40);
    loop {
        let mut text = String::from("{\"query\":");
        json_text::push_string(&mut text, query.get(..len).unwrap_or_default(), true);
        text.push_str(&format!(",\"timestamp_sec\":{now_seconds}}}"));
        let surplus = text.len().saturating_sub(SLOT_LEN - 1);
        if let Some(start) = slot.get_mut(..text.len()).filter(|_| surplus == 0) {
            start.copy_from_slice(text.as_bytes());
            break;
        }
        if len == 0 {
            break;
        }
        len = query.floor_char_boundary(len.saturating_sub(surplus.div_ceil(6)));
    }
    if let Some(last) = slot.last_mut() {
        *last = b',';
    }
    slot
}

/// The entries in the file at `path`, as a JSON list; `None` if there are none.
fn left_over(path: &Path) -> Option<String> {
    let mut content = Vec::new();
    let limit = (1 + SLOTS_MAX * SLOT_LEN) as u64;
    File::open(path)
        .ok()?
        .take(limit)
        .read_to_end(&mut content)
        .ok()?;
    parse(&content)
}

/// The entries of a file's content, as a JSON list; `None` if there are none.
pub fn parse(content: &[u8]) -> Option<String> {
    let slots = content.strip_prefix(b"[")?;
    let entries: Vec<String> = slots
        .chunks(SLOT_LEN)
        .filter_map(|slot| {
            let end = slot.iter().position(|byte| *byte == 0)?;
            let text = String::from_utf8_lossy(slot.get(..end)?);
            let text = text.trim_end_matches(',');
            (!text.is_empty()).then(|| text.to_owned())
        })
        .collect();
    (!entries.is_empty()).then(|| format!("[{}]", entries.join(",")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn what_ran_when_the_file_was_last_written_is_found_again() {
        let folder = tempfile::tempdir().expect("folder");
        let (active, left) = ActiveQueries::open(folder.path(), 2).expect("opened");
        assert_eq!(left, None);
        let path = folder.path().join(FILE_NAME);
        assert_eq!(std::fs::read(&path).expect("read").len(), 2001);
        let first = active.insert("up < \"1\"", 7).expect("slot");
        let second = active.insert("sum(x)", 8).expect("slot");
        assert!(active.insert("one too many", 9).is_none());
        drop(first);
        let content = std::fs::read(&path).expect("read");
        assert_eq!(content[0], b'[');
        assert_eq!(content[2000], b',');
        assert!(content[1..1001].iter().all(|byte| *byte == 0));
        std::mem::drop(second);
        let running = active.insert("up < \"1\"", 7).expect("slot");
        let (_, left) = ActiveQueries::open(folder.path(), 2).expect("opened");
        let expected = r#"[{"query":"up \u003c \"1\"","timestamp_sec":7}]"#;
        assert_eq!(left.as_deref(), Some(expected));
        drop(running);
    }

    #[test]
    fn long_queries_are_cut_to_their_slot() {
        for query in ["x".repeat(5000), "\"<é>".repeat(700), "\u{1}".repeat(990)] {
            let slot = entry(&query, 1);
            assert_eq!(slot[SLOT_LEN - 1], b',');
            let end = slot
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(SLOT_LEN - 1);
            let text = std::str::from_utf8(&slot[..end]).expect("text");
            assert!(text.ends_with(",\"timestamp_sec\":1}"), "{text}");
            assert!(end > 900, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_content_is_read_without_panic(
            content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000),
        ) {
            let mut with_start = vec![b'['];
            with_start.extend_from_slice(&content);
            for content in [content, with_start] {
                if let Some(list) = parse(&content) {
                    prop_assert!(list.starts_with('[') && list.ends_with(']'));
                }
            }
        }
    }
}
