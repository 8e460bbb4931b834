//! Expected costs.
//!
//! How many series a selector finds is known exactly, for they are looked up; how many samples they
//! have is read off a few of them. What an expression makes of them is worked out from there.

use std::collections::HashSet;

use model::sample::SampleColumns;
use model::{Labels, Matcher, Timestamp};
use promql_parser::ast::{AggregateOp, BinaryOp, Cardinality, ValueType};

use super::{Estimate, Explanation, Input, Profile, inputs, name};
use crate::column::{Grid, column_bytes};
use crate::error::QueryError;
use crate::exec::{Ends, Evaluator, group_labels, storage_error};
use crate::plan::{Aggregate, Node, Op, RangeSource, Selector};
use crate::value::POINT_BYTES;

/// Series of a selector of which samples are read.
const PROBED_SERIES: usize = 8;
/// Series of a selector of which labels are looked at, to see how many groups they form.
const PROBED_LABELS: usize = 1000;
/// Nanoseconds for a sample that is decoded, a value at a step, a chunk that is opened.
const SAMPLE_NS: f64 = 5.0;
const POINT_NS: f64 = 20.0;
const CHUNK_NS: f64 = 400.0;
/// Samples that chunks are cut at.
const CHUNK_SAMPLES: f64 = 120.0;

/// Works out what a plan costs.
pub(crate) struct Estimator<'e, 'q> {
    pub(crate) evaluator: &'e Evaluator<'q>,
    /// What nodes did cost, if they ran.
    pub(crate) profile: Option<&'e Profile>,
}

/// What comes out of a node.
#[derive(Debug, Default)]
struct Shape {
    series: f64,
    /// Steps at which a series has a value.
    points_per_series: f64,
    /// Label sets of some of the series.
    labels: Vec<Labels>,
}

impl Estimator<'_, '_> {
    /// Explains a whole query; its result is held as well.
    pub(crate) fn query(&self, root: &Node, grid: &Grid) -> Result<Explanation, QueryError> {
        let (mut explained, shape) = self.node(root, grid)?;
        if root.value_type == ValueType::Vector {
            let result = shape.series * shape.points_per_series * POINT_BYTES as f64;
            explained.estimate.bytes += result as u64;
        }
        Ok(explained)
    }

    fn node(&self, node: &Node, grid: &Grid) -> Result<(Explanation, Shape), QueryError> {
        self.evaluator.check()?;
        let inner_grid = match &node.op {
            Op::Invariant(_) => Grid::instant(grid.start),
            _ => *grid,
        };
        let mut children = Vec::new();
        let mut shapes = Vec::new();
        for input in inputs(node) {
            let (child, shape) = match input {
                Input::Node(child) => self.node(child, &inner_grid)?,
                Input::Selector(selector) => self.selector(node, selector, grid)?,
                Input::Subquery(inner, source) => {
                    let RangeSource::Subquery { step_ms, .. } = source else {
                        continue;
                    };
                    let ends = Ends::of(source, self.evaluator.lookback_ms);
                    self.node(inner, &ends.subquery_grid(grid, *step_ms))?
                }
            };
            children.push(child);
            shapes.push(shape);
        }
        let held = held_columns(node, &shapes);
        let shape = shape(node, shapes, grid);
        let points = shape.series * shape.points_per_series;
        let explained = Explanation {
            name: name(node),
            expr: self.source(node),
            estimate: Estimate {
                series: shape.series as u64,
                samples: 0,
                points: points as u64,
                bytes: (held * column_bytes(grid.len) as f64) as u64,
                nanoseconds: (POINT_NS * points) as u64,
            },
            actual: self.profile.and_then(|profile| profile.of(node)),
            children,
        };
        Ok((explained, shape))
    }

    /// The part of the query that a node stands for.
    fn source(&self, node: &Node) -> String {
        let range = node.pos.start as usize..node.pos.end as usize;
        let part = self.evaluator.text.get(range).unwrap_or_default();
        part.to_owned()
    }

    fn selector(
        &self,
        node: &Node,
        selector: &Selector,
        grid: &Grid,
    ) -> Result<(Explanation, Shape), QueryError> {
        let set = self
            .evaluator
            .open(&selector.matchers, &selector.hints, false)?;
        let len = set.as_ref().map_or(0, |set| set.len());
        let (mint, maxt) = self.reach(node, selector, grid);
        let mut samples = 0.0;
        let mut labels = Vec::new();
        if let Some(set) = set {
            let mut columns = SampleColumns::default();
            let probed = evenly(len, PROBED_SERIES);
            let count = probed.len() as f64;
            for index in probed {
                self.evaluator.check()?;
                set.read(index, mint, maxt, &mut columns)
                    .map_err(storage_error)?;
                samples += columns.len() as f64 / count;
            }
            labels.extend(evenly(len, PROBED_LABELS).map(|index| set.labels(index)));
        }
        let series = len as f64;
        let all_samples = series * samples;
        let chunks = all_samples / CHUNK_SAMPLES + series;
        let steps = if samples == 0.0 { 0.0 } else { grid.len as f64 };
        let shape = Shape {
            series,
            points_per_series: steps,
            labels,
        };
        let text = |matcher: &Matcher| {
            let value = gocompat::quote::quote(&matcher.value);
            format!("{}{}{value}", matcher.name, matcher.op)
        };
        let matchers: Vec<String> = selector.matchers.iter().map(text).collect();
        let explained = Explanation {
            name: "series of the store".to_owned(),
            expr: format!("{{{}}}", matchers.join(",")),
            estimate: Estimate {
                series: len as u64,
                samples: all_samples as u64,
                points: (series * steps) as u64,
                // Series are handed on one by one.
                bytes: (samples * POINT_BYTES as f64) as u64 + column_bytes(grid.len) as u64,
                nanoseconds: (SAMPLE_NS * all_samples + CHUNK_NS * chunks) as u64,
            },
            actual: None,
            children: Vec::new(),
        };
        Ok((explained, shape))
    }

    /// First and last time that a selector reads.
    fn reach(&self, node: &Node, selector: &Selector, grid: &Grid) -> (Timestamp, Timestamp) {
        match &node.op {
            Op::Range { source, .. } | Op::Matrix(source) | Op::AbsentOverTime { source, .. } => {
                Ends::of(source, self.evaluator.lookback_ms).reach(grid)
            }
            _ => (selector.hints.start, selector.hints.end),
        }
    }
}

/// `count` of the numbers below `len`, spread evenly.
fn evenly(len: usize, count: usize) -> impl ExactSizeIterator<Item = usize> {
    let count = count.min(len);
    (0..count).map(move |nth| nth * len / count.max(1))
}

/// Columns that a node holds until its input has ended.
fn held_columns(node: &Node, inputs: &[Shape]) -> f64 {
    let series = |nth: usize| inputs.get(nth).map_or(0.0, |shape| shape.series);
    match &node.op {
        Op::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio
            | AggregateOp::Quantile => series(0),
            _ => 3.0 * groups(aggregate, inputs.first()),
        },
        Op::VectorVector { .. } => series(0) + series(1),
        Op::HistogramQuantile { .. }
        | Op::HistogramFraction { .. }
        | Op::Sort { .. }
        | Op::SortByLabel { .. }
        | Op::LabelReplace { .. }
        | Op::LabelJoin { .. }
        | Op::Info { .. }
        | Op::Invariant(_) => series(0),
        _ => 0.0,
    }
}

/// How many groups the series form.
fn groups(aggregate: &Aggregate, input: Option<&Shape>) -> f64 {
    let Some(input) = input.filter(|input| input.series > 0.0) else {
        return 0.0;
    };
    let sets = input.labels.iter();
    let found: HashSet<Labels> = sets.map(|labels| group_labels(aggregate, labels)).collect();
    let (groups, probed) = (found.len() as f64, input.labels.len() as f64);
    // Where nearly each series seen is a group of its own the others are, too.
    if groups > probed / 2.0 {
        input.series * groups / probed.max(1.0)
    } else {
        groups
    }
}

/// What comes out of a node that this comes into.
fn shape(node: &Node, inputs: Vec<Shape>, grid: &Grid) -> Shape {
    let steps = grid.len as f64;
    let mut inputs = inputs.into_iter();
    let first = inputs.next().unwrap_or_default();
    match &node.op {
        Op::Aggregate(aggregate) => {
            let count = groups(aggregate, Some(&first));
            let keeps = matches!(
                aggregate.op,
                AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk
            );
            let is_limited = keeps && param(aggregate).is_some();
            let series = match aggregate.op {
                _ if is_limited => (count * param(aggregate).unwrap_or(0.0)).min(first.series),
                AggregateOp::LimitRatio | AggregateOp::CountValues => first.series,
                _ if keeps => first.series,
                _ => count,
            };
            let labels = if keeps || aggregate.op == AggregateOp::LimitRatio {
                first.labels
            } else {
                let sets = first.labels.iter();
                sets.map(|labels| group_labels(aggregate, labels)).collect()
            };
            Shape {
                series,
                points_per_series: first.points_per_series,
                labels,
            }
        }
        Op::VectorVector { op, matching, .. } => {
            let second = inputs.next().unwrap_or_default();
            match (op, matching.card) {
                (BinaryOp::Or, _) => Shape {
                    series: first.series + second.series,
                    ..first
                },
                (_, Cardinality::OneToMany) => second,
                _ => first,
            }
        }
        Op::HistogramQuantile { quantiles, .. } => Shape {
            // A classic histogram has about ten buckets.
            series: (first.series / 10.0).ceil() * quantiles.len() as f64,
            ..first
        },
        Op::HistogramFraction { .. } => Shape {
            series: (first.series / 10.0).ceil(),
            ..first
        },
        Op::Absent { .. } | Op::AbsentOverTime { .. } | Op::ToVector(_) | Op::Time => {
            one_series(steps)
        }
        Op::TimePart { vector: None, .. } => one_series(steps),
        _ if node.value_type == ValueType::Scalar => one_series(steps),
        // What has values has them at all steps.
        _ => Shape {
            points_per_series: if first.points_per_series > 0.0 {
                steps
            } else {
                0.0
            },
            ..first
        },
    }
}

fn one_series(steps: f64) -> Shape {
    Shape {
        series: 1.0,
        points_per_series: steps,
        labels: Vec::new(),
    }
}

/// The parameter of an aggregation, if it is a number as it stands.
fn param(aggregate: &Aggregate) -> Option<f64> {
    match aggregate.param.as_deref().map(|param| &param.op) {
        Some(Op::Number(number)) => Some(*number),
        _ => None,
    }
}
