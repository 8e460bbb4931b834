//! The engine: prepares queries, lets a bounded number of them run at a time, and shapes results.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use memory::budget::{Budget, BudgetExhausted, Reservation};
use model::Timestamp;
use parking_lot::RwLock;
use promql_parser::ParserOptions;
use promql_parser::ast::{Expr, ValueType};
use stdx::cancel::{CancelToken, Stop};
use storage::{Querier, Queryable};
use telemetry::Registry;

use crate::active_queries::ActiveQueries;
use crate::annotations::{Annotations, Severity};
use crate::column::{Grid, Series};
use crate::error::{Phase, PrepareError, QueryError};
use crate::exec::{self, Counters, Evaluator, Joined, QUERY_BUDGET, Workers};
use crate::explain::{Estimator, Explanation, Profile};
use crate::gate::Gate;
use crate::meter::{Charge, Metered, QueryMeter};
use crate::metrics::Metrics;
use crate::plan::{Node, Op, Plan, QueryTimes, lower};
use crate::query_log::{self, QueryLog, QueryOrigin};
use crate::stats::QueryStats;
use crate::value::{MatrixSeries, POINT_BYTES, Value, VectorSample};

/// A query that has to wait is refused at once if it is expected to need this many times the memory
/// that one query may have: estimates are rough.
const HOPELESS_FACTOR: u64 = 4;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Longest time a query may take, waiting included; zero for no limit.
    pub timeout: Duration,
    /// Most samples a query may hold.
    pub max_samples: u64,
    /// Most queries that run at a time; zero for no limit.
    pub max_concurrent: usize,
    /// How far back an instant selector looks, milliseconds.
    pub lookback_delta_ms: i64,
    /// Step of subqueries that give none, milliseconds: the global evaluation interval, which a
    /// configuration reload may change.
    pub no_step_subquery_interval_ms: Arc<AtomicI64>,
    /// Threads that all queries together may use beside their own.
    pub helper_threads: usize,
    /// Bytes that all queries together may hold.
    pub memory: Budget,
    /// Bytes that one query may hold.
    pub query_bytes_max: u64,
    /// Metric names are taken off when the query ends instead of at each operation.
    pub delayed_name_removal: bool,
    /// Functions of counters look at the start timestamps of samples.
    pub use_start_timestamps: bool,
    /// Whether a metric is a counter is told by its type label, not by its name.
    pub type_and_unit_labels: bool,
    /// Which parts of the language are switched on.
    pub parser: ParserOptions,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            max_samples: 50_000_000,
            max_concurrent: 20,
            lookback_delta_ms: 300_000,
            memory: Budget::unlimited("queries"),
            query_bytes_max: u64::MAX,
            no_step_subquery_interval_ms: Arc::new(AtomicI64::new(60_000)),
            helper_threads: 0,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
            parser: ParserOptions::default(),
        }
    }
}

/// Settings of one query.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// Replaces the engine's lookback, milliseconds.
    pub lookback_delta_ms: Option<i64>,
    /// Count samples by step.
    pub per_step_stats: bool,
    /// Measure what each part of the query costs.
    pub analyze: bool,
    /// Who asks, for the query log.
    pub origin: QueryOrigin,
}

/// Evaluates PromQL. Clones share the limit of concurrent queries and the instruments.
#[derive(Debug, Clone)]
pub struct Engine {
    options: EngineOptions,
    metrics: Metrics,
    gate: Arc<Gate>,
    workers: Workers,
    active: Option<Arc<ActiveQueries>>,
    log: Arc<RwLock<Option<QueryLog>>>,
}

/// What came of a query.
#[derive(Debug)]
pub struct QueryResult {
    /// Its value.
    pub value: Result<Value, QueryError>,
    /// Remarks that cast doubt on the value.
    pub warnings: Vec<String>,
    /// Other remarks.
    pub infos: Vec<String>,
    /// What it cost.
    pub stats: QueryStats,
    /// What its value holds.
    pub memory: ResultMemory,
    /// What each part of it cost, if that was asked for and it has a value.
    pub analysis: Option<Explanation>,
}

/// Memory that belongs to a query as long as its result lives.
#[derive(Debug, Default)]
pub struct ResultMemory(Option<Reservation>);

impl ResultMemory {
    /// Takes `bytes` more, for what is made of the result.
    pub fn grow(&mut self, bytes: usize) -> Result<(), QueryError> {
        match &mut self.0 {
            Some(held) => held.grow(bytes as u64).map_err(|refused| refusal(&refused)),
            None => Ok(()),
        }
    }
}

/// The error for memory that a query was refused outside of any expression.
fn refusal(refused: &BudgetExhausted) -> QueryError {
    exec::too_much_memory(refused, String::new())
}

/// A prepared query on one store.
pub struct Query<'a> {
    engine: &'a Engine,
    queryable: &'a dyn Queryable,
    text: String,
    plan: Plan,
    start: Timestamp,
    end: Timestamp,
    /// 0 for an instant query.
    step_ms: i64,
    lookback_ms: i64,
    per_step_stats: bool,
    analyze: bool,
    origin: QueryOrigin,
    /// How long sorting the result took.
    sorted: Cell<Duration>,
}

impl Engine {
    /// An engine with these settings, whose instruments nobody sees.
    pub fn new(options: EngineOptions) -> Self {
        Self::with_metrics(options, &Registry::new())
    }

    /// An engine with these settings, which registers its instruments.
    pub fn with_metrics(options: EngineOptions, registry: &Registry) -> Self {
        Self {
            metrics: Metrics::new(registry, options.max_concurrent),
            workers: Workers::new(options.helper_threads),
            options,
            gate: Arc::default(),
            active: None,
            log: Arc::default(),
        }
    }

    /// Keeps running queries in a file.
    #[must_use]
    pub fn with_active_queries(mut self, active: ActiveQueries) -> Self {
        self.active = Some(Arc::new(active));
        self
    }

    /// Logs queries from now on, or no longer.
    pub fn set_query_log(&self, log: Option<QueryLog>) {
        self.metrics
            .log_enabled
            .set(f64::from(u8::from(log.is_some())));
        *self.log.write() = log;
    }

    /// The settings.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Prepares the evaluation of `text` at `time`.
    pub fn instant_query<'a>(
        &'a self,
        queryable: &'a dyn Queryable,
        options: &QueryOptions,
        text: &str,
        time: Timestamp,
    ) -> Result<Query<'a>, PrepareError> {
        let expr = self.parse(text)?;
        self.prepare(queryable, options, text, &expr, (time, time, 0))
    }

    /// Prepares the evaluation of `text` at `start`, `start + step_ms`, … up to `end`.
    pub fn range_query<'a>(
        &'a self,
        queryable: &'a dyn Queryable,
        options: &QueryOptions,
        text: &str,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
    ) -> Result<Query<'a>, PrepareError> {
        let expr = self.parse(text)?;
        self.range_query_expr(queryable, options, text, &expr, (start, end, step_ms))
    }

    /// As [`instant_query`](Self::instant_query) for an expression that was parsed before; `text`
    /// is what its positions refer to, and may be empty.
    pub fn instant_query_expr<'a>(
        &'a self,
        queryable: &'a dyn Queryable,
        options: &QueryOptions,
        text: &str,
        expr: &Expr,
        time: Timestamp,
    ) -> Result<Query<'a>, PrepareError> {
        self.prepare(queryable, options, text, expr, (time, time, 0))
    }

    /// As [`range_query`](Self::range_query) for an expression that was parsed before.
    pub fn range_query_expr<'a>(
        &'a self,
        queryable: &'a dyn Queryable,
        options: &QueryOptions,
        text: &str,
        expr: &Expr,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
    ) -> Result<Query<'a>, PrepareError> {
        let query = self.prepare(queryable, options, text, expr, (start, end, step_ms.max(1)))?;
        let name = match query.plan.root.value_type {
            ValueType::Scalar | ValueType::Vector => return Ok(query),
            ValueType::Matrix => "range vector",
            ValueType::String => "string",
            ValueType::None => "none",
        };
        Err(PrepareError::Invalid(format!(
            "invalid expression type \"{name}\" for range query, must be Scalar or instant Vector"
        )))
    }

    fn parse(&self, text: &str) -> Result<Expr, PrepareError> {
        promql_parser::parse_expr(text, &self.options.parser).map_err(PrepareError::Parse)
    }

    fn prepare<'a>(
        &'a self,
        queryable: &'a dyn Queryable,
        options: &QueryOptions,
        text: &str,
        expr: &Expr,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
    ) -> Result<Query<'a>, PrepareError> {
        let lookback_ms = options
            .lookback_delta_ms
            .unwrap_or(self.options.lookback_delta_ms);
        let subquery_step_ms = self
            .options
            .no_step_subquery_interval_ms
            .load(Ordering::Relaxed);
        let times = QueryTimes {
            start,
            end,
            step_ms,
            lookback_ms,
            subquery_step_ms,
        };
        let plan = lower(expr, &times)?;
        Ok(Query {
            engine: self,
            queryable,
            text: text.to_owned(),
            plan,
            start,
            end,
            step_ms,
            lookback_ms,
            per_step_stats: options.per_step_stats,
            analyze: options.analyze,
            origin: options.origin.clone(),
            sorted: Cell::default(),
        })
    }
}

impl Query<'_> {
    /// The text of the query.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs the query. Blocking: call it on a pool thread.
    pub fn exec(&self, cancel: &CancelToken) -> QueryResult {
        let result = self.run(cancel);
        if let Some(log) = &*self.engine.log.read() {
            let error = result.value.as_ref().err().map(ToString::to_string);
            let entry = query_log::Entry {
                query: &self.text,
                start: self.start,
                end: self.end,
                step_ms: self.step_ms,
                error: error.as_deref(),
                stats: &result.stats,
                origin: &self.origin,
            };
            if log.write(now(), &entry).is_err() {
                self.engine.metrics.log_failures.inc();
            }
        }
        result
    }

    fn run(&self, cancel: &CancelToken) -> QueryResult {
        let begun = Instant::now();
        let (options, metrics) = (&self.engine.options, &self.engine.metrics);
        let _under_way = metrics.begin();
        let deadline = (!options.timeout.is_zero()).then(|| begun + options.timeout);
        let gate = &self.engine.gate;
        let expected = || self.expected(cancel);
        let turn = gate.enter(options.max_concurrent, cancel, deadline, expected);
        let queued = begun.elapsed();
        metrics.queue_time.observe(queued);
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return failed(error),
        };
        let active = self.engine.active.as_deref();
        let _tracked = active.and_then(|active| active.insert(&self.text, now().as_second()));
        let querier = match self.plan.bounds {
            None => None,
            Some((mint, maxt)) => match self.queryable.querier(mint, maxt) {
                Ok(querier) => Some(querier),
                Err(error) => return failed(QueryError::Storage(error)),
            },
        };
        let prepared = begun.elapsed();
        metrics
            .prepare_time
            .observe(prepared.saturating_sub(queued));
        let budget = options.memory.part(QUERY_BUDGET, options.query_bytes_max);
        let meter = QueryMeter::new(&budget);
        let metered = Metered::new(&meter);
        let evaluator = self.evaluator(querier.as_deref(), cancel, deadline, &meter);
        let mut value = self.value(&evaluator);
        let mut memory = ResultMemory::default();
        if let Ok(found) = &value {
            match budget.reserve(found.size_bytes() as u64) {
                Ok(held) => memory = ResultMemory(Some(held)),
                Err(refused) => value = Err(refusal(&refused)),
            }
        }
        drop(metered);
        let evaluated = begun.elapsed().saturating_sub(prepared);
        metrics.inner_eval.observe(evaluated);
        metrics.read(evaluator.counters.total(), evaluator.counters.fresh());
        if let (Err(QueryError::Canceled(_)), Err(Stop::DeadlineExceeded)) =
            (&value, cancel.check())
        {
            value = Err(QueryError::Timeout(Phase::Execution));
        }
        drop(turn);
        let analysis = match (&value, &evaluator.profile) {
            (Ok(_), Some(profile)) => {
                let estimator = Estimator {
                    evaluator: &evaluator,
                    profile: Some(profile),
                };
                estimator.query(&self.plan.root, &self.grid()).ok()
            }
            _ => None,
        };
        let notes = evaluator.notes.into_inner();
        let mut warnings = evaluator.storage_warnings.into_inner();
        warnings.dedup();
        warnings.extend(notes.messages(Severity::Warning, &self.text));
        let counters = evaluator.counters;
        let grid = self.grid();
        let mut stats = QueryStats {
            total_samples: counters.total(),
            samples_read: counters.fresh(),
            peak_samples: counters.peak(),
            queue_seconds: queued.as_secs_f64(),
            prepare_seconds: prepared.saturating_sub(queued).as_secs_f64(),
            eval_seconds: evaluated.as_secs_f64(),
            sort_seconds: self.sorted.get().as_secs_f64(),
            ..QueryStats::default()
        };
        for (step, read) in counters.into_steps().into_iter().enumerate() {
            let time = grid.time(step);
            stats.samples_per_step.push((time, read.total));
            stats.samples_read_per_step.push((time, read.fresh));
        }
        QueryResult {
            value,
            warnings,
            infos: notes.messages(Severity::Info, &self.text),
            stats,
            memory,
            analysis,
        }
    }

    /// How long a query that has to wait is expected to run; an error if that is hopeless.
    fn expected(&self, cancel: &CancelToken) -> Result<Duration, QueryError> {
        // What goes wrong here goes wrong, and is told, when the query runs.
        let Ok(explanation) = self.explain(cancel) else {
            return Ok(Duration::ZERO);
        };
        let total = explanation.total();
        let limit_bytes = self.engine.options.query_bytes_max;
        if total.bytes / HOPELESS_FACTOR > limit_bytes {
            return Err(QueryError::Hopeless {
                expected_bytes: total.bytes,
                limit_bytes,
                series: total.series,
                samples: total.samples,
            });
        }
        Ok(Duration::from_nanos(total.nanoseconds))
    }

    /// What the query would do and what that is expected to cost; it does not run. Blocking: call
    /// it on a pool thread.
    pub fn explain(&self, cancel: &CancelToken) -> Result<Explanation, QueryError> {
        let querier = match self.plan.bounds {
            None => None,
            Some((mint, maxt)) => {
                let querier = self.queryable.querier(mint, maxt);
                Some(querier.map_err(QueryError::Storage)?)
            }
        };
        let options = &self.engine.options;
        let budget = options.memory.part(QUERY_BUDGET, options.query_bytes_max);
        let meter = QueryMeter::new(&budget);
        let _metered = Metered::new(&meter);
        let timeout = options.timeout;
        let deadline = (!timeout.is_zero()).then(|| Instant::now() + timeout);
        let estimator = Estimator {
            evaluator: &self.evaluator(querier.as_deref(), cancel, deadline, &meter),
            profile: None,
        };
        estimator.query(&self.plan.root, &self.grid())
    }

    fn grid(&self) -> Grid {
        if self.step_ms == 0 {
            Grid::instant(self.start)
        } else {
            Grid::range(self.start, self.end, self.step_ms)
        }
    }

    fn evaluator<'e>(
        &'e self,
        querier: Option<&'e dyn Querier>,
        cancel: &'e CancelToken,
        deadline: Option<Instant>,
        meter: &'e QueryMeter,
    ) -> Evaluator<'e> {
        let options = &self.engine.options;
        let counters = if self.per_step_stats {
            Counters::with_steps(self.grid().len)
        } else {
            Counters::default()
        };
        Evaluator {
            querier,
            cancel,
            deadline,
            lookback_ms: self.lookback_ms,
            delayed_name_removal: options.delayed_name_removal,
            use_start_timestamps: options.use_start_timestamps,
            type_and_unit_labels: options.type_and_unit_labels,
            max_samples: options.max_samples,
            meter,
            workers: &self.engine.workers,
            checks: Cell::new(0),
            at: Cell::new(self.plan.root.pos),
            text: &self.text,
            has_types: Cell::new(None),
            counters,
            notes: RefCell::new(Annotations::default()),
            storage_warnings: RefCell::new(Vec::new()),
            profile: self.analyze.then(Profile::default),
        }
    }

    fn value(&self, evaluator: &Evaluator<'_>) -> Result<Value, QueryError> {
        let grid = self.grid();
        if grid.len == 0 {
            return Ok(Value::Matrix(Vec::new()));
        }
        let root = &self.plan.root;
        let time = self.start;
        if let Op::Text(text) = &root.op {
            return Ok(Value::String {
                timestamp: time,
                value: text.clone(),
            });
        }
        if let Op::Matrix(source) = &root.op {
            let mut matrix = evaluator.matrix(source, time)?;
            self.sort(&mut matrix);
            return Ok(Value::Matrix(matrix));
        }
        if root.value_type == ValueType::Scalar {
            let values = evaluator.scalar(root, &grid)?;
            if self.step_ms == 0 {
                let value = values.first().copied().unwrap_or(f64::NAN);
                return Ok(Value::Scalar {
                    timestamp: time,
                    value,
                });
            }
            let series = Series::unlabelled(values.into_column());
            return Ok(Value::Matrix(vec![matrix_series(series, &grid)]));
        }
        let series = finished(evaluator, root, &grid)?;
        if self.step_ms == 0 {
            return Ok(Value::Vector(
                series.into_iter().filter_map(|s| sample(s, time)).collect(),
            ));
        }
        let points: usize = series.iter().map(|series| series.column.count()).sum();
        let _copied = Charge::new(points * POINT_BYTES);
        evaluator.check()?;
        let mut matrix: Vec<MatrixSeries> = series
            .into_iter()
            .map(|series| matrix_series(series, &grid))
            .collect();
        self.sort(&mut matrix);
        Ok(Value::Matrix(matrix))
    }

    fn sort(&self, matrix: &mut [MatrixSeries]) {
        let begun = Instant::now();
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.sorted.set(begun.elapsed());
        self.engine.metrics.result_sort.observe(begun.elapsed());
    }
}

/// The time that logs tell.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn failed(error: QueryError) -> QueryResult {
    QueryResult {
        value: Err(error),
        warnings: Vec::new(),
        infos: Vec::new(),
        stats: QueryStats::default(),
        memory: ResultMemory::default(),
        analysis: None,
    }
}

/// The series of the whole expression; metric names that were to go are gone.
fn finished(
    evaluator: &Evaluator<'_>,
    root: &Node,
    grid: &Grid,
) -> Result<Vec<Series>, QueryError> {
    let mut joined = Joined::default();
    evaluator.vector(root, grid, &mut |mut series| {
        if series.drop_name {
            series.labels = series.labels.without_metadata();
        }
        joined.add(series)
    })?;
    Ok(joined.into_series())
}

fn sample(series: Series, timestamp: Timestamp) -> Option<VectorSample> {
    let histogram = series.column.histogram(0).cloned();
    let value = match series.column.float(0) {
        Some(value) => value,
        None if histogram.is_some() => 0.0,
        None => return None,
    };
    Some(VectorSample {
        labels: series.labels,
        timestamp,
        value,
        histogram,
    })
}

fn matrix_series(series: Series, grid: &Grid) -> MatrixSeries {
    let mut matrix = MatrixSeries {
        labels: series.labels,
        ..MatrixSeries::default()
    };
    for step in 0..grid.len {
        if let Some(value) = series.column.float(step) {
            matrix.floats.push((grid.time(step), value));
        } else if let Some(histogram) = series.column.histogram(step) {
            matrix.histograms.push((grid.time(step), histogram.clone()));
        }
    }
    matrix
}

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
mod counted_tests;
