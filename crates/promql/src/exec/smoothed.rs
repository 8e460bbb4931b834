//! Smoothed instant selectors, and the samples that extended ranges show.

use std::sync::Arc;

use model::Timestamp;
use model::sample::SampleColumns;

use crate::column::{Column, Grid, Point, Series};
use crate::error::QueryError;
use crate::exec::{Evaluator, Sink, storage_error};
use crate::functions::Remarks;
use crate::functions::rate::{interpolated, interpolated_histogram};
use crate::functions::window::{RangeSamples, Slider, Window};
use crate::plan::{Extension, Node, Selector};

impl Evaluator<'_> {
    /// At each step the value of the sample of that time, or one between its neighbours; without a
    /// later sample the newest one. Neighbours are at most the lookback away.
    pub(super) fn smoothed_selector(
        &self,
        node: &Node,
        selector: &Selector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let Some(set) = self.open(&selector.matchers, &selector.hints, true)? else {
            return Ok(());
        };
        let at = |step: usize| {
            let time = selector.at.unwrap_or(grid.time(step));
            time.saturating_sub(selector.offset_ms)
        };
        let margins_ms = Extension::Smoothed.margins_ms(self.lookback_ms);
        let mint = at(0).saturating_sub(margins_ms.0).saturating_add(1);
        let maxt = at(grid.len.saturating_sub(1)).saturating_add(margins_ms.1);
        let mut columns = SampleColumns::default();
        let mut samples = RangeSamples::default();
        for index in 0..set.len() {
            self.check()?;
            set.read(index, mint, maxt, &mut columns)
                .map_err(storage_error)?;
            samples.take(&mut columns);
            if samples.is_empty() {
                continue;
            }
            let labels = set.labels(index);
            let mut slider = Slider::extended(Extension::Smoothed, margins_ms);
            let mut column = Column::absent(grid.len);
            for step in 0..grid.len {
                let time = at(step);
                let (window, fresh) = slider.window(&samples, time, time, time);
                self.counters.read(step, window.sample_count(), fresh);
                let mut notes = self.notes.borrow_mut();
                let mut remarks = Remarks {
                    notes: &mut notes,
                    metric: labels.metric_name(),
                    range_pos: node.pos,
                    param_pos: node.pos,
                };
                if let Some(point) = smoothed(&window, time, &mut remarks) {
                    column.set(step, point);
                }
            }
            if column.count() > 0 {
                sink(Series {
                    labels,
                    drop_name: false,
                    column,
                })?;
            }
        }
        Ok(())
    }
}

fn smoothed(window: &Window<'_>, time: Timestamp, remarks: &mut Remarks<'_>) -> Option<Point> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        remarks.mixed();
        return None;
    }
    if window.histograms.is_empty() {
        let point =
            |index: usize| Some((*window.float_times.get(index)?, *window.floats.get(index)?));
        let next = window.float_times.partition_point(|at| *at < time);
        return Some(Point::Float(
            match (next.checked_sub(1).and_then(point), point(next)) {
                (_, Some((at, value))) if at == time => value,
                (Some(before), Some(after)) => interpolated(before, after, time, false),
                (Some((_, value)), None) => value,
                (None, _) => return None,
            },
        ));
    }
    let point = |index: usize| {
        Some((
            *window.histogram_times.get(index)?,
            window.histograms.get(index)?,
        ))
    };
    let next = window.histogram_times.partition_point(|at| *at < time);
    let histogram = match (next.checked_sub(1).and_then(point), point(next)) {
        (_, Some((at, histogram))) if at == time => histogram.clone(),
        (Some(before), Some(after)) => {
            let Ok((histogram, _)) = interpolated_histogram(before, after, time, false) else {
                remarks.mixed_schemas();
                return None;
            };
            Arc::new(histogram)
        }
        (Some((_, histogram)), None) => histogram.clone(),
        (None, _) => return None,
    };
    Some(Point::Histogram(histogram))
}

/// The samples that a range selector with extended borders gives as its value: those inside, and
/// one at each border.
pub(super) fn with_borders(window: &Window<'_>) -> Result<Vec<(Timestamp, f64)>, QueryError> {
    if !window.histograms.is_empty() {
        return Err(QueryError::Execution(format!(
            "{} modifier is not supported with histograms",
            window.extension.name()
        )));
    }
    Ok(crate::functions::rate::bordered(window).unwrap_or_default())
}
