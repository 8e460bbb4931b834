//! Sorting as the reference's language does it: not stable, but always the same way.
//!
//! Where elements are equal, or the order is none (NaN, natural order), clients see how the
//! algorithm moved them. It is pattern-defeating quicksort with the parameters of that language:
//! short runs by insertion, pivots as medians of three or nine, a heap where halving goes wrong.

/// Longest run that is sorted by insertion.
const INSERTION_MAX: usize = 12;
/// Shortest run whose pivot is a median of nine.
const NINTHER_MIN: usize = 50;
/// Shortest run that is repaired rather than given up when it is nearly sorted.
const SHIFTING_MIN: usize = 50;
/// Pairs that are repaired in a run that is nearly sorted.
const REPAIRS_MAX: usize = 5;

/// Sorts `items` so that none that follows another is `less` than it.
pub fn sort<T>(items: &mut [T], less: &mut impl FnMut(&T, &T) -> bool) {
    let limit = usize::BITS - items.len().leading_zeros();
    Sorter { items, less }.quick(0, limit);
}

/// A run of the whole list, from its start on.
struct Sorter<'a, T, F> {
    items: &'a mut [T],
    less: &'a mut F,
}

/// What looking for a pivot said about the order of a run.
#[derive(PartialEq)]
enum Hint {
    Increasing,
    Decreasing,
    Unknown,
}

impl<T, F: FnMut(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&mut self, a: usize, b: usize) -> bool {
        match (self.items.get(a), self.items.get(b)) {
            (Some(a), Some(b)) => (self.less)(a, b),
            _ => false,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.items.swap(a, b);
    }

    fn part(&mut self, to: usize) -> Sorter<'_, T, F> {
        Sorter {
            items: &mut self.items[..to],
            less: self.less,
        }
    }

    /// Sorts the items from `from` on; `limit` is how many bad pivots are put up with.
    fn quick(&mut self, mut from: usize, mut limit: u32) {
        let mut to = self.items.len();
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let len = to - from;
            if len <= INSERTION_MAX {
                return self.insertion(from, to);
            }
            if limit == 0 {
                return self.heap(from, to);
            }
            if !balanced {
                self.break_patterns(from, to);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.pivot(from, to);
            if hint == Hint::Decreasing {
                self.items[from..to].reverse();
                pivot = to - 1 - (pivot - from);
                hint = Hint::Increasing;
            }
            if balanced && partitioned && hint == Hint::Increasing && self.repaired(from, to) {
                return;
            }
            // Nothing here is less than what stands before: equal ones are done with.
            if from > 0 && !self.less(from - 1, pivot) {
                from = self.partition_equal(from, to, pivot);
                continue;
            }
            let middle;
            (middle, partitioned) = self.partition(from, to, pivot);
            let (left, right) = (middle - from, to - middle);
            balanced = left.min(right) >= len / 8;
            if left < right {
                self.part(middle).quick(from, limit);
                from = middle + 1;
            } else {
                self.part(to).quick(middle + 1, limit);
                to = middle;
            }
        }
    }

    fn insertion(&mut self, from: usize, to: usize) {
        for next in from + 1..to {
            let mut at = next;
            while at > from && self.less(at, at - 1) {
                self.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    fn heap(&mut self, from: usize, to: usize) {
        let len = to - from;
        for root in (0..len.div_ceil(2)).rev() {
            self.sift_down(root, len, from);
        }
        for end in (0..len).rev() {
            self.swap(from, from + end);
            self.sift_down(0, end, from);
        }
    }

    fn sift_down(&mut self, mut root: usize, len: usize, from: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= len {
                return;
            }
            if child + 1 < len && self.less(from + child, from + child + 1) {
                child += 1;
            }
            if !self.less(from + root, from + child) {
                return;
            }
            self.swap(from + root, from + child);
            root = child;
        }
    }

    /// Scatters some items, so that a bad pattern does not go on.
    fn break_patterns(&mut self, from: usize, to: usize) {
        let len = to - from;
        let mut random = len as u64;
        let mask = (1_u64 << (usize::BITS - len.leading_zeros())) - 1;
        let middle = from + len / 4 * 2 - 1;
        for index in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = (random & mask) as usize;
            if other >= len {
                other -= len;
            }
            self.swap(middle - 1 + index, from + other);
        }
    }

    fn pivot(&mut self, from: usize, to: usize) -> (usize, Hint) {
        let len = to - from;
        let quarter = len / 4;
        let (mut a, mut b, mut c) = (from + quarter, from + quarter * 2, from + quarter * 3);
        let mut swaps = 0;
        if len >= NINTHER_MIN {
            a = self.median(a - 1, a, a + 1, &mut swaps);
            b = self.median(b - 1, b, b + 1, &mut swaps);
            c = self.median(c - 1, c, c + 1, &mut swaps);
        }
        let pivot = self.median(a, b, c, &mut swaps);
        // Four medians of three swaps each: everything was the wrong way round.
        let hint = match swaps {
            0 => Hint::Increasing,
            12 => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    fn median(&mut self, a: usize, b: usize, c: usize, swaps: &mut u32) -> usize {
        let (a, b) = self.ordered(a, b, swaps);
        let (b, _) = self.ordered(b, c, swaps);
        self.ordered(a, b, swaps).1
    }

    fn ordered(&mut self, a: usize, b: usize, swaps: &mut u32) -> (usize, usize) {
        if self.less(b, a) {
            *swaps += 1;
            return (b, a);
        }
        (a, b)
    }

    /// Whether the run is sorted, after a few repairs at most.
    fn repaired(&mut self, from: usize, to: usize) -> bool {
        let mut at = from + 1;
        for _ in 0..REPAIRS_MAX {
            while at < to && !self.less(at, at - 1) {
                at += 1;
            }
            if at == to {
                return true;
            }
            if to - from < SHIFTING_MIN {
                return false;
            }
            self.swap(at, at - 1);
            if at - from >= 2 {
                let mut left = at - 1;
                while left >= 1 && self.less(left, left - 1) {
                    self.swap(left, left - 1);
                    left -= 1;
                }
            }
            if to - at >= 2 {
                let mut right = at + 1;
                while right < to && self.less(right, right - 1) {
                    self.swap(right, right - 1);
                    right += 1;
                }
            }
        }
        false
    }

    /// Puts what is less than the pivot before it and the rest behind; says where the pivot is and
    /// whether it was so already.
    fn partition(&mut self, from: usize, to: usize, pivot: usize) -> (usize, bool) {
        self.swap(from, pivot);
        let (mut left, mut right) = (from + 1, to - 1);
        let mut already = true;
        loop {
            while left <= right && self.less(left, from) {
                left += 1;
            }
            while left <= right && !self.less(right, from) {
                right -= 1;
            }
            if left > right {
                break;
            }
            already = false;
            self.swap(left, right);
            left += 1;
            right -= 1;
        }
        self.swap(right, from);
        (right, already)
    }

    /// Puts what equals the pivot first; gives where the greater ones begin.
    fn partition_equal(&mut self, from: usize, to: usize, pivot: usize) -> usize {
        self.swap(from, pivot);
        let (mut left, mut right) = (from + 1, to - 1);
        loop {
            while left <= right && !self.less(from, left) {
                left += 1;
            }
            while left <= right && self.less(from, right) {
                right -= 1;
            }
            if left > right {
                return left;
            }
            self.swap(left, right);
            left += 1;
            right -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::sort;

    #[test]
    fn patterns_that_defeat_simple_quicksort_are_sorted() {
        for len in [0, 1, 12, 13, 49, 50, 51, 1000] {
            let patterns: [fn(u32) -> u32; 5] =
                [|i| i, |i| 5000 - i, |_| 7, |i| i % 5, |i| i ^ 0x155];
            for pattern in patterns {
                let mut items: Vec<u32> = (0..len).map(pattern).collect();
                let mut expected = items.clone();
                expected.sort_unstable();
                sort(&mut items, &mut |a, b| a < b);
                assert_eq!(items, expected);
            }
        }
    }

    #[test]
    fn an_order_that_is_none_does_not_hang_or_lose_items() {
        let mut items: Vec<u32> = (0..500).collect();
        sort(&mut items, &mut |_, _| true);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..500));
    }

    proptest! {
        #[test]
        fn any_list_is_sorted(mut items in proptest::collection::vec(0..40_u8, 0..300)) {
            let mut expected = items.clone();
            expected.sort_unstable();
            sort(&mut items, &mut |a, b| a < b);
            prop_assert_eq!(items, expected);
        }
    }
}
