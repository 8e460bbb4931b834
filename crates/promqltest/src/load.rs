//! Filling the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::histogram::{ClassicHistogram, ClassicPart};
use model::label_name::{BUCKET_LABEL, METRIC_NAME};
use model::sample::Value;
use model::{FloatHistogram, Labels, LabelsBuilder, Timestamp};
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
    for (labels, time, histogram) in classics.converted()? {
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
    by_labels: BTreeMap<Labels, BTreeMap<Timestamp, ClassicHistogram>>,
}

impl Classics {
    fn add(&mut self, labels: &Labels, time: Timestamp, value: f64) {
        let name = labels.metric_name();
        let Some((base, part)) = ClassicPart::of_series(name) else {
            return;
        };
        let Some(bound) = part.upper_bound(labels.value_or_empty(BUCKET_LABEL)) else {
            return;
        };
        let key = LabelsBuilder::from_labels(labels)
            .set(METRIC_NAME, base)
            .remove(BUCKET_LABEL)
            .labels();
        let times = self.by_labels.entry(key).or_default();
        times.entry(time).or_default().add(part, bound, value);
    }

    fn converted(self) -> Result<Vec<(Labels, Timestamp, FloatHistogram)>, String> {
        let mut converted = Vec::new();
        for (labels, times) in self.by_labels {
            for (time, mut classic) in times {
                let value = classic.convert().map_err(|error| error.to_string())?;
                value.validate().map_err(|error| error.to_string())?;
                let histogram = match value {
                    Value::Histogram(histogram) => histogram.to_float(),
                    Value::FloatHistogram(histogram) => Arc::unwrap_or_clone(histogram),
                    Value::Float(_) => continue,
                };
                converted.push((labels.clone(), time, histogram));
            }
        }
        Ok(converted)
    }
}
