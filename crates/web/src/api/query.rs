//! `query` and `query_range`.

use std::time::{Duration, Instant as Clock};

use promql::{PrepareError, Query, QueryError, QueryOptions, QueryResult, QueryStats, Value};
use stdx::cancel::CancelToken;

use super::{ApiError, ApiResult, Call, ErrorKind, Remarks, TRUNCATED, explain};
use crate::json;
use crate::params::{self, Instant};

/// Most steps of a range query, so that no answer has more points a series than a screen can show.
const POINTS_MAX: i64 = 11_000;

/// The value of an expression at one time.
pub(super) fn instant(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let limit = call.limit()?;
    let time = params::optional_time("time", call.form.value("time"), call.now())
        .map_err(|err| ApiError::parameter("time", err))?;
    let cancel = deadline(call)?;
    let options = query_options(call)?;
    let backend = &call.backend;
    let query = backend
        .engine
        .instant_query(
            &*backend.queryable,
            &options,
            call.form.value("query"),
            time.engine_millis(),
        )
        .map_err(not_prepared)?;
    answer(call, &query, &cancel, limit, out)
}

/// The values of an expression at every step of a range.
pub(super) fn range(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let limit = call.limit()?;
    let time =
        |name| params::time(call.form.value(name)).map_err(|err| ApiError::parameter(name, err));
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        let text = "end timestamp must not be before start time";
        return Err(ApiError::parameter("end", text));
    }
    let step_ns = params::duration_ns(call.form.value("step"))
        .map_err(|err| ApiError::parameter("step", err))?;
    check_step(start, end, step_ns)?;
    let cancel = deadline(call)?;
    let options = query_options(call)?;
    let backend = &call.backend;
    // A step below a millisecond is none to the engine; the reference divides by it.
    let step_ms = step_ns / 1_000_000;
    let query = backend
        .engine
        .range_query(
            &*backend.queryable,
            &options,
            call.form.value("query"),
            (start.engine_millis(), end.engine_millis(), step_ms.max(1)),
        )
        .map_err(not_prepared)?;
    if step_ms == 0 {
        let text = "unexpected error: runtime error: integer divide by zero".to_owned();
        return Err(ApiError {
            kind: ErrorKind::Execution,
            text,
        });
    }
    answer(call, &query, &cancel, limit, out)
}

/// Runs the query, or only explains it.
fn answer(
    call: &Call,
    query: &Query<'_>,
    cancel: &CancelToken,
    limit: usize,
    out: &mut Vec<u8>,
) -> ApiResult {
    if !call.explains && !is_true(call.form.value("explain")) {
        return write(call, query.exec(cancel), limit, out);
    }
    let explanation = query.explain(cancel).map_err(failed)?;
    explain::write(out, &explanation);
    Ok(Remarks::default())
}

/// Whether a parameter switches something on.
fn is_true(text: &str) -> bool {
    gocompat::boolean::parse(text) == Ok(true)
}

fn check_step(start: Instant, end: Instant, step_ns: i64) -> Result<(), ApiError> {
    if step_ns <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", text));
    }
    if end.nanos_since(start) / step_ns > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok(())
}

/// The call's token, which stops after `timeout` if that is given.
fn deadline(call: &Call) -> Result<CancelToken, ApiError> {
    let text = call.form.value("timeout");
    if text.is_empty() {
        return Ok(call.cancel.clone());
    }
    let nanos = params::duration_ns(text)
        .map_err(|err| ApiError::parameter("timeout", err))?
        .max(0);
    let now = Clock::now();
    let deadline = now
        .checked_add(Duration::from_nanos(nanos.unsigned_abs()))
        .unwrap_or(now);
    Ok(call.cancel.with_earlier_deadline(deadline))
}

fn query_options(call: &Call) -> Result<QueryOptions, ApiError> {
    let mut options = QueryOptions::default();
    let text = call.form.value("lookback_delta");
    if !text.is_empty() {
        let nanos = params::duration_ns(text).map_err(|err| {
            ApiError::bad_data(format!("error parsing lookback delta duration: {err}"))
        })?;
        options.lookback_delta_ms = Some(nanos / 1_000_000).filter(|millis| *millis > 0);
    }
    options.per_step_stats = wants_steps(call);
    options.analyze = is_true(call.form.value("analyze"));
    options.origin = call.origin.clone();
    Ok(options)
}

/// Samples are counted by step only where a feature flag allows it.
fn wants_steps(call: &Call) -> bool {
    call.backend.per_step_stats && call.form.value("stats") == "all"
}

fn not_prepared(err: PrepareError) -> ApiError {
    ApiError::parameter("query", err)
}

fn failed(err: QueryError) -> ApiError {
    let kind = match err {
        QueryError::Timeout(_) => ErrorKind::Timeout,
        QueryError::Canceled(_) => ErrorKind::Canceled,
        QueryError::Storage(_) => ErrorKind::Internal,
        QueryError::TooManySamples
        | QueryError::TooMuchMemory { .. }
        | QueryError::Hopeless { .. }
        | QueryError::Execution(_) => ErrorKind::Execution,
    };
    ApiError {
        kind,
        text: err.to_string(),
    }
}

fn write(call: &Call, result: QueryResult, limit: usize, out: &mut Vec<u8>) -> ApiResult {
    let mut remarks = Remarks {
        warnings: result.warnings,
        infos: result.infos,
        ..Remarks::default()
    };
    let mut value = result.value.map_err(failed)?;
    // The text is about twice as long as what it is made of.
    let mut memory = result.memory;
    memory.grow(2 * value.size_bytes()).map_err(failed)?;
    if limit > 0 && truncate(&mut value, limit) {
        remarks.warnings.push(TRUNCATED.to_owned());
    }
    let mut object = json::Object::open(out);
    object.string("resultType", value.type_name());
    write_value(object.key("result"), &value);
    let wanted_stats = call.form.value("stats");
    if !matches!(wanted_stats, "" | "true" | "all") {
        remarks.warnings.push(format!(
            "value {} for parameter \"stats\" is deprecated and will be rejected in the next major \
             release, use \"true\" or \"all\"",
            gocompat::quote::quote(wanted_stats)
        ));
    }
    if !wanted_stats.is_empty() {
        write_stats(
            object.key("stats"),
            &result.stats,
            call.form.value("stats") == "all",
        );
    }
    if let Some(analysis) = &result.analysis {
        explain::write(object.key("analysis"), analysis);
    }
    object.close();
    Ok(remarks)
}

/// Cuts a vector or matrix; says whether there was something to cut.
fn truncate(value: &mut Value, limit: usize) -> bool {
    let len = match value {
        Value::Vector(samples) => {
            let len = samples.len();
            samples.truncate(limit);
            len
        }
        Value::Matrix(series) => {
            let len = series.len();
            series.truncate(limit);
            len
        }
        Value::Scalar { .. } | Value::String { .. } => 0,
    };
    len > limit
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        // Unlike elsewhere a scalar never has an exponent.
        Value::Scalar { timestamp, value } => point(out, *timestamp, |out| {
            json::string(out, &gocompat::float::format_f(*value));
        }),
        Value::String { timestamp, value } => point(out, *timestamp, |out| {
            json::string(out, value);
        }),
        Value::Vector(samples) => json::array(out, samples, |out, sample| {
            let mut object = json::Object::open(out);
            json::labels(object.key("metric"), &sample.labels);
            match &sample.histogram {
                Some(histogram) => point(object.key("histogram"), sample.timestamp, |out| {
                    json::histogram(out, histogram);
                }),
                None => point(object.key("value"), sample.timestamp, |out| {
                    json::sample_value(out, sample.value);
                }),
            }
            object.close();
        }),
        Value::Matrix(series) => json::array(out, series, |out, series| {
            let mut object = json::Object::open(out);
            json::labels(object.key("metric"), &series.labels);
            if !series.floats.is_empty() {
                json::array(
                    object.key("values"),
                    &series.floats,
                    |out, (timestamp, value)| {
                        point(out, *timestamp, |out| json::sample_value(out, *value));
                    },
                );
            }
            if !series.histograms.is_empty() {
                let histograms = object.key("histograms");
                json::array(histograms, &series.histograms, |out, (timestamp, value)| {
                    point(out, *timestamp, |out| json::histogram(out, value));
                });
            }
            object.close();
        }),
    }
}

/// `[time,value]`.
fn point(out: &mut Vec<u8>, timestamp: i64, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    json::timestamp(out, timestamp);
    out.push(b',');
    value(out);
    out.push(b']');
}

fn write_stats(out: &mut Vec<u8>, stats: &QueryStats, per_step: bool) {
    let mut object = json::Object::open(out);
    let timings = object.key("timings");
    let mut times = json::Object::open(timings);
    for (name, seconds) in stats.timings() {
        json::number(times.key(name), seconds);
    }
    times.close();
    let mut samples = json::Object::open(object.key("samples"));
    for (key, steps) in [
        ("totalQueryableSamplesPerStep", &stats.samples_per_step),
        ("samplesReadPerStep", &stats.samples_read_per_step),
    ] {
        if per_step && !steps.is_empty() {
            json::array(samples.key(key), steps, |out, (timestamp, count)| {
                point(out, *timestamp, |out| {
                    json::integer(out, count.cast_signed());
                });
            });
        }
    }
    samples.integer("totalQueryableSamples", stats.total_samples.cast_signed());
    samples.integer("samplesRead", stats.samples_read.cast_signed());
    samples.integer("peakSamples", stats.peak_samples.cast_signed());
    samples.close();
    object.close();
}
