//! Several queriers as one: series with the same labels become one series whose samples are the
//! sorted union; of two samples with the same time the one of the earlier querier wins.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use model::sample::{SampleColumns, Value};
use model::{Labels, Timestamp};
use stdx::cancel::CancelToken;

use crate::StorageError;
use crate::query::{LabelHints, MatcherSet, Querier, SelectHints, SeriesSet, Warnings};

/// Asks all its queriers and merges their answers.
pub struct MergeQuerier {
    queriers: Vec<Box<dyn Querier>>,
}

impl MergeQuerier {
    /// Merges `queriers`; earlier ones win where samples collide.
    pub fn new(queriers: Vec<Box<dyn Querier>>) -> Self {
        Self { queriers }
    }
}

impl Querier for MergeQuerier {
    fn select(
        &self,
        sort: bool,
        hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        if let [querier] = self.queriers.as_slice() {
            return querier.select(sort, hints, matchers, cancel);
        }
        let mut sets = Vec::with_capacity(self.queriers.len());
        for querier in &self.queriers {
            let set = querier.select(true, hints, matchers, cancel)?;
            if !set.is_empty() || !set.warnings().is_empty() {
                sets.push(set);
            }
        }
        if sets.len() == 1 {
            return sets.pop().ok_or(StorageError::NotReady);
        }
        Ok(Box::new(MergeSeriesSet::new(sets, cancel)?))
    }

    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        union(
            hints,
            self.queriers
                .iter()
                .map(|q| q.label_values(name, hints, matchers)),
        )
    }

    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        union(
            hints,
            self.queriers.iter().map(|q| q.label_names(hints, matchers)),
        )
    }
}

type Texts = Result<(Vec<String>, Warnings), StorageError>;

fn union(hints: &LabelHints, answers: impl Iterator<Item = Texts>) -> Texts {
    let mut all = BTreeSet::new();
    let mut warnings = Warnings::new();
    for answer in answers {
        let (texts, more) = answer?;
        all.extend(texts);
        add_warnings(&mut warnings, more);
    }
    let limit = if hints.limit == 0 {
        usize::MAX
    } else {
        hints.limit
    };
    Ok((all.into_iter().take(limit).collect(), warnings))
}

fn add_warnings(warnings: &mut Warnings, more: Warnings) {
    for warning in more {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// The merge of series sets that are each sorted by labels.
pub struct MergeSeriesSet {
    sets: Vec<Box<dyn SeriesSet>>,
    /// Where the `parts` of each merged series begin, in label order.
    begins: Vec<u32>,
    /// (set, index in the set), grouped by merged series, in order of the sets.
    parts: Vec<(u32, u32)>,
}

/// Merged series between two looks at the cancel token.
const CANCEL_STRIDE: usize = 1024;

impl MergeSeriesSet {
    /// Merges `sets`, each sorted by labels.
    pub fn new(sets: Vec<Box<dyn SeriesSet>>, cancel: &CancelToken) -> Result<Self, StorageError> {
        let mut next = vec![0; sets.len()];
        let longest = sets.iter().map(|set| set.len()).max().unwrap_or(0);
        let mut begins = Vec::with_capacity(longest);
        let mut parts = Vec::with_capacity(sets.iter().map(|set| set.len()).sum());
        loop {
            if begins.len() % CANCEL_STRIDE == CANCEL_STRIDE - 1 {
                cancel.check()?;
            }
            let begin = parts.len();
            // The lowest labels so far; most often all sets have the same series, and then one set
            // gives its labels and the others only compare.
            let mut lowest: Option<Labels> = None;
            for (number, (set, index)) in sets.iter().zip(&next).enumerate() {
                if *index == set.len() {
                    continue;
                }
                let ordering = match &lowest {
                    Some(labels) => set.cmp_labels(*index, labels),
                    None => Ordering::Less,
                };
                match ordering {
                    Ordering::Greater => continue,
                    Ordering::Equal => {}
                    Ordering::Less => {
                        lowest = Some(set.labels(*index));
                        parts.truncate(begin);
                    }
                }
                parts.push((number as u32, *index as u32));
            }
            if lowest.is_none() {
                break;
            }
            begins.push(begin as u32);
            for (number, _) in parts.get(begin..).unwrap_or_default() {
                if let Some(next) = next.get_mut(*number as usize) {
                    *next += 1;
                }
            }
        }
        Ok(Self {
            sets,
            begins,
            parts,
        })
    }

    /// The first part of a series: all parts have the same labels.
    fn first_part(&self, index: usize) -> Option<(&dyn SeriesSet, usize)> {
        let (set, series) = self.parts_of(index).first()?;
        Some((&**self.sets.get(*set as usize)?, *series as usize))
    }

    fn parts_of(&self, index: usize) -> &[(u32, u32)] {
        let begin = |index: usize| match self.begins.get(index) {
            Some(begin) => *begin as usize,
            None => self.parts.len(),
        };
        self.parts
            .get(begin(index)..begin(index + 1))
            .unwrap_or(&[])
    }
}

impl SeriesSet for MergeSeriesSet {
    fn len(&self) -> usize {
        self.begins.len()
    }

    fn labels(&self, index: usize) -> Labels {
        let part = self.first_part(index);
        part.map(|(set, series)| set.labels(series))
            .unwrap_or_default()
    }

    fn labels_of(&self, index: usize, names: &[&str]) -> Labels {
        let part = self.first_part(index);
        part.map(|(set, series)| set.labels_of(series, names))
            .unwrap_or_default()
    }

    fn cmp_labels(&self, index: usize, other: &Labels) -> Ordering {
        match self.first_part(index) {
            Some((set, series)) => set.cmp_labels(series, other),
            None => Labels::empty().cmp(other),
        }
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        for (nth, (set, series)) in self.parts_of(index).iter().enumerate() {
            let Some(set) = self.sets.get(*set as usize) else {
                continue;
            };
            if nth == 0 {
                set.read(*series as usize, mint, maxt, columns)?;
            } else {
                set.read_more(*series as usize, mint, maxt, columns)?;
            }
        }
        Ok(())
    }

    fn read_last(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let mut part = SampleColumns::default();
        for (set, series) in self.parts_of(index) {
            let Some(set) = self.sets.get(*set as usize) else {
                continue;
            };
            set.read_last(*series as usize, mint, maxt, &mut part)?;
            if part.timestamps.last() > columns.timestamps.last() {
                std::mem::swap(columns, &mut part);
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Warnings {
        let mut warnings = Warnings::new();
        for set in &self.sets {
            add_warnings(&mut warnings, set.warnings());
        }
        warnings
    }
}

/// Merges `more` into `columns`; of equal times the sample in `columns` stays.
pub fn merge_samples(columns: &mut SampleColumns, more: &SampleColumns) {
    let (Some(first), Some(last)) = (more.timestamps.first(), columns.timestamps.last()) else {
        if columns.is_empty() {
            columns.clone_from(more);
        }
        return;
    };
    let mut merged = SampleColumns::default();
    if last < first {
        // The usual case: a block ends where the next one or the head begins.
        columns.extend(more);
        return;
    }
    let (mut left, mut right) = (0, 0);
    loop {
        match (columns.timestamps.get(left), more.timestamps.get(right)) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                copy(columns, left, &mut merged);
                left += 1;
                right += 1;
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                copy(columns, left, &mut merged);
                left += 1;
            }
            _ => {
                copy(more, right, &mut merged);
                right += 1;
            }
        }
    }
    *columns = merged;
}

fn copy(from: &SampleColumns, index: usize, to: &mut SampleColumns) {
    let value = match from.histogram_at(index) {
        Some(histogram) => histogram.clone(),
        None => Value::Float(from.values[index]),
    };
    to.push(from.timestamps[index], value);
    if let Some(start) = from
        .start_timestamps
        .get(index)
        .filter(|start| **start != 0)
    {
        to.set_last_start_timestamp(*start);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

    use super::*;

    struct OneSet(Vec<(Labels, SampleColumns)>);

    impl SeriesSet for OneSet {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn labels(&self, index: usize) -> Labels {
            self.0[index].0.clone()
        }
        fn read(
            &self,
            index: usize,
            mint: Timestamp,
            maxt: Timestamp,
            columns: &mut SampleColumns,
        ) -> Result<(), StorageError> {
            columns.clear();
            let from = &self.0[index].1;
            for index in 0..from.len() {
                if (mint..=maxt).contains(&from.timestamps[index]) {
                    copy(from, index, columns);
                }
            }
            Ok(())
        }
    }

    type Content = BTreeMap<u8, BTreeMap<Timestamp, f64>>;

    fn content() -> impl Strategy<Value = Content> {
        proptest::collection::btree_map(
            0..5_u8,
            proptest::collection::btree_map(0..20_i64, -5.0..5.0, 0..8),
            0..4,
        )
    }

    fn set(content: &Content) -> Box<dyn SeriesSet> {
        let series = content.iter().map(|(name, samples)| {
            let mut columns = SampleColumns::default();
            samples
                .iter()
                .for_each(|(time, value)| columns.push_float(*time, *value));
            (Labels::from_pairs([("n", name.to_string())]), columns)
        });
        Box::new(OneSet(series.collect()))
    }

    proptest! {
        #[test]
        fn merged_series_are_the_sorted_union(contents in proptest::collection::vec(content(), 0..4)) {
            let sets = contents.iter().map(set).collect();
            let merged = MergeSeriesSet::new(sets, &CancelToken::new()).unwrap();
            let mut expected = Content::new();
            for content in &contents {
                for (name, samples) in content {
                    let series = expected.entry(*name).or_default();
                    for (time, value) in samples {
                        series.entry(*time).or_insert(*value);
                    }
                }
            }
            prop_assert_eq!(merged.len(), expected.len());
            let mut columns = SampleColumns::default();
            for (index, (name, samples)) in expected.iter().enumerate() {
                prop_assert_eq!(merged.labels(index), Labels::from_pairs([("n", name.to_string())]));
                merged.read(index, 2, 17, &mut columns).unwrap();
                let found: Vec<_> =
                    columns.timestamps.iter().copied().zip(columns.values.iter().copied()).collect();
                let wanted: Vec<_> = samples.range(2..=17).map(|(t, v)| (*t, *v)).collect();
                prop_assert_eq!(&found, &wanted);
                merged.read_last(index, 2, 17, &mut columns).unwrap();
                prop_assert_eq!(columns.timestamps.last(), wanted.last().map(|(t, _)| t));
                prop_assert_eq!(columns.values.last(), wanted.last().map(|(_, v)| v));
            }
        }
    }
}
