//! Cooperative cancellation: a flag and an optional deadline, polled once per batch of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why work was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Somebody called [`CancelToken::cancel`].
    Cancelled,
    /// The deadline passed.
    DeadlineExceeded,
}

/// A cheap, clonable handle on one piece of work. All clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl CancelToken {
    /// A token that only [`cancel`](Self::cancel) stops.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that also stops at `deadline`.
    pub fn with_deadline(deadline: Instant) -> Self {
        Self {
            cancelled: Arc::default(),
            deadline: Some(deadline),
        }
    }

    /// A token that shares this one's flag and stops at `deadline` too, if that comes first.
    #[must_use]
    pub fn with_earlier_deadline(&self, deadline: Instant) -> Self {
        let earlier = self.deadline.map_or(deadline, |own| own.min(deadline));
        Self {
            cancelled: self.cancelled.clone(),
            deadline: Some(earlier),
        }
    }

    /// Asks the work to stop. May be called any number of times, from any thread.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// `Err` once the work should stop. Costs an atomic load and, with a deadline, a clock read:
    /// call it per batch, not per item.
    pub fn check(&self) -> Result<(), Stop> {
        if self.cancelled.load(Ordering::Acquire) {
            return Err(Stop::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stop::DeadlineExceeded),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_one_clone_stops_all() {
        let token = CancelToken::new();
        let clone = token.clone();
        assert_eq!(clone.check(), Ok(()));
        token.cancel();
        assert_eq!(clone.check(), Err(Stop::Cancelled));
    }

    #[test]
    fn an_earlier_deadline_shares_the_flag() {
        let token = CancelToken::new();
        let bounded = token.with_earlier_deadline(Instant::now());
        assert_eq!(bounded.check(), Err(Stop::DeadlineExceeded));
        assert_eq!(token.check(), Ok(()));
        token.cancel();
        assert_eq!(bounded.check(), Err(Stop::Cancelled));
    }

    #[test]
    fn a_passed_deadline_stops() {
        assert_eq!(
            CancelToken::with_deadline(Instant::now()).check(),
            Err(Stop::DeadlineExceeded)
        );
    }
}
