//! Aggregations that pick series: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use model::Labels;
use promql_parser::ast::AggregateOp;

use crate::column::{Column, Grid, Kind, Series};
use crate::error::QueryError;
use crate::exec::aggregate::Groups;
use crate::exec::sort::before;
use crate::exec::{Evaluator, Sink};
use crate::plan::{Aggregate, Node};

impl Evaluator<'_> {
    pub(super) fn select_series(
        &self,
        node: &Node,
        aggregate: &Aggregate,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let params = self.param(aggregate, grid)?;
        if aggregate.op == AggregateOp::LimitRatio {
            return self.limit_ratio(aggregate, &params, grid, sink);
        }
        let mut all: Vec<Series> = Vec::new();
        let mut groups: Groups<Vec<usize>> = Groups::default();
        let mut ignored = false;
        self.vector(&aggregate.vector, grid, &mut |series| {
            ignored |= series.column.has_histograms();
            groups
                .of(self, aggregate, &series, 0, Vec::new)?
                .push(all.len());
            all.push(series);
            Ok(())
        })?;
        let extremes = Extremes::of(&params);
        if extremes.most < 1.0 {
            return Ok(());
        }
        let limits = limits(&params, &extremes)?;
        if ignored && aggregate.op != AggregateOp::Limitk {
            self.note_ignored(aggregate, node.pos);
        }
        let mut picked: Vec<Column> = vec![Column::absent(grid.len); all.len()];
        let mut order = Vec::new();
        for (_, _, members) in &groups.all {
            for (step, limit) in limits.iter().enumerate() {
                let chosen = pick(aggregate.op, &all, members, step, *limit);
                for index in &chosen {
                    let point = all.get(*index).and_then(|series| series.column.point(step));
                    if let (Some(column), Some(point)) = (picked.get_mut(*index), point) {
                        column.set(step, point);
                    }
                }
                if grid.is_instant() {
                    order.extend(chosen);
                }
            }
        }
        if !grid.is_instant() {
            order = (0..all.len()).collect();
        }
        for index in order {
            let (Some(series), Some(column)) = (all.get(index), picked.get_mut(index)) else {
                continue;
            };
            if column.count() > 0 {
                sink(Series {
                    column: std::mem::take(column),
                    ..series.clone()
                })?;
            }
        }
        Ok(())
    }

    fn limit_ratio(
        &self,
        aggregate: &Aggregate,
        params: &[f64],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let extremes = Extremes::of(params);
        if extremes.most == 0.0 && extremes.least == 0.0 {
            return Ok(());
        }
        if extremes.any_nan {
            return Err(QueryError::Execution("Ratio value is NaN".to_owned()));
        }
        let pos = aggregate
            .param
            .as_ref()
            .map_or(aggregate.vector.outer_pos, |param| param.pos);
        for ratio in [extremes.most, extremes.least] {
            if ratio.abs() > 1.0 && params.contains(&ratio) {
                self.notes.borrow_mut().warn(
                    format!(
                        "ratio value should be between -1 and 1, got {}, capping to {}",
                        gocompat::float::format_g(ratio),
                        gocompat::float::format_g(ratio.signum()),
                    ),
                    pos,
                );
            }
        }
        self.vector(&aggregate.vector, grid, &mut |mut series| {
            let offset = hash_share(&series.labels);
            for (step, ratio) in params.iter().enumerate() {
                let ratio = ratio.clamp(-1.0, 1.0);
                let keep = if ratio >= 0.0 {
                    offset < ratio
                } else {
                    offset >= 1.0 + ratio
                };
                if !keep {
                    series.column.remove(step);
                }
            }
            if series.column.count() > 0 {
                sink(series)
            } else {
                Ok(())
            }
        })
    }
}

/// Where the labels' hash lies between 0 and 1.
fn hash_share(labels: &Labels) -> f64 {
    labels.hash64() as f64 / u64::MAX as f64
}

/// What is special about the values of a parameter at all steps.
pub(super) struct Extremes {
    pub(super) most: f64,
    pub(super) least: f64,
    pub(super) any_nan: bool,
}

impl Extremes {
    /// Where a value is NaN, so are the extremes.
    pub(super) fn of(params: &[f64]) -> Self {
        let fold = |start: f64, pick: fn(f64, f64) -> f64| {
            params.iter().fold(start, |found, param| {
                if found.is_nan() || param.is_nan() {
                    f64::NAN
                } else {
                    pick(found, *param)
                }
            })
        };
        Self {
            most: fold(f64::NEG_INFINITY, f64::max),
            least: fold(f64::INFINITY, f64::min),
            any_nan: params.iter().any(|param| param.is_nan()),
        }
    }
}

/// Numbers of series to pick, by step.
fn limits(params: &[f64], extremes: &Extremes) -> Result<Vec<usize>, QueryError> {
    let fail = |text: String| Err(QueryError::Execution(text));
    if extremes.any_nan {
        return fail("Parameter value is NaN".to_owned());
    }
    if extremes.least <= i64::MIN as f64 {
        let param = gocompat::float::format_g(extremes.least);
        return fail(format!("Scalar value {param} underflows int64"));
    }
    if extremes.most >= i64::MAX as f64 {
        let param = gocompat::float::format_g(extremes.most);
        return fail(format!("Scalar value {param} overflows int64"));
    }
    Ok(params
        .iter()
        .map(|param| (*param as i64).max(0) as usize)
        .collect())
}

/// The members of a group that an operator picks at one step, best first.
fn pick(
    op: AggregateOp,
    all: &[Series],
    members: &[usize],
    step: usize,
    limit: usize,
) -> Vec<usize> {
    let column = |index: &usize| all.get(*index).map(|series| &series.column);
    if op == AggregateOp::Limitk {
        let present = |index: &&usize| column(index).is_some_and(|c| c.kind(step) != Kind::Absent);
        return members
            .iter()
            .filter(present)
            .take(limit)
            .copied()
            .collect();
    }
    let largest = op == AggregateOp::Topk;
    // The worst is at the root, as in the reference, so that ties fall the same way.
    let mut heap = Heap {
        largest,
        items: Vec::new(),
    };
    for index in members {
        let Some(value) = column(index).and_then(|column| column.float(step)) else {
            continue;
        };
        heap.offer(value, *index, limit);
    }
    gocompat::sort::sort(&mut heap.items, &mut |a, b| before(a.0, b.0, largest));
    heap.items.into_iter().map(|(_, index)| index).collect()
}

/// A bounded binary heap with the worst value at the root.
struct Heap {
    largest: bool,
    items: Vec<(f64, usize)>,
}

impl Heap {
    fn worse(&self, a: usize, b: usize) -> bool {
        let value = |index: usize| self.items.get(index).map_or(f64::NAN, |item| item.0);
        let (a, b) = (value(a), value(b));
        a.is_nan() || if self.largest { a < b } else { a > b }
    }

    fn offer(&mut self, value: f64, index: usize, limit: usize) {
        if self.items.len() < limit {
            self.items.push((value, index));
            self.up();
            return;
        }
        let Some((worst, _)) = self.items.first().copied() else {
            return;
        };
        let beats = if self.largest {
            worst < value
        } else {
            worst > value
        };
        if beats || (worst.is_nan() && !value.is_nan()) {
            if let Some(root) = self.items.first_mut() {
                *root = (value, index);
            }
            self.down();
        }
    }

    fn up(&mut self) {
        let mut child = self.items.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.worse(child, parent) {
                break;
            }
            self.items.swap(parent, child);
            child = parent;
        }
    }

    fn down(&mut self) {
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            if left >= self.items.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.items.len() && self.worse(right, left) {
                right
            } else {
                left
            };
            if !self.worse(child, parent) {
                break;
            }
            self.items.swap(parent, child);
            parent = child;
        }
    }
}
