//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`: brings classic buckets
//! together; native histograms come whole.

use std::sync::Arc;

use model::histogram::NanObservations;
use model::label_name::BUCKET_LABEL;
use model::{FloatHistogram, Labels, LabelsBuilder};
use promql_parser::ast::PosRange;

use crate::annotations::for_metric;
use crate::column::{Column, Grid, Series};
use crate::error::QueryError;
use crate::exec::{Evaluator, Joined, LabelsMap, Sink};
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
                .for_each(|phi| warn_quantile(*phi, &mut notes, node.outer_pos));
            phis.push(values);
        }
        let classics = self.classics(vector, grid)?;
        let mut joined = Joined::default();
        for classic in &classics {
            for values in &phis {
                // The label of a quantile changes with it, so one quantile may be several series.
                let mut columns: Vec<(Option<f64>, Column)> = Vec::new();
                for (step, phi) in values.iter().enumerate() {
                    let (value, repair) = match self.input_at(classic, step, vector.outer_pos) {
                        None => continue,
                        Some(Input::Native(native)) => {
                            let (value, nans) = native.quantile(*phi);
                            self.note_nans(nans, &classic.labels, vector.outer_pos);
                            (value, None)
                        }
                        Some(Input::Classic(mut buckets)) => {
                            histogram::quantile(*phi, &mut buckets)
                        }
                    };
                    if let Some(repair) = repair {
                        let metric = classic.labels.metric_name();
                        let (time, pos) = (grid.time(step), vector.outer_pos);
                        let mut notes = self.notes.borrow_mut();
                        notes.forced_monotonicity(metric, pos, time, repair);
                    }
                    let key = label.map(|_| *phi);
                    let bits = |phi: &Option<f64>| phi.map(f64::to_bits);
                    let known = columns
                        .iter()
                        .position(|(other, _)| bits(other) == bits(&key));
                    let at = known.unwrap_or_else(|| {
                        columns.push((key, Column::absent(grid.len)));
                        columns.len() - 1
                    });
                    if let Some((_, column)) = columns.get_mut(at) {
                        column.set_float(step, value);
                    }
                }
                for (phi, column) in columns {
                    let labels = match (label, phi) {
                        (Some(label), Some(phi)) => LabelsBuilder::from_labels(&classic.labels)
                            .set(label, &quantile_text(phi))
                            .labels(),
                        _ => classic.labels.clone(),
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
                let value = match self.input_at(classic, step, vector.outer_pos) {
                    None => continue,
                    Some(Input::Native(native)) => {
                        let (value, nans) = native.fraction(*lower, *upper);
                        if nans {
                            let metric = for_metric(classic.labels.metric_name());
                            let text = format!(
                                "input to histogram_fraction has NaN observations, which are \
                                 excluded from all fractions{metric}"
                            );
                            self.notes.borrow_mut().info(text, vector.outer_pos);
                        }
                        value
                    }
                    Some(Input::Classic(mut buckets)) => {
                        histogram::fraction(*lower, *upper, &mut buckets)
                    }
                };
                column.set_float(step, value);
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
        let mut index: LabelsMap<usize> = LabelsMap::default();
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
                self.notes.borrow_mut().warn(text, vector.outer_pos);
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
            match index
                .get(&native.labels)
                .and_then(|at| classics.get_mut(*at))
            {
                Some(classic) => classic.native = Some(native.column),
                None => classics.push(Classic {
                    labels: native.labels,
                    drop_name: native.drop_name,
                    buckets: Vec::new(),
                    native: Some(native.column),
                }),
            }
        }
        Ok(classics)
    }

    fn note_nans(&self, nans: NanObservations, labels: &Labels, pos: PosRange) {
        let result = match nans {
            NanObservations::None => return,
            NanObservations::Skewed => "result is skewed higher",
            NanObservations::Result => "result is NaN",
        };
        let metric = for_metric(labels.metric_name());
        let text = format!("input to histogram_quantile has NaN observations, {result}{metric}");
        self.notes.borrow_mut().info(text, pos);
    }

    /// The histogram at one step; nothing where there is none, or one of each kind.
    fn input_at(&self, classic: &Classic, step: usize, pos: PosRange) -> Option<Input> {
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
        let native = classic
            .native
            .as_ref()
            .and_then(|column| column.histogram(step));
        match native {
            None if buckets.is_empty() => None,
            None => Some(Input::Classic(buckets)),
            Some(native) if buckets.is_empty() => Some(Input::Native(native.clone())),
            Some(_) => {
                let metric = for_metric(classic.labels.metric_name());
                let text =
                    format!("vector contains a mix of classic and native histograms{metric}");
                self.notes.borrow_mut().warn(text, pos);
                None
            }
        }
    }
}

/// A histogram at one step.
enum Input {
    Classic(Vec<Bucket>),
    Native(Arc<FloatHistogram>),
}

/// A quantile as a label value: whole numbers keep a decimal.
fn quantile_text(phi: f64) -> String {
    let text = gocompat::float::format_g(phi);
    let whole = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if whole { format!("{text}.0") } else { text }
}
