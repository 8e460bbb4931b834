//! The head's write-ahead log, and which of its segments hold samples up to when.

use std::collections::BTreeMap;

use model::Timestamp;

use crate::Error;
use crate::wal::{Batch, Writer};

/// The log and what is known of its segments.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) writer: Writer,
    newest: SegmentTimes,
}

/// Newest sample time by segment; segments without samples are not in it.
#[derive(Debug, Default)]
pub(crate) struct SegmentTimes(BTreeMap<u32, Timestamp>);

impl SegmentTimes {
    /// Notes a sample in `segment`.
    pub(crate) fn cover(&mut self, segment: u32, timestamp: Timestamp) {
        let newest = self.0.entry(segment).or_insert(timestamp);
        *newest = timestamp.max(*newest);
    }

    /// The first segment that holds a sample at or after `mint`.
    fn first_needed(&self, mint: Timestamp) -> Option<u32> {
        self.0
            .iter()
            .find(|(_, newest)| **newest >= mint)
            .map(|(segment, _)| *segment)
    }
}

impl Log {
    pub(crate) fn new(writer: Writer, newest: SegmentTimes) -> Self {
        Self { writer, newest }
    }

    /// Writes a transaction whose newest sample is at `newest`, if it has any.
    pub(crate) fn write(&mut self, batch: &Batch, newest: Option<Timestamp>) -> Result<(), Error> {
        self.writer.write(batch)?;
        if let Some(newest) = newest {
            self.newest.cover(self.writer.segment(), newest);
        }
        Ok(())
    }

    /// The last segment before the open one and before every one with samples at or after `mint`.
    pub(crate) fn last_obsolete(&self, mint: Timestamp) -> Option<u32> {
        let open = self.writer.segment();
        let needed = self.newest.first_needed(mint).unwrap_or(open).min(open);
        needed.checked_sub(1)
    }

    /// Counts no sample as younger than `now`.
    pub(crate) fn cap_times(&mut self, now: Timestamp) {
        for newest in self.newest.0.values_mut() {
            *newest = now.min(*newest);
        }
    }

    /// Forgets segments up to `last`.
    pub(crate) fn forget(&mut self, last: u32) {
        self.newest.0.retain(|segment, _| *segment > last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_needed_from_the_first_with_young_samples_on() {
        let mut times = SegmentTimes::default();
        for (segment, time) in [(2, 10), (3, 50), (3, 20), (4, 30), (6, 60)] {
            times.cover(segment, time);
        }
        assert_eq!(times.first_needed(10), Some(2));
        assert_eq!(times.first_needed(11), Some(3));
        assert_eq!(
            times.first_needed(51),
            Some(6),
            "a young sample in an old segment pins it"
        );
        assert_eq!(times.first_needed(61), None);
    }
}
