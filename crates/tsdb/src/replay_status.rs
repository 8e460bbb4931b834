//! How far reading the log has come.

use crate::sync::atomic::{AtomicU32, Ordering};

/// Progress of a replay, readable from any thread while [`Db::open`](crate::Db::open) runs.
#[derive(Debug, Default)]
pub struct ReplayStatus {
    first: AtomicU32,
    last: AtomicU32,
    current: AtomicU32,
}

impl ReplayStatus {
    /// First segment, last segment, and the one being read.
    pub fn segments(&self) -> (u32, u32, u32) {
        let load = |value: &AtomicU32| value.load(Ordering::Relaxed);
        (load(&self.first), load(&self.last), load(&self.current))
    }

    pub(crate) fn begin(&self, first: u32, last: u32) {
        self.first.store(first, Ordering::Relaxed);
        self.last.store(last, Ordering::Relaxed);
        self.current.store(first, Ordering::Relaxed);
    }

    pub(crate) fn reached(&self, segment: u32) {
        self.current.store(segment, Ordering::Relaxed);
    }
}
