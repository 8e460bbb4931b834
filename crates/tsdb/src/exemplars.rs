//! The newest exemplars, in a ring of fixed size.

use std::collections::{HashMap, VecDeque};

use model::{Exemplar, Labels, Timestamp};
use storage::AppendError;

/// A kept exemplar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) series_ref: u64,
    /// Labels of its series, which may leave the head before its exemplars do.
    pub(crate) series: Labels,
    /// Its own time, or that of its sample.
    pub(crate) timestamp: Timestamp,
    pub(crate) exemplar: Exemplar,
}

/// Exemplars of all series in order of arrival; the oldest make room.
#[derive(Debug)]
pub(crate) struct ExemplarRing {
    len_max: usize,
    ring: VecDeque<Kept>,
    /// Newest kept exemplar of each series, and how many it has.
    newest: HashMap<u64, (Kept, usize)>,
}

impl ExemplarRing {
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            len_max,
            ring: VecDeque::new(),
            newest: HashMap::new(),
        }
    }

    /// Bytes of memory it takes; labels of a series that is in it more than once are shared.
    pub(crate) fn heap_bytes(&self) -> usize {
        let text = |labels: &Labels| -> usize {
            labels
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2)
                .sum()
        };
        let series = self.newest.values().map(|(newest, _)| text(&newest.series));
        let labels = self.ring.iter().map(|kept| text(&kept.exemplar.labels));
        self.ring.capacity() * size_of::<Kept>()
            + self.newest.capacity() * (size_of::<(u64, Kept, usize)>() + 1)
            + series.chain(labels).sum::<usize>()
    }

    /// Labels of a series that has exemplars here.
    pub(crate) fn series(&self, series_ref: u64) -> Option<Labels> {
        self.newest
            .get(&series_ref)
            .map(|(newest, _)| newest.series.clone())
    }

    /// Labels of all series that have exemplars here, by reference.
    pub(crate) fn all_series(&self) -> impl Iterator<Item = (u64, &Labels)> {
        self.newest
            .iter()
            .map(|(series_ref, (newest, _))| (*series_ref, &newest.series))
    }

    /// Whether an exemplar would be kept.
    pub(crate) fn check(&self, kept: &Kept) -> Result<(), AppendError> {
        let exemplar = &kept.exemplar;
        let labels = exemplar.labels.iter();
        let chars: usize = labels
            .map(|(n, v)| n.chars().count() + v.chars().count())
            .sum();
        if chars > model::exemplar::EXEMPLAR_LABELS_CHARS_MAX {
            return Err(AppendError::ExemplarLabelsTooLong);
        }
        let Some((newest, _)) = self.newest.get(&kept.series_ref) else {
            return Ok(());
        };
        if exemplar.repeats(kept.timestamp, &newest.exemplar, newest.timestamp) {
            return Err(AppendError::DuplicateExemplar);
        }
        // The reference's order: time, then value, then the hash of the labels.
        let last = &newest.exemplar;
        let order = kept
            .timestamp
            .cmp(&newest.timestamp)
            .then(exemplar.value.total_cmp(&last.value))
            .then(exemplar.labels.hash64().cmp(&last.labels.hash64()));
        if order.is_lt() {
            Err(AppendError::OutOfOrderExemplar)
        } else {
            Ok(())
        }
    }

    /// Keeps an exemplar if it is acceptable; `true` if it was.
    pub(crate) fn push(&mut self, exemplar: Kept) -> bool {
        if self.len_max == 0 || self.check(&exemplar).is_err() {
            return false;
        }
        if self.ring.len() >= self.len_max {
            self.drop_oldest();
        }
        let count = self
            .newest
            .get(&exemplar.series_ref)
            .map_or(0, |(_, count)| *count);
        self.newest
            .insert(exemplar.series_ref, (exemplar.clone(), count + 1));
        self.ring.push_back(exemplar);
        true
    }

    /// Changes how many exemplars are kept; the newest stay.
    pub(crate) fn resize(&mut self, len_max: usize) {
        self.len_max = len_max;
        while self.ring.len() > len_max {
            self.drop_oldest();
        }
        self.ring.shrink_to_fit();
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.ring.pop_front()
            && let Some((_, count)) = self.newest.get_mut(&oldest.series_ref)
        {
            *count -= 1;
            if *count == 0 {
                self.newest.remove(&oldest.series_ref);
            }
        }
    }

    /// Most exemplars kept.
    pub(crate) fn len_max(&self) -> usize {
        self.len_max
    }

    /// Exemplars kept, and of how many series.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.ring.len(), self.newest.len())
    }

    /// Kept exemplars in a time range, in order of arrival.
    pub(crate) fn range(&self, mint: Timestamp, maxt: Timestamp) -> impl Iterator<Item = &Kept> {
        self.ring
            .iter()
            .filter(move |kept| (mint..=maxt).contains(&kept.timestamp))
    }

    /// Time of the oldest exemplar in the ring.
    pub(crate) fn oldest_time(&self) -> Option<Timestamp> {
        self.ring.front().map(|kept| kept.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(series_ref: u64, timestamp: Timestamp, own_time: Option<Timestamp>) -> Kept {
        Kept {
            series_ref,
            series: Labels::empty(),
            timestamp,
            exemplar: Exemplar {
                labels: Labels::empty(),
                value: 1.0,
                timestamp: own_time,
            },
        }
    }

    #[test]
    fn what_is_shown_again_without_a_time_is_kept_once() {
        let mut ring = ExemplarRing::new(10);
        assert!(ring.push(kept(1, 10, None)));
        assert!(!ring.push(kept(1, 20, None)));
        assert!(ring.push(kept(2, 20, None)));
        // With a time of its own it is another one, and may come again with another time.
        assert!(ring.push(kept(1, 30, Some(30))));
        assert!(!ring.push(kept(1, 30, Some(30))));
        assert!(ring.push(kept(1, 31, Some(31))));
        let mut other = kept(2, 40, None);
        other.exemplar.value = 2.0;
        assert!(ring.push(other));
        assert_eq!(ring.len(), (5, 2));
    }

    #[test]
    fn a_smaller_ring_keeps_the_newest() {
        let mut ring = ExemplarRing::new(10);
        for timestamp in 0..10 {
            let taken = ring.push(kept(timestamp as u64 % 3, timestamp, Some(timestamp)));
            assert!(taken);
        }
        assert_eq!(ring.len(), (10, 3));
        ring.resize(2);
        let times = |ring: &ExemplarRing| -> Vec<Timestamp> {
            ring.range(0, 100).map(|kept| kept.timestamp).collect()
        };
        assert_eq!((times(&ring), ring.len()), (vec![8, 9], (2, 2)));
        ring.resize(0);
        assert_eq!((ring.len(), ring.len_max()), ((0, 0), 0));
        ring.resize(1);
        let mut push = |timestamp| ring.push(kept(0, timestamp, Some(timestamp)));
        assert!(push(20) && push(21));
        assert_eq!(times(&ring), [21]);
    }
}
