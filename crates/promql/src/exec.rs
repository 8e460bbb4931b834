//! Carries a plan out. Every node gives its series one by one to a sink, each with its values at
//! all steps, so that an aggregation over a selector never holds the selector's samples.

mod aggregate;
mod binary;
mod classic;
mod counters;
mod info;
mod labels;
mod lanes;
mod parallel;
mod range;
mod scan;
mod smoothed;
mod sort;
mod topk;
mod vector_match;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use memory::budget::BudgetExhausted;
use model::label_name::{TYPE_LABEL, UNIT_LABEL};
use model::{Labels, Timestamp};
use promql_parser::ast::PosRange;
use stdx::cancel::{CancelToken, Stop};
use storage::{LabelHints, Querier, SelectHints, SeriesSet, StorageError};

use crate::annotations::{Annotations, line_and_column};
use crate::column::{Column, Grid, Kind, Point, Scalars, Series};
use crate::error::{Phase, QueryError};
use crate::explain::{Actual, Profile};
use crate::functions::math;
use crate::meter::{self, Charge, QueryMeter};
use crate::plan::{Extension, Node, Op, Selector};

pub(crate) use aggregate::group_labels;
pub(crate) use counters::Counters;
pub(crate) use parallel::Workers;
pub(crate) use scan::Ends;

/// Series between two looks at the clock.
const CLOCK_STRIDE: usize = 32;

/// What the budget of one query is called.
pub(crate) const QUERY_BUDGET: &str = "query";

/// Something by label set. The hash is quick and different in each process.
pub(crate) type LabelsMap<V> = HashMap<Labels, V, foldhash::fast::RandomState>;

/// Takes the series of a node, one by one.
pub(crate) type Sink<'s> = dyn FnMut(Series) -> Result<(), QueryError> + 's;

/// One evaluation of one plan.
pub(crate) struct Evaluator<'a> {
    pub(crate) querier: Option<&'a dyn Querier>,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) deadline: Option<Instant>,
    pub(crate) lookback_ms: i64,
    pub(crate) delayed_name_removal: bool,
    pub(crate) use_start_timestamps: bool,
    pub(crate) type_and_unit_labels: bool,
    pub(crate) max_samples: u64,
    /// What the query may hold, for the threads that help it.
    pub(crate) meter: &'a QueryMeter,
    pub(crate) workers: &'a Workers,
    /// How often it was asked whether to go on.
    pub(crate) checks: Cell<usize>,
    /// The expression that is being evaluated, and the text that its place is in.
    pub(crate) at: Cell<PosRange>,
    pub(crate) text: &'a str,
    /// Whether the store has labels of types or units, once that was asked.
    pub(crate) has_types: Cell<Option<bool>>,
    pub(crate) counters: Counters,
    pub(crate) notes: RefCell<Annotations>,
    pub(crate) storage_warnings: RefCell<Vec<String>>,
    /// What nodes cost, if that is asked for.
    pub(crate) profile: Option<Profile>,
}

impl Evaluator<'_> {
    /// Gives the series of a vector node to `sink`.
    pub(crate) fn vector(
        &self,
        node: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let outer = self.at.replace(node.pos);
        let before = self.counters.held();
        let mut given = 0;
        let mut give = |series: Series| {
            self.check()?;
            let count = series.column.sample_count();
            given += count;
            self.hold(count)?;
            sink(series)
        };
        match &self.profile {
            None => self.run(node, grid, &mut give)?,
            Some(profile) => self.run_measured(profile, node, grid, &mut give)?,
        }
        // What the node's inputs held is gone; what it gave is held by whoever asked.
        self.counters.release_to(before + given);
        self.at.set(outer);
        Ok(())
    }

    /// Runs a node and notes what it cost, without what becomes of its series.
    fn run_measured(
        &self,
        profile: &Profile,
        node: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let (begun, read_before) = (Instant::now(), self.counters.total());
        let mut cost = Actual::default();
        let mut elsewhere = Duration::ZERO;
        let outcome = self.run(node, grid, &mut |series| {
            cost.series += 1;
            cost.points += series.column.sample_count();
            let given = Instant::now();
            let outcome = sink(series);
            elsewhere += given.elapsed();
            outcome
        });
        cost.time = begun.elapsed().saturating_sub(elsewhere);
        cost.samples = self.counters.total() - read_before;
        profile.add(node, cost);
        outcome
    }

    /// All series of a vector node that have a value at some step.
    pub(crate) fn collect(&self, node: &Node, grid: &Grid) -> Result<Vec<Series>, QueryError> {
        let mut all = Vec::new();
        self.vector(node, grid, &mut |series| {
            all.push(series);
            Ok(())
        })?;
        Ok(all)
    }

    /// The values of a scalar node by step.
    pub(crate) fn scalar(&self, node: &Node, grid: &Grid) -> Result<Scalars, QueryError> {
        self.check()?;
        Ok(match &node.op {
            Op::Number(value) => {
                let charge = self.charge(grid.len * size_of::<f64>())?;
                Scalars::new(vec![*value; grid.len], charge)
            }
            Op::Time => {
                let charge = self.charge(grid.len * size_of::<f64>())?;
                let times = (0..grid.len).map(|step| seconds(grid.time(step)));
                Scalars::new(times.collect(), charge)
            }
            Op::Invariant(inner) => {
                let before = self.counters.total();
                let values = self.scalar(inner, &Grid::instant(grid.start))?;
                self.counters.repeat_read(before, grid.len);
                let value = values.first().copied().unwrap_or(f64::NAN);
                let charge = self.charge(grid.len * size_of::<f64>())?;
                Scalars::new(vec![value; grid.len], charge)
            }
            Op::Negate(inner) => {
                let mut values = self.scalar(inner, grid)?;
                values.iter_mut().for_each(|value| *value = -*value);
                values
            }
            Op::ScalarScalar { op, left, right } => {
                let mut values = self.scalar(left, grid)?;
                for (value, other) in values.iter_mut().zip(self.scalar(right, grid)?.iter()) {
                    *value = binary::scalars(*op, *value, *other);
                }
                values
            }
            Op::Extreme {
                larger,
                left,
                right,
            } => {
                let mut values = self.scalar(left, grid)?;
                for (value, other) in values.iter_mut().zip(self.scalar(right, grid)?.iter()) {
                    *value = if *larger {
                        math::max(*value, *other)
                    } else {
                        math::min(*value, *other)
                    };
                }
                values
            }
            Op::ToScalar(vector) => self.only_value(vector, grid)?,
            _ => return Err(QueryError::Execution("expected a scalar".to_owned())),
        })
    }

    /// `scalar(vector)`: the value where there is exactly one float.
    fn only_value(&self, vector: &Node, grid: &Grid) -> Result<Scalars, QueryError> {
        let charge = self.charge(grid.len * size_of::<(u32, f64)>())?;
        let mut counts = vec![0_u32; grid.len];
        let mut values = vec![f64::NAN; grid.len];
        self.vector(vector, grid, &mut |series| {
            for (step, (count, value)) in counts.iter_mut().zip(&mut values).enumerate() {
                if let Some(float) = series.column.float(step) {
                    *count += 1;
                    *value = if *count == 1 { float } else { f64::NAN };
                }
            }
            Ok(())
        })?;
        Ok(Scalars::new(values, charge))
    }

    fn run(&self, node: &Node, grid: &Grid, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        match &node.op {
            Op::Invariant(inner) => {
                let before = self.counters.total();
                let all = self.collect(inner, &Grid::instant(grid.start))?;
                self.counters.repeat_read(before, grid.len);
                all.into_iter().try_for_each(|mut series| {
                    series.column = series.column.repeated(grid.len);
                    sink(series)
                })
            }
            Op::Selector(selector) if selector.extension == Extension::Smoothed => {
                self.smoothed_selector(node, selector, grid, sink)
            }
            Op::Selector(selector) => self.instant_selector(selector, grid, sink),
            Op::Info { vector, selector } => self.info(vector, selector, grid, sink),
            Op::SampleTime {
                selector,
                start_time,
            } => self.sample_times(selector, *start_time, grid, sink),
            Op::Range {
                function,
                source,
                params,
                range_pos,
            } => self.range_function(*function, source, params, *range_pos, grid, sink),
            Op::AbsentOverTime { source, labels } => {
                let mut present = vec![false; grid.len];
                self.windows(source, grid, &mut |_, step, window| {
                    if let Some(present) = present.get_mut(step) {
                        *present |= !window.is_empty();
                    }
                    Ok(())
                })?;
                emit_absent(labels, &present, sink)
            }
            Op::Absent { vector, labels } => {
                let mut present = vec![false; grid.len];
                self.vector(vector, grid, &mut |series| {
                    for (step, present) in present.iter_mut().enumerate() {
                        *present |= series.column.is_present(step);
                    }
                    Ok(())
                })?;
                emit_absent(labels, &present, sink)
            }
            Op::Map {
                function,
                vector,
                params,
            } => {
                let params: Result<Vec<_>, _> = params
                    .iter()
                    .map(|param| self.scalar(param, grid))
                    .collect();
                let params = params?;
                let params: Vec<&[f64]> = params.iter().map(|values| &**values).collect();
                let mut now = vec![0.0; params.len()];
                self.renamed(vector, grid, sink, &mut |column, step, point| {
                    at_step(&params, step, &mut now);
                    let time = seconds(grid.time(step));
                    match function.evaluate(&point, time, &now) {
                        Some(value) => column.set_float(step, value),
                        None => column.remove(step),
                    }
                })
            }
            Op::HistogramMap { function, vector } => {
                self.renamed(vector, grid, sink, &mut |column, step, point| {
                    let value = match point {
                        Point::Histogram(histogram) => function.evaluate(&histogram),
                        Point::Float(_) => None,
                    };
                    match value {
                        Some(value) => column.set_float(step, value),
                        None => column.remove(step),
                    }
                })
            }
            Op::TimePart {
                part,
                vector: Some(vector),
            } => self.renamed(vector, grid, sink, &mut |column, step, point| match point {
                Point::Float(value) => column.set_float(step, part.of(value)),
                Point::Histogram(_) => column.remove(step),
            }),
            Op::TimePart { part, vector: None } => {
                let values = (0..grid.len)
                    .map(|step| part.of(seconds(grid.time(step))))
                    .collect();
                sink(Series::unlabelled(Column::from_floats(values)))
            }
            Op::Negate(vector) => {
                self.renamed(vector, grid, sink, &mut |column, step, point| match point {
                    Point::Float(value) => column.set_float(step, -value),
                    Point::Histogram(histogram) => {
                        column.set_histogram(step, binary::negated(&histogram));
                    }
                })
            }
            Op::ToVector(scalar) => {
                let column = self.scalar(scalar, grid)?.into_column();
                sink(Series::unlabelled(column))
            }
            Op::HistogramQuantile {
                vector,
                quantiles,
                label,
            } => self.histogram_quantile(vector, quantiles, label.as_deref(), grid, sink),
            Op::HistogramFraction {
                vector,
                lower,
                upper,
            } => self.histogram_fraction(vector, lower, upper, grid, sink),
            Op::LabelReplace { vector, texts } => self.label_replace(vector, texts, grid, sink),
            Op::LabelJoin {
                vector,
                target,
                separator,
                sources,
            } => self.label_join(vector, (target, separator), sources, grid, sink),
            Op::Sort { vector, descending } => self.sort(node, vector, *descending, grid, sink),
            Op::SortByLabel {
                vector,
                labels,
                descending,
            } => self.sort_by_label(node, vector, labels, *descending, grid, sink),
            Op::Aggregate(aggregate) => self.aggregate(node, aggregate, grid, sink),
            Op::VectorScalar {
                op,
                vector,
                scalar,
                swapped,
                return_bool,
            } => {
                let shape = binary::VectorScalar {
                    op: *op,
                    swapped: *swapped,
                    return_bool: *return_bool,
                };
                self.vector_scalar(node, shape, vector, scalar, grid, sink)
            }
            Op::VectorVector {
                op,
                left,
                right,
                matching,
                return_bool,
            } => {
                let shape = vector_match::Shape {
                    op: *op,
                    matching,
                    return_bool: *return_bool,
                };
                self.vector_vector(node, shape, (left, right), grid, sink)
            }
            Op::Fail(text) => Err(QueryError::Execution(text.clone())),
            Op::Number(_)
            | Op::Text(_)
            | Op::Matrix(_)
            | Op::Time
            | Op::Extreme { .. }
            | Op::ToScalar(_)
            | Op::ScalarScalar { .. } => Err(QueryError::Execution(
                "expected an instant vector".to_owned(),
            )),
        }
    }

    /// A function of single samples that drops the metric name.
    fn renamed(
        &self,
        vector: &Node,
        grid: &Grid,
        sink: &mut Sink<'_>,
        change: &mut dyn FnMut(&mut Column, usize, Point),
    ) -> Result<(), QueryError> {
        self.unique(vector.has_one_name(), sink, |sink| {
            self.vector(vector, grid, &mut |mut series| {
                for step in 0..grid.len {
                    if let Some(point) = series.column.point(step) {
                        change(&mut series.column, step, point);
                    }
                }
                self.drop_name(&mut series);
                sink(series)
            })
        })
    }

    /// Takes the metric name off a series, now or when the query ends.
    pub(crate) fn drop_name(&self, series: &mut Series) {
        if self.delayed_name_removal {
            series.drop_name = true;
        } else {
            series.labels = series.labels.without_metadata();
        }
    }

    /// Runs `body`, whose series may have lost the name that kept them apart: joins those with the
    /// same labels where names are removed at once. Series that had `one_name` are still apart and
    /// go on as they come.
    fn unique(
        &self,
        one_name: bool,
        sink: &mut Sink<'_>,
        body: impl FnOnce(&mut Sink<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        if self.delayed_name_removal {
            return body(sink);
        }
        if one_name && !self.store_has_types()? {
            return body(sink);
        }
        let mut joined = Joined::default();
        body(&mut |series| joined.add(series))?;
        joined.give(sink)
    }

    /// Whether series in the store have labels that go where the metric name goes.
    pub(crate) fn store_has_types(&self) -> Result<bool, QueryError> {
        if let Some(known) = self.has_types.get() {
            return Ok(known);
        }
        let mut found = false;
        for label in [TYPE_LABEL, UNIT_LABEL] {
            if let Some(querier) = self.querier {
                let hints = LabelHints { limit: 1 };
                let values = querier.label_values(label, &hints, &[]);
                found |= !values.map_err(storage_error)?.0.is_empty();
            }
        }
        self.has_types.set(Some(found));
        Ok(found)
    }

    /// Runs `body` and joins series with the same labels.
    pub(crate) fn joined(
        &self,
        sink: &mut Sink<'_>,
        body: impl FnOnce(&mut Sink<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let mut joined = Joined::default();
        body(&mut |series| joined.add(series))?;
        joined.give(sink)
    }

    /// Opens a selection; the store's remarks become warnings of the query.
    fn select<'s>(&self, selector: &'s Selector) -> Result<Option<Selected<'s>>, QueryError> {
        let need = &selector.need;
        let labels = match &need.labels {
            Some(labels) if !need.loses_name || !self.store_has_types()? => Some(labels),
            _ => None,
        };
        let names = labels.map(|labels| labels.iter().map(String::as_str).collect());
        let set = self.open(&selector.matchers, &selector.hints, need.ordered)?;
        Ok(set.map(|set| Selected { set, names }))
    }

    pub(crate) fn open(
        &self,
        matchers: &[model::Matcher],
        hints: &SelectHints,
        sort: bool,
    ) -> Result<Option<Box<dyn SeriesSet>>, QueryError> {
        let Some(querier) = self.querier else {
            return Ok(None);
        };
        let set = querier
            .select(sort, hints, matchers, self.cancel)
            .map_err(storage_error)?;
        self.storage_warnings.borrow_mut().extend(set.warnings());
        Ok(Some(set))
    }

    /// Whether to go on: called once a series.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        let nth = self.checks.get();
        self.checks.set(nth.wrapping_add(1));
        self.guard().check_at(nth)
    }

    /// What tells whether to go on, for any thread.
    fn guard(&self) -> Guard<'_> {
        Guard {
            cancel: self.cancel,
            deadline: self.deadline,
            at: self.at.get(),
            text: self.text,
        }
    }

    /// Takes `bytes` for what is about to be made.
    pub(crate) fn charge(&self, bytes: usize) -> Result<Charge, QueryError> {
        let charge = Charge::new(bytes);
        self.check()?;
        Ok(charge)
    }

    fn hold(&self, samples: u64) -> Result<(), QueryError> {
        if self.counters.hold(samples) > self.max_samples {
            Err(QueryError::TooManySamples)
        } else {
            Ok(())
        }
    }

    /// Holds `samples` for a moment only.
    fn touch(&self, samples: u64) -> Result<(), QueryError> {
        let held = self.counters.held();
        self.hold(samples)?;
        self.counters.release_to(held);
        Ok(())
    }
}

/// Tells whether an evaluation is to go on.
#[derive(Clone, Copy)]
struct Guard<'a> {
    cancel: &'a CancelToken,
    deadline: Option<Instant>,
    /// The expression that is being evaluated.
    at: PosRange,
    text: &'a str,
}

impl Guard<'_> {
    /// Whether there is memory for what was made.
    fn check_memory(&self) -> Result<(), QueryError> {
        match meter::refusal() {
            Some(refused) => Err(self.too_much_memory(&refused)),
            None => Ok(()),
        }
    }

    /// Whether to go on with number `nth`: memory is looked at each time, a clock now and then.
    fn check_at(&self, nth: usize) -> Result<(), QueryError> {
        self.check_memory()?;
        if !nth.is_multiple_of(CLOCK_STRIDE) {
            return Ok(());
        }
        self.cancel.check().map_err(stopped)?;
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(QueryError::Timeout(Phase::Execution))
            }
            _ => Ok(()),
        }
    }

    fn too_much_memory(&self, refused: &BudgetExhausted) -> QueryError {
        let place = if self.text.is_empty() {
            String::new()
        } else {
            format!(" at {}", line_and_column(self.text, self.at))
        };
        too_much_memory(refused, place)
    }
}

/// What a selector found.
struct Selected<'s> {
    set: Box<dyn SeriesSet>,
    /// Names of the labels that are needed; `None` for all.
    names: Option<Vec<&'s str>>,
}

impl Selected<'_> {
    /// The labels of a series, as far as they are needed.
    fn labels(&self, index: usize) -> Labels {
        match &self.names {
            None => self.set.labels(index),
            Some(names) if names.is_empty() => Labels::empty(),
            Some(names) => self.set.labels_of(index, names),
        }
    }
}

/// The error for memory that a query was refused; `place` is ` at line:column` or empty.
pub(crate) fn too_much_memory(refused: &BudgetExhausted, place: String) -> QueryError {
    let what = if refused.name == QUERY_BUDGET {
        "query memory limit"
    } else {
        "memory limit of all queries together"
    };
    QueryError::TooMuchMemory {
        what,
        used_bytes: refused.used_bytes,
        limit_bytes: refused.limit_bytes,
        wanted_bytes: refused.wanted_bytes,
        place,
    }
}

fn stopped(stop: Stop) -> QueryError {
    match stop {
        Stop::Cancelled => QueryError::Canceled(Phase::Execution),
        Stop::DeadlineExceeded => QueryError::Timeout(Phase::Execution),
    }
}

pub(crate) fn storage_error(error: StorageError) -> QueryError {
    match error {
        StorageError::Stopped(stop) => stopped(stop),
        other => QueryError::Storage(other),
    }
}

fn seconds(time: Timestamp) -> f64 {
    time as f64 / 1000.0
}

/// Values of several scalars at one step.
fn at_step(params: &[&[f64]], step: usize, now: &mut [f64]) {
    for (value, column) in now.iter_mut().zip(params) {
        *value = column.get(step).copied().unwrap_or(f64::NAN);
    }
}

fn emit_absent(labels: &Labels, present: &[bool], sink: &mut Sink<'_>) -> Result<(), QueryError> {
    let mut column = Column::absent(present.len());
    for (step, present) in present.iter().enumerate() {
        if !present {
            column.set_float(step, 1.0);
        }
    }
    sink(Series {
        labels: labels.clone(),
        drop_name: false,
        column,
    })
}

/// The error for two samples with the same labels at the same time.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}

/// Series by labels; series with the same labels become one if they are never present together.
#[derive(Default)]
pub(crate) struct Joined {
    index: LabelsMap<usize>,
    series: Vec<Series>,
}

impl Joined {
    pub(crate) fn add(&mut self, series: Series) -> Result<(), QueryError> {
        match self
            .index
            .get(&series.labels)
            .and_then(|index| self.series.get_mut(*index))
        {
            Some(first) => join(first, &series),
            None if series.column.count() == 0 => Ok(()),
            None => {
                self.index.insert(series.labels.clone(), self.series.len());
                self.series.push(series);
                Ok(())
            }
        }
    }

    pub(crate) fn into_series(self) -> Vec<Series> {
        self.series
    }

    fn give(self, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        self.series.into_iter().try_for_each(sink)
    }
}

fn join(first: &mut Series, other: &Series) -> Result<(), QueryError> {
    for step in 0..other.column.len() {
        let Some(point) = other.column.point(step) else {
            continue;
        };
        if first.column.kind(step) != Kind::Absent {
            return Err(same_labelset());
        }
        first.column.set(step, point);
    }
    Ok(())
}
