//! Aggregations whose groups are filled series by series: `sum`, `avg`, `count`, `min`, `max`,
//! `group`, `stddev`, `stdvar`, `quantile`, `count_values`. The selecting ones are in `topk`.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use model::histogram::{HistogramMean, HistogramSum, IncompatibleSchemas, SumRemarks};
use model::label_name::METRIC_NAME;
use model::{FloatHistogram, Labels, LabelsBuilder};
use promql_parser::ast::{AggregateOp, PosRange};

use crate::column::{Column, Grid, Point, Scalars, Series};
use crate::error::QueryError;
use crate::exec::lanes::Lanes;
use crate::exec::topk::Extremes;
use crate::exec::{Evaluator, LabelsMap, Sink};
use crate::functions::over_time;
use crate::kahan::{self, Mean};
use crate::meter::Charge;
use crate::plan::{Aggregate, Node, Op, aggregate_name};

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &self,
        node: &Node,
        aggregate: &Aggregate,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        match aggregate.op {
            AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio => self.select_series(node, aggregate, grid, sink),
            AggregateOp::CountValues => self.count_values(aggregate, grid, sink),
            AggregateOp::Quantile => self.quantile(aggregate, grid, sink),
            _ => self.accumulate(aggregate, grid, sink),
        }
    }

    fn accumulate(
        &self,
        aggregate: &Aggregate,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let op = aggregate.op;
        let mut groups: Groups<State> = Groups::default();
        let mut ignored = false;
        // Names of metrics whose histograms do not go together.
        let mut incompatible = BTreeSet::new();
        self.vector(&aggregate.vector, grid, &mut |series| {
            let state = groups.of(self, aggregate, &series, Lanes::bytes(grid.len), || {
                State::Floats(Lanes::new(op, grid.len))
            })?;
            if let State::Floats(lanes) = state {
                if lanes.add(op, &series.column) {
                    return Ok(());
                }
                let bytes = grid.len * size_of::<Accumulator>();
                drop(self.charge(bytes)?);
                *state = State::Any(lanes.accumulators(op));
                groups.charge.grow(bytes);
            }
            let state = groups.of(self, aggregate, &series, 0, || State::Any(Vec::new()))?;
            let State::Any(group) = state else {
                return Ok(());
            };
            for (step, accumulator) in group.iter_mut().enumerate() {
                match series.column.point(step) {
                    Some(Point::Float(value)) => accumulator.add(op, value),
                    Some(Point::Histogram(histogram)) => {
                        let was_incompatible = accumulator.incompatible;
                        ignored |= !accumulator.add_histogram(op, &histogram);
                        if accumulator.incompatible && !was_incompatible {
                            incompatible.insert(series.labels.metric_name().to_owned());
                        }
                    }
                    None => {}
                }
            }
            Ok(())
        })?;
        if ignored {
            self.note_ignored(aggregate, aggregate.vector.outer_pos);
        }
        let mut mixed = false;
        let mut remarks = SumRemarks::default();
        for (labels, drop_name, group) in groups.all {
            let column = match group {
                State::Floats(lanes) => lanes.column(op),
                State::Any(group) => {
                    let mut column = Column::absent(grid.len);
                    for (step, accumulator) in group.iter().enumerate() {
                        mixed |= accumulator.is_mixed(op);
                        remarks |= accumulator.remarks;
                        if let Some(value) = accumulator.value(op) {
                            column.set(step, value);
                        }
                    }
                    column
                }
            };
            if column.count() > 0 {
                sink(Series {
                    labels,
                    drop_name,
                    column,
                })?;
            }
        }
        let mut notes = self.notes.borrow_mut();
        notes.histogram_sum(remarks, "aggregation", aggregate.vector.outer_pos);
        for metric in incompatible {
            let metric = gocompat::quote::quote(&metric);
            let text = format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas \
                 for metric name {metric}"
            );
            notes.warn(text, aggregate.vector.outer_pos);
        }
        if mixed {
            let text = "encountered a mix of histograms and floats for aggregation".to_owned();
            notes.warn(text, aggregate.vector.outer_pos);
        }
        Ok(())
    }

    pub(super) fn note_ignored(&self, aggregate: &Aggregate, pos: PosRange) {
        let text = format!(
            "ignored histogram in {} aggregation",
            aggregate_name(aggregate.op)
        );
        self.notes.borrow_mut().info(text, pos);
    }

    fn quantile(
        &self,
        aggregate: &Aggregate,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let phis = self.param(aggregate, grid)?;
        let mut groups: Groups<Vec<Vec<f64>>> = Groups::default();
        let mut ignored = false;
        self.vector(&aggregate.vector, grid, &mut |series| {
            ignored |= series.column.has_histograms();
            let bytes = grid.len * size_of::<Vec<f64>>();
            let group = groups.of(self, aggregate, &series, bytes, || {
                vec![Vec::new(); grid.len]
            })?;
            for (step, values) in group.iter_mut().enumerate() {
                values.extend(series.column.float(step));
            }
            // Vectors grow by doubling.
            groups
                .charge
                .grow(series.column.count() * 2 * size_of::<f64>());
            Ok(())
        })?;
        if let Some(param) = &aggregate.param {
            let mut notes = self.notes.borrow_mut();
            let extremes = Extremes::of(&phis);
            if extremes.any_nan {
                over_time::warn_quantile(f64::NAN, &mut notes, param.pos);
            }
            if extremes.most > 1.0 {
                over_time::warn_quantile(extremes.most, &mut notes, param.pos);
            }
            if extremes.least < 0.0 {
                over_time::warn_quantile(extremes.least, &mut notes, param.pos);
            }
        }
        if ignored {
            self.note_ignored(aggregate, aggregate.vector.outer_pos);
        }
        for (labels, drop_name, mut group) in groups.all {
            let mut column = Column::absent(grid.len);
            for (step, (values, phi)) in group.iter_mut().zip(phis.iter()).enumerate() {
                if !values.is_empty() {
                    column.set_float(step, over_time::quantile(*phi, values));
                }
            }
            if column.count() > 0 {
                sink(Series {
                    labels,
                    drop_name,
                    column,
                })?;
            }
        }
        Ok(())
    }

    fn count_values(
        &self,
        aggregate: &Aggregate,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let Some(Op::Text(label)) = aggregate.param.as_deref().map(|param| &param.op) else {
            return Err(QueryError::Execution("expected a label name".to_owned()));
        };
        if label.is_empty() {
            let label = gocompat::quote::quote(label);
            return Err(QueryError::Execution(format!("invalid label name {label}")));
        }
        let mut index: LabelsMap<usize> = LabelsMap::default();
        let mut counted: Vec<Series> = Vec::new();
        self.vector(&aggregate.vector, grid, &mut |series| {
            let group = group_labels(aggregate, &series.labels);
            for step in 0..grid.len {
                let text = match series.column.point(step) {
                    Some(Point::Float(value)) => gocompat::float::format_f(value),
                    Some(Point::Histogram(histogram)) => histogram.to_string(),
                    None => continue,
                };
                let labels = LabelsBuilder::from_labels(&group)
                    .set(label, &text)
                    .labels();
                let at = *index.entry(labels).or_insert_with_key(|labels| {
                    counted.push(Series {
                        labels: labels.clone(),
                        drop_name: false,
                        column: Column::absent(grid.len),
                    });
                    counted.len() - 1
                });
                if let Some(series) = counted.get_mut(at) {
                    let count = series.column.float(step).unwrap_or(0.0);
                    series.column.set_float(step, count + 1.0);
                }
            }
            Ok(())
        })?;
        counted.into_iter().try_for_each(sink)
    }

    /// The parameter by step.
    pub(super) fn param(&self, aggregate: &Aggregate, grid: &Grid) -> Result<Scalars, QueryError> {
        match &aggregate.param {
            Some(param) => self.scalar(param, grid),
            None => {
                let charge = self.charge(grid.len * size_of::<f64>())?;
                Ok(Scalars::new(vec![f64::NAN; grid.len], charge))
            }
        }
    }
}

/// The labels of the group of a series.
pub(crate) fn group_labels(aggregate: &Aggregate, labels: &Labels) -> Labels {
    let mut names: Vec<&str> = aggregate.grouping.iter().map(String::as_str).collect();
    if !aggregate.without {
        return labels.only(&names);
    }
    names.push(METRIC_NAME);
    labels.without(&names)
}

/// Groups by labels, in order of appearance.
pub(super) struct Groups<T> {
    /// What the groups hold.
    charge: Charge,
    index: LabelsMap<usize>,
    /// Labels of a series of the group that was asked for last, and which group that is.
    last: Option<(Labels, usize)>,
    /// Labels, whether the metric name goes in the end, content.
    pub(super) all: Vec<(Labels, bool, T)>,
}

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Self {
            charge: Charge::default(),
            index: LabelsMap::default(),
            last: None,
            all: Vec::new(),
        }
    }
}

impl<T> Groups<T> {
    /// The group of `series`; a new one takes `bytes` beside its labels.
    pub(super) fn of(
        &mut self,
        evaluator: &Evaluator<'_>,
        aggregate: &Aggregate,
        series: &Series,
        bytes: usize,
        new: impl FnOnce() -> T,
    ) -> Result<&mut T, QueryError> {
        let next = self.all.len();
        let index = match &self.last {
            // Neighbours are often of one group, and all are of the only one.
            Some((labels, index)) if *labels == series.labels || aggregate.is_one_group() => *index,
            _ => match self.index.entry(group_labels(aggregate, &series.labels)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(vacant) => {
                    let labels = vacant.key().clone();
                    self.charge.grow(bytes + 2 * labels.as_bytes().len() + 128);
                    evaluator.check()?;
                    self.all.push((labels, false, new()));
                    *vacant.insert(next)
                }
            },
        };
        match &mut self.last {
            Some((_, last)) if *last == index => {}
            last => *last = Some((series.labels.clone(), index)),
        }
        let group = &mut self.all[index];
        // The name goes if it was to go from one member.
        group.1 |= series.drop_name;
        Ok(&mut group.2)
    }
}

/// Histograms added up.
#[derive(Debug, Clone)]
enum Total {
    Sum(HistogramSum),
    Mean(HistogramMean),
}

/// One group.
enum State {
    /// As long as there are only floats.
    Floats(Lanes),
    Any(Vec<Accumulator>),
}

/// One group at one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Accumulator {
    /// Floats seen.
    floats: f64,
    /// Histograms seen by an operator that takes them.
    histograms: f64,
    /// Sum, extreme, or sum of squared differences from the mean.
    value: f64,
    /// Compensation of the sum, or the mean.
    extra: f64,
    mean: Mean,
    /// Sum or mean of the histograms; boxed because most groups have none.
    total: Option<Box<Total>>,
    /// Histograms that could not be added.
    incompatible: bool,
    /// What adding them brought up.
    remarks: SumRemarks,
}

impl Accumulator {
    pub(super) fn of_floats(floats: f64, value: f64, extra: f64) -> Self {
        Self {
            floats,
            value,
            extra,
            ..Self::default()
        }
    }

    pub(super) fn of_mean(floats: f64, mean: Mean) -> Self {
        Self {
            floats,
            mean,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, op: AggregateOp, value: f64) {
        if self.incompatible {
            return;
        }
        self.floats += 1.0;
        match op {
            AggregateOp::Sum => {
                (self.value, self.extra) = if self.floats == 1.0 {
                    (value, 0.0)
                } else {
                    kahan::add(value, self.value, self.extra)
                };
            }
            AggregateOp::Avg => self.mean.add(value),
            AggregateOp::Min if self.floats == 1.0 || value < self.value || self.value.is_nan() => {
                self.value = value;
            }
            AggregateOp::Max if self.floats == 1.0 || value > self.value || self.value.is_nan() => {
                self.value = value;
            }
            AggregateOp::Stddev | AggregateOp::Stdvar if self.floats == 1.0 => {
                self.extra = value;
                self.value = if value.is_finite() { 0.0 } else { f64::NAN };
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                let delta = value - self.extra;
                self.extra += delta / self.floats;
                self.value += delta * (value - self.extra);
            }
            _ => {}
        }
    }

    /// Whether the operator takes histograms.
    fn add_histogram(&mut self, op: AggregateOp, histogram: &FloatHistogram) -> bool {
        match op {
            _ if self.incompatible => true,
            AggregateOp::Count | AggregateOp::Group | AggregateOp::Sum | AggregateOp::Avg => {
                self.histograms += 1.0;
                if matches!(op, AggregateOp::Sum | AggregateOp::Avg) {
                    self.add_to_total(op, histogram);
                }
                true
            }
            _ => false,
        }
    }

    fn add_to_total(&mut self, op: AggregateOp, histogram: &FloatHistogram) {
        let added = match self.total.as_deref_mut() {
            Some(Total::Sum(sum)) => sum.add(histogram),
            Some(Total::Mean(mean)) => mean.add(histogram),
            None => {
                self.total = Some(Box::new(match op {
                    AggregateOp::Avg => Total::Mean(HistogramMean::new(histogram)),
                    _ => Total::Sum(HistogramSum::new(histogram)),
                }));
                return;
            }
        };
        match added {
            Ok(remarks) => self.remarks |= remarks,
            Err(IncompatibleSchemas) => self.incompatible = true,
        }
    }

    fn is_mixed(&self, op: AggregateOp) -> bool {
        let adds = matches!(op, AggregateOp::Sum | AggregateOp::Avg);
        adds && self.floats > 0.0 && self.histograms > 0.0
    }

    pub(super) fn value(&self, op: AggregateOp) -> Option<Point> {
        let count = self.floats + self.histograms;
        if count == 0.0 || self.is_mixed(op) {
            return None;
        }
        if matches!(op, AggregateOp::Sum | AggregateOp::Avg) && self.histograms > 0.0 {
            let total = self.total.as_deref().filter(|_| !self.incompatible)?;
            return Some(Point::Histogram(Arc::new(match total.clone() {
                Total::Sum(sum) => sum.finish(),
                Total::Mean(mean) => mean.finish(),
            })));
        }
        Some(Point::Float(match op {
            AggregateOp::Sum => self.value + self.extra,
            AggregateOp::Avg => self.mean.value(),
            AggregateOp::Count => count,
            AggregateOp::Group => 1.0,
            AggregateOp::Stddev => (self.value / self.floats).sqrt(),
            AggregateOp::Stdvar => self.value / self.floats,
            _ => self.value,
        }))
    }
}
