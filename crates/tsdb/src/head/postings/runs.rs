//! Sets of slots as sorted runs, and their bytes.
//!
//! Bytes: for each run a uvarint of the gap to the run before, doubled, plus 1 if a uvarint of its
//! length minus 2 follows; single slots take no length.

use crate::wal::record::put_uvarint;

/// A set of slots: half-open ranges, ascending, not touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    ranges: Vec<(u32, u32)>,
}

impl Runs {
    /// All slots below `len`.
    pub(crate) fn all(len: u32) -> Self {
        if len == 0 {
            return Self::default();
        }
        Self {
            ranges: vec![(0, len)],
        }
    }

    /// A set of ascending slots; repeats are ignored.
    pub(crate) fn from_sorted(slots: impl IntoIterator<Item = u32>) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for slot in slots {
            match ranges.last_mut() {
                Some((_, end)) if slot < *end => {}
                Some((_, end)) if slot == *end => *end += 1,
                _ => ranges.push((slot, slot + 1)),
            }
        }
        Self { ranges }
    }

    /// Slots in any of the sets.
    pub(crate) fn union(sets: impl IntoIterator<Item = Self>) -> Self {
        let mut sets = sets.into_iter();
        let Some(mut all) = sets.next().map(|first| first.ranges) else {
            return Self::default();
        };
        let before = all.len();
        for set in sets {
            all.extend(set.ranges);
        }
        if all.len() == before {
            return Self { ranges: all };
        }
        // Stable: a few ascending pieces, which is what merge sorts are fast at.
        all.sort();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(all.len());
        for (start, end) in all {
            match ranges.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => ranges.push((start, end)),
            }
        }
        Self { ranges }
    }

    /// Slots in both.
    pub(crate) fn intersect(&self, other: &Self) -> Self {
        let (few, many) = if self.ranges.len() <= other.ranges.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut ranges = Vec::new();
        let mut rest = many.ranges.as_slice();
        for (start, end) in &few.ranges {
            rest = skip_ended(rest, *start);
            for (from, to) in rest {
                if from >= end {
                    break;
                }
                ranges.push((*from.max(start), *to.min(end)));
            }
        }
        Self { ranges }
    }

    /// Slots in `self` but not in `other`.
    pub(crate) fn subtract(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut rest = other.ranges.as_slice();
        for (start, end) in &self.ranges {
            rest = skip_ended(rest, *start);
            let mut start = *start;
            for (from, to) in rest {
                if from >= end {
                    break;
                }
                if *from > start {
                    ranges.push((start, *from));
                }
                start = start.max(*to);
            }
            if start < *end {
                ranges.push((start, *end));
            }
        }
        Self { ranges }
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.ranges
            .iter()
            .map(|(start, end)| (end - start) as usize)
            .sum()
    }

    /// Whether there is no slot.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The slots, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.ranges.iter().flat_map(|(start, end)| *start..*end)
    }
}

/// Drops ranges that end at or before `start`: doubling steps, then halving, as the ranges of the
/// other set are usually close by.
fn skip_ended(ranges: &[(u32, u32)], start: u32) -> &[(u32, u32)] {
    let ended = |index: usize| ranges.get(index).is_some_and(|(_, end)| *end <= start);
    let mut step = 1;
    while ended(step) {
        step *= 2;
    }
    let from = step / 2;
    let near = ranges
        .get(from..ranges.len().min(step + 1))
        .unwrap_or_default();
    let skip = from + near.partition_point(|(_, end)| *end <= start);
    ranges.get(skip..).unwrap_or_default()
}

/// The bytes of a set.
pub(crate) fn encode(set: &Runs) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for (start, end) in &set.ranges {
        let gap = u64::from(start - before) << 1;
        let length = end - start;
        if length == 1 {
            put_uvarint(&mut bytes, gap);
        } else {
            put_uvarint(&mut bytes, gap | 1);
            put_uvarint(&mut bytes, u64::from(length - 2));
        }
        before = *end;
    }
    bytes
}

/// Ranges in the bytes of a set.
fn ranges(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let mut rest = bytes;
    let mut before = 0_u32;
    std::iter::from_fn(move || {
        let gap = take(&mut rest)?;
        let length = if gap & 1 == 1 {
            take(&mut rest)? + 2
        } else {
            1
        };
        let start = before + (gap >> 1) as u32;
        before = start + length as u32;
        Some((start, before))
    })
}

/// The set of bytes that [`encode`] gave.
pub(crate) fn decode(bytes: &[u8]) -> Runs {
    Runs {
        ranges: ranges(bytes).collect(),
    }
}

/// Number of slots in an encoded set.
pub(crate) fn encoded_len(bytes: &[u8]) -> usize {
    ranges(bytes)
        .map(|(start, end)| (end - start) as usize)
        .sum()
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn slots() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(prop_oneof![0..60_u32, 0..2000_u32], 0..80)
    }

    proptest! {
        #[test]
        fn set_algebra_is_that_of_sets(one in slots(), other in slots()) {
            let (a, b) = (Runs::from_sorted(one.clone()), Runs::from_sorted(other.clone()));
            let list = |runs: &Runs| runs.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(list(&a.intersect(&b)), &one & &other);
            prop_assert_eq!(list(&a.subtract(&b)), &one - &other);
            prop_assert_eq!(list(&Runs::union([a.clone(), b])), &one | &other);
            prop_assert_eq!(a.len(), one.len());
            let bytes = encode(&a);
            prop_assert_eq!(encoded_len(&bytes), one.len());
            prop_assert_eq!(decode(&bytes), a);
        }
    }
}
