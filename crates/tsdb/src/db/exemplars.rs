//! Reading exemplars.

use std::collections::BTreeMap;

use model::{Exemplar, Labels, Matcher, Timestamp};
use storage::StorageError;

use super::Db;

/// Exemplars of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct ExemplarSeries {
    /// Labels of the series.
    pub labels: Labels,
    /// Its exemplars, oldest first.
    pub exemplars: Vec<Exemplar>,
}

impl Db {
    /// Kept exemplars in a time range of series that satisfy any of `selectors`, by series in
    /// label order.
    pub fn exemplars(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<ExemplarSeries>, StorageError> {
        let ring = self.shared.head.exemplars.read();
        let wanted = |labels: &Labels| {
            selectors.iter().any(|matchers| {
                let satisfied = |matcher: &Matcher| {
                    matcher.matches(labels.value(&matcher.name).unwrap_or_default())
                };
                matchers.iter().all(satisfied)
            })
        };
        let mut found: BTreeMap<u64, ExemplarSeries> = ring
            .all_series()
            .filter(|(_, labels)| wanted(labels))
            .map(|(series_ref, labels)| {
                let series = ExemplarSeries {
                    labels: labels.clone(),
                    exemplars: Vec::new(),
                };
                (series_ref, series)
            })
            .collect();
        for kept in ring.range(mint, maxt) {
            if let Some(series) = found.get_mut(&kept.series_ref) {
                series.exemplars.push(Exemplar {
                    timestamp: Some(kept.timestamp),
                    ..kept.exemplar.clone()
                });
            }
        }
        let mut series: Vec<ExemplarSeries> = found
            .into_values()
            .filter(|series| !series.exemplars.is_empty())
            .collect();
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(series)
    }
}
