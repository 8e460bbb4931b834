//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: instant queries only.

use std::cmp::Ordering;

use crate::column::{Grid, Series};
use crate::error::QueryError;
use crate::exec::{Evaluator, Sink};
use crate::plan::Node;

impl Evaluator<'_> {
    pub(super) fn sort(
        &self,
        node: &Node,
        vector: &Node,
        descending: bool,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if self.warn_of_range(node, grid) {
            return self.vector(vector, grid, sink);
        }
        let mut floats: Vec<(f64, Series)> = Vec::new();
        self.vector(vector, grid, &mut |series| {
            floats.extend(series.column.float(0).map(|value| (value, series)));
            Ok(())
        })?;
        gocompat::sort::sort(&mut floats, &mut |(a, _), (b, _)| {
            before(*a, *b, descending)
        });
        floats.into_iter().try_for_each(|(_, series)| sink(series))
    }

    pub(super) fn sort_by_label(
        &self,
        node: &Node,
        vector: &Node,
        labels: &[String],
        descending: bool,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if self.warn_of_range(node, grid) {
            return self.vector(vector, grid, sink);
        }
        let mut all = self.collect(vector, grid)?;
        gocompat::sort::sort(&mut all, &mut |a, b| {
            let order = by_labels(a, b, labels);
            let wanted = if descending {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            order == wanted
        });
        all.into_iter().try_for_each(sink)
    }

    fn warn_of_range(&self, node: &Node, grid: &Grid) -> bool {
        if grid.is_instant() {
            return false;
        }
        self.notes.borrow_mut().warn(
            "sort is ineffective for range queries since results are always ordered by labels"
                .to_owned(),
            node.pos,
        );
        true
    }
}

/// Whether `a` comes before `b` in a list of values, NaN being last. As in the reference a NaN comes
/// before another NaN.
pub(super) fn before(a: f64, b: f64, descending: bool) -> bool {
    b.is_nan() || if descending { b < a } else { b > a }
}

/// By the named labels in natural order, then by all labels.
fn by_labels(a: &Series, b: &Series, labels: &[String]) -> Ordering {
    for name in labels {
        let (a, b) = (a.labels.value_or_empty(name), b.labels.value_or_empty(name));
        let order = if a == b {
            Ordering::Equal
        } else {
            gocompat::natural_sort::compare(a, b)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.labels.cmp(&b.labels)
}
