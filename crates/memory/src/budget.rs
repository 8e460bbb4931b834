//! Byte budgets: who uses how much memory, and how much is left.
//!
//! Accounting only: nothing is allocated here. A budget may be part of another; what is taken from
//! it is taken from all above it too, or from none if one of them has not enough left. The part
//! that took bytes holds a [`Reservation`], which gives them back when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Not enough is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "memory budget {name:?} is exhausted: {wanted_bytes} bytes wanted, {used_bytes} of {limit_bytes} in use"
)]
pub struct BudgetExhausted {
    /// The budget that has not enough.
    pub name: &'static str,
    /// What was asked for.
    pub wanted_bytes: u64,
    /// What was in use.
    pub used_bytes: u64,
    /// Its limit.
    pub limit_bytes: u64,
}

/// An account of bytes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget {
    account: Arc<Account>,
}

#[derive(Debug)]
struct Account {
    name: &'static str,
    limit_bytes: AtomicU64,
    used_bytes: AtomicU64,
    used_bytes_max: AtomicU64,
    refused_count: AtomicU64,
    parent: Option<Budget>,
}

impl Budget {
    /// A budget of its own.
    pub fn new(name: &'static str, limit_bytes: u64) -> Self {
        Self::with_parent(name, limit_bytes, None)
    }

    /// A budget without a limit, for its gauges.
    pub fn unlimited(name: &'static str) -> Self {
        Self::new(name, u64::MAX)
    }

    /// A part of this budget with a limit of its own.
    pub fn part(&self, name: &'static str, limit_bytes: u64) -> Self {
        Self::with_parent(name, limit_bytes, Some(self.clone()))
    }

    fn with_parent(name: &'static str, limit_bytes: u64, parent: Option<Self>) -> Self {
        let account = Account {
            name,
            limit_bytes: AtomicU64::new(limit_bytes),
            used_bytes: AtomicU64::new(0),
            used_bytes_max: AtomicU64::new(0),
            refused_count: AtomicU64::new(0),
            parent,
        };
        Self {
            account: Arc::new(account),
        }
    }

    /// What it is called, in metrics and errors.
    pub fn name(&self) -> &'static str {
        self.account.name
    }

    /// Gauge: bytes in use now.
    pub fn used_bytes(&self) -> u64 {
        self.account.used_bytes.load(Ordering::Relaxed)
    }

    /// Gauge: most bytes that were ever in use.
    pub fn used_bytes_max(&self) -> u64 {
        self.account.used_bytes_max.load(Ordering::Relaxed)
    }

    /// Gauge: the limit.
    pub fn limit_bytes(&self) -> u64 {
        self.account.limit_bytes.load(Ordering::Relaxed)
    }

    /// The lowest limit of this budget and those above it.
    pub fn tightest_limit_bytes(&self) -> u64 {
        let above = self.account.parent.as_ref();
        let above = above.map_or(u64::MAX, Self::tightest_limit_bytes);
        self.limit_bytes().min(above)
    }

    /// Counter: requests that were refused for this budget's own limit.
    pub fn refused_count(&self) -> u64 {
        self.account.refused_count.load(Ordering::Relaxed)
    }

    /// Changes the limit; what is in use stays so even if it is more.
    pub fn limit_to(&self, limit_bytes: u64) {
        self.account
            .limit_bytes
            .store(limit_bytes, Ordering::Relaxed);
    }

    /// Takes `bytes`, here and in all budgets above, until the reservation is dropped.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, BudgetExhausted> {
        self.take(bytes)?;
        Ok(Reservation {
            budget: self.clone(),
            bytes,
        })
    }

    /// Takes bytes that are in use already, limit or no limit: what was read back at start cannot
    /// be refused. Later requests are, until use is below the limit again.
    pub fn reserve_unchecked(&self, bytes: u64) -> Reservation {
        let mut budget = Some(self);
        while let Some(at) = budget {
            at.add(bytes);
            budget = at.account.parent.as_ref();
        }
        Reservation {
            budget: self.clone(),
            bytes,
        }
    }

    fn add(&self, bytes: u64) {
        let before = self.account.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account
            .used_bytes_max
            .fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) -> Result<(), BudgetExhausted> {
        let mut budget = Some(self);
        while let Some(at) = budget {
            if let Err(refused) = at.take_here(bytes) {
                self.give_back_below(at, bytes);
                return Err(refused);
            }
            budget = at.account.parent.as_ref();
        }
        Ok(())
    }

    fn take_here(&self, bytes: u64) -> Result<(), BudgetExhausted> {
        let limit_bytes = self.limit_bytes();
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes);
        let account = &self.account;
        match account
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        {
            Ok(before) => {
                account
                    .used_bytes_max
                    .fetch_max(before + bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(used_bytes) => {
                account.refused_count.fetch_add(1, Ordering::Relaxed);
                Err(BudgetExhausted {
                    name: account.name,
                    wanted_bytes: bytes,
                    used_bytes,
                    limit_bytes,
                })
            }
        }
    }

    /// Gives back what was taken from this budget up to, and without, `end`.
    fn give_back_below(&self, end: &Self, bytes: u64) {
        let mut budget = Some(self);
        while let Some(at) = budget.filter(|at| !Arc::ptr_eq(&at.account, &end.account)) {
            at.account.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            budget = at.account.parent.as_ref();
        }
    }

    fn give_back(&self, bytes: u64) {
        let mut budget = Some(self);
        while let Some(at) = budget {
            at.account.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            budget = at.account.parent.as_ref();
        }
    }
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping a reservation gives its bytes back"]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds `bytes` instead: takes the difference or gives it back. On error nothing changes.
    pub fn resize(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        if bytes > self.bytes {
            self.budget.take(bytes - self.bytes)?;
        } else {
            self.budget.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Budget, Reservation};

    #[test]
    fn a_part_takes_from_the_whole() {
        let whole = Budget::new("whole", 100);
        let part = whole.part("part", 80);
        let first = part.reserve(60).unwrap();
        assert_eq!((part.used_bytes(), whole.used_bytes()), (60, 60));
        assert_eq!(part.reserve(30).unwrap_err().name, "part");
        let second = whole.reserve(30).unwrap();
        // Room in the part and none in the whole: nothing is taken from either.
        assert_eq!(part.reserve(20).unwrap_err().name, "whole");
        assert_eq!((part.used_bytes(), whole.used_bytes()), (60, 90));
        drop(first);
        drop(second);
        assert_eq!((part.used_bytes(), whole.used_bytes()), (0, 0));
        assert_eq!((part.used_bytes_max(), whole.used_bytes_max()), (80, 90));
        assert_eq!((part.refused_count(), whole.refused_count()), (1, 1));
    }

    #[test]
    fn reservations_change_their_size() {
        let budget = Budget::new("queries", 10);
        let mut reservation = budget.reserve(4).unwrap();
        reservation.grow(6).unwrap();
        assert!(reservation.grow(1).is_err());
        assert_eq!(reservation.bytes(), 10);
        reservation.resize(2).unwrap();
        assert_eq!(budget.used_bytes(), 2);
        assert!(budget.reserve(u64::MAX).is_err());
    }

    #[test]
    fn what_is_in_use_already_may_exceed_the_limit() {
        let budget = Budget::new("head", 10);
        let restored = budget.reserve_unchecked(15);
        assert!(budget.reserve(1).is_err());
        budget.limit_to(20);
        assert!(budget.reserve(1).is_ok());
        drop(restored);
        assert_eq!(budget.used_bytes(), 0);
        assert_eq!(Budget::unlimited("x").limit_bytes(), u64::MAX);
    }

    proptest! {
        /// Whatever is taken and dropped, gauges equal what is held, and limits hold.
        #[test]
        fn gauges_equal_what_is_held(steps in prop::collection::vec((0..3_u8, 0..60_u64), 0..40)) {
            let whole = Budget::new("whole", 150);
            let parts = [whole.part("a", 100), whole.part("b", 100)];
            let mut held: Vec<(usize, Reservation)> = Vec::new();
            for (action, bytes) in steps {
                match action {
                    0 | 1 => {
                        let part = usize::from(action);
                        held.extend(parts[part].reserve(bytes).ok().map(|taken| (part, taken)));
                    }
                    _ => {
                        if let Some((_, last)) = held.last_mut() {
                            let _ = last.resize(bytes);
                        }
                        if bytes % 2 == 0 {
                            held.pop();
                        }
                    }
                }
                let sum = |part| -> u64 {
                    held.iter().filter(|(at, _)| *at == part).map(|(_, taken)| taken.bytes()).sum()
                };
                prop_assert_eq!(parts[0].used_bytes(), sum(0));
                prop_assert_eq!(parts[1].used_bytes(), sum(1));
                prop_assert_eq!(whole.used_bytes(), sum(0) + sum(1));
                prop_assert!(whole.used_bytes() <= 150);
            }
        }
    }
}
