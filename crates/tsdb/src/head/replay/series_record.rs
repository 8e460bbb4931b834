//! Series records on their way into the head: strings and pairs that many label sets share are
//! found once a record, outside of the head; the head then numbers each once.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use model::labels::LABEL_BYTES_MAX;
use smallvec::SmallVec;

use crate::head::Head;
use crate::head::create::Found;
use crate::head::label_sets::{self, LabelSet};
use crate::head::symbols::SymbolId;
use crate::wal::record::{Pair, RecordError, decode_series, labels_of_pairs};

/// Things of different sizes behind each other.
#[derive(Debug)]
struct Lists<T> {
    items: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<T> Lists<T> {
    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The next list is what was added to `items` since the last one.
    fn close(&mut self) {
        self.ends.push(self.items.len());
    }

    fn get(&self, index: usize) -> &[T] {
        let before = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let end = self.ends.get(index).copied().unwrap_or_default();
        self.items
            .get(before.copied().unwrap_or_default()..end)
            .unwrap_or_default()
    }
}

/// A series record: references, and label sets as pairs of strings that occur in it once.
#[derive(Debug, Default)]
pub(super) struct SeriesRecord {
    refs: Vec<u64>,
    /// For each reference its pairs, in label order.
    sets: Lists<u32>,
    /// Numbers of two strings.
    pairs: Vec<(u32, u32)>,
    texts: Lists<u8>,
}

impl SeriesRecord {
    /// Decodes a series record whole.
    pub(super) fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let mut builder = Builder::default();
        decode_series(record, |series_ref, pairs| builder.add(series_ref, pairs))?;
        Ok(builder.finish())
    }

    /// The references.
    pub(super) fn refs(&self) -> &[u64] {
        &self.refs
    }

    fn text(&self, text: u32) -> &[u8] {
        self.texts.get(text as usize)
    }

    fn has_text(&self, text: u32, bytes: &[u8]) -> bool {
        self.text(text) == bytes
    }

    /// Finds or creates the series in `head`, in the record's order. `each` gets the position of
    /// those that have labels at all, and what became of them.
    pub(super) fn adopt(&self, head: &Head, mut each: impl FnMut(usize, Found)) {
        let _creation = head.creation.read();
        if let Some(highest) = self.refs.iter().max() {
            head.reserve_ref(*highest);
        }
        let mut created = 0_u32;
        // Texts were checked when they were taken up.
        let text = |index| std::str::from_utf8(self.texts.get(index)).unwrap_or_default();
        let ids = head.symbols.intern((0..self.texts.len()).map(text));
        let id = |text: u32| ids.get(text as usize).copied().unwrap_or(SymbolId(0));
        let mut packed: Lists<u8> = Lists::default();
        for (name, value) in &self.pairs {
            let mut pair = LabelSet::new();
            label_sets::push(&mut pair, id(*name));
            label_sets::push(&mut pair, id(*value));
            packed.items.extend_from_slice(&pair);
            packed.close();
        }
        let sets = self.packed_sets(&packed);
        let hashes: Vec<u32> = (0..sets.len())
            .map(|index| label_sets::hash(sets.get(index)))
            .collect();
        let new = head.surely_new(&hashes);
        let mut placed = Vec::with_capacity(hashes.len());
        let mut slots: Vec<SlotRuns> = vec![SlotRuns::new(); self.pairs.len()];
        for (index, series_ref) in self.refs.iter().enumerate() {
            let set = sets.get(index);
            if set.is_empty() {
                continue;
            }
            let hash = hashes.get(index).copied().unwrap_or_default();
            let found = if new.get(index) == Some(&true) {
                let found = head.place(set, Some(*series_ref));
                placed.extend(found.map(|found| (found.slot, hash)));
                found
            } else {
                head.find_or_place(set, Some(*series_ref), |_| {})
            };
            let Some(found) = found else { continue };
            if found.created {
                created += 1;
                for pair in self.sets.get(index) {
                    if let Some(runs) = slots.get_mut(*pair as usize) {
                        add_slot(runs, found.slot);
                    }
                }
            }
            each(index, found);
        }
        head.index_placed(placed);
        head.metrics.series_created.add(f64::from(created));
        let mut list = Vec::new();
        for ((name, value), runs) in self.pairs.iter().zip(&slots) {
            list.clear();
            list.extend(runs.iter().flat_map(|(start, end)| *start..*end));
            head.postings
                .add_slots(id(*name), id(*value), &list, || head.symbols.read());
        }
    }

    /// The label sets, their pairs being `packed`.
    fn packed_sets(&self, packed: &Lists<u8>) -> Lists<u8> {
        let mut sets = Lists::default();
        for index in 0..self.refs.len() {
            for pair in self.sets.get(index) {
                sets.items.extend_from_slice(packed.get(*pair as usize));
            }
            sets.close();
        }
        sets
    }
}

/// Slots as half-open ranges, in the order they came: neighbours in a record share most pairs and
/// get neighbouring slots.
type SlotRuns = SmallVec<[(u32, u32); 2]>;

fn add_slot(runs: &mut SlotRuns, slot: u32) {
    match runs.last_mut() {
        Some((_, end)) if *end == slot => *end += 1,
        _ => runs.push((slot, slot.saturating_add(1))),
    }
}

/// Takes up a record, or what should be one.
#[derive(Debug)]
pub(super) struct Builder {
    record: SeriesRecord,
    by_text: HashTable<u32>,
    by_pair: HashMap<(u32, u32), u32, FixedState>,
    hasher: FixedState,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            record: SeriesRecord::default(),
            by_text: HashTable::new(),
            by_pair: HashMap::default(),
            hasher: FixedState::with_seed(0x5e71e5),
        }
    }
}

impl Builder {
    pub(super) fn finish(self) -> SeriesRecord {
        self.record
    }

    /// Adds a series.
    pub(super) fn add(&mut self, series_ref: u64, pairs: &[Pair<'_>]) {
        self.record.refs.push(series_ref);
        if !self.add_like_last(pairs) && !self.add_sorted(pairs) {
            for (name, value) in &labels_of_pairs(pairs) {
                let pair = self.pair((name.as_bytes(), value.as_bytes()));
                self.record.sets.items.push(pair);
            }
        }
        self.record.sets.close();
    }

    /// Adds a set with the names of the one before; adds nothing and says `false` if it is another
    /// kind. Neighbours in a record share most pairs.
    fn add_like_last(&mut self, pairs: &[Pair<'_>]) -> bool {
        let Some(last) = self.record.sets.len().checked_sub(1) else {
            return false;
        };
        let end = self.record.sets.items.len();
        let start = end - self.record.sets.get(last).len();
        if end - start != pairs.len() {
            return false;
        }
        for (at, (name, value)) in pairs.iter().enumerate() {
            let known = self.record.sets.items.get(start + at).copied();
            let texts = known.and_then(|known| self.record.pairs.get(known as usize).copied());
            let same_name = texts.filter(|(known, _)| self.record.has_text(*known, name));
            let pair = match (known, same_name) {
                (Some(known), Some((_, text))) if self.record.has_text(text, value) => known,
                (_, Some((name, _))) if is_plain(value) => {
                    let value = self.text(value);
                    self.pair_of(name, value)
                }
                _ => {
                    self.record.sets.items.truncate(end);
                    return false;
                }
            };
            self.record.sets.items.push(pair);
        }
        true
    }

    /// Adds a set that is in order already; adds nothing and says `false` otherwise.
    fn add_sorted(&mut self, pairs: &[Pair<'_>]) -> bool {
        let ascending = pairs.windows(2).all(|two| match two {
            [(before, _), (after, _)] => before < after,
            _ => true,
        });
        let plain = |(name, value): &Pair<'_>| {
            std::str::from_utf8(name).is_ok() && name.len() <= LABEL_BYTES_MAX && is_plain(value)
        };
        if !ascending || !pairs.iter().all(plain) {
            return false;
        }
        for pair in pairs {
            let pair = self.pair(*pair);
            self.record.sets.items.push(pair);
        }
        true
    }

    fn pair(&mut self, (name, value): Pair<'_>) -> u32 {
        let (name, value) = (self.text(name), self.text(value));
        self.pair_of(name, value)
    }

    fn pair_of(&mut self, name: u32, value: u32) -> u32 {
        let pairs = &mut self.record.pairs;
        *self.by_pair.entry((name, value)).or_insert_with(|| {
            pairs.push((name, value));
            pairs.len() as u32 - 1
        })
    }

    /// Number of a text, which must be UTF-8.
    fn text(&mut self, text: &[u8]) -> u32 {
        let (record, hasher) = (&mut self.record, &self.hasher);
        let hash = hasher.hash_one(text);
        let known = self
            .by_text
            .find(hash, |known| record.has_text(*known, text));
        if let Some(known) = known {
            return *known;
        }
        let number = record.texts.len() as u32;
        record.texts.items.extend_from_slice(text);
        record.texts.close();
        self.by_text.insert_unique(hash, number, |known| {
            hasher.hash_one(record.texts.get(*known as usize))
        });
        number
    }
}

/// Whether a label's value can be kept as it is.
fn is_plain(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= LABEL_BYTES_MAX && std::str::from_utf8(value).is_ok()
}
