//! A binary heap with a fixed way of breaking ties.
//!
//! The reference merges with its language's heap; which of two equal elements comes out first
//! follows from the steps in which elements move there, and shows in merged data. These are the
//! same steps: a new element rises while it is smaller than its parent; a taken top is replaced by
//! the last element, which sinks while a child is smaller.

/// Elements by an order that callers give at each step, as it may depend on what changes outside.
#[derive(Debug)]
pub(super) struct TieHeap<T> {
    elements: Vec<T>,
}

impl<T> Default for TieHeap<T> {
    fn default() -> Self {
        Self {
            elements: Vec::new(),
        }
    }
}

impl<T> TieHeap<T> {
    /// The smallest element.
    pub(super) fn top(&self) -> Option<&T> {
        self.elements.first()
    }

    /// Adds an element.
    pub(super) fn push(&mut self, element: T, is_less: impl Fn(&T, &T) -> bool) {
        self.elements.push(element);
        let mut at = self.elements.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.compare(at, parent, &is_less) {
                break;
            }
            self.elements.swap(at, parent);
            at = parent;
        }
    }

    /// Takes the smallest element.
    pub(super) fn pop(&mut self, is_less: impl Fn(&T, &T) -> bool) -> Option<T> {
        let last = self.elements.len().checked_sub(1)?;
        self.elements.swap(0, last);
        let top = self.elements.pop();
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let right_is_smaller = self.compare(right, left, &is_less);
            let smaller = if right_is_smaller { right } else { left };
            if !self.compare(smaller, at, &is_less) {
                return top;
            }
            self.elements.swap(at, smaller);
            at = smaller;
        }
    }

    fn compare(&self, one: usize, other: usize, is_less: &impl Fn(&T, &T) -> bool) -> bool {
        match (self.elements.get(one), self.elements.get(other)) {
            (Some(one), Some(other)) => is_less(one, other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_leave_in_the_order_of_the_reference() {
        let equal = |_: &u8, _: &u8| false;
        let mut heap = TieHeap::default();
        for element in [0, 1, 2, 3] {
            heap.push(element, equal);
        }
        let order: Vec<u8> = std::iter::from_fn(|| heap.pop(equal)).collect();
        assert_eq!(order, [0, 3, 2, 1]);
    }

    proptest! {
        #[test]
        fn elements_leave_in_order(mut elements in prop::collection::vec(any::<u16>(), 0..50)) {
            let mut heap = TieHeap::default();
            for element in &elements {
                heap.push(*element, |a, b| a < b);
            }
            elements.sort_unstable();
            let order: Vec<u16> = std::iter::from_fn(|| heap.pop(|a, b| a < b)).collect();
            prop_assert_eq!(order, elements);
        }
    }
}
