//! Who is at work on which times: truncation waits for readers of what it drops, and cutting a
//! block waits for appenders that might still add to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::{Condvar, Mutex};
use model::Timestamp;

#[derive(Debug, Default)]
struct Book {
    next: u64,
    ranges: BTreeMap<u64, (Timestamp, Timestamp)>,
}

/// Time ranges in use.
#[derive(Debug, Default)]
pub(crate) struct OpenRanges {
    book: Mutex<Book>,
    closed: Condvar,
}

impl OpenRanges {
    /// Enters a range, both ends included, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, mint: Timestamp, maxt: Timestamp) -> OpenRange {
        let mut book = self.book.lock();
        book.next += 1;
        let id = book.next;
        book.ranges.insert(id, (mint, maxt));
        OpenRange {
            ranges: self.clone(),
            id,
        }
    }

    /// Whether nobody is at work.
    pub(crate) fn is_empty(&self) -> bool {
        self.book.lock().ranges.is_empty()
    }

    /// Waits until nobody who has entered before is at work on times before `end`. Those who enter
    /// meanwhile are the caller's business: they must know that they come too late.
    pub(crate) fn wait_for_those_before(&self, end: Timestamp) {
        let mut book = self.book.lock();
        let newest = book.next;
        while book
            .ranges
            .range(..=newest)
            .any(|(_, (mint, _))| *mint < end)
        {
            self.closed.wait(&mut book);
        }
    }
}

/// A range in use.
#[derive(Debug)]
pub(crate) struct OpenRange {
    ranges: Arc<OpenRanges>,
    id: u64,
}

impl OpenRange {
    /// Says that only times from `mint` on are of interest.
    pub(crate) fn narrow(&self, mint: Timestamp) {
        if let Some(range) = self.ranges.book.lock().ranges.get_mut(&self.id) {
            range.0 = range.0.max(mint);
        }
        self.ranges.closed.notify_all();
    }
}

impl Drop for OpenRange {
    fn drop(&mut self) {
        self.ranges.book.lock().ranges.remove(&self.id);
        self.ranges.closed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_earlier_ranges_that_reach_below_the_end() {
        let ranges = Arc::new(OpenRanges::default());
        let high = ranges.enter(100, 200);
        ranges.wait_for_those_before(100);
        let low = ranges.enter(50, 200);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ranges.wait_for_those_before(100);
                sender.send(()).unwrap();
            });
            assert!(receiver.try_recv().is_err());
            low.narrow(100);
            receiver.recv().unwrap();
        });
        drop((high, low));
        ranges.wait_for_those_before(i64::MAX);
    }
}
