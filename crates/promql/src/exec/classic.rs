//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction` over classic buckets.

use std::collections::HashMap;

use model::label_name::BUCKET_LABEL;
use model::{Labels, LabelsBuilder};
use promql_parser::ast::PosRange;

use crate::annotations::for_metric;
use crate::column::{Column, Grid, Series};
use crate::error::QueryError;
use crate::exec::{Evaluator, Joined, Sink};
use crate::functions::histogram::{self, Bucket};
use crate::functions::over_time::warn_quantile;
use crate::plan::Node;

/// A classic histogram: its labels without `le`, and its buckets as bound and column.
struct Classic {
    labels: Labels,
    drop_name: bool,
    buckets: Vec<(f64, Column)>,
    /// Native samples of the same name and labels.
    native: Option<Column>,
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(
        &self,
        vector: &Node,
        quantiles: &[Node],
        label: Option<&str>,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let mut phis = Vec::new();
        for node in quantiles {
            let values = self.scalar(node, grid)?;
            let mut notes = self.notes.borrow_mut();
            values
                .iter()
                .for_each(|phi| warn_quantile(*phi, &mut notes, node.pos));
            phis.push(values);
        }
        let classics = self.classics(vector, grid)?;
        let mut joined = Joined::default();
        for classic in &classics {
            for values in &phis {
                for (step, phi) in values.iter().enumerate() {
                    let Some(mut buckets) = self.buckets_at(classic, step, vector.pos) else {
                        continue;
                    };
                    let (value, repair) = histogram::quantile(*phi, &mut buckets);
                    if let Some(repair) = repair {
                        let metric = classic.labels.metric_name();
                        let mut notes = self.notes.borrow_mut();
                        notes.forced_monotonicity(metric, vector.pos, grid.time(step), repair);
                    }
                    let mut column = Column::absent(grid.len);
                    column.set_float(step, value);
                    let labels = match label {
                        Some(label) => LabelsBuilder::from_labels(&classic.labels)
                            .set(label, &quantile_text(*phi))
                            .labels(),
                        None => classic.labels.clone(),
                    };
                    let mut series = Series {
                        labels,
                        drop_name: classic.drop_name,
                        column,
                    };
                    self.drop_name(&mut series);
                    joined.add(series)?;
                }
            }
        }
        joined.into_series().into_iter().try_for_each(sink)
    }

    pub(super) fn histogram_fraction(
        &self,
        vector: &Node,
        lower: &Node,
        upper: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let (lower, upper) = (self.scalar(lower, grid)?, self.scalar(upper, grid)?);
        let classics = self.classics(vector, grid)?;
        let mut joined = Joined::default();
        for classic in &classics {
            let mut column = Column::absent(grid.len);
            for (step, (lower, upper)) in lower.iter().zip(&upper).enumerate() {
                if let Some(mut buckets) = self.buckets_at(classic, step, vector.pos) {
                    column.set_float(step, histogram::fraction(*lower, *upper, &mut buckets));
                }
            }
            let mut series = Series {
                labels: classic.labels.clone(),
                drop_name: classic.drop_name,
                column,
            };
            self.drop_name(&mut series);
            joined.add(series)?;
        }
        joined.into_series().into_iter().try_for_each(sink)
    }

    /// Brings the buckets of each classic histogram together.
    fn classics(&self, vector: &Node, grid: &Grid) -> Result<Vec<Classic>, QueryError> {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut classics: Vec<Classic> = Vec::new();
        let mut natives: Vec<Series> = Vec::new();
        self.vector(vector, grid, &mut |series| {
            if series.column.has_histograms() {
                natives.push(series.clone());
            }
            if !(0..grid.len).any(|step| series.column.float(step).is_some()) {
                return Ok(());
            }
            let bound = series.labels.value_or_empty(BUCKET_LABEL);
            let Some(bound) = histogram::parse_bound(bound) else {
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}{}",
                    gocompat::quote::quote(bound),
                    for_metric(series.labels.metric_name())
                );
                self.notes.borrow_mut().warn(text, vector.pos);
                return Ok(());
            };
            let labels = series.labels.without(&[BUCKET_LABEL]);
            let at = *index.entry(labels).or_insert_with_key(|labels| {
                let (labels, drop_name) = (labels.clone(), series.drop_name);
                classics.push(Classic {
                    labels,
                    drop_name,
                    buckets: Vec::new(),
                    native: None,
                });
                classics.len() - 1
            });
            if let Some(classic) = classics.get_mut(at) {
                classic.buckets.push((bound, series.column));
            }
            Ok(())
        })?;
        for native in natives {
            if let Some(classic) = index
                .get(&native.labels)
                .and_then(|at| classics.get_mut(*at))
            {
                classic.native = Some(native.column);
            }
        }
        Ok(classics)
    }

    /// The buckets at one step; nothing where there are none, or a native histogram beside them.
    fn buckets_at(&self, classic: &Classic, step: usize, pos: PosRange) -> Option<Vec<Bucket>> {
        let buckets: Vec<Bucket> = classic
            .buckets
            .iter()
            .filter_map(|(upper_bound, column)| {
                column.float(step).map(|count| Bucket {
                    upper_bound: *upper_bound,
                    count,
                })
            })
            .collect();
        if buckets.is_empty() {
            return None;
        }
        if classic
            .native
            .as_ref()
            .is_some_and(|column| column.histogram(step).is_some())
        {
            let metric = for_metric(classic.labels.metric_name());
            let text = format!("vector contains a mix of classic and native histograms{metric}");
            self.notes.borrow_mut().warn(text, pos);
            return None;
        }
        Some(buckets)
    }
}

/// A quantile as a label value: whole numbers keep a decimal.
fn quantile_text(phi: f64) -> String {
    let text = gocompat::float::format_g(phi);
    let whole = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if whole { format!("{text}.0") } else { text }
}
