//! How much memory a query holds, and what happens when that is too much.
//!
//! Whatever a query keeps (columns, groups, samples being read, its result) carries a [`Charge`],
//! which takes bytes from the query's budget and gives them back when it is dropped. A refusal does
//! not stop the code that asked: it is noted, and the evaluation, which looks once a series, ends.
//!
//! The budget of the query that a thread works for belongs to the thread, so that columns need not
//! be told whose they are.

use std::cell::RefCell;

use memory::budget::{Budget, BudgetExhausted, Reservation};

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Meter {
    budget: Budget,
    refused: Option<BudgetExhausted>,
}

/// While it lives, charges of this thread go to one query.
#[derive(Debug)]
pub(crate) struct Metered {
    before: Option<Meter>,
}

impl Metered {
    pub(crate) fn new(budget: Budget) -> Self {
        let meter = Meter {
            budget,
            refused: None,
        };
        Self {
            before: METER.replace(Some(meter)),
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        METER.replace(self.before.take());
    }
}

/// The first refusal since this was asked last.
pub(crate) fn refusal() -> Option<BudgetExhausted> {
    METER.with_borrow_mut(|meter| meter.as_mut()?.refused.take())
}

/// Bytes that something holds.
#[derive(Debug, Default)]
pub(crate) struct Charge(Option<Reservation>);

impl Charge {
    pub(crate) fn new(bytes: usize) -> Self {
        let mut charge = Self::default();
        charge.resize(bytes);
        charge
    }

    /// Holds `bytes` instead, as far as the budget goes.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if self.0.as_ref().map_or(0, Reservation::bytes) == bytes {
            return;
        }
        METER.with_borrow_mut(|meter| {
            let Some(meter) = meter.as_mut() else {
                return;
            };
            let outcome = match &mut self.0 {
                Some(reservation) => reservation.resize(bytes),
                None => meter.budget.reserve(bytes).map(|reservation| {
                    self.0 = Some(reservation);
                }),
            };
            if let Err(refused) = outcome {
                meter.refused.get_or_insert(refused);
            }
        });
    }

    /// Holds at least `bytes`: for buffers that are used again.
    pub(crate) fn resize_at_least(&mut self, bytes: usize) {
        if self.0.as_ref().map_or(0, Reservation::bytes) < bytes as u64 {
            self.resize(bytes);
        }
    }

    /// Holds `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let held = self.0.as_ref().map_or(0, Reservation::bytes);
        self.resize(
            usize::try_from(held)
                .unwrap_or(usize::MAX)
                .saturating_add(bytes),
        );
    }
}

impl Clone for Charge {
    fn clone(&self) -> Self {
        match &self.0 {
            Some(held) => Self::new(usize::try_from(held.bytes()).unwrap_or(usize::MAX)),
            None => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_go_to_the_query_of_the_thread_and_come_back() {
        let all = Budget::new("queries", 1000);
        let budget = all.part("query", 100);
        let outside = Charge::new(5000);
        {
            let _metered = Metered::new(budget.clone());
            let mut charge = Charge::new(60);
            let copy = charge.clone();
            assert_eq!(refusal().map(|refused| refused.used_bytes), Some(60));
            assert!(refusal().is_none());
            charge.resize(10);
            charge.grow(5);
            assert_eq!(all.used_bytes(), 15);
            drop((charge, copy));
        }
        drop(outside);
        assert_eq!((budget.used_bytes(), all.used_bytes()), (0, 0));
    }
}
