//! Lets a bounded number of queries run at a time. Those that wait are let in by when they would be
//! done if they had begun as they came: a cheap query passes an expensive one, and nobody waits for
//! ever, as those that come later are behind in time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use stdx::cancel::{CancelToken, Stop};

use crate::error::{Phase, QueryError};

/// How often a query that waits for its turn looks whether it was cancelled.
const QUEUE_POLL: Duration = Duration::from_millis(50);

/// The gate that all queries of an engine pass.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Expected end and number of those that wait.
    waiting: BTreeSet<(Instant, u64)>,
    next_number: u64,
}

/// A place among the running queries.
#[derive(Debug)]
pub(crate) struct Turn<'a>(Option<&'a Gate>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            gate.state.lock().running -= 1;
            gate.freed.notify_all();
        }
    }
}

impl Gate {
    /// Waits for a place among `limit` (0: any number). Only who has to wait is asked what it is
    /// expected to take.
    pub(crate) fn enter(
        &self,
        limit: usize,
        cancel: &CancelToken,
        deadline: Option<Instant>,
        expected: impl FnOnce() -> Result<Duration, QueryError>,
    ) -> Result<Turn<'_>, QueryError> {
        if limit == 0 {
            return Ok(Turn(None));
        }
        let came = Instant::now();
        {
            let mut state = self.state.lock();
            if state.running < limit && state.waiting.is_empty() {
                state.running += 1;
                return Ok(Turn(Some(self)));
            }
        }
        let expected = expected()?;
        let mut state = self.state.lock();
        let place = (
            came.checked_add(expected).unwrap_or(came),
            state.next_number,
        );
        state.next_number += 1;
        state.waiting.insert(place);
        let outcome = loop {
            if state.running < limit && state.waiting.first() == Some(&place) {
                state.running += 1;
                break Ok(Turn(Some(self)));
            }
            if let Err(stop) = cancel.check() {
                break Err(match stop {
                    Stop::Cancelled => QueryError::Canceled(Phase::Queue),
                    Stop::DeadlineExceeded => QueryError::Timeout(Phase::Queue),
                });
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Err(QueryError::Timeout(Phase::Queue));
            }
            self.freed.wait_for(&mut state, QUEUE_POLL);
        };
        state.waiting.remove(&place);
        drop(state);
        // The next in line may have a place too, or a new one in front.
        self.freed.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn waiting(gate: &Gate, count: usize) {
        while gate.state.lock().waiting.len() < count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn cheap_queries_pass_expensive_ones() {
        let gate = Gate::default();
        let cancel = CancelToken::new();
        let unasked = || -> Result<Duration, QueryError> { panic!("there was a place") };
        let first = gate.enter(1, &cancel, None, unasked).expect("a place");
        let (done, order) = mpsc::channel();
        std::thread::scope(|scope| {
            for (number, seconds) in [30, 3000, 300].into_iter().enumerate() {
                let (gate, cancel, done) = (&gate, &cancel, done.clone());
                scope.spawn(move || {
                    let expected = || Ok(Duration::from_secs(seconds));
                    let turn = gate.enter(1, cancel, None, expected).expect("a place");
                    done.send(seconds).expect("sent");
                    drop(turn);
                });
                waiting(gate, number + 1);
            }
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [30, 300, 3000]);
        assert_eq!(gate.state.lock().running, 0);
    }

    #[test]
    fn who_gives_up_is_in_nobodys_way() {
        let gate = Gate::default();
        let cancel = CancelToken::new();
        let first = gate
            .enter(1, &cancel, None, || Ok(Duration::ZERO))
            .expect("a place");
        let soon = Some(Instant::now() + Duration::from_millis(1));
        let late = gate.enter(1, &cancel, soon, || Ok(Duration::ZERO));
        assert_eq!(late.map(|_| ()), Err(QueryError::Timeout(Phase::Queue)));
        let cancelled = CancelToken::new();
        cancelled.cancel();
        let gone = gate.enter(1, &cancelled, None, || Ok(Duration::ZERO));
        assert_eq!(gone.map(|_| ()), Err(QueryError::Canceled(Phase::Queue)));
        let refused = gate.enter(1, &cancel, None, || Err(QueryError::TooManySamples));
        assert_eq!(refused.map(|_| ()), Err(QueryError::TooManySamples));
        assert!(gate.state.lock().waiting.is_empty());
        drop(first);
        assert!(gate.enter(1, &cancel, None, || Ok(Duration::ZERO)).is_ok());
    }
}
