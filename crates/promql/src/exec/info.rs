//! `info`: adds labels of info series, which are found by the labels `job` and `instance`.
//!
//! Which info series is the newest of several for the same target differs from step to step, so the
//! result of one series may be several.

use std::collections::{BTreeMap, BTreeSet};

use model::label_name::{INSTANCE, JOB, METRIC_NAME};
use model::sample::SampleColumns;
use model::staleness::is_stale;
use model::{Labels, LabelsBuilder, MatchOp, Matcher, Timestamp};
use storage::SelectHints;

use crate::column::{Column, Grid, Series};
use crate::error::QueryError;
use crate::exec::labels::label_text;
use crate::exec::{Evaluator, Joined, LabelsMap, Sink, storage_error};
use crate::plan::{InfoSelector, Node};

/// Labels that say which info series belongs to a series.
const IDENTIFYING: [&str; 2] = [JOB, INSTANCE];

/// An info series.
struct Info {
    labels: Labels,
    /// Time of the newest sample at each step, if there is one.
    times: Vec<Option<Timestamp>>,
}

/// Info series by name, of the same identifying labels.
type Candidates<'i> = BTreeMap<&'i str, Vec<&'i Info>>;

impl Evaluator<'_> {
    pub(super) fn info(
        &self,
        vector: &Node,
        selector: &InfoSelector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let base = self.collect(vector, grid)?;
        let is_info = |series: &Series| {
            let name = series.labels.metric_name();
            selector.names.iter().all(|matcher| matcher.matches(name))
        };
        let others: Vec<&Series> = base.iter().filter(|series| !is_info(series)).collect();
        let infos = self.info_series(&others, selector, grid)?;
        let mut by_target: LabelsMap<Candidates<'_>> = LabelsMap::default();
        for info in &infos {
            let candidates = by_target.entry(info.labels.only(&IDENTIFYING)).or_default();
            let name = info.labels.metric_name();
            candidates.entry(name).or_default().push(info);
        }
        let none = Candidates::new();
        let mut joined = Joined::default();
        for mut series in base {
            // As in the reference, a name that was to go when the query ends stays.
            series.drop_name = false;
            if is_info(&series) {
                joined.add(series)?;
                continue;
            }
            let candidates = by_target
                .get(&series.labels.only(&IDENTIFYING))
                .unwrap_or(&none);
            enrich(&series, candidates, selector, grid, &mut joined)?;
        }
        joined.into_series().into_iter().try_for_each(sink)
    }

    /// The info series that may belong to one of `base`.
    fn info_series(
        &self,
        base: &[&Series],
        selector: &InfoSelector,
        grid: &Grid,
    ) -> Result<Vec<Info>, QueryError> {
        let mut matchers: Vec<Matcher> = selector.names.clone();
        let mut identified = false;
        for name in IDENTIFYING {
            let values: BTreeSet<&str> = base
                .iter()
                .filter_map(|series| series.labels.value(name))
                .collect();
            if values.is_empty() {
                continue;
            }
            identified = true;
            let values: Vec<String> = values.into_iter().map(gocompat::regex::escape).collect();
            let matcher = Matcher::new(MatchOp::Regex, name, &values.join("|"));
            matchers.push(matcher.map_err(|error| QueryError::Execution(error.to_string()))?);
        }
        if !identified {
            return Ok(Vec::new());
        }
        matchers.extend(selector.data.iter().cloned());
        let step_time = |step: usize| selector.at.unwrap_or(grid.time(step));
        let hints = SelectHints {
            start: step_time(0)
                .saturating_sub(self.lookback_ms)
                .saturating_add(1)
                .saturating_sub(selector.offset_ms),
            end: step_time(grid.len.saturating_sub(1)).saturating_sub(selector.offset_ms),
            step_ms: grid.step,
            function: "info".to_owned(),
            ..SelectHints::default()
        };
        let Some(set) = self.open(&matchers, &hints, true)? else {
            return Ok(Vec::new());
        };
        let mut columns = SampleColumns::default();
        let mut infos = Vec::new();
        for index in 0..set.len() {
            self.check()?;
            set.read(index, hints.start, hints.end, &mut columns)
                .map_err(storage_error)?;
            let times: Vec<_> = (0..grid.len)
                .map(|step| self.newest_at(&columns, grid.time(step)))
                .collect();
            if times.iter().any(Option::is_some) {
                infos.push(Info {
                    labels: set.labels(index),
                    times,
                });
            }
        }
        Ok(infos)
    }

    /// Time of the newest sample within the lookback, unless it is a staleness marker.
    fn newest_at(&self, columns: &SampleColumns, time: Timestamp) -> Option<Timestamp> {
        let newest = columns
            .timestamps
            .partition_point(|at| *at <= time)
            .checked_sub(1)?;
        let found = *columns.timestamps.get(newest)?;
        let stale = columns.values.get(newest).copied().is_none_or(is_stale);
        (found > time.saturating_sub(self.lookback_ms) && !stale).then_some(found)
    }
}

/// Adds `series`, with the labels it gets at each step, to `joined`.
fn enrich(
    series: &Series,
    candidates: &Candidates<'_>,
    selector: &InfoSelector,
    grid: &Grid,
    joined: &mut Joined,
) -> Result<(), QueryError> {
    // What is not found leaves the series as it is, or drops it if some label was asked for.
    let may_lack = selector.data.iter().all(Matcher::matches_empty);
    let mut columns: Vec<(Labels, Column)> = Vec::new();
    for step in 0..grid.len {
        let Some(point) = series.column.point(step) else {
            continue;
        };
        let mut found = Vec::new();
        for infos in candidates.values() {
            found.extend(newest(infos, step)?);
        }
        if found.is_empty() && !may_lack {
            continue;
        }
        let labels = with_data(&series.labels, &found, &selector.data)?;
        let at = columns.iter().position(|(known, _)| *known == labels);
        let at = at.unwrap_or_else(|| {
            columns.push((labels, Column::absent(grid.len)));
            columns.len() - 1
        });
        if let Some((_, column)) = columns.get_mut(at) {
            column.set(step, point);
        }
    }
    columns.into_iter().try_for_each(|(labels, column)| {
        joined.add(Series {
            labels,
            drop_name: false,
            column,
        })
    })
}

/// The info series with the newest sample at a step.
fn newest<'i>(infos: &[&'i Info], step: usize) -> Result<Option<&'i Info>, QueryError> {
    let mut found: Option<(Timestamp, &Info)> = None;
    for info in infos {
        let Some(time) = info.times.get(step).copied().flatten() else {
            continue;
        };
        match found {
            Some((known, first)) if known == time => {
                return Err(QueryError::Execution(format!(
                    "found duplicate series for info metric: existing {} @ {known}, new {} @ {time}",
                    label_text(&first.labels),
                    label_text(&info.labels),
                )));
            }
            Some((known, _)) if known > time => {}
            _ => found = Some((time, info)),
        }
    }
    Ok(found.map(|(_, info)| info))
}

/// `base` with the data labels of info series, where it has no such labels itself.
fn with_data(base: &Labels, infos: &[&Info], data: &[Matcher]) -> Result<Labels, QueryError> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for info in infos {
        for (name, value) in &info.labels {
            let wanted = data.is_empty() || data.iter().any(|matcher| *matcher.name == *name);
            if name == METRIC_NAME || !wanted || base.has(name) {
                continue;
            }
            if *added.entry(name).or_insert(value) != value {
                return Err(QueryError::Execution(format!("conflicting label: {name}")));
            }
        }
    }
    let mut builder = LabelsBuilder::from_labels(base);
    for (name, value) in added {
        builder.set(name, value);
    }
    Ok(builder.labels())
}
