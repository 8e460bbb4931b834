//! What a query will do, before it runs and after: the plan as a tree with the cost of each node,
//! estimated from the series that it selects and a few of their samples, and measured if it ran.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::plan::{Node, Op, RangeSource, Selector, aggregate_name};

mod estimate;
#[cfg(test)]
mod tests;

pub(crate) use estimate::Estimator;

/// A node of a plan, with what is below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What the node is: `selector`, `range function`, `aggregate sum`.
    pub name: String,
    /// The part of the query that it stands for.
    pub expr: String,
    /// What it is expected to cost, without what is below it.
    pub estimate: Estimate,
    /// What it did cost; `None` if it did not run, or not as a node of its own.
    pub actual: Option<Actual>,
    /// What it takes its input from.
    pub children: Vec<Self>,
}

/// Expected cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// Series that come out.
    pub series: u64,
    /// Samples that are read from the store.
    pub samples: u64,
    /// Values that come out, over all steps.
    pub points: u64,
    /// Bytes that are held at a time.
    pub bytes: u64,
    /// Processor time, nanoseconds on a machine of 2.5 GHz.
    pub nanoseconds: u64,
}

impl Estimate {
    fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.bytes += other.bytes;
        self.nanoseconds += other.nanoseconds;
    }
}

/// Measured cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Actual {
    /// Series that came out.
    pub series: u64,
    /// Values that came out; a histogram counts as several.
    pub points: u64,
    /// Samples that windows held, the node and what is below it.
    pub samples: u64,
    /// Time of the node and what is below it.
    pub time: Duration,
}

impl Explanation {
    /// Expected cost of the node and all below it; series and points are those of the node.
    pub fn total(&self) -> Estimate {
        let mut total = self.estimate;
        for child in &self.children {
            total.add(&child.total());
        }
        total
    }
}

/// Costs of nodes while they run.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    by_node: RefCell<HashMap<*const Node, Actual>>,
}

impl Profile {
    /// Adds a run of a node: inside of subqueries and the like it may run more than once.
    pub(crate) fn add(&self, node: &Node, run: Actual) {
        let mut by_node = self.by_node.borrow_mut();
        let actual = by_node.entry(std::ptr::from_ref(node)).or_default();
        actual.series += run.series;
        actual.points += run.points;
        actual.samples += run.samples;
        actual.time += run.time;
    }

    fn of(&self, node: &Node) -> Option<Actual> {
        let by_node = self.by_node.borrow();
        by_node.get(&std::ptr::from_ref(node)).copied()
    }
}

/// What a node takes its input from.
enum Input<'p> {
    Node(&'p Node),
    Selector(&'p Selector),
    /// A subquery's expression, evaluated at the steps of the subquery.
    Subquery(&'p Node, &'p RangeSource),
}

/// What is right below a node.
fn inputs(node: &Node) -> Vec<Input<'_>> {
    match &node.op {
        Op::Number(_) | Op::Text(_) | Op::Time | Op::Fail(_) => Vec::new(),
        Op::Selector(selector) | Op::SampleTime { selector, .. } => vec![Input::Selector(selector)],
        Op::Matrix(source) | Op::AbsentOverTime { source, .. } => vec![source_input(source)],
        Op::Range { source, params, .. } => {
            let mut inputs = vec![source_input(source)];
            inputs.extend(params.iter().map(Input::Node));
            inputs
        }
        Op::Map { vector, params, .. } => {
            let mut inputs = vec![Input::Node(vector)];
            inputs.extend(params.iter().map(Input::Node));
            inputs
        }
        Op::TimePart { vector, .. } => vector.iter().map(|vector| Input::Node(vector)).collect(),
        Op::HistogramQuantile {
            vector, quantiles, ..
        } => {
            let mut inputs = vec![Input::Node(vector)];
            inputs.extend(quantiles.iter().map(Input::Node));
            inputs
        }
        Op::HistogramFraction {
            vector,
            lower,
            upper,
        } => vec![Input::Node(vector), Input::Node(lower), Input::Node(upper)],
        Op::Absent { vector, .. }
        | Op::HistogramMap { vector, .. }
        | Op::LabelReplace { vector, .. }
        | Op::LabelJoin { vector, .. }
        | Op::Sort { vector, .. }
        | Op::SortByLabel { vector, .. }
        | Op::Info { vector, .. }
        | Op::ToVector(vector)
        | Op::ToScalar(vector)
        | Op::Negate(vector)
        | Op::Invariant(vector) => vec![Input::Node(vector)],
        Op::Extreme { left, right, .. }
        | Op::ScalarScalar { left, right, .. }
        | Op::VectorVector { left, right, .. } => vec![Input::Node(left), Input::Node(right)],
        Op::VectorScalar { vector, scalar, .. } => {
            vec![Input::Node(vector), Input::Node(scalar)]
        }
        Op::Aggregate(aggregate) => {
            let mut inputs = vec![Input::Node(&aggregate.vector)];
            inputs.extend(aggregate.param.iter().map(|param| Input::Node(param)));
            inputs
        }
    }
}

fn source_input(source: &RangeSource) -> Input<'_> {
    match source {
        RangeSource::Selector { selector, .. } => Input::Selector(selector),
        RangeSource::Subquery { node, .. } => Input::Subquery(node, source),
    }
}

/// What a node is, in a few words.
fn name(node: &Node) -> String {
    match &node.op {
        Op::Number(_) => "number".to_owned(),
        Op::Text(_) => "string".to_owned(),
        Op::Selector(_) => "instant selector".to_owned(),
        Op::SampleTime { .. } => "times of samples".to_owned(),
        Op::Matrix(_) => "range".to_owned(),
        Op::Range { .. } => "range function".to_owned(),
        Op::AbsentOverTime { .. } | Op::Absent { .. } => "absent".to_owned(),
        Op::Map { .. } | Op::HistogramMap { .. } | Op::TimePart { .. } | Op::Extreme { .. } => {
            "function".to_owned()
        }
        Op::HistogramQuantile { .. } => "histogram quantile".to_owned(),
        Op::HistogramFraction { .. } => "histogram fraction".to_owned(),
        Op::LabelReplace { .. } | Op::LabelJoin { .. } => "labels".to_owned(),
        Op::Sort { .. } | Op::SortByLabel { .. } => "sort".to_owned(),
        Op::Info { .. } => "join with info series".to_owned(),
        Op::ToVector(_) => "scalar to vector".to_owned(),
        Op::ToScalar(_) => "vector to scalar".to_owned(),
        Op::Time => "time".to_owned(),
        Op::Aggregate(aggregate) => format!("aggregate {}", aggregate_name(aggregate.op)),
        Op::ScalarScalar { op, .. } => format!("scalars {op}"),
        Op::VectorScalar { op, .. } => format!("vector and scalar {op}"),
        Op::VectorVector { op, .. } => format!("join {op}"),
        Op::Negate(_) => "negate".to_owned(),
        Op::Fail(_) => "error".to_owned(),
        Op::Invariant(_) => "once for all steps".to_owned(),
    }
}
