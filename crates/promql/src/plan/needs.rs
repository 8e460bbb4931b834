//! What is needed of the series that selectors find: an aggregation looks at the labels that it
//! groups by, a count at none, and it may count in any order. Stores then need not make labels that
//! nobody looks at.

use std::sync::Arc;

use model::label_name::METRIC_NAME;
use promql_parser::ast::AggregateOp;

use crate::plan::{Aggregate, Node, Op, RangeSource};

/// What is needed of the series of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Names of labels, sorted; `None` for all.
    pub(crate) labels: Option<Arc<[String]>>,
    /// Whether series must come in label order.
    pub(crate) ordered: bool,
    /// Series of one metric lose their name on the way up. That leaves them apart, so that nobody
    /// has to compare all their labels, unless the store has labels of types or units, which go
    /// with the name.
    pub(crate) loses_name: bool,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            labels: None,
            ordered: true,
            loses_name: false,
        }
    }
}

impl Need {
    /// Of what is aggregated.
    fn of_aggregated(aggregate: &Aggregate) -> Self {
        if aggregate.without {
            return Self::default();
        }
        let counts = matches!(aggregate.op, AggregateOp::Count | AggregateOp::Group);
        let adds = matches!(
            aggregate.op,
            AggregateOp::Sum
                | AggregateOp::Avg
                | AggregateOp::Min
                | AggregateOp::Max
                | AggregateOp::Stddev
                | AggregateOp::Stdvar
                | AggregateOp::Quantile
        );
        if !counts && !adds {
            return Self::default();
        }
        let mut labels = aggregate.grouping.clone();
        if adds {
            // Remarks about histograms tell the metric.
            add_name(&mut labels);
        }
        Self {
            labels: Some(labels.into()),
            ordered: !(counts && aggregate.is_one_group()),
            loses_name: false,
        }
    }

    /// The same below a function that takes the name off and tells it in remarks.
    fn below_function(&self) -> Self {
        let labels = self.labels.as_ref().map(|labels| {
            let mut labels = labels.to_vec();
            add_name(&mut labels);
            labels.into()
        });
        Self {
            labels,
            ordered: self.ordered,
            loses_name: true,
        }
    }
}

fn add_name(labels: &mut Vec<String>) {
    if let Err(place) = labels.binary_search_by(|label| label.as_str().cmp(METRIC_NAME)) {
        labels.insert(place, METRIC_NAME.to_owned());
    }
}

/// Notes at each selector below `node` what is needed of it if `need` is needed of `node`.
pub(crate) fn note(node: &mut Node, need: &Need) {
    match &mut node.op {
        Op::Selector(selector) => selector.need = need.clone(),
        Op::Invariant(vector) => note(vector, need),
        Op::Aggregate(aggregate) => {
            let below = Need::of_aggregated(aggregate);
            note(&mut aggregate.vector, &below);
            if let Some(param) = &mut aggregate.param {
                note(param, &Need::default());
            }
        }
        Op::Range { source, params, .. } => {
            note_source(source, need);
            for param in params {
                note(param, &Need::default());
            }
        }
        Op::Map { vector, params, .. } => {
            note_kept_apart(vector, need);
            for param in params {
                note(param, &Need::default());
            }
        }
        Op::HistogramMap { vector, .. } | Op::Negate(vector) => note_kept_apart(vector, need),
        Op::TimePart {
            vector: Some(vector),
            ..
        } => note_kept_apart(vector, need),
        Op::VectorScalar { vector, scalar, .. } => {
            note_kept_apart(vector, need);
            note(scalar, &Need::default());
        }
        _ => children(node)
            .into_iter()
            .for_each(|child| note(child, &Need::default())),
    }
}

/// Of a vector whose series lose their name: all labels, if nothing else keeps them apart.
fn note_kept_apart(vector: &mut Node, need: &Need) {
    let below = if vector.has_one_name() {
        need.below_function()
    } else {
        Need::default()
    };
    note(vector, &below);
}

fn note_source(source: &mut RangeSource, need: &Need) {
    let one_name = source.has_one_name();
    match source {
        RangeSource::Selector { selector, .. } if one_name => selector.need = need.below_function(),
        RangeSource::Selector { .. } => {}
        RangeSource::Subquery { node, .. } => note(node, &Need::default()),
    }
}

/// The nodes right below one that needs all of what they give.
fn children(node: &mut Node) -> Vec<&mut Node> {
    match &mut node.op {
        Op::HistogramQuantile {
            vector, quantiles, ..
        } => std::iter::once(&mut **vector).chain(quantiles).collect(),
        Op::HistogramFraction {
            vector,
            lower,
            upper,
        } => vec![vector, lower, upper],
        Op::Absent { vector, .. }
        | Op::LabelReplace { vector, .. }
        | Op::LabelJoin { vector, .. }
        | Op::Sort { vector, .. }
        | Op::SortByLabel { vector, .. }
        | Op::Info { vector, .. }
        | Op::ToVector(vector)
        | Op::ToScalar(vector) => vec![vector],
        Op::Extreme { left, right, .. }
        | Op::ScalarScalar { left, right, .. }
        | Op::VectorVector { left, right, .. } => vec![left, right],
        Op::Matrix(source) | Op::AbsentOverTime { source, .. } => match source {
            RangeSource::Subquery { node, .. } => vec![node],
            RangeSource::Selector { .. } => Vec::new(),
        },
        _ => Vec::new(),
    }
}
