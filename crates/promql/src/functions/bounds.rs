//! Where windows lie in the samples of a series that holds floats alone: found once a series, so
//! that functions go over numbers and not over windows.

use model::Timestamp;

/// The samples of one window: from the first position to before the second.
pub(crate) type Bounds = (usize, usize);

/// How many samples windows held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// In the largest window.
    pub(crate) most: u64,
    /// In all windows.
    pub(crate) total: u64,
    /// The same without those that the window before held.
    pub(crate) fresh: u64,
}

/// Replaces `bounds` by those of `windows` (start, end), which must not move backwards: a window
/// has the samples with `start < t <= end`.
pub(crate) fn find(
    times: &[Timestamp],
    windows: impl Iterator<Item = (Timestamp, Timestamp)>,
    bounds: &mut Vec<Bounds>,
) -> Held {
    bounds.clear();
    let mut held = Held::default();
    let (mut begin, mut end) = (Follower::default(), Follower::default());
    for (window_start, window_end) in windows {
        let seen = end.at;
        end.move_behind(times, window_end);
        begin.move_behind(times, window_start);
        let first = begin.at.min(end.at);
        let count = (end.at - first) as u64;
        held.most = held.most.max(count);
        held.total += count;
        held.fresh += end.at.saturating_sub(first.max(seen)) as u64;
        bounds.push((first, end.at));
    }
    held
}

/// A position that moves on with the windows, most often as far as the last time.
#[derive(Debug, Clone, Copy, Default)]
struct Follower {
    at: usize,
    stride: usize,
}

impl Follower {
    /// Moves behind all samples up to `limit`.
    #[inline]
    fn move_behind(&mut self, times: &[Timestamp], limit: Timestamp) {
        let before = self.at;
        let guess = before + self.stride;
        if let Some(last) = guess.checked_sub(1)
            && guess > before
            && times.get(last).is_some_and(|time| *time <= limit)
        {
            self.at = guess;
        }
        while times.get(self.at).is_some_and(|time| *time <= limit) {
            self.at += 1;
        }
        self.stride = self.at - before;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn windows_are_where_a_scan_finds_them(
            gaps in proptest::collection::vec(1..40_i64, 0..60),
            range in 1..200_i64,
            steps in proptest::collection::vec(0..90_i64, 0..40),
        ) {
            let mut time = 0;
            let times: Vec<i64> = gaps.iter().map(|gap| { time += gap; time }).collect();
            let mut end = 0;
            let ends: Vec<i64> = steps.iter().map(|step| { end += step; end }).collect();
            let mut bounds = Vec::new();
            let held = find(&times, ends.iter().map(|end| (end - range, *end)), &mut bounds);
            let (mut total, mut most, mut seen, mut fresh) = (0, 0, 0, 0);
            for (end, found) in ends.iter().zip(&bounds) {
                let inside = |time: &i64| *time > end - range && *time <= *end;
                let expected: Vec<i64> = times.iter().copied().filter(inside).collect();
                prop_assert_eq!(&times[found.0..found.1], expected.as_slice());
                total += expected.len() as u64;
                most = most.max(expected.len() as u64);
                fresh += expected.iter().filter(|time| **time > seen).count() as u64;
                seen = seen.max(expected.last().copied().unwrap_or(0));
            }
            prop_assert_eq!(held, Held { most, total, fresh });
        }
    }
}
