//! Running scripts.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use model::Timestamp;
use promql::{Engine, EngineOptions, QueryOptions, QueryResult, Value, VectorSample};
use promql_parser::ast::{AtModifier, DurationExpr, Expr, VectorSelector};
use promql_parser::{ParserOptions, parse_expr};
use stdx::cancel::CancelToken;
use storage::memory_store::MemoryStore;

use crate::reset_hints::ResetHints;
use crate::script::{Action, Eval, Text};
use crate::{ScriptError, check, load, parse_script};

/// Which cases of a script to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Only cases without native histograms, start timestamps and experimental language: a case
    /// is left out if one of its selectors finds a
    /// series that holds more than floats.
    pub floats_only: bool,
}

/// What came of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Cases as expected.
    pub passed: usize,
    /// Other cases: line, what is wrong.
    pub failed: Vec<(usize, String)>,
    /// Cases that were not run.
    pub left_out: usize,
}

/// Runs a script.
pub fn run_text(text: &str, options: &RunOptions) -> Result<FileReport, ScriptError> {
    let engine = engine();
    let store = MemoryStore::new();
    let mut hints = ResetHints::default();
    let mut report = FileReport::default();
    for command in parse_script(text)? {
        match command.action {
            Action::Clear => {
                store.clear();
                hints = ResetHints::default();
            }
            Action::Load(loaded) => {
                let line = command.line;
                load::load(&store, &mut hints, &loaded)
                    .map_err(|message| ScriptError::Syntax { line, message })?;
            }
            Action::Eval(eval) if options.floats_only && !is_plain(&eval, &store) => {
                report.left_out += 1;
            }
            Action::Eval(eval) => match run_eval(&engine, &store, &eval) {
                Ok(()) => report.passed += 1,
                Err(text) => report
                    .failed
                    .push((command.line, format!("{}: {text}", eval.expr))),
            },
        }
    }
    Ok(report)
}

/// The engine with the settings that scripts count on.
fn engine() -> Engine {
    Engine::new(EngineOptions {
        timeout: Duration::from_secs(100),
        max_samples: 50_000_000,
        max_concurrent: 0,
        no_step_subquery_interval_ms: Arc::new(AtomicI64::new(60_000)),
        delayed_name_removal: true,
        use_start_timestamps: true,
        parser: ParserOptions::all(),
        ..EngineOptions::default()
    })
}

/// Whether a case is about floats and settled language only.
fn is_plain(eval: &Eval, store: &MemoryStore) -> bool {
    if eval.expects_histograms() {
        return false;
    }
    let Ok(expr) = parse_expr(&eval.expr, &ParserOptions::all()) else {
        return true;
    };
    if parse_expr(&eval.expr, &ParserOptions::default()).is_err() {
        return false;
    }
    let mut plain = true;
    visit(&expr, &mut |expr| {
        if let Expr::Vector(selector) = expr {
            plain &= !store.holds_more_than_floats(&selector.matchers);
        }
        if let Expr::Matrix(matrix) = expr {
            plain &= !store.holds_more_than_floats(&matrix.selector.matchers);
        }
    });
    plain
}

fn run_eval(engine: &Engine, store: &MemoryStore, eval: &Eval) -> Result<(), String> {
    let options = QueryOptions::default();
    let cancel = CancelToken::new();
    let prepared = if eval.step_ms == 0 {
        engine.instant_query(store, &options, &eval.expr, eval.start)
    } else {
        let times = (eval.start, eval.end, eval.step_ms);
        engine.range_query(store, &options, &eval.expr, times)
    };
    let result = match prepared {
        Ok(query) => query.exec(&cancel),
        Err(error) => return failure(eval, &error.to_string()),
    };
    if let Err(error) = &result.value {
        return failure(eval, &error.to_string());
    }
    if eval.fail.is_some() {
        return Err("expected an error, got none".to_owned());
    }
    remarks(eval, &result)?;
    let Ok(value) = result.value else {
        return Ok(());
    };
    check::check(eval, &value)?;
    if eval.step_ms == 0 && !eval.ordered {
        as_range(engine, store, eval, &value).map_err(|text| format!("as range query: {text}"))?;
    }
    Ok(())
}

fn failure(eval: &Eval, error: &str) -> Result<(), String> {
    match &eval.fail {
        None => Err(format!("unexpected error: {error}")),
        Some(wanted) if says(wanted, error) => Ok(()),
        Some(wanted) => Err(format!("expected error {wanted:?}, got {error:?}")),
    }
}

fn says(wanted: &Text, found: &str) -> bool {
    match wanted {
        Text::Any => true,
        Text::Exact(text) => text == found,
        Text::Regex(source) => {
            gocompat::regex::Regex::new(source).is_ok_and(|regex| regex.is_match(found))
        }
    }
}

fn remarks(eval: &Eval, result: &QueryResult) -> Result<(), String> {
    for (warning, found) in [(true, &result.warnings), (false, &result.infos)] {
        // Where a kind is expected at all, nothing of that kind goes without a line for it.
        let wanted: Vec<&Text> = eval
            .remarks
            .iter()
            .filter(|remark| remark.warning == warning)
            .filter_map(|remark| remark.text.as_ref())
            .collect();
        let surplus = found
            .iter()
            .find(|text| !wanted.is_empty() && !wanted.iter().any(|wanted| says(wanted, text)));
        if let Some(text) = surplus {
            return Err(format!("no line expects {text:?}"));
        }
    }
    for remark in &eval.remarks {
        let found = if remark.warning {
            &result.warnings
        } else {
            &result.infos
        };
        let kind = if remark.warning { "warning" } else { "info" };
        match &remark.text {
            None if !found.is_empty() => return Err(format!("unexpected {kind}: {found:?}")),
            Some(wanted) if !found.iter().any(|text| says(wanted, text)) => {
                return Err(format!("expected {kind} {wanted:?}, got {found:?}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Evaluates an instant case again as the middle step of a range query.
fn as_range(
    engine: &Engine,
    store: &MemoryStore,
    eval: &Eval,
    value: &Value,
) -> Result<(), String> {
    const MINUTE: i64 = 60_000;
    if matches!(value, Value::String { .. } | Value::Matrix(_)) || depends_on_range(&eval.expr) {
        return Ok(());
    }
    let times = (eval.start - MINUTE, eval.start + MINUTE, MINUTE);
    let query = engine
        .range_query(store, &QueryOptions::default(), &eval.expr, times)
        .map_err(|error| error.to_string())?;
    let matrix = match query.exec(&CancelToken::new()).value {
        Ok(Value::Matrix(matrix)) => matrix,
        Ok(other) => return Err(format!("result is a {}", other.type_name())),
        Err(error) => return Err(error.to_string()),
    };
    if !matrix.is_sorted_by(|a, b| a.labels < b.labels) {
        return Err("the matrix is not sorted by labels".to_owned());
    }
    let timestamp = eval.start;
    let at = |time: &Timestamp| *time == timestamp;
    let mut vector = Vec::new();
    for series in matrix {
        let float = series
            .floats
            .iter()
            .find(|(time, _)| at(time))
            .map(|(_, value)| *value);
        let histogram = series
            .histograms
            .iter()
            .find(|(time, _)| at(time))
            .map(|(_, value)| value.clone());
        if float.is_none() && histogram.is_none() {
            continue;
        }
        let value = float.unwrap_or(0.0);
        vector.push(VectorSample {
            labels: series.labels,
            timestamp,
            value,
            histogram,
        });
    }
    let middle = match (value, vector.as_slice()) {
        (Value::Scalar { .. }, [only]) => Value::Scalar {
            timestamp,
            value: only.value,
        },
        _ => Value::Vector(vector),
    };
    check::check(eval, &middle)
}

/// Whether the expression asks for the times of the query itself.
fn depends_on_range(text: &str) -> bool {
    let Ok(expr) = parse_expr(text, &ParserOptions::all()) else {
        return false;
    };
    let mut depends = false;
    let bounds = |at: &Option<AtModifier>| matches!(at, Some(AtModifier::Start | AtModifier::End));
    let selects = |selector: &VectorSelector| {
        bounds(&selector.at) || selector.offset_expr.as_ref().is_some_and(uses_query)
    };
    visit(&expr, &mut |expr| {
        depends |= match expr {
            Expr::Call(call) => matches!(call.func.name, "step" | "range" | "start" | "end"),
            Expr::Vector(selector) => selects(selector),
            Expr::Matrix(matrix) => {
                selects(&matrix.selector) || matrix.range_expr.as_ref().is_some_and(uses_query)
            }
            Expr::Subquery(subquery) => {
                let durations = [
                    &subquery.range_expr,
                    &subquery.step_expr,
                    &subquery.offset_expr,
                ];
                bounds(&subquery.at)
                    || durations
                        .into_iter()
                        .any(|expr| expr.as_ref().is_some_and(uses_query))
            }
            _ => false,
        };
    });
    depends
}

fn uses_query(expr: &DurationExpr) -> bool {
    match expr {
        DurationExpr::Number(_) => false,
        DurationExpr::Step(_) | DurationExpr::Range(_) => true,
        DurationExpr::MinOf(a, b, _) | DurationExpr::MaxOf(a, b, _) => {
            uses_query(a) || uses_query(b)
        }
        DurationExpr::Unary { operand, .. } => uses_query(operand),
        DurationExpr::Binary { lhs, rhs, .. } => uses_query(lhs) || uses_query(rhs),
        DurationExpr::Paren(inner, _) => uses_query(inner),
    }
}

/// Calls `see` for an expression and all below it.
fn visit(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    match expr {
        Expr::Aggregate(aggregate) => {
            visit(&aggregate.expr, see);
            if let Some(param) = &aggregate.param {
                visit(param, see);
            }
        }
        Expr::Binary(binary) => {
            visit(&binary.lhs, see);
            visit(&binary.rhs, see);
        }
        Expr::Call(call) => call.args.iter().for_each(|arg| visit(arg, see)),
        Expr::Subquery(subquery) => visit(&subquery.expr, see),
        Expr::Paren(paren) => visit(&paren.expr, see),
        Expr::Unary(unary) => visit(&unary.expr, see),
        Expr::Matrix(_) | Expr::Vector(_) | Expr::Number(_) | Expr::String(_) => {}
    }
}
