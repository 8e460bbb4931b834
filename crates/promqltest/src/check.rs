//! Comparing results with expectations.

use std::collections::HashMap;

use model::{FloatHistogram, Labels, Timestamp};
use promql::{MatrixSeries, Value, VectorSample};
use promql_parser::series_notation::{SequenceValue, SeriesDescription};

use crate::script::Eval;

/// Relative difference that still counts as equal.
const EPSILON: f64 = 0.000_001;

/// Compares `value` with what `eval` expects.
pub(crate) fn check(eval: &Eval, value: &Value) -> Result<(), String> {
    match value {
        Value::Scalar { value, .. } => match eval.scalar {
            Some(wanted) if almost_equal(wanted, *value) => Ok(()),
            wanted => Err(format!("expected scalar {wanted:?}, got {value}")),
        },
        Value::String { value, .. } => match &eval.text {
            Some(wanted) if wanted == value => Ok(()),
            wanted => Err(format!("expected string {wanted:?}, got {value:?}")),
        },
        Value::Vector(vector) => check_vector(eval, vector),
        Value::Matrix(matrix) => {
            let (start, step) = match eval.range_vector {
                Some((start, _, step)) => (start, step),
                None if eval.step_ms == 0 => return Err("unexpected range vector".to_owned()),
                None => (eval.start, eval.step_ms),
            };
            check_matrix(eval, matrix, start, step)
        }
    }
}

fn check_vector(eval: &Eval, vector: &[VectorSample]) -> Result<(), String> {
    if eval.scalar.is_some() || eval.text.is_some() || eval.range_vector.is_some() {
        return Err("unexpected instant vector".to_owned());
    }
    let wanted: HashMap<&Labels, (usize, &SeriesDescription)> = eval
        .series
        .iter()
        .enumerate()
        .map(|(at, series)| (&series.metric, (at, series)))
        .collect();
    for (position, sample) in vector.iter().enumerate() {
        let Some((at, series)) = wanted.get(&sample.labels) else {
            return Err(format!("unexpected {:?} = {}", sample.labels, sample.value));
        };
        if eval.ordered && *at != position {
            return Err(format!(
                "{:?} is at position {position}, expected {at}",
                sample.labels
            ));
        }
        let (Some(value), 1) = (series.values.first(), series.values.len()) else {
            return Err(format!("expected one value for {:?}", series.metric));
        };
        check_value(value, Some(sample.value), sample.histogram.as_deref())
            .map_err(|text| format!("{:?}: {text}", sample.labels))?;
    }
    for series in &eval.series {
        if !vector.iter().any(|sample| sample.labels == series.metric) {
            return Err(format!("missing {:?}", series.metric));
        }
    }
    Ok(())
}

fn check_matrix(
    eval: &Eval,
    matrix: &[MatrixSeries],
    start: Timestamp,
    step: i64,
) -> Result<(), String> {
    for series in matrix {
        if !eval
            .series
            .iter()
            .any(|wanted| wanted.metric == series.labels)
        {
            return Err(format!(
                "unexpected series {:?}: {:?}",
                series.labels, series.floats
            ));
        }
    }
    for wanted in &eval.series {
        let found = matrix.iter().find(|series| series.labels == wanted.metric);
        let nothing = MatrixSeries::default();
        let has_values = wanted
            .values
            .iter()
            .any(|value| !matches!(value, SequenceValue::Omitted));
        if found.is_none() && has_values {
            return Err(format!("missing series {:?}", wanted.metric));
        }
        let found = found.unwrap_or(&nothing);
        check_series(wanted, found, start, step)
            .map_err(|text| format!("{:?}: {text}", wanted.metric))?;
    }
    Ok(())
}

fn check_series(
    wanted: &SeriesDescription,
    found: &MatrixSeries,
    start: Timestamp,
    step: i64,
) -> Result<(), String> {
    let mut count = 0;
    for (index, value) in wanted.values.iter().enumerate() {
        let time = start + index as i64 * step;
        let float = found
            .floats
            .iter()
            .find(|(at, _)| *at == time)
            .map(|(_, value)| *value);
        let histogram = found
            .histograms
            .iter()
            .find(|(at, _)| *at == time)
            .map(|(_, h)| &**h);
        if float.is_some() || histogram.is_some() {
            count += 1;
        }
        check_value(value, float, histogram)
            .map_err(|text| format!("at {time} ms: {text}; got {:?}", found.floats))?;
    }
    if count != found.floats.len() + found.histograms.len() {
        return Err(format!(
            "more values than expected: {:?} {:?}",
            found.floats, found.histograms
        ));
    }
    Ok(())
}

fn check_value(
    wanted: &SequenceValue,
    float: Option<f64>,
    histogram: Option<&FloatHistogram>,
) -> Result<(), String> {
    match (wanted, float, histogram) {
        (SequenceValue::Omitted, None, None) => Ok(()),
        (
            SequenceValue::Histogram {
                histogram: wanted,
                hint_set,
            },
            _,
            Some(found),
        ) => {
            if same_histogram(wanted, found)
                && (!hint_set || wanted.counter_reset_hint == found.counter_reset_hint)
            {
                return Ok(());
            }
            Err(format!("expected {wanted:?}, got {found:?}"))
        }
        (SequenceValue::Float(wanted), Some(found), None) if almost_equal(*wanted, found) => Ok(()),
        (wanted, float, histogram) => {
            Err(format!("expected {wanted:?}, got {float:?} {histogram:?}"))
        }
    }
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

/// Equality of what is observed: layout aside, values almost.
fn same_histogram(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let custom = |histogram: &FloatHistogram| histogram.custom_values.clone().unwrap_or_default();
    a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && *custom(a) == *custom(b)
        && same_buckets(&positive(a), &positive(b))
        && same_buckets(&negative(a), &negative(b))
}

fn positive(histogram: &FloatHistogram) -> Vec<(i32, f64)> {
    buckets(&histogram.positive_spans, &histogram.positive_buckets)
}

fn negative(histogram: &FloatHistogram) -> Vec<(i32, f64)> {
    buckets(&histogram.negative_spans, &histogram.negative_buckets)
}

/// Indexes and counts of the buckets that are not empty.
fn buckets(spans: &[model::Span], counts: &[f64]) -> Vec<(i32, f64)> {
    let mut counts = counts.iter();
    let mut index = 0;
    let mut found = Vec::new();
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            if let Some(count) = counts.next().filter(|count| **count != 0.0) {
                found.push((index, *count));
            }
            index += 1;
        }
    }
    found
}

fn same_buckets(a: &[(i32, f64)], b: &[(i32, f64)]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|((at, a), (bt, b))| at == bt && almost_equal(*a, *b))
}
