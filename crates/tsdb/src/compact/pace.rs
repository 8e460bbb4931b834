//! How fast blocks are written: work that takes seconds leaves room for queries.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::head::open_ranges::OpenRanges;

/// Shortest stint between two looks at who reads.
const STINT_MIN: Duration = Duration::from_millis(1);
/// Longest pause after a stint.
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Who is to be left room. Without anybody work goes on at full speed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    readers: Option<Arc<OpenRanges>>,
}

impl Pace {
    /// Leaves room for those who have entered a range.
    pub(crate) fn beside(readers: Arc<OpenRanges>) -> Self {
        Self {
            readers: Some(readers),
        }
    }

    /// Begins to work.
    pub(crate) fn start(&self) -> Stint<'_> {
        Stint {
            pace: self,
            begun: Instant::now(),
        }
    }
}

/// Work since the last pause.
#[derive(Debug)]
pub(crate) struct Stint<'a> {
    pace: &'a Pace,
    begun: Instant,
}

impl Stint<'_> {
    /// Between two pieces of work: while somebody reads, the pause is as long as the work was, so
    /// that the whole takes twice as long at most.
    pub(crate) fn pause(&mut self) {
        let worked = self.begun.elapsed();
        if worked < STINT_MIN {
            return;
        }
        if let Some(readers) = &self.pace.readers
            && !readers.is_empty()
        {
            thread::sleep(worked.min(PAUSE_MAX));
        }
        self.begun = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_only_beside_readers() {
        let readers = Arc::new(OpenRanges::default());
        let pace = Pace::beside(readers.clone());
        let pauses = |pace: &Pace| {
            let mut stint = pace.start();
            stint.begun = Instant::now()
                .checked_sub(PAUSE_MAX)
                .expect("a clock that runs");
            let before = Instant::now();
            stint.pause();
            before.elapsed() >= PAUSE_MAX
        };
        let reader = readers.enter(1, 2);
        assert!(pauses(&pace));
        drop(reader);
        // Without a reader nothing sleeps; a busy machine may still take that long now and then.
        assert!((0..100).any(|_| !pauses(&pace)));
        let _reader = readers.enter(1, 2);
        assert!((0..100).any(|_| !pauses(&Pace::default())));
    }
}
