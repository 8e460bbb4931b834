//! The newest exemplars, in a ring of fixed size.

use std::collections::{HashMap, VecDeque};

use model::{Labels, Timestamp};
use storage::AppendError;

/// A kept exemplar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) series_ref: u64,
    /// Labels of its series, which may leave the head before its exemplars do.
    pub(crate) series: Labels,
    pub(crate) timestamp: Timestamp,
    pub(crate) value: f64,
    pub(crate) labels: Labels,
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
        let labels = self.ring.iter().map(|kept| text(&kept.labels));
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
    pub(crate) fn check(&self, exemplar: &Kept) -> Result<(), AppendError> {
        let labels = exemplar.labels.iter();
        let chars: usize = labels
            .map(|(n, v)| n.chars().count() + v.chars().count())
            .sum();
        if chars > model::exemplar::EXEMPLAR_LABELS_CHARS_MAX {
            return Err(AppendError::ExemplarLabelsTooLong);
        }
        let Some((newest, _)) = self.newest.get(&exemplar.series_ref) else {
            return Ok(());
        };
        let same = newest.timestamp == exemplar.timestamp
            && newest.value.to_bits() == exemplar.value.to_bits()
            && newest.labels == exemplar.labels;
        if same {
            return Err(AppendError::DuplicateExemplar);
        }
        // The reference's order: time, then value, then the hash of the labels.
        let order = exemplar
            .timestamp
            .cmp(&newest.timestamp)
            .then(exemplar.value.total_cmp(&newest.value))
            .then(exemplar.labels.hash64().cmp(&newest.labels.hash64()));
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

    #[test]
    fn a_smaller_ring_keeps_the_newest() {
        let mut ring = ExemplarRing::new(10);
        for timestamp in 0..10 {
            let taken = ring.push(Kept {
                series_ref: timestamp as u64 % 3,
                series: Labels::empty(),
                timestamp,
                value: 1.0,
                labels: Labels::empty(),
            });
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
        let mut push = |timestamp| {
            ring.push(Kept {
                series_ref: 0,
                series: Labels::empty(),
                timestamp,
                value: 1.0,
                labels: Labels::empty(),
            })
        };
        assert!(push(20) && push(21));
        assert_eq!(times(&ring), [21]);
    }
}
