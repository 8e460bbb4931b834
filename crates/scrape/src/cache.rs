//! What a loop knows of its target's lines: series text → series reference.
//!
//! Two ways to an entry: line by line in the order of the last scrape (bytes compared, nothing
//! hashed), else by hash. Entries not seen in a successful scrape are dropped after it. There is an
//! entry a series, so it is kept small: labels are not in it, they follow from the text.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::MetricType;
use std::hash::BuildHasher as _;
use storage::SeriesRef;

/// A failed scrape may leave entries behind; beyond this many, and twice those of the last
/// successful one, all that were not seen are dropped.
const STRAY_ENTRIES_MAX: usize = 1000;

/// Index of an entry; valid until the end of the scrape it was given out in.
pub(crate) type EntryId = u32;

/// One known series text.
#[derive(Debug)]
pub(crate) struct Entry {
    text: Box<[u8]>,
    /// Its reference in the store.
    pub(crate) series: SeriesRef,
    hash: u32,
    /// Scrape in which it was last seen.
    seen: u32,
    /// Scrape in which it was last tracked for staleness.
    tracked: u32,
    /// Place in `order`.
    place: u32,
    /// Type of its family when it was met first; with the text it gives the labels.
    pub(crate) metric_type: MetricType,
    /// Whether relabelling drops the series.
    pub(crate) dropped: bool,
}

impl Entry {
    /// The series as the target writes it.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

const _: () = assert!(size_of::<Option<Entry>>() <= 48, "one for each series");

/// The known lines of one target.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Vec<Option<Entry>>,
    free: Vec<EntryId>,
    /// Bytes of the entries' texts.
    text_bytes: usize,
    by_text: HashTable<EntryId>,
    hasher: FixedState,
    /// Number of the current scrape.
    scrape: u32,
    /// Samples of the last successful scrape, in order.
    order: Vec<EntryId>,
    order_next: Vec<EntryId>,
    cursor: usize,
    seen_count: usize,
    /// Entries after the last successful scrape.
    settled_len: usize,
    /// Entries that get a marker when they are not tracked again.
    tracked_before: Vec<EntryId>,
    tracked_now: Vec<EntryId>,
    /// Whether `tracked_now` holds entries that were untracked again.
    untracked_any: bool,
}

/// An entry found for a line.
pub(crate) struct Found {
    pub(crate) id: EntryId,
    /// Whether this scrape has had it before.
    pub(crate) repeated: bool,
}

impl Cache {
    /// Starts a scrape.
    pub(crate) fn begin(&mut self) {
        // One a second for 136 years.
        self.scrape = self.scrape.wrapping_add(1);
        self.cursor = 0;
        self.seen_count = 0;
        self.order_next.clear();
        self.tracked_now.clear();
        self.untracked_any = false;
    }

    /// Number of the current scrape.
    pub(crate) fn scrape(&self) -> u64 {
        self.scrape.into()
    }

    /// The text expected next, if lines come as in the last scrape.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(EntryId, &[u8])> {
        let id = *self.order.get(self.cursor)?;
        let entry = self.entries.get(id as usize)?.as_ref()?;
        Some((id, &entry.text))
    }

    /// Says that the line of entry `id` was read.
    #[inline]
    pub(crate) fn see(&mut self, id: EntryId) -> Found {
        let (scrape, place) = (self.scrape, self.order_next.len() as u32);
        let mut repeated = true;
        if let Some(entry) = self.entry_mut(id) {
            repeated = entry.seen == scrape;
            if !repeated {
                let before = entry.place;
                entry.seen = scrape;
                entry.place = place;
                self.cursor = before as usize + 1;
                self.seen_count += 1;
            }
        }
        self.order_next.push(id);
        Found { id, repeated }
    }

    /// Finds the entry of a text by its hash and says that its line was read.
    pub(crate) fn find(&mut self, text: &[u8]) -> Option<Found> {
        let hash = self.hash(text);
        let entries = &self.entries;
        let id = *self.by_text.find(spread(hash), |id| {
            entries
                .get(*id as usize)
                .and_then(Option::as_ref)
                .is_some_and(|entry| entry.hash == hash && *entry.text == *text)
        })?;
        Some(self.see(id))
    }

    fn hash(&self, text: &[u8]) -> u32 {
        (self.hasher.hash_one(text) >> 32) as u32
    }

    /// Adds a text that [`find`](Self::find) did not find. `series` is `None` if it is dropped.
    pub(crate) fn insert(
        &mut self,
        text: &[u8],
        metric_type: MetricType,
        series: Option<SeriesRef>,
    ) -> EntryId {
        let hash = self.hash(text);
        self.text_bytes += text.len();
        let entry = Entry {
            text: text.into(),
            series: series.unwrap_or_default(),
            hash,
            seen: self.scrape,
            tracked: 0,
            place: self.order_next.len() as u32,
            metric_type,
            dropped: series.is_none(),
        };
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.entries.get_mut(id as usize) {
                    *slot = Some(entry);
                }
                id
            }
            None => {
                self.entries.push(Some(entry));
                (self.entries.len() - 1) as EntryId
            }
        };
        let entries = &self.entries;
        self.by_text.insert_unique(spread(hash), id, |id| {
            let entry = entries.get(*id as usize).and_then(Option::as_ref);
            spread(entry.map_or(0, |entry| entry.hash))
        });
        self.order_next.push(id);
        self.seen_count += 1;
        id
    }

    pub(crate) fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    pub(crate) fn entry_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }

    /// The series gets a marker if the next scrape does not track it.
    #[inline]
    pub(crate) fn track(&mut self, id: EntryId) {
        let scrape = self.scrape;
        if let Some(entry) = self.entry_mut(id)
            && entry.tracked != scrape
        {
            entry.tracked = scrape;
            self.tracked_now.push(id);
        }
    }

    /// Takes [`track`](Self::track) back: the sample was not taken.
    pub(crate) fn untrack(&mut self, id: EntryId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.tracked = 0;
            self.untracked_any = true;
        }
    }

    /// Series that were tracked in the last scrape and are not in this one.
    pub(crate) fn vanished(&self) -> Vec<SeriesRef> {
        let mut vanished: Vec<SeriesRef> = self
            .tracked_before
            .iter()
            .filter_map(|id| self.entry(*id))
            .filter(|entry| entry.tracked != self.scrape)
            .map(|entry| entry.series)
            .collect();
        if !vanished.is_empty() {
            // The same series may be written otherwise now.
            let mut present: Vec<SeriesRef> = self
                .tracked_now
                .iter()
                .filter_map(|id| self.entry(*id))
                .filter(|entry| entry.tracked == self.scrape)
                .map(|entry| entry.series)
                .collect();
            present.sort_unstable();
            vanished.retain(|series| present.binary_search(series).is_err());
        }
        vanished
    }

    /// Ends a scrape; `successful` if its body was not empty and was read to its end. Whether
    /// entries had to be dropped for their number alone.
    pub(crate) fn end(&mut self, successful: bool) -> bool {
        let forced = !successful && self.len() > self.settled_len * 2 + STRAY_ENTRIES_MAX;
        if self.untracked_any {
            let (entries, scrape) = (&self.entries, self.scrape);
            self.tracked_now.retain(|id| {
                let entry = entries.get(*id as usize).and_then(Option::as_ref);
                entry.is_some_and(|entry| entry.tracked == scrape)
            });
        }
        std::mem::swap(&mut self.tracked_before, &mut self.tracked_now);
        self.tracked_now.clear();
        if successful {
            std::mem::swap(&mut self.order, &mut self.order_next);
        }
        if (successful && self.len() > self.seen_count) || forced {
            self.sweep();
        }
        if successful {
            self.settled_len = self.len();
        }
        forced
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Bytes of memory it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = [
            &self.free,
            &self.order,
            &self.order_next,
            &self.tracked_before,
            &self.tracked_now,
        ];
        let ids: usize = lists.iter().map(|list| list.capacity()).sum();
        self.entries.capacity() * size_of::<Option<Entry>>()
            + self.text_bytes
            // A table keeps an eighth free and a control byte a place.
            + self.by_text.capacity() * 8 / 7 * (size_of::<EntryId>() + 1)
            + ids * size_of::<EntryId>()
    }

    fn sweep(&mut self) {
        let scrape = self.scrape;
        for (index, slot) in self.entries.iter_mut().enumerate() {
            let Some(entry) = slot else { continue };
            if entry.seen == scrape {
                continue;
            }
            let id = index as EntryId;
            if let Ok(found) = self
                .by_text
                .find_entry(spread(entry.hash), |other| *other == id)
            {
                found.remove();
            }
            self.text_bytes -= entry.text.len();
            *slot = None;
            self.free.push(id);
        }
        let entries = &self.entries;
        let live = |id: &EntryId| entries.get(*id as usize).is_some_and(Option::is_some);
        self.order.retain(live);
        self.tracked_before.retain(live);
    }
}

/// A table's 64-bit hash from the 32 bits kept: the table looks at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(cache: &mut Cache, texts: &[&str]) {
        cache.begin();
        for text in texts {
            let id = match cache.find(text.as_bytes()) {
                Some(found) => found.id,
                None => {
                    let number = text.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
                    cache.insert(
                        text.as_bytes(),
                        MetricType::Unknown,
                        Some(SeriesRef(number)),
                    )
                }
            };
            cache.track(id);
        }
    }

    #[test]
    fn vanished_series_are_named_once() {
        let mut cache = Cache::default();
        scrape(&mut cache, &["a", "b", "c"]);
        assert!(cache.vanished().is_empty());
        cache.end(true);
        scrape(&mut cache, &["c", "a"]);
        assert_eq!(cache.vanished(), [SeriesRef(98)]);
        cache.end(true);
        assert_eq!(cache.len(), 2);
        scrape(&mut cache, &["a", "b", "c"]);
        assert!(cache.vanished().is_empty());
    }

    #[test]
    fn the_expected_line_follows_the_one_found() {
        let mut cache = Cache::default();
        scrape(&mut cache, &["a", "b", "c", "d"]);
        cache.end(true);
        cache.begin();
        assert_eq!(
            cache.expected().map(|(_, text)| text),
            Some(b"a".as_slice())
        );
        cache.find(b"c");
        assert_eq!(
            cache.expected().map(|(_, text)| text),
            Some(b"d".as_slice())
        );
    }

    #[test]
    fn a_failed_scrape_ends_what_it_did_not_reach() {
        let mut cache = Cache::default();
        scrape(&mut cache, &["a", "b"]);
        cache.end(true);
        scrape(&mut cache, &["a"]);
        assert_eq!(cache.vanished(), [SeriesRef(98)]);
        cache.end(false);
        // An empty scrape after it ends the rest.
        scrape(&mut cache, &[]);
        assert_eq!(cache.vanished(), [SeriesRef(97)]);
        cache.end(false);
        scrape(&mut cache, &["a", "b"]);
        assert!(cache.vanished().is_empty());
    }

    #[test]
    fn its_size_follows_the_texts() {
        let mut cache = Cache::default();
        scrape(&mut cache, &["a"]);
        cache.insert(
            "x".repeat(10_000).as_bytes(),
            MetricType::Unknown,
            Some(SeriesRef(1)),
        );
        cache.end(true);
        assert!(cache.heap_bytes() > 10_000);
        scrape(&mut cache, &["a"]);
        cache.end(true);
        assert!(cache.heap_bytes() < 2_000);
    }

    #[test]
    fn repeats_are_seen() {
        let mut cache = Cache::default();
        scrape(&mut cache, &["a"]);
        assert!(cache.find(b"a").is_some_and(|found| found.repeated));
    }
}
