//! Several threads at the series of one selector: each takes the next few series, and what it makes
//! of them is handed on in the order of the series, so that a result does not depend on who made
//! which part of it. The thread of the query takes part and is the only one that hands on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::error::QueryError;
use crate::meter::{Metered, QueryMeter};

/// Values that the series hold which a thread takes at a time: fewer are not worth the wake-ups, more
/// take memory.
const BATCH_POINTS: usize = 1 << 15;
/// Most and least series that a thread takes at a time.
const BATCH_LENS: (usize, usize) = (4, 256);
/// Parts that a selection has at least, so that all threads end at about the same time.
const PARTS_MIN: usize = 32;
/// Fewer series are not worth a thread.
const SHARED_LEN_MIN: usize = 128;
/// Batches that may be under way or wait to be handed on, for each thread: bounds what they hold.
const BATCHES_AHEAD: usize = 4;

/// Threads that all queries together may have beside their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workers {
    free: Arc<AtomicUsize>,
}

/// Threads that a query has for a while.
struct Hired<'w> {
    workers: &'w Workers,
    count: usize,
}

impl Workers {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(count)),
        }
    }

    /// As many of the free threads as `wanted`.
    fn hire(&self, wanted: usize) -> Hired<'_> {
        let mut count = 0;
        let taken = self
            .free
            .try_update(Ordering::AcqRel, Ordering::Acquire, |free| {
                count = free.min(wanted);
                (count > 0).then(|| free - count)
            });
        Hired {
            workers: self,
            count: taken.map_or(0, |_| count),
        }
    }
}

impl Drop for Hired<'_> {
    fn drop(&mut self) {
        self.workers.free.fetch_add(self.count, Ordering::AcqRel);
    }
}

/// Makes something of series `index`, with buffers that are used again.
pub(super) type Make<'m, B, T> = dyn Fn(usize, &mut B) -> Result<Option<T>, QueryError> + Sync + 'm;

/// How many series a thread takes at a time, of `len` that have a value at `steps` steps.
fn batch_len(len: usize, steps: usize) -> usize {
    let (least, most) = BATCH_LENS;
    (BATCH_POINTS / steps.max(1))
        .min(len / PARTS_MIN)
        .clamp(least, most)
}

/// Gives what `make` makes of the series 0 to `len`, at `steps` steps, to `take`, in this order.
pub(super) fn in_order<B: Default, T: Send>(
    workers: &Workers,
    meter: &QueryMeter,
    (len, steps): (usize, usize),
    make: &Make<'_, B, T>,
    take: &mut dyn FnMut(T) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let batch_len = batch_len(len, steps);
    let hired = workers.hire(if len < SHARED_LEN_MIN {
        0
    } else {
        (len / batch_len).div_ceil(BATCHES_AHEAD)
    });
    let mut buffers = B::default();
    if hired.count == 0 {
        return (0..len).try_for_each(|index| match make(index, &mut buffers)? {
            Some(made) => take(made),
            None => Ok(()),
        });
    }
    let work = Work {
        len,
        batch_len,
        ahead_max: (hired.count + 1) * BATCHES_AHEAD,
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..hired.count {
            // Without a thread the others do more.
            let _ = std::thread::Builder::new()
                .name("query-leaf".to_owned())
                .spawn_scoped(scope, || {
                    let _metered = Metered::new(meter);
                    work.help(make);
                });
        }
        let _ending = Ending(&work);
        work.lead(make, &mut buffers, take)
    })
}

/// The series of a selector, taken batch by batch.
struct Work<T> {
    len: usize,
    batch_len: usize,
    ahead_max: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Batch that nobody has taken yet.
    next: usize,
    /// Batches that were handed on.
    handed_on: usize,
    /// What helpers made.
    made: BTreeMap<usize, Result<Vec<T>, QueryError>>,
    stopped: bool,
    /// A helper ended without its batch.
    broken: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            next: 0,
            handed_on: 0,
            made: BTreeMap::new(),
            stopped: false,
            broken: false,
        }
    }
}

/// Has helpers stop, however the leader ends.
struct Ending<'w, T>(&'w Work<T>);

impl<T> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

/// Tells the leader if a helper ends by a panic, which would leave it waiting.
struct Alarm<'w, T>(&'w Work<T>);

impl<T> Drop for Alarm<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.lock().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl<T> Work<T> {
    fn batches(&self) -> usize {
        self.len.div_ceil(self.batch_len)
    }

    fn series_of(&self, batch: usize) -> Range<usize> {
        let begin = batch * self.batch_len;
        begin..(begin + self.batch_len).min(self.len)
    }

    /// Takes batches and leaves what becomes of them to the leader.
    fn help<B: Default>(&self, make: &Make<'_, B, T>) {
        let _alarm = Alarm(self);
        let mut buffers = B::default();
        while let Some(batch) = self.next_batch() {
            self.keep(batch, self.make(batch, make, &mut buffers));
        }
    }

    fn make<B>(
        &self,
        batch: usize,
        make: &Make<'_, B, T>,
        buffers: &mut B,
    ) -> Result<Vec<T>, QueryError> {
        let mut made = Vec::with_capacity(self.batch_len);
        for index in self.series_of(batch) {
            made.extend(make(index, buffers)?);
        }
        Ok(made)
    }

    fn keep(&self, batch: usize, made: Result<Vec<T>, QueryError>) {
        self.state.lock().made.insert(batch, made);
        self.changed.notify_all();
    }

    /// The next batch for a helper; waits if too much is not handed on yet.
    fn next_batch(&self) -> Option<usize> {
        let mut state = self.state.lock();
        loop {
            if state.stopped || state.next == self.batches() {
                return None;
            }
            if let Some(batch) = self.take_next(&mut state) {
                return Some(batch);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Takes the next batch, if there is one and it is not too far ahead.
    fn take_next(&self, state: &mut State<T>) -> Option<usize> {
        let batch = state.next;
        if batch == self.batches() || batch >= state.handed_on + self.ahead_max {
            return None;
        }
        state.next += 1;
        Some(batch)
    }

    /// Hands on all batches, and makes some of them while those before are being made.
    fn lead<B>(
        &self,
        make: &Make<'_, B, T>,
        buffers: &mut B,
        take: &mut dyn FnMut(T) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for batch in 0..self.batches() {
            loop {
                match self.turn(batch)? {
                    Turn::HandOn(made) => {
                        made.into_iter().try_for_each(&mut *take)?;
                        break;
                    }
                    // Nobody has it: it goes on as it is made.
                    Turn::Make(next) if next == batch => {
                        for index in self.series_of(batch) {
                            if let Some(made) = make(index, buffers)? {
                                take(made)?;
                            }
                        }
                        break;
                    }
                    Turn::Make(next) => self.keep(next, self.make(next, make, buffers)),
                }
            }
            self.state.lock().handed_on = batch + 1;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// What the leader does next, who is to hand on `batch`; waits if there is nothing to do.
    fn turn(&self, batch: usize) -> Result<Turn<T>, QueryError> {
        let mut state = self.state.lock();
        loop {
            if let Some(made) = state.made.remove(&batch) {
                return made.map(Turn::HandOn);
            }
            if state.broken {
                return Err(QueryError::Execution(
                    "a part of the query ended unexpectedly".to_owned(),
                ));
            }
            if let Some(next) = self.take_next(&mut state) {
                return Ok(Turn::Make(next));
            }
            self.changed.wait(&mut state);
        }
    }
}

/// What the leader does next.
enum Turn<T> {
    HandOn(Vec<T>),
    Make(usize),
}

#[cfg(test)]
mod tests {
    use memory::budget::Budget;

    use super::*;

    fn run(
        workers: usize,
        len: usize,
        fails_at: Option<usize>,
    ) -> (Vec<usize>, Result<(), QueryError>) {
        let workers = Workers::new(workers);
        let mut taken = Vec::new();
        let make = |index: usize, buffer: &mut Vec<usize>| {
            buffer.push(index);
            if Some(index) == fails_at {
                return Err(QueryError::Execution(index.to_string()));
            }
            // Every third series has nothing to give.
            Ok((!index.is_multiple_of(3)).then_some(index))
        };
        let outcome = in_order(
            &workers,
            &QueryMeter::new(&Budget::unlimited("test")),
            (len, len % 7000),
            &make,
            &mut |index| {
                taken.push(index);
                Ok(())
            },
        );
        assert_eq!(workers.free.load(Ordering::Acquire), workers_of(&workers));
        (taken, outcome)
    }

    /// All threads are free again.
    fn workers_of(workers: &Workers) -> usize {
        let all = workers.hire(usize::MAX);
        all.count
    }

    #[test]
    fn what_is_made_comes_in_the_order_of_the_series() {
        for len in [0, 1, SHARED_LEN_MIN - 1, SHARED_LEN_MIN, 1000, 10_007] {
            let expected: Vec<usize> = (0..len).filter(|index| index % 3 != 0).collect();
            for workers in [0, 1, 3] {
                let (taken, outcome) = run(workers, len, None);
                assert_eq!(outcome, Ok(()), "{len} {workers}");
                assert_eq!(taken, expected, "{len} {workers}");
            }
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        for workers in [0, 1, 3] {
            let (taken, outcome) = run(workers, 5000, Some(3333));
            assert_eq!(outcome, Err(QueryError::Execution("3333".to_owned())));
            assert_eq!(taken.last(), Some(&3332));
            assert_eq!(taken.len(), 2222);
        }
    }

    #[test]
    fn a_taker_that_fails_ends_it() {
        let workers = Workers::new(2);
        let make = |index: usize, _: &mut ()| Ok(Some(index));
        let mut taken = 0;
        let outcome = in_order(
            &workers,
            &QueryMeter::new(&Budget::unlimited("test")),
            (100_000, 1),
            &make,
            &mut |_| {
                taken += 1;
                if taken == 500 {
                    Err(QueryError::TooManySamples)
                } else {
                    Ok(())
                }
            },
        );
        assert_eq!(outcome, Err(QueryError::TooManySamples));
        assert_eq!(taken, 500);
    }

    #[test]
    fn a_panic_reaches_the_query_and_leaves_nobody_waiting() {
        let workers = Workers::new(2);
        let attempt = std::panic::catch_unwind(|| {
            let make = |index: usize, _: &mut ()| {
                assert!(index != 700, "on purpose");
                Ok(Some(index))
            };
            let meter = QueryMeter::new(&Budget::unlimited("test"));
            in_order(&workers, &meter, (1000, 100), &make, &mut |_| Ok(()))
        });
        assert!(attempt.is_err());
        assert_eq!(workers_of(&workers), 2);
    }
}
