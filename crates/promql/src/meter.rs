//! How much memory a query holds, and what happens when that is too much.
//!
//! Whatever a query keeps (columns, groups, samples being read, its result) carries a [`Charge`],
//! which takes bytes from the query's budget and gives them back when it is dropped. A refusal does
//! not stop the code that asked: it is noted, and the evaluation, which looks once a series, ends.
//!
//! The meter of the query that a thread works for belongs to the thread, so that columns need not be
//! told whose they are. A thread settles with the budget only when it owes it something: a charge is
//! then an addition, and not a handful of contended atomic operations.

use std::cell::RefCell;
use std::sync::Arc;

use memory::budget::{Budget, BudgetExhausted, Reservation};
use parking_lot::Mutex;

/// Bytes that a thread takes or gives back before it settles; less where the limit is low.
const UNSETTLED_BYTES_MAX: i64 = 64 << 10;
/// Part of a limit that a thread may have taken without having settled.
const UNSETTLED_PART: u64 = 16;

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// What one query holds, for all threads that work for it.
#[derive(Debug, Clone)]
pub(crate) struct QueryMeter {
    held: Arc<Mutex<Reservation>>,
    unsettled_max: i64,
}

impl QueryMeter {
    pub(crate) fn new(budget: &Budget) -> Self {
        let part = budget.tightest_limit_bytes() / UNSETTLED_PART;
        let unsettled_max = i64::try_from(part).unwrap_or(i64::MAX);
        Self {
            held: Arc::new(Mutex::new(budget.reserve_unchecked(0))),
            unsettled_max: unsettled_max.min(UNSETTLED_BYTES_MAX),
        }
    }
}

#[derive(Debug)]
struct Meter {
    query: QueryMeter,
    /// Bytes taken, or given back if negative, since this thread settled last.
    balance: i64,
    refused: Option<BudgetExhausted>,
}

impl Meter {
    fn change(&mut self, bytes: i64) {
        self.balance = self.balance.saturating_add(bytes);
        if self.balance.abs() > self.query.unsettled_max {
            self.settle();
        }
    }

    /// Takes what is owed from the budget, or gives it back.
    fn settle(&mut self) {
        let mut held = self.query.held.lock();
        let before = held.bytes();
        // What another thread took may be given back here before that thread has settled.
        let after = before.saturating_add_signed(self.balance);
        match held.resize(after) {
            Ok(()) => {
                let settled = i128::from(after) - i128::from(before);
                self.balance -= i64::try_from(settled).unwrap_or(0);
            }
            Err(refused) => {
                self.refused.get_or_insert(refused);
            }
        }
    }
}

/// While it lives, charges of this thread go to one query.
#[derive(Debug)]
pub(crate) struct Metered {
    before: Option<Meter>,
}

impl Metered {
    pub(crate) fn new(query: &QueryMeter) -> Self {
        let meter = Meter {
            query: query.clone(),
            balance: 0,
            refused: None,
        };
        Self {
            before: METER.replace(Some(meter)),
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if let Some(mut ended) = METER.replace(self.before.take()) {
            ended.settle();
        }
    }
}

/// The first refusal since this was asked last.
pub(crate) fn refusal() -> Option<BudgetExhausted> {
    METER.with_borrow_mut(|meter| meter.as_mut()?.refused.take())
}

/// Bytes that something holds.
#[derive(Debug, Default)]
pub(crate) struct Charge(u64);

impl Charge {
    pub(crate) fn new(bytes: usize) -> Self {
        let mut charge = Self::default();
        charge.resize(bytes);
        charge
    }

    /// Holds `bytes` instead, as far as the budget goes.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let change = i128::from(bytes) - i128::from(self.0);
        if change == 0 {
            return;
        }
        METER.with_borrow_mut(|meter| {
            if let Some(meter) = meter {
                self.0 = bytes;
                meter.change(i64::try_from(change).unwrap_or(i64::MAX));
            }
        });
    }

    /// Holds at least `bytes`: for buffers that are used again.
    pub(crate) fn resize_at_least(&mut self, bytes: usize) {
        if self.0 < bytes as u64 {
            self.resize(bytes);
        }
    }

    /// Holds `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let held = usize::try_from(self.0).unwrap_or(usize::MAX);
        self.resize(held.saturating_add(bytes));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.resize(0);
    }
}

impl Clone for Charge {
    fn clone(&self) -> Self {
        Self::new(usize::try_from(self.0).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_go_to_the_query_of_the_thread_and_come_back() {
        let all = Budget::new("queries", 10_000);
        let budget = all.part("query", 1000);
        let outside = Charge::new(50_000);
        {
            let _metered = Metered::new(&QueryMeter::new(&budget));
            let mut charge = Charge::new(600);
            let copy = charge.clone();
            assert_eq!(refusal().map(|refused| refused.used_bytes), Some(600));
            assert!(refusal().is_none());
            drop(copy);
            charge.resize(100);
            charge.grow(50);
            assert!(all.used_bytes().abs_diff(150) <= 1000 / UNSETTLED_PART);
            drop(charge);
        }
        drop(outside);
        assert_eq!((budget.used_bytes(), all.used_bytes()), (0, 0));
    }

    #[test]
    fn little_things_add_up() {
        let budget = Budget::new("query", 1 << 20);
        let query = QueryMeter::new(&budget);
        let _metered = Metered::new(&query);
        let mut held = Vec::new();
        while refusal().is_none() {
            held.push(Charge::new(100));
            assert!(held.len() <= 11_000, "the limit is not noticed");
        }
        assert!(held.len() >= 10_000);
    }

    #[test]
    fn one_thread_may_give_back_what_another_took() {
        let budget = Budget::new("query", 64 << 20);
        let query = QueryMeter::new(&budget);
        let metered = Metered::new(&query);
        for size in [10, 40_000, 1 << 20] {
            let make = || {
                let _metered = Metered::new(&query);
                (0..9).map(|_| Charge::new(size)).collect::<Vec<_>>()
            };
            let made = std::thread::scope(|scope| scope.spawn(make).join()).expect("made");
            assert!(budget.used_bytes() >= (9 * size as u64).saturating_sub(70_000));
            drop(made);
        }
        drop(metered);
        assert_eq!(budget.used_bytes(), 0);
    }
}
