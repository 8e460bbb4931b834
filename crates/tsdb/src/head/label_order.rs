//! Series in the order of their labels, without making a label set: each string gets its rank once,
//! then numbers are compared.

use model::Labels;
use stdx::cancel::CancelToken;
use storage::StorageError;

use super::read::CANCEL_STRIDE;
use super::series::StripCursor;
use super::symbols::{SymbolId, SymbolSet, SymbolsView};
use super::{Head, label_sets};

/// From this many series on, ranking the strings pays.
const RANKED_LEN_MIN: usize = 1024;

/// Strings in use, in order, and the rank of each by its number: 1 for the first, 0 for those that
/// are not in use.
pub(super) fn ranks(used: &SymbolSet, symbols: &SymbolsView<'_>) -> (Vec<u32>, Vec<SymbolId>) {
    let mut ids: Vec<SymbolId> = used.iter().collect();
    ids.sort_unstable_by(|one, other| symbols.get(*one).cmp(symbols.get(*other)));
    let mut ranks = vec![0; symbols.id_count()];
    for (rank, id) in ids.iter().enumerate() {
        if let Some(place) = ranks.get_mut(id.0 as usize) {
            *place = rank as u32 + 1;
        }
    }
    (ranks, ids)
}

/// Puts `slots` in label order; also gives the labels where they had to be made for it.
pub(super) fn sort(
    head: &Head,
    slots: &mut Vec<u32>,
    cancel: &CancelToken,
) -> Result<Option<Vec<Labels>>, StorageError> {
    if slots.len() < RANKED_LEN_MIN {
        return Ok(Some(sort_few(head, slots)));
    }
    let mut keys = Keys::of(head, slots, cancel)?;
    keys.rank(head);
    cancel.check()?;
    let mut order: Vec<u32> = (0..slots.len() as u32).collect();
    order.sort_by(|one, other| keys.get(*one).cmp(keys.get(*other)));
    cancel.check()?;
    let sorted = order.iter().filter_map(|at| slots.get(*at as usize));
    *slots = sorted.copied().collect();
    Ok(None)
}

fn sort_few(head: &Head, slots: &mut Vec<u32>) -> Vec<Labels> {
    let mut found = Vec::with_capacity(slots.len());
    {
        let symbols = head.symbols.read();
        let mut cursor = StripCursor::default();
        for slot in slots.iter() {
            if let Some(strip) = head.series.seek(&mut cursor, *slot) {
                found.push((label_sets::unpack(strip.label_set(*slot), &symbols), *slot));
            }
        }
    }
    found.sort();
    *slots = found.iter().map(|(_, slot)| *slot).collect();
    found.into_iter().map(|(labels, _)| labels).collect()
}

/// For each series its pairs as numbers, name before value.
struct Keys {
    pairs: Vec<u64>,
    /// Where a series' pairs end; they begin where those of the series before end.
    ends: Vec<usize>,
    used: SymbolSet,
}

impl Keys {
    /// The numbers of the strings. A slot without a series has no pairs.
    fn of(head: &Head, slots: &[u32], cancel: &CancelToken) -> Result<Self, StorageError> {
        let mut keys = Self {
            pairs: Vec::new(),
            ends: Vec::with_capacity(slots.len()),
            used: SymbolSet::new(head.symbols.read().id_count()),
        };
        let mut cursor = StripCursor::default();
        for (index, slot) in slots.iter().enumerate() {
            if index % CANCEL_STRIDE == CANCEL_STRIDE - 1 {
                cancel.check()?;
            }
            if let Some(strip) = head.series.seek(&mut cursor, *slot) {
                for (name, value) in label_sets::pairs(strip.label_set(*slot)) {
                    keys.used.add(name);
                    keys.used.add(value);
                    keys.pairs
                        .push(u64::from(name.0) << 32 | u64::from(value.0));
                }
            }
            keys.ends.push(keys.pairs.len());
        }
        Ok(keys)
    }

    /// Puts ranks in place of the numbers.
    fn rank(&mut self, head: &Head) {
        let (ranks, _) = ranks(&self.used, &head.symbols.read());
        let rank = |id: u64| u64::from(ranks.get(id as usize).copied().unwrap_or_default());
        for pair in &mut self.pairs {
            *pair = rank(*pair >> 32) << 32 | rank(*pair & u64::from(u32::MAX));
        }
    }

    fn get(&self, index: u32) -> &[u64] {
        let index = index as usize;
        let before = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let end = self.ends.get(index).copied().unwrap_or_default();
        self.pairs
            .get(before.copied().unwrap_or_default()..end)
            .unwrap_or_default()
    }
}
