//! Functions of range vectors. What one series gives is worked out apart from the evaluation, so
//! that several threads can do it.

use model::sample::SampleColumns;
use model::{Labels, Timestamp};
use promql_parser::ast::PosRange;

use crate::annotations::Annotations;
use crate::column::{Column, Grid, Series};
use crate::error::QueryError;
use crate::exec::counters::Read;
use crate::exec::parallel::in_order;
use crate::exec::scan::Ends;
use crate::exec::{Evaluator, Sink, at_step, storage_error};
use crate::functions::bounds::{self, Bounds, Held};
use crate::functions::window::{RangeSamples, Slider};
use crate::functions::{RangeFunction, Remarks};
use crate::plan::{Extension, Node, RangeSource, Selector};

/// One function with all that it depends on beside the samples.
struct Work<'a> {
    function: RangeFunction,
    /// The other arguments by step.
    params: Vec<&'a [f64]>,
    range_pos: PosRange,
    param_pos: PosRange,
    ends: Ends,
    grid: Grid,
    /// Whether samples are counted by step.
    by_step: bool,
}

/// What is used again from series to series.
#[derive(Default)]
struct Buffers {
    columns: SampleColumns,
    samples: RangeSamples,
    bounds: Vec<Bounds>,
}

/// What one series gives.
struct Made {
    series: Series,
    held: Held,
    /// The same by step, if that is asked for.
    steps: Vec<Read>,
    notes: Annotations,
}

impl Evaluator<'_> {
    /// A range function over all series and steps.
    pub(super) fn range_function(
        &self,
        function: RangeFunction,
        source: &RangeSource,
        params: &[Node],
        range_pos: PosRange,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let values: Result<Vec<_>, _> = params
            .iter()
            .map(|param| self.scalar(param, grid))
            .collect();
        let values = values?;
        let work = Work {
            function,
            params: values.iter().map(|values| &**values).collect(),
            range_pos,
            param_pos: params.first().map_or(range_pos, |param| param.outer_pos),
            ends: Ends::of(source, self.lookback_ms),
            grid: *grid,
            by_step: self.counters.by_step(),
        };
        self.unique(source.has_one_name(), sink, |sink| match source {
            RangeSource::Selector { selector, .. } => self.range_of_selector(&work, selector, sink),
            RangeSource::Subquery { .. } => {
                let mut bounds = Vec::new();
                self.ranges(source, grid, &mut |series, samples, _| {
                    let mut made = work.made(series.labels.clone(), samples, &mut bounds)?;
                    made.series.drop_name = series.drop_name;
                    self.take_made(&work, made, sink)
                })
            }
        })
    }

    fn range_of_selector(
        &self,
        work: &Work<'_>,
        selector: &Selector,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let Some(selected) = self.select(selector)? else {
            return Ok(());
        };
        let (mint, maxt) = work.ends.reach(&work.grid);
        let (guard, with_starts) = (self.guard(), self.use_start_timestamps);
        let make = |index: usize, buffers: &mut Buffers| {
            guard.check_at(index)?;
            let Buffers {
                columns,
                samples,
                bounds,
            } = buffers;
            selected
                .set
                .read(index, mint, maxt, columns)
                .map_err(storage_error)?;
            samples.take_selected(columns, with_starts, selector.counts_only);
            if samples.is_empty() {
                return Ok(None);
            }
            let made = work.made(selected.labels(index), samples, bounds)?;
            // The thread may end with this one.
            guard.check_memory()?;
            Ok(Some(made))
        };
        in_order(
            self.workers,
            self.meter,
            (selected.set.len(), work.grid.len),
            &make,
            &mut |made| {
                self.check()?;
                self.take_made(work, made, sink)
            },
        )
    }

    fn take_made(
        &self,
        work: &Work<'_>,
        made: Made,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        for (step, read) in made.steps.iter().enumerate() {
            self.counters.read(step, read.total, read.fresh);
        }
        if !work.by_step {
            self.counters.read(0, made.held.total, made.held.fresh);
        }
        self.touch(made.held.most)?;
        self.notes.borrow_mut().merge(made.notes);
        let mut series = made.series;
        if series.column.count() == 0 {
            return Ok(());
        }
        if work.function.expects_counter() && series.column.has_floats() {
            self.note_possible_non_counter(&series.labels, work.range_pos);
        }
        if !work.function.keeps_name() {
            self.drop_name(&mut series);
        }
        sink(series)
    }
}

impl Work<'_> {
    /// What the samples of one series give.
    fn made(
        &self,
        labels: Labels,
        samples: &RangeSamples,
        bounds: &mut Vec<Bounds>,
    ) -> Result<Made, QueryError> {
        let mut made = Made {
            series: Series {
                labels,
                drop_name: false,
                column: Column::absent(self.grid.len),
            },
            held: Held::default(),
            steps: Vec::new(),
            notes: Annotations::default(),
        };
        if self.function.is_of_columns()
            && samples.is_plain()
            && self.ends.extension == Extension::None
            && !self.by_step
        {
            let times = &samples.float_times;
            made.held = bounds::find(times, self.windows(), bounds);
            let column = &mut made.series.column;
            let put = |step, value| column.set_float(step, value);
            self.function
                .evaluate_column(samples, self.windows(), bounds, put);
        } else {
            self.slide(samples, &mut made)?;
        }
        Ok(made)
    }

    /// Borders of the windows.
    fn windows(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        (0..self.grid.len).map(|step| {
            let end = self.ends.end(&self.grid, step);
            (end.saturating_sub(self.ends.range_ms), end)
        })
    }

    /// Evaluates window by window.
    fn slide(&self, samples: &RangeSamples, made: &mut Made) -> Result<(), QueryError> {
        let mut slider = Slider::extended(self.ends.extension, self.ends.margins_ms);
        let mut now = vec![0.0; self.params.len()];
        for (step, (start, end)) in self.windows().enumerate() {
            let (window, fresh) = slider.window(samples, start, end, self.grid.time(step));
            let total = window.sample_count();
            made.held.total += total;
            made.held.fresh += fresh;
            made.held.most = made.held.most.max(total);
            if self.by_step {
                made.steps.push(Read { total, fresh });
            }
            if window.is_empty() {
                continue;
            }
            at_step(&self.params, step, &mut now);
            let mut remarks = Remarks {
                notes: &mut made.notes,
                metric: made.series.labels.metric_name(),
                range_pos: self.range_pos,
                param_pos: self.param_pos,
            };
            if let Some(point) = self.function.evaluate(&window, &now, &mut remarks)? {
                made.series.column.set(step, point);
            }
        }
        Ok(())
    }
}
