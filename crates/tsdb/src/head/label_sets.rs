//! Label sets as bytes: for each pair the symbol numbers of name and value, both as uvarints, in
//! label order. Equal sets have equal bytes.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use model::Labels;
use smallvec::SmallVec;

use super::symbols::{SymbolId, Symbols, SymbolsView};

/// A packed label set.
pub(crate) type LabelSet = SmallVec<[u8; 64]>;

/// Packs `labels` if all their strings have numbers.
pub(crate) fn pack_known(labels: &Labels, symbols: &SymbolsView<'_>) -> Option<LabelSet> {
    let mut set = LabelSet::new();
    for (name, value) in labels.byte_pairs() {
        push(&mut set, symbols.find_bytes(name)?);
        push(&mut set, symbols.find_bytes(value)?);
    }
    Some(set)
}

/// Packs `labels`, numbering strings that are new.
pub(crate) fn pack(labels: &Labels, symbols: &Symbols) -> LabelSet {
    if let Some(set) = pack_known(labels, &symbols.read()) {
        return set;
    }
    let ids = symbols.intern(labels.iter().flat_map(|(name, value)| [name, value]));
    let mut set = LabelSet::new();
    for id in ids {
        push(&mut set, id);
    }
    set
}

/// The pairs of a packed set.
pub(crate) fn pairs(set: &[u8]) -> impl Iterator<Item = (SymbolId, SymbolId)> {
    let mut rest = set;
    std::iter::from_fn(move || Some((take(&mut rest)?, take(&mut rest)?)))
}

/// Unpacks a set.
pub(crate) fn unpack(set: &[u8], symbols: &SymbolsView<'_>) -> Labels {
    Labels::from_sorted(pairs(set).map(|(name, value)| (symbols.get(name), symbols.get(value))))
}

/// Value of label `name` in a packed set.
pub(crate) fn value_of(set: &[u8], name: SymbolId) -> Option<SymbolId> {
    pairs(set)
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Hash of a packed set.
pub(crate) fn hash(set: &[u8]) -> u32 {
    (FixedState::with_seed(0x1abe1).hash_one(set) >> 32) as u32
}

/// Adds a number to a packed set: names and values take turns.
pub(super) fn push(set: &mut LabelSet, id: SymbolId) {
    let mut rest = id.0;
    while rest >= 0x80 {
        set.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    set.push(rest as u8);
}

fn take(rest: &mut &[u8]) -> Option<SymbolId> {
    let mut id = 0_u32;
    for shift in (0..35).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        id |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(SymbolId(id));
        }
    }
    None
}
