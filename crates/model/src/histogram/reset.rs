//! Counter resets, seen by comparing a histogram with the one before it.

use super::resolution::{coarser_index, common_bounds, index_within, indexed, joined, widen_zero};
use super::{CounterResetHint, FloatHistogram};

impl FloatHistogram {
    /// Whether the counter was reset between `previous` and this sample. A hint decides if there is
    /// one; else every count is compared, at this sample's resolution. Resolution and the width of
    /// the zero bucket only ever get coarser without a reset.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            // Asking for resets of a gauge treats it as a counter.
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count
            || self.uses_custom_buckets() != previous.uses_custom_buckets()
        {
            return true;
        }
        if self.uses_custom_buckets() {
            return self.custom_reset(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let mut positive = indexed(&previous.positive_spans, &previous.positive_buckets).collect();
        let mut negative = indexed(&previous.negative_spans, &previous.negative_buckets).collect();
        let mut zero = previous.zero_count;
        if self.zero_threshold > previous.zero_threshold {
            let sides = [&mut positive, &mut negative];
            let threshold = widen_zero(self.zero_threshold, previous.schema, &mut zero, sides);
            // The new zero bucket would have to end at another bucket's bound.
            if threshold != self.zero_threshold {
                return true;
            }
        }
        let map = |index| coarser_index(index, previous.schema, self.schema);
        self.zero_count < zero
            || any_lower(
                indexed(&self.positive_spans, &self.positive_buckets),
                &joined(positive.into_iter(), map),
            )
            || any_lower(
                indexed(&self.negative_spans, &self.negative_buckets),
                &joined(negative.into_iter(), map),
            )
    }

    fn custom_reset(&self, previous: &Self) -> bool {
        let now = indexed(&self.positive_spans, &self.positive_buckets);
        let then = indexed(&previous.positive_spans, &previous.positive_buckets);
        let (mine, theirs) = (self.custom_bounds(), previous.custom_bounds());
        if mine == theirs {
            return any_lower(now, &then.collect::<Vec<_>>());
        }
        let common = common_bounds(mine, theirs);
        let now = joined(now, |index| index_within(index, mine, &common));
        let then = joined(then, |index| index_within(index, theirs, &common));
        any_lower(now.into_iter(), &then)
    }
}

/// Whether a bucket of `previous` has more than the same bucket of `current`, where a missing
/// bucket is empty.
fn any_lower(current: impl Iterator<Item = (i32, f64)>, previous: &[(i32, f64)]) -> bool {
    let mut current = current.peekable();
    previous.iter().any(|(index, before)| {
        // A bucket that is new must not be negative, which no counter has.
        let mut lower = false;
        while let Some((_, count)) = current.next_if(|(at, _)| at < index) {
            lower |= count < 0.0;
        }
        let count = current
            .next_if(|(at, _)| at == index)
            .map_or(0.0, |(_, count)| count);
        lower || count < *before
    })
}

#[cfg(test)]
mod tests;
