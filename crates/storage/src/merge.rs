//! Several queriers as one: series with the same labels become one series whose samples are the
//! sorted union; of two samples with the same time the one of the earlier querier wins.

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
        let sets: Result<Vec<_>, _> = self
            .queriers
            .iter()
            .map(|querier| querier.select(true, hints, matchers, cancel))
            .collect();
        Ok(Box::new(MergeSeriesSet::new(sets?)))
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
    /// Merged series, in label order: labels, and where `parts` of it begin.
    series: Vec<(Labels, u32)>,
    /// (set, index in the set), grouped by merged series, in order of the sets.
    parts: Vec<(u32, u32)>,
}

impl MergeSeriesSet {
    /// Merges `sets`, each sorted by labels.
    pub fn new(sets: Vec<Box<dyn SeriesSet>>) -> Self {
        let mut all: Vec<(Labels, u32, u32)> = Vec::new();
        for (set_idx, set) in sets.iter().enumerate() {
            all.extend((0..set.len()).map(|idx| (set.labels(idx), set_idx as u32, idx as u32)));
        }
        // Runs that are sorted already: a merge for the standard stable sort.
        all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut series: Vec<(Labels, u32)> = Vec::with_capacity(all.len());
        let mut parts = Vec::with_capacity(all.len());
        for (labels, set, index) in all {
            if series.last().is_none_or(|(last, _)| *last != labels) {
                series.push((labels, parts.len() as u32));
            }
            parts.push((set, index));
        }
        Self {
            sets,
            series,
            parts,
        }
    }

    fn parts_of(&self, index: usize) -> &[(u32, u32)] {
        let begin = self
            .series
            .get(index)
            .map_or(self.parts.len(), |(_, begin)| *begin as usize);
        let end = self
            .series
            .get(index + 1)
            .map_or(self.parts.len(), |(_, end)| *end as usize);
        self.parts.get(begin..end).unwrap_or(&[])
    }
}

impl SeriesSet for MergeSeriesSet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.series
            .get(index)
            .map(|(labels, _)| labels.clone())
            .unwrap_or_default()
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let mut part = SampleColumns::default();
        for (nth, (set, series)) in self.parts_of(index).iter().enumerate() {
            let Some(set) = self.sets.get(*set as usize) else {
                continue;
            };
            if nth == 0 {
                set.read(*series as usize, mint, maxt, columns)?;
            } else {
                set.read(*series as usize, mint, maxt, &mut part)?;
                merge_samples(columns, &part);
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
        for index in 0..more.len() {
            copy(more, index, columns);
        }
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
            let merged = MergeSeriesSet::new(contents.iter().map(set).collect());
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
