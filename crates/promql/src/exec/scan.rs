//! The leaves: instant selectors, range selectors and subqueries.

use model::label_name::TYPE_LABEL;
use model::sample::SampleColumns;
use model::staleness::is_stale;
use model::{Labels, Timestamp};
use promql_parser::ast::PosRange;

use crate::column::{Column, Grid, Point, Series, column_bytes};
use crate::error::QueryError;
use crate::exec::parallel::in_order;
use crate::exec::smoothed::with_borders;
use crate::exec::{Evaluator, Sink, storage_error};
use crate::functions::window::{RangeSamples, Slider, Window, float_histogram, with_known_reset};
use crate::plan::{Extension, Node, RangeSource, Selector};
use crate::value::MatrixSeries;

/// Takes the windows of a range vector: series without values, step, window.
pub(crate) type WindowSink<'s> =
    dyn FnMut(&Series, usize, &Window<'_>) -> Result<(), QueryError> + 's;

/// Takes the samples of a range vector: series without values, all samples, where windows are.
type RangeVisitor<'s> = dyn FnMut(&Series, &RangeSamples, &Ends) -> Result<(), QueryError> + 's;

/// The newest samples of a series by step.
struct Newest {
    column: Column,
    /// How many there are, as samples are counted.
    samples: u64,
    /// The same by step, if that is asked for.
    steps: Vec<(usize, u64)>,
}

impl Evaluator<'_> {
    pub(super) fn instant_selector(
        &self,
        selector: &Selector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        self.newest(selector, grid, sink, &|columns, index| {
            let Some(histogram) = columns.histogram_at(index) else {
                return columns.values.get(index).copied().map(Point::Float);
            };
            let histogram = float_histogram(histogram)?;
            let before = || float_histogram(columns.histogram_at(index.checked_sub(1)?)?);
            Some(Point::Histogram(if selector.counts_only {
                with_known_reset(histogram, before().as_deref())
            } else {
                histogram
            }))
        })
    }

    /// `timestamp(selector)` and `start_timestamp(selector)`: seconds.
    pub(super) fn sample_times(
        &self,
        selector: &Selector,
        start_time: bool,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if start_time && !self.use_start_timestamps {
            return Ok(());
        }
        self.unique(selector.has_one_name(), sink, |sink| {
            let mut named = |mut series: Series| {
                self.drop_name(&mut series);
                sink(series)
            };
            // As in the reference, an offset beside `@` only decides what samples are seen.
            let looked_at = Selector {
                offset_ms: if selector.at.is_some() {
                    0
                } else {
                    selector.offset_ms
                },
                ..selector.clone()
            };
            self.newest(&looked_at, grid, &mut named, &|columns, index| {
                let time = if start_time {
                    columns.start_timestamps.get(index).copied().unwrap_or(0)
                } else {
                    *columns.timestamps.get(index)?
                };
                Some(Point::Float(time as f64 / 1000.0))
            })
        })
    }

    /// Finds the newest sample within the lookback at each step and keeps what `take` makes of it.
    fn newest(
        &self,
        selector: &Selector,
        grid: &Grid,
        sink: &mut Sink<'_>,
        take: &(impl Fn(&SampleColumns, usize) -> Option<Point> + Sync),
    ) -> Result<(), QueryError> {
        let Some(selected) = self.select(selector)? else {
            return Ok(());
        };
        let set = &*selected.set;
        let at = |step: usize| selector.at.unwrap_or(grid.time(step)) - selector.offset_ms;
        let (first, last) = (at(0), at(grid.len.saturating_sub(1)));
        let mut mint = first.saturating_sub(self.lookback_ms).saturating_add(1);
        let mut maxt = last;
        if selector.at.is_some() {
            mint = mint.max(selector.hints.start);
            maxt = maxt.min(selector.hints.end);
        }
        let only_last = first == last && !selector.counts_only;
        let (guard, lookback_ms, by_step) =
            (self.guard(), self.lookback_ms, self.counters.by_step());
        let make = |index: usize, columns: &mut SampleColumns| {
            guard.check_at(index)?;
            if only_last {
                set.read_last(index, mint, maxt, columns)
            } else {
                set.read(index, mint, maxt, columns)
            }
            .map_err(storage_error)?;
            if columns.is_empty() {
                return Ok(None);
            }
            let mut found = Newest {
                column: Column::absent(grid.len),
                samples: 0,
                steps: Vec::new(),
            };
            let mut next = 0;
            for step in 0..grid.len {
                let time = at(step);
                while columns
                    .timestamps
                    .get(next)
                    .is_some_and(|found| *found <= time)
                {
                    next += 1;
                }
                let Some(newest) = next.checked_sub(1) else {
                    continue;
                };
                let old = columns
                    .timestamps
                    .get(newest)
                    .is_none_or(|found| *found <= time.saturating_sub(lookback_ms));
                if old || columns.values.get(newest).copied().is_none_or(is_stale) {
                    continue;
                }
                if let Some(point) = take(columns, newest) {
                    let samples = point.sample_count();
                    found.samples += samples;
                    if by_step {
                        found.steps.push((step, samples));
                    }
                    found.column.set(step, point);
                }
            }
            // The thread may end with this one.
            guard.check_memory()?;
            Ok((found.samples > 0).then(|| (selected.labels(index), found)))
        };
        let take = &mut |(labels, found): (Labels, Newest)| {
            self.check()?;
            for (step, samples) in &found.steps {
                self.counters.read(*step, *samples, *samples);
            }
            if !by_step {
                self.counters.read(0, found.samples, found.samples);
            }
            sink(Series {
                labels,
                drop_name: false,
                column: found.column,
            })
        };
        in_order(self.workers, self.meter, (set.len(), grid.len), &make, take)
    }

    /// Says that a metric looks like no counter: by its type label if there are such labels, else by
    /// its name.
    pub(super) fn note_possible_non_counter(&self, labels: &Labels, pos: PosRange) {
        let metric = labels.metric_name();
        if metric.is_empty() {
            return;
        }
        let quoted = gocompat::quote::quote(metric);
        let text = if self.type_and_unit_labels {
            let found = labels.value_or_empty(TYPE_LABEL);
            if matches!(found, "counter" | "histogram") {
                return;
            }
            let found = gocompat::quote::quote(found);
            format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \
                 \"histogram\", got {found}: {quoted}"
            )
        } else {
            let suffixes = ["_total", "_sum", "_count", "_bucket"];
            if suffixes.iter().any(|suffix| metric.ends_with(suffix)) {
                return;
            }
            format!(
                "metric might not be a counter, name does not end in \
                 _total/_sum/_count/_bucket: {quoted}"
            )
        };
        self.notes.borrow_mut().info(text, pos);
    }

    /// Gives every window of a range vector to `sink`, series by series; a series' windows come in
    /// order of the steps, starting with step 0.
    pub(super) fn windows(
        &self,
        source: &RangeSource,
        grid: &Grid,
        sink: &mut WindowSink<'_>,
    ) -> Result<(), QueryError> {
        self.ranges(source, grid, &mut |series, samples, ends| {
            self.slide(series, samples, ends, grid, sink)
        })
    }

    /// Gives the samples of every series of a range vector to `visit`.
    pub(super) fn ranges(
        &self,
        source: &RangeSource,
        grid: &Grid,
        visit: &mut RangeVisitor<'_>,
    ) -> Result<(), QueryError> {
        let ends = Ends::of(source, self.lookback_ms);
        let mut samples = RangeSamples::default();
        match source {
            RangeSource::Selector { selector, .. } => {
                let Some(selected) = self.select(selector)? else {
                    return Ok(());
                };
                let set = &*selected.set;
                let (mint, maxt) = ends.reach(grid);
                let mut columns = SampleColumns::default();
                for index in 0..set.len() {
                    self.check()?;
                    set.read(index, mint, maxt, &mut columns)
                        .map_err(storage_error)?;
                    let with_starts = self.use_start_timestamps;
                    samples.take_selected(&mut columns, with_starts, selector.counts_only);
                    if samples.is_empty() {
                        continue;
                    }
                    let series = Series {
                        labels: selected.labels(index),
                        drop_name: false,
                        column: Column::default(),
                    };
                    visit(&series, &samples, &ends)?;
                }
                Ok(())
            }
            RangeSource::Subquery { node, step_ms, .. } => {
                let inner = ends.subquery_grid(grid, *step_ms);
                // What the inner expression reads is not counted, only what the windows hold.
                self.counters.enter_subquery();
                let outcome = self.subquery_series(node, &inner, &mut |series, column| {
                    samples.clear();
                    samples.charge_for(column.count());
                    self.check()?;
                    for step in 0..inner.len {
                        if let Some(point) = column.point(step) {
                            samples.push(inner.time(step), point);
                        }
                    }
                    if samples.is_empty() {
                        return Ok(());
                    }
                    self.counters.leave_subquery();
                    let slid = visit(&series, &samples, &ends);
                    self.counters.enter_subquery();
                    slid
                });
                self.counters.leave_subquery();
                outcome
            }
        }
    }

    /// The series of a subquery's expression at the steps of the subquery.
    fn subquery_series(
        &self,
        node: &Node,
        inner: &Grid,
        sink: &mut dyn FnMut(Series, &Column) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        if inner.len == 0 {
            return Ok(());
        }
        // Steps are without limit here: whether one column has room is known before it is made.
        let outer = self.at.replace(node.pos);
        drop(self.charge(column_bytes(inner.len))?);
        self.at.set(outer);
        if node.value_type == promql_parser::ast::ValueType::Scalar {
            let column = self.scalar(node, inner)?.into_column();
            return sink(Series::unlabelled(Column::default()), &column);
        }
        self.vector(node, inner, &mut |series| {
            let bare = Series {
                labels: series.labels.clone(),
                drop_name: series.drop_name,
                column: Column::default(),
            };
            sink(bare, &series.column)
        })
    }

    fn slide(
        &self,
        series: &Series,
        samples: &RangeSamples,
        ends: &Ends,
        grid: &Grid,
        sink: &mut WindowSink<'_>,
    ) -> Result<(), QueryError> {
        let mut slider = Slider::extended(ends.extension, ends.margins_ms);
        let (mut most, mut total, mut total_fresh) = (0, 0, 0);
        let by_step = self.counters.by_step();
        for step in 0..grid.len {
            let (start, end) = (ends.start(grid, step), ends.end(grid, step));
            let (window, fresh) = slider.window(samples, start, end, grid.time(step));
            let count = window.sample_count();
            if by_step {
                self.counters.read(step, count, fresh);
            } else {
                total += count;
                total_fresh += fresh;
            }
            most = most.max(count);
            sink(series, step, &window)?;
        }
        self.counters.read(0, total, total_fresh);
        self.touch(most)
    }

    /// The samples of a range vector at the only step of an instant query.
    pub(crate) fn matrix(
        &self,
        source: &RangeSource,
        time: Timestamp,
    ) -> Result<Vec<MatrixSeries>, QueryError> {
        let mut all = Vec::new();
        self.windows(source, &Grid::instant(time), &mut |series, _, window| {
            if window.is_empty() {
                return Ok(());
            }
            self.hold(window.sample_count())?;
            let labels = if series.drop_name {
                series.labels.without_metadata()
            } else {
                series.labels.clone()
            };
            let floats = if window.extension == Extension::None {
                let values = window.floats.iter().copied();
                window.float_times.iter().copied().zip(values).collect()
            } else {
                with_borders(window)?
            };
            if floats.is_empty() && window.histograms.is_empty() {
                return Ok(());
            }
            let histograms = window
                .histogram_times
                .iter()
                .copied()
                .zip(window.histograms.iter().cloned());
            all.push(MatrixSeries {
                labels,
                floats,
                histograms: histograms.collect(),
            });
            Ok(())
        })?;
        Ok(all)
    }
}

/// Where the windows of a range vector end.
pub(crate) struct Ends {
    at: Option<Timestamp>,
    offset_ms: i64,
    pub(super) range_ms: i64,
    pub(super) extension: Extension,
    pub(super) margins_ms: (i64, i64),
}

impl Ends {
    pub(crate) fn of(source: &RangeSource, lookback_ms: i64) -> Self {
        Self {
            at: source.at(),
            offset_ms: source.offset_ms(),
            range_ms: source.range_ms(),
            extension: source.extension(),
            margins_ms: source.extension().margins_ms(lookback_ms),
        }
    }

    /// First and last time of samples that some window wants.
    pub(crate) fn reach(&self, grid: &Grid) -> (Timestamp, Timestamp) {
        let start = self.start(grid, 0).saturating_sub(self.margins_ms.0);
        let end = self.end(grid, grid.len.saturating_sub(1));
        (
            start.saturating_add(1),
            end.saturating_add(self.margins_ms.1),
        )
    }

    pub(super) fn end(&self, grid: &Grid, step: usize) -> Timestamp {
        self.at
            .unwrap_or(grid.time(step))
            .saturating_sub(self.offset_ms)
    }

    fn start(&self, grid: &Grid, step: usize) -> Timestamp {
        self.end(grid, step).saturating_sub(self.range_ms)
    }

    /// The steps of a subquery: multiples of its own step.
    pub(crate) fn subquery_grid(&self, grid: &Grid, step_ms: i64) -> Grid {
        let border = self.start(grid, 0);
        let mut start = step_ms * (border / step_ms);
        if start <= border {
            start += step_ms;
        }
        Grid::range(start, self.end(grid, grid.len.saturating_sub(1)), step_ms)
    }
}
