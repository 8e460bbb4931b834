//! Set algebra on sorted lists of series references of one block.
//!
//! Lists are read where they lie, as big-endian numbers of the mapped file, or are in memory.

/// A list in the file.
pub(super) type Raw = [[u8; 4]];

/// A sorted list without repeats.
pub(super) trait Sorted {
    /// Number of elements.
    fn count(&self) -> usize;
    /// The element at `index`, which is less than [`count`](Self::count).
    fn at(&self, index: usize) -> u32;
}

impl Sorted for [u32] {
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn at(&self, index: usize) -> u32 {
        self[index]
    }
}

impl Sorted for Raw {
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn at(&self, index: usize) -> u32 {
        u32::from_be_bytes(self[index])
    }
}

/// Elements of both.
pub(super) fn intersect<A: Sorted + ?Sized, B: Sorted + ?Sized>(a: &A, b: &B) -> Vec<u32> {
    if a.count() <= b.count() {
        intersect_small(a, b)
    } else {
        intersect_small(b, a)
    }
}

fn intersect_small<A: Sorted + ?Sized, B: Sorted + ?Sized>(small: &A, large: &B) -> Vec<u32> {
    let mut common = Vec::with_capacity(small.count());
    let mut from = 0;
    for index in 0..small.count() {
        let element = small.at(index);
        from = first_not_below(large, from, element);
        if from == large.count() {
            break;
        }
        if large.at(from) == element {
            common.push(element);
        }
    }
    common
}

/// Whether they have an element in common.
pub(super) fn meet<A: Sorted + ?Sized, B: Sorted + ?Sized>(a: &A, b: &B) -> bool {
    let (mut at_a, mut at_b) = (0, 0);
    while at_a < a.count() && at_b < b.count() {
        let bound = a.at(at_a).max(b.at(at_b));
        at_a = first_not_below(a, at_a, bound);
        at_b = first_not_below(b, at_b, bound);
        if at_a < a.count() && at_b < b.count() && a.at(at_a) == b.at(at_b) {
            return true;
        }
    }
    false
}

/// Takes the elements of `b` out of `a`.
pub(super) fn subtract<B: Sorted + ?Sized>(a: &mut Vec<u32>, b: &B) {
    let mut from = 0;
    a.retain(|element| {
        from = first_not_below(b, from, *element);
        from == b.count() || b.at(from) != *element
    });
}

/// All elements of lists that have none in common.
pub(super) fn union(lists: &[&Raw]) -> Vec<u32> {
    let total: usize = lists.iter().map(|list| list.len()).sum();
    let last = lists.iter().filter_map(|list| list.last());
    let span = last.map(|last| u32::from_be_bytes(*last)).max();
    let span = span.map_or(0, |last| last as usize + 1);
    if lists.len() > 2 && total >= span / 64 {
        return union_by_bits(lists, span, total);
    }
    let mut all = Vec::with_capacity(total);
    for list in lists {
        all.extend(list.iter().map(|bytes| u32::from_be_bytes(*bytes)));
    }
    if lists.len() > 1 {
        // Runs that are sorted already: a merge for the standard stable sort.
        all.sort();
        all.dedup();
    }
    all
}

fn union_by_bits(lists: &[&Raw], span: usize, total: usize) -> Vec<u32> {
    let mut words = vec![0_u64; span.div_ceil(64)];
    for list in lists {
        for bytes in *list {
            let element = u32::from_be_bytes(*bytes) as usize;
            // A damaged list may not be sorted: what is behind its last element is no series.
            if let Some(word) = words.get_mut(element / 64) {
                *word |= 1 << (element % 64);
            }
        }
    }
    let mut all = Vec::with_capacity(total);
    for (index, word) in words.into_iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            all.push(index as u32 * 64 + rest.trailing_zeros());
            rest &= rest - 1;
        }
    }
    all
}

/// Index of the first element not below `bound`, looked for from `from` on in steps that double.
#[inline]
fn first_not_below<L: Sorted + ?Sized>(list: &L, from: usize, bound: u32) -> usize {
    let count = list.count();
    let mut step = 1;
    while from + step < count && list.at(from + step) < bound {
        step *= 2;
    }
    let (mut low, mut high) = (from + step / 2, count.min(from + step + 1));
    while low < high {
        let middle = low + (high - low) / 2;
        if list.at(middle) < bound {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.min(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Set = BTreeSet<u32>;

    fn raw(set: &Set) -> Vec<[u8; 4]> {
        set.iter().map(|element| element.to_be_bytes()).collect()
    }

    fn list(set: &Set) -> Vec<u32> {
        set.iter().copied().collect()
    }

    fn any_set() -> impl Strategy<Value = Set> {
        prop_oneof![
            prop::collection::btree_set(0..200_u32, 0..80),
            prop::collection::btree_set(0..5_u32, 0..4),
            prop::collection::btree_set(any::<u32>(), 0..4),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_sets(a in any_set(), b in any_set()) {
            let common = list(&a.intersection(&b).copied().collect());
            prop_assert_eq!(&intersect(&list(&a)[..], &raw(&b)[..]), &common);
            prop_assert_eq!(&intersect(&raw(&a)[..], &list(&b)[..]), &common);
            prop_assert_eq!(meet(&list(&a)[..], &raw(&b)[..]), !common.is_empty());
            let mut left = list(&a);
            subtract(&mut left, &raw(&b)[..]);
            prop_assert_eq!(left, list(&a.difference(&b).copied().collect()));
        }

        #[test]
        fn unions_of_disjoint_lists_are_sorted(
            elements in prop::collection::btree_map(0..3000_u32, 0..9_usize, 0..400),
            count in 0..9_usize,
        ) {
            let mut sets = vec![Set::new(); count];
            let mut expected = Set::new();
            for (element, set) in elements {
                if let Some(set) = sets.get_mut(set) {
                    set.insert(element);
                    expected.insert(element);
                }
            }
            let raws: Vec<_> = sets.iter().map(raw).collect();
            let lists: Vec<&Raw> = raws.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(union(&lists), list(&expected));
        }
    }
}
