//! Fixed data for the benchmarks: a service's page and the samples it would leave.
//!
//! `cargo bench -p bench` runs the stages; `cargo bench -p bench -- NAME` one of them.

use std::fmt::Write as _;

use model::{Labels, Timestamp};
use storage::{AppendError, Appendable, Batch, BatchTimes, SeriesRef};

/// Series of the page.
pub const SERIES: usize = 1000;
/// First time of stored samples.
pub const START: Timestamp = 1_700_006_400_000;
/// Milliseconds between samples.
pub const INTERVAL_MS: i64 = 15_000;

/// Labels of series `index` as a target exposes them.
pub fn labels(index: usize) -> Labels {
    let (handler, code, bucket) = (index / 50, index / 10 % 5, index % 10);
    Labels::from_pairs([
        (
            "__name__",
            "http_request_duration_seconds_bucket".to_owned(),
        ),
        ("handler", format!("/api/v1/handler_{handler}")),
        ("code", format!("{}", 200 + code)),
        ("le", format!("{}", bucket as f64 / 8.0)),
        ("instance", "10.0.0.1:9090".to_owned()),
        ("job", "bench".to_owned()),
    ])
}

/// Value of series `index` at step `step`: counters of different speeds.
pub fn value(index: usize, step: usize) -> f64 {
    (step * (index % 7) + step / 3) as f64
}

/// A text page of all series at `step`.
pub fn page(step: usize) -> String {
    let mut page = String::from("# TYPE http_request_duration_seconds histogram\n");
    for index in 0..SERIES {
        let labels = labels(index);
        let pairs: Vec<String> = labels
            .iter()
            .filter(|(name, _)| ["handler", "code", "le"].contains(name))
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let (name, pairs) = (labels.metric_name(), pairs.join(","));
        // Writing to a string does not fail.
        let _ = writeln!(page, "{name}{{{pairs}}} {}", value(index, step));
    }
    page
}

/// References of all series, created in one transaction.
pub fn create(store: &dyn Appendable) -> Result<Vec<SeriesRef>, AppendError> {
    let mut appender = store.appender();
    let series = (0..SERIES)
        .map(|index| appender.series(&labels(index)))
        .collect();
    appender.commit()?;
    series
}

/// Appends one sample a series, as a scrape at `step` does.
pub fn scrape(
    store: &dyn Appendable,
    series: &[SeriesRef],
    step: usize,
) -> Result<(), AppendError> {
    let values: Vec<f64> = (0..series.len()).map(|index| value(index, step)).collect();
    let batch = Batch {
        series,
        times: BatchTimes::Same(START + step as i64 * INTERVAL_MS),
        values: &values,
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: false,
    };
    let mut appender = store.appender();
    appender.append(&batch, &mut Vec::new(), &mut Vec::new())?;
    appender.commit()
}
