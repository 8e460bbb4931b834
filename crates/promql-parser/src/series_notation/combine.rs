//! Sum and difference of two histograms, for sequences such as `{{…}}+{{…}}x5`.
//!
//! Only what a sequence needs: the step has the base's layout or a finer one. Evaluation has its
//! own, complete arithmetic.

use std::collections::BTreeMap;

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::{CounterResetHint, FloatHistogram, Span};

/// `base ± step` at the base's resolution.
pub(super) fn combine(
    base: &FloatHistogram,
    step: &FloatHistogram,
    subtract: bool,
) -> Result<FloatHistogram, String> {
    let custom = |histogram: &FloatHistogram| histogram.schema == CUSTOM_BUCKETS_SCHEMA;
    if base.schema > step.schema || custom(base) != custom(step) {
        let (from, to) = (step.schema, base.schema);
        return Err(format!("cannot merge from schema {from} to {to}"));
    }
    if custom(base) && base.custom_values != step.custom_values {
        return Err("custom bucket bounds differ".to_owned());
    }
    let factor = if subtract { -1.0 } else { 1.0 };
    let coarser = step.schema.abs_diff(base.schema);
    let merge = |base: (&[Span], &[f64]), step: (&[Span], &[f64])| {
        let mut buckets = BTreeMap::new();
        for (index, count) in indexed(base) {
            *buckets.entry(index).or_insert(0.0) += count;
        }
        for (index, count) in indexed(step) {
            // A bucket's index is that of its upper bound: round up when halving.
            let index = ((index - 1) >> coarser.min(31)) + 1;
            *buckets.entry(index).or_insert(0.0) += factor * count;
        }
        layout(&buckets)
    };
    let (positive_spans, positive_buckets) = merge(
        (&base.positive_spans, &base.positive_buckets),
        (&step.positive_spans, &step.positive_buckets),
    );
    let (negative_spans, negative_buckets) = merge(
        (&base.negative_spans, &base.negative_buckets),
        (&step.negative_spans, &step.negative_buckets),
    );
    Ok(FloatHistogram {
        counter_reset_hint: hint(base.counter_reset_hint, step.counter_reset_hint),
        schema: base.schema,
        zero_threshold: base.zero_threshold.max(step.zero_threshold),
        zero_count: base.zero_count + factor * step.zero_count,
        count: base.count + factor * step.count,
        sum: base.sum + factor * step.sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values: base.custom_values.clone(),
    })
}

fn hint(base: CounterResetHint, step: CounterResetHint) -> CounterResetHint {
    if base == step {
        base
    } else if base == CounterResetHint::Gauge || step == CounterResetHint::Gauge {
        CounterResetHint::Gauge
    } else {
        CounterResetHint::Unknown
    }
}

/// Buckets with their indexes.
fn indexed((spans, counts): (&[Span], &[f64])) -> Vec<(i64, f64)> {
    let mut indexes = Vec::with_capacity(counts.len());
    let mut next = 0_i64;
    for span in spans {
        next += i64::from(span.offset);
        for _ in 0..span.length {
            indexes.push(next);
            next += 1;
        }
    }
    indexes.into_iter().zip(counts.iter().copied()).collect()
}

/// Spans and counts of indexed buckets.
fn layout(buckets: &BTreeMap<i64, f64>) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0_i64;
    for (position, index) in buckets.keys().enumerate() {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => {
                let gap = if position == 0 { *index } else { index - next };
                // Indexes come from 32-bit offsets plus short runs.
                let offset = gap.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
                spans.push(Span { offset, length: 1 });
            }
        }
        next = index + 1;
    }
    (spans, buckets.values().copied().collect())
}
