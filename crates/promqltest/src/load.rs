//! Filling the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::label_name::{BUCKET_LABEL, METRIC_NAME};
use model::sample::Value;
use model::{FloatHistogram, Labels, LabelsBuilder, Span, Timestamp};
use promql_parser::series_notation::SequenceValue;
use storage::memory_store::MemoryStore;
use storage::{AppendError, Appendable, Appender, Batch, BatchTimes};

use crate::reset_hints::ResetHints;
use crate::script::Load;

/// Adds the samples of a `load` command.
pub(crate) fn load(store: &MemoryStore, hints: &mut ResetHints, load: &Load) -> Result<(), String> {
    let mut appender = store.appender();
    let mut starts: BTreeMap<Labels, BTreeMap<Timestamp, Timestamp>> = BTreeMap::new();
    for series in load.series.iter().filter(|series| series.start_timestamps) {
        let known = starts.entry(series.metric.clone()).or_default();
        for (index, value) in series.values.iter().enumerate() {
            if let SequenceValue::StartOffset(offset_ms) = value {
                let time = index as i64 * load.interval_ms;
                known.insert(time, time + offset_ms);
            }
        }
    }
    let mut classics = Classics::default();
    for series in load.series.iter().filter(|series| !series.start_timestamps) {
        let starts = starts.get(&series.metric);
        for (index, value) in series.values.iter().enumerate() {
            let time = index as i64 * load.interval_ms;
            let value = match value {
                SequenceValue::Float(value) => {
                    if load.with_nhcb {
                        classics.add(&series.metric, time, *value);
                    }
                    // A staleness marker goes into the chunk, but nothing can follow it there.
                    hints.float(&series.metric);
                    Value::Float(*value)
                }
                SequenceValue::Histogram { histogram, .. } => {
                    Value::FloatHistogram(hinted(hints, &series.metric, time, histogram)?)
                }
                SequenceValue::Omitted | SequenceValue::StartOffset(_) => continue,
            };
            let start = starts
                .and_then(|starts| starts.get(&time))
                .copied()
                .unwrap_or(0);
            append(&mut *appender, &series.metric, (time, start), value)?;
        }
    }
    for (labels, time, histogram) in classics.converted() {
        let histogram = hinted(hints, &labels, time, &Arc::new(histogram))?;
        let value = Value::FloatHistogram(histogram);
        append(&mut *appender, &labels, (time, 0), value)?;
    }
    appender.commit().map_err(|error| error.to_string())
}

/// The histogram with the reset hint that it is read with.
fn hinted(
    hints: &mut ResetHints,
    labels: &Labels,
    time: Timestamp,
    histogram: &Arc<FloatHistogram>,
) -> Result<Arc<FloatHistogram>, String> {
    let counter_reset_hint = hints
        .histogram(labels, time, histogram)
        .map_err(|error| format!("error adding sample at {time}: {error}"))?;
    if histogram.counter_reset_hint == counter_reset_hint {
        return Ok(Arc::clone(histogram));
    }
    Ok(Arc::new(FloatHistogram {
        counter_reset_hint,
        ..FloatHistogram::clone(histogram)
    }))
}

fn append(
    appender: &mut dyn Appender,
    labels: &Labels,
    (time, start): (Timestamp, Timestamp),
    value: Value,
) -> Result<(), String> {
    let failed = |error: AppendError| format!("error adding sample at {time}: {error}");
    let series = appender.series(labels).map_err(failed)?;
    let (number, histograms) = match value {
        Value::Float(number) => (number, Vec::new()),
        histogram => (0.0, vec![(0, histogram)]),
    };
    let batch = Batch {
        series: &[series],
        times: BatchTimes::Same(time),
        values: &[number],
        histograms: &histograms,
        start_timestamps: &[start],
        exemplars: &[],
        reject_out_of_order: false,
    };
    let mut results = Vec::new();
    appender
        .append(&batch, &mut results, &mut Vec::new())
        .map_err(failed)?;
    results
        .into_iter()
        .try_for_each(|(_, error)| Err(failed(error)))
}

/// Classic histograms on their way to native ones with custom buckets.
#[derive(Default)]
struct Classics {
    by_labels: BTreeMap<Labels, BTreeMap<Timestamp, Parts>>,
}

#[derive(Default)]
struct Parts {
    /// Upper bound and cumulative count.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl Classics {
    fn add(&mut self, labels: &Labels, time: Timestamp, value: f64) {
        let name = labels.metric_name();
        let (base, part) = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)))
            .unwrap_or((name, ""));
        let bound = labels.value_or_empty(BUCKET_LABEL);
        let key = LabelsBuilder::from_labels(labels)
            .set(METRIC_NAME, base)
            .remove(BUCKET_LABEL)
            .labels();
        match part {
            "_bucket" => {
                if let Ok(bound) = gocompat::float::parse(bound) {
                    self.parts(key, time).buckets.push((bound, value));
                }
            }
            "_count" => self.parts(key, time).count = Some(value),
            "_sum" => self.parts(key, time).sum = value,
            _ => {}
        }
    }

    fn parts(&mut self, labels: Labels, time: Timestamp) -> &mut Parts {
        self.by_labels
            .entry(labels)
            .or_default()
            .entry(time)
            .or_default()
    }

    fn converted(self) -> impl Iterator<Item = (Labels, Timestamp, FloatHistogram)> {
        self.by_labels.into_iter().flat_map(|(labels, times)| {
            times
                .into_iter()
                .filter(|(_, parts)| !parts.buckets.is_empty())
                .map(move |(time, parts)| (labels.clone(), time, parts.histogram()))
        })
    }
}

impl Parts {
    fn histogram(mut self) -> FloatHistogram {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
        let highest = self.buckets.last().map_or(0.0, |(_, count)| *count);
        let count = self.count.unwrap_or(highest);
        if self
            .buckets
            .last()
            .is_some_and(|(bound, _)| *bound != f64::INFINITY)
        {
            self.buckets.push((f64::INFINITY, count));
        }
        let bounds = self
            .buckets
            .iter()
            .map(|(bound, _)| *bound)
            .filter(|bound| bound.is_finite());
        let custom_values: Arc<[f64]> = bounds.collect();
        let mut below = 0.0;
        let counts: Vec<f64> = self
            .buckets
            .iter()
            .map(|(_, cumulative)| {
                let count = cumulative - below;
                below = *cumulative;
                count
            })
            .collect();
        FloatHistogram {
            schema: model::histogram::CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span {
                offset: 0,
                length: counts.len() as u32,
            }],
            positive_buckets: counts,
            custom_values: Some(custom_values),
            ..FloatHistogram::default()
        }
    }
}
