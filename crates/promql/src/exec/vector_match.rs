//! Binary operators between vectors: which series belong together does not change with the steps,
//! so it is worked out once; what is present decides at each step.

use std::collections::HashMap;

use model::label_name::{METADATA_LABELS, METRIC_NAME};
use model::{Labels, LabelsBuilder};
use promql_parser::ast::{BinaryOp, Cardinality, VectorMatching};

use crate::column::{Column, Grid, Point, Series};
use crate::error::QueryError;
use crate::exec::binary::{self, Outcome};
use crate::exec::labels::label_text;
use crate::exec::{Evaluator, Joined, LabelsMap, Sink, same_labelset};
use crate::plan::Node;

/// What kind of vector-vector operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) op: BinaryOp,
    pub(super) matching: &'a VectorMatching,
    pub(super) return_bool: bool,
}

impl Shape<'_> {
    /// The labels by which a series is matched.
    fn signature(&self, labels: &Labels) -> Labels {
        let mut names: Vec<&str> = self.matching.labels.iter().map(String::as_str).collect();
        if self.matching.on {
            return labels.only(&names);
        }
        names.push(METRIC_NAME);
        labels.without(&names)
    }

    fn drops_name(&self) -> bool {
        self.return_bool || binary::drops_name(self.op)
    }
}

/// Numbers for match groups.
#[derive(Default)]
struct Signatures {
    index: LabelsMap<usize>,
    labels: Vec<Labels>,
}

impl Signatures {
    fn of(&mut self, shape: &Shape<'_>, series: &[Series]) -> Vec<usize> {
        series
            .iter()
            .map(|series| {
                let signature = shape.signature(&series.labels);
                let next = self.labels.len();
                *self.index.entry(signature).or_insert_with_key(|signature| {
                    self.labels.push(signature.clone());
                    next
                })
            })
            .collect()
    }
}

impl Evaluator<'_> {
    pub(super) fn vector_vector(
        &self,
        node: &Node,
        shape: Shape<'_>,
        (left, right): (&Node, &Node),
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let left = self.collect(left, grid)?;
        let right = self.collect(right, grid)?;
        let mut signatures = Signatures::default();
        let left_groups = signatures.of(&shape, &left);
        let right_groups = signatures.of(&shape, &right);
        match shape.op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
                let groups = (left_groups.as_slice(), right_groups.as_slice());
                set_operation(
                    shape.op,
                    (left, right),
                    groups,
                    signatures.labels.len(),
                    sink,
                )
            }
            _ => {
                let swapped = shape.matching.card == Cardinality::OneToMany;
                let (many, many_groups, one, one_groups) = if swapped {
                    (&right, &right_groups, &left, &left_groups)
                } else {
                    (&left, &left_groups, &right, &right_groups)
                };
                let mut join = Join {
                    evaluator: self,
                    node,
                    shape,
                    swapped,
                    many,
                    many_groups,
                    one,
                    one_groups,
                    groups: &signatures.labels,
                    results: Results::default(),
                    steps: grid.len,
                    ones: Vec::new(),
                    matched: Vec::new(),
                    inserted: Vec::new(),
                };
                for step in 0..grid.len {
                    join.step(step)?;
                }
                join.results.series.into_iter().try_for_each(sink)
            }
        }
    }
}

fn set_operation(
    op: BinaryOp,
    (left, right): (Vec<Series>, Vec<Series>),
    (left_groups, right_groups): (&[usize], &[usize]),
    group_count: usize,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let steps = left
        .iter()
        .chain(&right)
        .map(|series| series.column.len())
        .max()
        .unwrap_or(0);
    let presence = |side: &[Series], groups: &[usize]| {
        let mut present = vec![false; group_count * steps];
        for (series, group) in side.iter().zip(groups) {
            for step in 0..steps {
                if series.column.is_present(step) {
                    present[group * steps + step] = true;
                }
            }
        }
        present
    };
    let mask = |series: &mut Series, group: usize, present: &[bool], keep: bool| {
        for step in 0..steps {
            if present[group * steps + step] != keep {
                series.column.remove(step);
            }
        }
    };
    // "and" keeps what the other side has, "or" and "unless" what it does not have.
    if op == BinaryOp::Or {
        let present = presence(&left, left_groups);
        let mut joined = Joined::default();
        left.into_iter().try_for_each(|series| joined.add(series))?;
        for (mut series, group) in right.into_iter().zip(right_groups) {
            mask(&mut series, *group, &present, false);
            joined.add(series)?;
        }
        return joined.into_series().into_iter().try_for_each(sink);
    }
    let present = presence(&right, right_groups);
    for (mut series, group) in left.into_iter().zip(left_groups) {
        mask(&mut series, *group, &present, op == BinaryOp::And);
        if series.column.count() > 0 {
            sink(series)?;
        }
    }
    Ok(())
}

/// An operation other than the set operators, being carried out.
struct Join<'a, 'e> {
    evaluator: &'a Evaluator<'e>,
    node: &'a Node,
    shape: Shape<'a>,
    /// The "many" side is the right one.
    swapped: bool,
    many: &'a [Series],
    many_groups: &'a [usize],
    one: &'a [Series],
    one_groups: &'a [usize],
    /// Labels of the match groups.
    groups: &'a [Labels],
    results: Results,
    steps: usize,
    /// Series of the "one" side by match group, at this step.
    ones: Vec<Option<usize>>,
    /// Step, counted from 1, at which a match group was last seen; step and match group of a result.
    matched: Vec<usize>,
    inserted: Vec<(usize, usize)>,
}

/// Stamps `index`; `false` if it has that stamp already.
fn mark<T: Copy + Default + PartialEq>(seen: &mut Vec<T>, index: usize, stamp: T) -> bool {
    if seen.len() <= index {
        seen.resize(index + 1, T::default());
    }
    seen.get_mut(index)
        .is_some_and(|seen| std::mem::replace(seen, stamp) != stamp)
}

#[derive(Default)]
struct Results {
    /// Result of a pair (many, one); `None` is the side that was filled in.
    by_pair: HashMap<(Option<usize>, Option<usize>, usize), usize>,
    /// The newest of these by series of the "many" side: mostly the next one too.
    newest: Vec<Option<(Option<usize>, usize)>>,
    by_labels: LabelsMap<usize>,
    series: Vec<Series>,
}

impl Join<'_, '_> {
    /// Value for a missing element of the "many" side, of the "one" side. As in the reference,
    /// `fill_left` means the "many" side with `group_right` too, although that stands right.
    fn fills(&self) -> (Option<f64>, Option<f64>) {
        (self.shape.matching.fill_lhs, self.shape.matching.fill_rhs)
    }

    fn step(&mut self, step: usize) -> Result<(), QueryError> {
        let (fill_many, fill_one) = self.fills();
        let some_many = self
            .many
            .iter()
            .any(|series| series.column.is_present(step));
        let some_one = self.one.iter().any(|series| series.column.is_present(step));
        let both = some_many && some_one;
        let filled = some_many && fill_one.is_some() || some_one && fill_many.is_some();
        if !both && !filled {
            return Ok(());
        }
        self.find_ones(step)?;
        let stamp = step + 1;
        for (many_idx, (many, group)) in self.many.iter().zip(self.many_groups).enumerate() {
            let Some(many_point) = many.column.point(step) else {
                continue;
            };
            let one_idx = self.ones.get(*group).copied().flatten();
            let one_point = match one_idx {
                Some(one) => self
                    .one
                    .get(one)
                    .and_then(|series| series.column.point(step)),
                None => fill_one.map(Point::Float),
            };
            let Some(one_point) = one_point else { continue };
            let result = self.apply(&many_point, &one_point);
            if result == Some(None) {
                continue;
            }
            let output = self.result_of(Some(many_idx), one_idx, *group);
            let first = mark(&mut self.matched, *group, stamp);
            if self.shape.matching.card == Cardinality::OneToOne {
                if !first {
                    return Err(multiple(
                        "many-to-one matching must be explicit (group_left/group_right)",
                    ));
                }
            } else if !mark(&mut self.inserted, output, (stamp, *group)) {
                return Err(multiple("grouping labels must ensure unique matches"));
            }
            if let Some(Some(point)) = result {
                self.put(output, step, point)?;
            }
        }
        let Some(fill_many) = fill_many else {
            return Ok(());
        };
        for (one_idx, (one, group)) in self.one.iter().zip(self.one_groups).enumerate() {
            let Some(one_point) = one.column.point(step) else {
                continue;
            };
            if self.matched.get(*group) == Some(&stamp) {
                continue;
            }
            if let Some(Some(point)) = self.apply(&Point::Float(fill_many), &one_point) {
                let output = self.result_of(None, Some(one_idx), *group);
                self.put(output, step, point)?;
            }
        }
        Ok(())
    }

    /// Finds which series of the "one" side stands for each match group at a step.
    fn find_ones(&mut self, step: usize) -> Result<(), QueryError> {
        self.ones.clear();
        self.ones.resize(self.groups.len(), None);
        for (index, (series, group)) in self.one.iter().zip(self.one_groups).enumerate() {
            if !series.column.is_present(step) {
                continue;
            }
            let Some(slot) = self.ones.get_mut(*group) else {
                continue;
            };
            if let Some(first) = *slot {
                return Err(self.duplicate(*group, first, index));
            }
            *slot = Some(index);
        }
        Ok(())
    }

    fn duplicate(&self, group: usize, first: usize, second: usize) -> QueryError {
        let side = if self.swapped { "left" } else { "right" };
        let text = |index: usize| {
            self.one
                .get(index)
                .map_or(String::new(), |s| label_text(&s.labels))
        };
        let mut pair = [text(first), text(second)];
        pair.sort();
        let group = self.groups.get(group).map_or(String::new(), label_text);
        QueryError::Execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the \
             operation: [{}];many-to-many matching not allowed: matching labels must be unique on \
             one side",
            pair.join(", ")
        ))
    }

    /// `Some(None)`: the types do not go together; `None`: filtered away.
    #[expect(
        clippy::option_option,
        reason = "a filtered pair still counts as a match"
    )]
    fn apply(&self, many: &Point, one: &Point) -> Option<Option<Point>> {
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        let mut notes = self.evaluator.notes.borrow_mut();
        match binary::samples(self.shape.op, left, right, self.node.pos, &mut notes) {
            Outcome::Nothing => Some(None),
            Outcome::Value(point) => Some(Some(point)),
            Outcome::Compared(holds) if self.shape.return_bool => Some(Some(binary::truth(holds))),
            Outcome::Compared(true) => Some(Some(left.clone())),
            Outcome::Compared(false) => None,
        }
    }

    /// The result series of a pair.
    fn result_of(&mut self, many: Option<usize>, one: Option<usize>, group: usize) -> usize {
        if let Some(many) = many
            && let Some(Some((known, output))) = self.results.newest.get(many)
            && *known == one
        {
            return *output;
        }
        let output = self.new_result_of(many, one, group);
        if let Some(many) = many {
            let newest = &mut self.results.newest;
            newest.resize(newest.len().max(many + 1), None);
            if let Some(slot) = newest.get_mut(many) {
                *slot = Some((one, output));
            }
        }
        output
    }

    fn new_result_of(&mut self, many: Option<usize>, one: Option<usize>, group: usize) -> usize {
        if let Some(found) = self.results.by_pair.get(&(many, one, group)) {
            return *found;
        }
        let group_labels = self.groups.get(group);
        let labels_of = |side: &[Series], index: Option<usize>| match index {
            Some(index) => side.get(index).map(|series| series.labels.clone()),
            None => group_labels.cloned(),
        };
        let many_labels = labels_of(self.many, many).unwrap_or_default();
        let one_labels = labels_of(self.one, one).unwrap_or_default();
        let labels = self.result_labels(&many_labels, &one_labels);
        let next = self.results.series.len();
        let index = *self.results.by_labels.entry(labels).or_insert(next);
        if index == next {
            let labels = self.result_labels(&many_labels, &one_labels);
            let drop_name = self.evaluator.delayed_name_removal && self.shape.drops_name();
            let column = Column::absent(self.steps);
            self.results.series.push(Series {
                labels,
                drop_name,
                column,
            });
        }
        self.results.by_pair.insert((many, one, group), index);
        index
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = self.shape.matching;
        let mut builder = LabelsBuilder::from_labels(many);
        if self.shape.drops_name() && !self.evaluator.delayed_name_removal {
            for name in METADATA_LABELS {
                builder.remove(name);
            }
        }
        if matching.card == Cardinality::OneToOne {
            builder.retain(|name, _| matching.labels.iter().any(|l| l == name) == matching.on);
        }
        for name in &matching.include {
            builder.set(name, one.value_or_empty(name));
        }
        builder.labels()
    }

    fn put(&mut self, output: usize, step: usize, point: Point) -> Result<(), QueryError> {
        let Some(series) = self.results.series.get_mut(output) else {
            return Ok(());
        };
        if series.column.is_present(step) {
            return Err(same_labelset());
        }
        series.column.set(step, point);
        Ok(())
    }
}

fn multiple(text: &str) -> QueryError {
    QueryError::Execution(format!("multiple matches for labels: {text}"))
}
