//! Set algebra on sorted lists of series references of one block.

/// Elements of both.
pub(crate) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut rest = large;
    let mut common = Vec::with_capacity(small.len());
    for &element in small {
        rest = &rest[gallop(rest, element)..];
        match rest.first() {
            Some(&found) if found == element => common.push(element),
            Some(_) => {}
            None => break,
        }
    }
    common
}

/// Elements of `a` that are not in `b`.
pub(crate) fn subtract(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut rest = b;
    let mut left = Vec::with_capacity(a.len());
    for &element in a {
        rest = &rest[gallop(rest, element)..];
        if rest.first() != Some(&element) {
            left.push(element);
        }
    }
    left
}

/// All elements of all lists, once each.
pub(crate) fn union(mut lists: Vec<Vec<u32>>) -> Vec<u32> {
    if lists.len() == 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut all = lists.concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Number of leading elements below `bound`, found in steps that double.
fn gallop(list: &[u32], bound: u32) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < bound {
        step *= 2;
    }
    let (low, high) = (step / 2, list.len().min(step + 1));
    low + list[low..high].partition_point(|element| *element < bound)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_sets(
            a in prop::collection::btree_set(0..200_u32, 0..80),
            b in prop::collection::btree_set(0..200_u32, 0..80),
        ) {
            let list = |set: &BTreeSet<u32>| set.iter().copied().collect::<Vec<_>>();
            let (x, y) = (list(&a), list(&b));
            prop_assert_eq!(intersect(&x, &y), list(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(subtract(&x, &y), list(&a.difference(&b).copied().collect()));
            prop_assert_eq!(union(vec![x, y]), list(&a.union(&b).copied().collect()));
        }
    }
}
