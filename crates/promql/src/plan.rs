//! Prepared expressions: durations resolved, selectors listed with their times, subtrees that do
//! not change with the step marked, functions resolved to what carries them out.

pub(crate) mod duration;
mod lower;
mod needs;

use std::sync::Arc;

use model::label_name::METRIC_NAME;
use model::{MatchOp, Matcher, Timestamp};
use promql_parser::ast::{AggregateOp, BinaryOp, PosRange, ValueType, VectorMatching};
use storage::SelectHints;

use crate::functions::{HistogramMap, MapFunction, RangeFunction, TimePart};

pub(crate) use lower::{aggregate_name, lower};
pub(crate) use needs::Need;

/// Times and settings of a query that its plan depends on.
#[derive(Debug, Clone)]
pub(crate) struct QueryTimes {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// Milliseconds; 0 for an instant query.
    pub(crate) step_ms: i64,
    pub(crate) lookback_ms: i64,
    /// Step of subqueries that give none.
    pub(crate) subquery_step_ms: i64,
}

/// A node of the plan.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    /// Where its text is.
    pub(crate) pos: PosRange,
    /// Where remarks of what is around it put it: with its parentheses, mostly.
    pub(crate) outer_pos: PosRange,
    pub(crate) value_type: ValueType,
}

impl Node {
    /// Whether all its series surely have the same metric name, or none: then they are still apart
    /// without it.
    pub(crate) fn has_one_name(&self) -> bool {
        match &self.op {
            Op::Selector(selector) | Op::SampleTime { selector, .. } => selector.has_one_name(),
            Op::Range { source, .. } => source.has_one_name(),
            Op::Map { vector, .. }
            | Op::HistogramMap { vector, .. }
            | Op::VectorScalar { vector, .. }
            | Op::Negate(vector)
            | Op::Invariant(vector) => vector.has_one_name(),
            Op::Aggregate(aggregate) => match aggregate.op {
                AggregateOp::Topk
                | AggregateOp::Bottomk
                | AggregateOp::Limitk
                | AggregateOp::LimitRatio => aggregate.vector.has_one_name(),
                AggregateOp::CountValues => false,
                _ => aggregate.without || aggregate.grouping.iter().all(|l| l != METRIC_NAME),
            },
            _ => false,
        }
    }
}

/// What a node does.
#[derive(Debug)]
pub(crate) enum Op {
    Number(f64),
    Text(String),
    /// Newest sample within the lookback.
    Selector(Selector),
    /// Time of the newest sample of a selector, or its start time.
    SampleTime {
        selector: Selector,
        start_time: bool,
    },
    /// A range vector as the result of an instant query.
    Matrix(RangeSource),
    /// A function of a range vector.
    Range {
        function: RangeFunction,
        source: RangeSource,
        params: Vec<Node>,
        range_pos: PosRange,
    },
    AbsentOverTime {
        source: RangeSource,
        labels: model::Labels,
    },
    Absent {
        vector: Box<Node>,
        labels: model::Labels,
    },
    /// A function of single numbers.
    Map {
        function: MapFunction,
        vector: Box<Node>,
        params: Vec<Node>,
    },
    HistogramMap {
        function: HistogramMap,
        vector: Box<Node>,
    },
    TimePart {
        part: TimePart,
        vector: Option<Box<Node>>,
    },
    /// Classic or native, one or several quantiles (then with their label).
    HistogramQuantile {
        vector: Box<Node>,
        quantiles: Vec<Node>,
        label: Option<String>,
    },
    HistogramFraction {
        vector: Box<Node>,
        lower: Box<Node>,
        upper: Box<Node>,
    },
    LabelReplace {
        vector: Box<Node>,
        texts: Box<[String; 4]>,
    },
    LabelJoin {
        vector: Box<Node>,
        target: String,
        separator: String,
        sources: Vec<String>,
    },
    Sort {
        vector: Box<Node>,
        descending: bool,
    },
    SortByLabel {
        vector: Box<Node>,
        labels: Vec<String>,
        descending: bool,
    },
    /// `info(vector, selector)`
    Info {
        vector: Box<Node>,
        selector: InfoSelector,
    },
    /// `vector(scalar)`
    ToVector(Box<Node>),
    /// `scalar(vector)`
    ToScalar(Box<Node>),
    Time,
    Extreme {
        larger: bool,
        left: Box<Node>,
        right: Box<Node>,
    },
    Aggregate(Aggregate),
    ScalarScalar {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    VectorScalar {
        op: BinaryOp,
        vector: Box<Node>,
        scalar: Box<Node>,
        swapped: bool,
        return_bool: bool,
    },
    VectorVector {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
        matching: VectorMatching,
        return_bool: bool,
    },
    Negate(Box<Node>),
    /// Always an error: what the parser lets through and no evaluation accepts.
    Fail(String),
    /// Evaluated once; the value holds at every step.
    Invariant(Box<Node>),
}

/// `op by (…) (param, vector)`
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) vector: Box<Node>,
    pub(crate) param: Option<Box<Node>>,
    /// Sorted.
    pub(crate) grouping: Vec<String>,
    pub(crate) without: bool,
}

impl Aggregate {
    /// Whether all series are of one group.
    pub(crate) fn is_one_group(&self) -> bool {
        !self.without && self.grouping.is_empty()
    }
}

/// A selector with its times worked out.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    pub(crate) matchers: Arc<[Matcher]>,
    pub(crate) offset_ms: i64,
    /// `@`
    pub(crate) at: Option<Timestamp>,
    pub(crate) extension: Extension,
    /// Only counts and sums of histograms matter: then, as in the reference, resets are looked for
    /// while samples are read, and known where hints are compared.
    pub(crate) counts_only: bool,
    pub(crate) need: Need,
    pub(crate) hints: SelectHints,
}

impl Selector {
    /// Whether all its series have the same metric name.
    pub(crate) fn has_one_name(&self) -> bool {
        let is_name = |matcher: &Matcher| {
            *matcher.name == *METRIC_NAME
                && matcher.op == MatchOp::Equal
                && !matcher.value.is_empty()
        };
        self.matchers.iter().any(is_name)
    }
}

/// What a selector makes of the borders of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Extension {
    #[default]
    None,
    /// The newest sample before the window counts as standing at its left border.
    Anchored,
    /// Values at the borders are interpolated between the samples around them.
    Smoothed,
}

impl Extension {
    /// Milliseconds to read before and after a window.
    pub(crate) fn margins_ms(self, lookback_ms: i64) -> (i64, i64) {
        match self {
            Self::None => (0, 0),
            Self::Anchored => (lookback_ms, 0),
            Self::Smoothed => (lookback_ms, lookback_ms),
        }
    }

    /// The modifier as written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// Which info series the function `info` looks for and what it takes from them.
#[derive(Debug)]
pub(crate) struct InfoSelector {
    /// What the names of info series must satisfy.
    pub(crate) names: Vec<Matcher>,
    /// What their other labels must satisfy; these labels are taken, or all if there are none.
    pub(crate) data: Vec<Matcher>,
    /// `@` and offset of the first selector in the function's first argument: as in the reference
    /// they move the samples of info series that are seen, though not when they are looked at.
    pub(crate) at: Option<Timestamp>,
    pub(crate) offset_ms: i64,
}

/// Where a range vector comes from.
#[derive(Debug)]
pub(crate) enum RangeSource {
    Selector {
        selector: Selector,
        range_ms: i64,
    },
    Subquery {
        node: Box<Node>,
        range_ms: i64,
        step_ms: i64,
        offset_ms: i64,
        at: Option<Timestamp>,
    },
}

impl RangeSource {
    /// Width of the window, milliseconds.
    pub(crate) fn range_ms(&self) -> i64 {
        match self {
            Self::Selector { range_ms, .. } | Self::Subquery { range_ms, .. } => *range_ms,
        }
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        match self {
            Self::Selector { selector, .. } => selector.offset_ms,
            Self::Subquery { offset_ms, .. } => *offset_ms,
        }
    }

    pub(crate) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Selector { selector, .. } => selector.at,
            Self::Subquery { at, .. } => *at,
        }
    }

    /// Whether all its series have the same metric name.
    pub(crate) fn has_one_name(&self) -> bool {
        match self {
            Self::Selector { selector, .. } => selector.has_one_name(),
            Self::Subquery { node, .. } => node.has_one_name(),
        }
    }

    pub(crate) fn extension(&self) -> Extension {
        match self {
            Self::Selector { selector, .. } => selector.extension,
            Self::Subquery { .. } => Extension::None,
        }
    }
}

/// A whole query, ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) root: Node,
    /// First and last time any selector looks at; `None` if there is no selector.
    pub(crate) bounds: Option<(Timestamp, Timestamp)>,
}
