//! What a loop knows of its target's lines: series text → series reference.
//!
//! There is an entry a series, so it is kept small: 28 bytes. The text is not in it, a keyed hash
//! stands for it ([`crate::text_hash`]); labels follow from the text of the body at hand. Entries lie
//! in the order of the last successful scrape, which is how most lines are found: the next one must
//! be the next entry. For a line out of order an index by hash is made, which lasts as long as the
//! scrape. Entries not seen in a successful scrape are dropped after it.

use exposition::Format;
use hashbrown::HashTable;
use model::MetricType;
use storage::SeriesRef;

use crate::bounds::Growth;
use crate::text_hash::{TextHash, TextKey};

/// A failed scrape may leave entries behind; beyond this many, and twice those of the last
/// successful one, all that were not seen are dropped.
const STRAY_ENTRIES_MAX: usize = 1000;

/// Stands for the length of a text that is at least this long. Such lines are found by hash only.
const LONG: u16 = u16::MAX;

/// Index of an entry; valid until the end of the scrape it was given out in.
pub(crate) type EntryId = u32;

/// Its line was read in this scrape.
const SEEN: u8 = 1;
/// It gets a marker if the next scrape does not track it.
const TRACKED: u8 = 2;
/// It was tracked in the last scrape.
const TRACKED_BEFORE: u8 = 4;
/// It is a counter, or a part of one.
const CUMULATIVE: u8 = 8;

/// One known series text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    hash: TextHash,
    /// Halves of the reference: an entry is aligned to four bytes only.
    series: [u32; 2],
    length: u16,
    /// Type of its family when it was met first; with the text it gives the labels. `None` if
    /// relabelling drops the series.
    metric_type: Option<MetricType>,
    marks: u8,
}

const _: () = assert!(size_of::<Entry>() <= 28, "one for each series");

impl Entry {
    /// Its reference in the store.
    pub(crate) fn series(&self) -> SeriesRef {
        let [low, high] = self.series;
        SeriesRef(u64::from(high) << 32 | u64::from(low))
    }

    fn set_series(&mut self, series: SeriesRef) {
        self.series = [series.0 as u32, (series.0 >> 32) as u32];
    }

    /// The type that its labels depend on; `None` if relabelling drops the series.
    pub(crate) fn metric_type(&self) -> Option<MetricType> {
        self.metric_type
    }

    /// The hash of its text.
    pub(crate) fn hash(&self) -> TextHash {
        self.hash
    }

    /// Whether [`Scan::mark_cumulative`] said so.
    pub(crate) fn is_cumulative(&self) -> bool {
        self.is(CUMULATIVE)
    }

    fn is(&self, marks: u8) -> bool {
        self.marks & marks == marks
    }
}

/// The known lines of one target.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
    /// Entries after the last successful scrape.
    settled_len: usize,
    /// Number of the current scrape.
    scrape: u64,
    /// The format that all entries are known to be written in.
    format: Option<Format>,
    growth: Growth,
}

/// What a scan needs beside the entries. It belongs to whoever scans, not to each target.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Entries in the order in which they were seen first.
    order: Vec<EntryId>,
    /// All entries, once a line was out of order.
    by_hash: HashTable<EntryId>,
}

impl Scratch {
    /// Bytes of memory it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.order.capacity() * size_of::<EntryId>() + self.by_hash.allocation_size()
    }
}

/// One pass over a target's lines.
pub(crate) struct Scan<'a> {
    cache: &'a mut Cache,
    scratch: &'a mut Scratch,
    key: &'a TextKey,
    /// The entry expected next.
    cursor: usize,
    indexed: bool,
    /// Whether entries were seen in another order than theirs.
    moved: bool,
    /// The format that is read.
    format: Option<Format>,
}

/// An entry found for a line.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: EntryId,
    /// Whether this scrape has had it before.
    pub(crate) repeated: bool,
}

/// The line expected next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    pub(crate) id: EntryId,
    pub(crate) length: usize,
    pub(crate) hash: TextHash,
}

impl Cache {
    /// Starts a scrape.
    pub(crate) fn begin<'a>(&'a mut self, scratch: &'a mut Scratch, key: &'a TextKey) -> Scan<'a> {
        self.scrape += 1;
        for entry in &mut self.entries {
            // A scan that did not come to its end leaves marks.
            entry.marks &= TRACKED_BEFORE | CUMULATIVE;
        }
        scratch.order.clear();
        Scan {
            cache: self,
            scratch,
            key,
            cursor: 0,
            indexed: false,
            moved: false,
            format: None,
        }
    }

    /// Bytes of memory it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

impl Scan<'_> {
    /// Number of the scrape.
    pub(crate) fn scrape(&self) -> u64 {
        self.cache.scrape
    }

    /// Entries after the last successful scrape.
    pub(crate) fn settled_len(&self) -> usize {
        self.cache.settled_len
    }

    /// What the target has added to the store.
    pub(crate) fn growth(&mut self) -> &mut Growth {
        &mut self.cache.growth
    }

    /// Says in which format lines are read. What another one takes may be wrong in it.
    pub(crate) fn reads(&mut self, format: Format) {
        self.format = Some(format);
    }

    /// The hash of a text.
    #[inline]
    pub(crate) fn hash(&self, text: &[u8]) -> TextHash {
        self.key.hash(text)
    }

    /// The line expected next, if lines come as in the last scrape.
    #[inline]
    pub(crate) fn expected(&self) -> Option<Expected> {
        let entry = self.cache.entries.get(self.cursor)?;
        (self.format == self.cache.format && entry.length != LONG).then(|| Expected {
            id: self.cursor as EntryId,
            length: entry.length.into(),
            hash: entry.hash,
        })
    }

    /// Says that the line of entry `id` was read.
    #[inline]
    pub(crate) fn see(&mut self, id: EntryId) -> Found {
        let mut repeated = true;
        if let Some(entry) = self.cache.entries.get_mut(id as usize) {
            repeated = entry.is(SEEN);
            entry.marks |= SEEN;
        }
        if !repeated {
            self.moved |= self.scratch.order.len() != id as usize;
            self.scratch.order.push(id);
            self.cursor = id as usize + 1;
        }
        Found { id, repeated }
    }

    /// Like [`find`](Self::find), but looks first whether it is the line expected next.
    pub(crate) fn locate(&mut self, hash: TextHash) -> Option<Found> {
        match self.expected() {
            Some(expected) if expected.hash == hash => Some(self.see(expected.id)),
            _ => self.find(hash),
        }
    }

    /// Finds the entry of a text by its hash and says that its line was read.
    pub(crate) fn find(&mut self, hash: TextHash) -> Option<Found> {
        if !self.indexed {
            self.index();
        }
        let entries = &self.cache.entries;
        let by_hash = &self.scratch.by_hash;
        let id = *by_hash.find(hash.short(), |id| {
            entries
                .get(*id as usize)
                .is_some_and(|entry| entry.hash == hash)
        })?;
        Some(self.see(id))
    }

    fn index(&mut self) {
        let entries = &self.cache.entries;
        let by_hash = &mut self.scratch.by_hash;
        let rehash = |id: &EntryId| short_of(entries, *id);
        by_hash.clear();
        by_hash.reserve(entries.len(), rehash);
        for (id, entry) in entries.iter().enumerate() {
            by_hash.insert_unique(entry.hash.short(), id as EntryId, rehash);
        }
        self.indexed = true;
    }

    /// Adds a text that [`find`](Self::find) has not found. `series` is its reference and the type of
    /// its family; `None` if it is dropped.
    pub(crate) fn insert(
        &mut self,
        hash: TextHash,
        length: usize,
        series: Option<(SeriesRef, MetricType)>,
    ) -> EntryId {
        let id = self.cache.entries.len() as EntryId;
        let mut entry = Entry {
            hash,
            series: [0; 2],
            length: u16::try_from(length).unwrap_or(LONG),
            metric_type: series.map(|(_, metric_type)| metric_type),
            marks: SEEN,
        };
        if let Some((series, _)) = series {
            entry.set_series(series);
        }
        self.cache.entries.push(entry);
        if self.indexed {
            let entries = &self.cache.entries;
            let by_hash = &mut self.scratch.by_hash;
            by_hash.insert_unique(hash.short(), id, |id| short_of(entries, *id));
        }
        self.moved |= self.scratch.order.len() != id as usize;
        self.scratch.order.push(id);
        id
    }

    pub(crate) fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.cache.entries.get(id as usize)
    }

    /// The store has another reference for the series now.
    pub(crate) fn set_series(&mut self, id: EntryId, series: SeriesRef) {
        if let Some(entry) = self.cache.entries.get_mut(id as usize) {
            entry.set_series(series);
        }
    }

    /// The series gets a marker if the next scrape does not track it.
    #[inline]
    pub(crate) fn track(&mut self, id: EntryId) {
        if let Some(entry) = self.cache.entries.get_mut(id as usize) {
            entry.marks |= TRACKED;
        }
    }

    /// Takes [`track`](Self::track) back: the sample was not taken.
    pub(crate) fn untrack(&mut self, id: EntryId) {
        if let Some(entry) = self.cache.entries.get_mut(id as usize) {
            entry.marks &= !TRACKED;
        }
    }

    /// Says that the series is a counter, or a part of one. That stays.
    pub(crate) fn mark_cumulative(&mut self, id: EntryId) {
        if let Some(entry) = self.cache.entries.get_mut(id as usize) {
            entry.marks |= CUMULATIVE;
        }
    }

    /// Series that were tracked in the last scrape and are not in this one.
    pub(crate) fn vanished(&self) -> Vec<SeriesRef> {
        let series_with = |marks: u8| {
            let entries = self.cache.entries.iter();
            entries
                .filter(move |entry| entry.marks & (TRACKED | TRACKED_BEFORE) == marks)
                .map(Entry::series)
        };
        let mut vanished: Vec<SeriesRef> = series_with(TRACKED_BEFORE).collect();
        if !vanished.is_empty() {
            // The same series may be written otherwise now.
            let mut present: Vec<SeriesRef> = series_with(TRACKED)
                .chain(series_with(TRACKED | TRACKED_BEFORE))
                .collect();
            present.sort_unstable();
            vanished.retain(|series| present.binary_search(series).is_err());
        }
        vanished
    }

    /// Ends a scrape; `successful` if its body was not empty and was read to its end. Whether
    /// entries had to be dropped for their number alone.
    pub(crate) fn end(self, successful: bool) -> bool {
        let Self { cache, scratch, .. } = self;
        let len = cache.entries.len();
        let forced = !successful && len > cache.settled_len * 2 + STRAY_ENTRIES_MAX;
        if successful && (self.moved || scratch.order.len() < len) {
            let entries = &cache.entries;
            let mut sorted = Vec::with_capacity(scratch.order.len());
            let seen = scratch.order.iter();
            sorted.extend(seen.filter_map(|id| entries.get(*id as usize)));
            cache.entries = sorted;
        } else if forced {
            cache.entries.retain(|entry| entry.is(SEEN));
        }
        for entry in &mut cache.entries {
            let tracked = if entry.is(TRACKED) { TRACKED_BEFORE } else { 0 };
            entry.marks = entry.marks & CUMULATIVE | tracked;
        }
        if successful {
            cache.entries.shrink_to_fit();
            cache.settled_len = cache.entries.len();
            cache.format = self.format;
        } else if self.format.is_some() && self.format != cache.format {
            // There are entries of several formats now.
            cache.format = None;
        }
        forced
    }
}

fn short_of(entries: &[Entry], id: EntryId) -> u64 {
    entries
        .get(id as usize)
        .map_or(0, |entry| entry.hash.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with what is lent to it.
    struct Bench {
        cache: Cache,
        scratch: Scratch,
        key: TextKey,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                cache: Cache::default(),
                scratch: Scratch::default(),
                key: TextKey::random(),
            }
        }

        fn begin(&mut self) -> Scan<'_> {
            let mut scan = self.cache.begin(&mut self.scratch, &self.key);
            scan.reads(Format::Text);
            scan
        }

        /// A scan that has read lines of `texts`.
        fn scan(&mut self, texts: &[&str]) -> Scan<'_> {
            let mut scan = self.begin();
            for text in texts {
                let hash = scan.hash(text.as_bytes());
                let expected = scan.expected().filter(|expected| expected.hash == hash);
                let found = match expected {
                    Some(expected) => Some(scan.see(expected.id)),
                    None => scan.find(hash),
                };
                let id = match found {
                    Some(found) => found.id,
                    None => {
                        let number = text
                            .bytes()
                            .take(4)
                            .fold(0, |sum, byte| sum * 31 + u64::from(byte));
                        let series = (SeriesRef(number), MetricType::Unknown);
                        scan.insert(hash, text.len(), Some(series))
                    }
                };
                scan.track(id);
            }
            scan
        }

        fn len(&self) -> usize {
            self.cache.entries.len()
        }
    }

    #[test]
    fn vanished_series_are_named_once() {
        let mut bench = Bench::new();
        let scan = bench.scan(&["a", "b", "c"]);
        assert!(scan.vanished().is_empty());
        scan.end(true);
        let scan = bench.scan(&["c", "a"]);
        assert_eq!(scan.vanished(), [SeriesRef(98)]);
        scan.end(true);
        assert_eq!(bench.len(), 2);
        assert!(bench.scan(&["a", "b", "c"]).vanished().is_empty());
    }

    #[test]
    fn a_series_written_otherwise_has_not_vanished() {
        let mut bench = Bench::new();
        let mut scan = bench.scan(&["a"]);
        let hash = scan.hash(b"a{}");
        assert_eq!(scan.find(hash), None);
        let id = scan.insert(hash, 3, Some((SeriesRef(97), MetricType::Unknown)));
        scan.track(id);
        scan.end(true);
        let scan = bench.scan(&["a"]);
        assert!(scan.vanished().is_empty());
        scan.end(true);
        assert_eq!(bench.scan(&[]).vanished(), [SeriesRef(97)]);
    }

    #[test]
    fn the_expected_line_follows_the_one_found() {
        let mut bench = Bench::new();
        bench.scan(&["a", "b", "c", "d"]).end(true);
        let mut scan = bench.begin();
        let expected = |scan: &Scan<'_>| scan.expected().map(|expected| expected.hash);
        assert_eq!(expected(&scan), Some(scan.hash(b"a")));
        assert!(scan.find(scan.hash(b"c")).is_some());
        assert_eq!(expected(&scan), Some(scan.hash(b"d")));
    }

    #[test]
    fn another_order_is_the_one_expected_next() {
        let mut bench = Bench::new();
        bench.scan(&["c", "d", "a", "b"]).end(true);
        bench.scan(&["a", "b", "c", "d"]).end(true);
        let scan = bench.begin();
        let first = scan.expected().map(|expected| expected.hash);
        assert_eq!(first, Some(scan.hash(b"a")));
        bench.scan(&["d", "a", "a", "new", "b"]).end(true);
        let mut scan = bench.begin();
        for text in ["d", "a", "new", "b"] {
            let expected = scan.expected().expect("a line");
            assert_eq!(expected.hash, scan.hash(text.as_bytes()), "{text}");
            assert_eq!(expected.length, text.len());
            assert!(!scan.see(expected.id).repeated);
        }
        assert_eq!(scan.expected(), None);
        assert_eq!(scan.find(scan.hash(b"c")), None);
    }

    #[test]
    fn lines_of_another_format_are_not_expected() {
        let mut bench = Bench::new();
        bench.scan(&["a", "b"]).end(true);
        let mut scan = bench.begin();
        scan.reads(Format::OpenMetrics);
        assert_eq!(scan.expected(), None);
        assert!(scan.find(scan.hash(b"a")).is_some());
        scan.end(false);
        // The entries are of both formats now, until a scrape has dropped the rest.
        assert_eq!(bench.begin().expected(), None);
        bench.scan(&["b"]).end(true);
        assert!(bench.begin().expected().is_some());
        assert_eq!(bench.len(), 1);
    }

    #[test]
    fn a_failed_scrape_ends_what_it_did_not_reach() {
        let mut bench = Bench::new();
        bench.scan(&["a", "b"]).end(true);
        let scan = bench.scan(&["a"]);
        assert_eq!(scan.vanished(), [SeriesRef(98)]);
        scan.end(false);
        // An empty scrape after it ends the rest.
        let scan = bench.scan(&[]);
        assert_eq!(scan.vanished(), [SeriesRef(97)]);
        scan.end(false);
        assert!(bench.scan(&["a", "b"]).vanished().is_empty());
    }

    #[test]
    fn strays_of_failed_scrapes_are_bounded() {
        let mut bench = Bench::new();
        bench.scan(&["a"]).end(true);
        let many: Vec<String> = (0..STRAY_ENTRIES_MAX + 1).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(!bench.scan(&many).end(false));
        assert!(bench.scan(&["another"]).end(false));
        assert_eq!(bench.len(), 1);
    }

    #[test]
    fn its_size_is_that_of_its_entries() {
        let mut bench = Bench::new();
        let texts: Vec<String> = (0..1000).map(|number| format!("a{number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        bench.scan(&texts).end(true);
        assert_eq!(bench.cache.heap_bytes(), 28_000);
        bench.scan(&texts[..10]).end(true);
        assert_eq!(bench.cache.heap_bytes(), 280);
        assert!(bench.scratch.heap_bytes() >= 1000 * 5);
    }

    #[test]
    fn long_texts_are_found_by_hash_only() {
        let mut bench = Bench::new();
        let (short, long) = ("a".repeat(65_534), "a".repeat(65_535));
        bench.scan(&[&short, &long]).end(true);
        let mut scan = bench.begin();
        let expected = scan.expected().expect("a line");
        assert_eq!(expected.length, 65_534);
        scan.see(expected.id);
        assert_eq!(scan.expected(), None);
        assert!(scan.find(scan.hash(long.as_bytes())).is_some());
    }

    #[test]
    fn repeats_are_seen() {
        let mut bench = Bench::new();
        let mut scan = bench.scan(&["a"]);
        let hash = scan.hash(b"a");
        assert!(scan.find(hash).is_some_and(|found| found.repeated));
    }
}
