//! The series a scrape writes about itself: `up` and its kin.

use model::label_name::{EXPORTED_PREFIX, METRIC_NAME};
use model::staleness::STALE_NAN;
use model::{Labels, LabelsBuilder, Timestamp};
use storage::{AppendError, Appender, Batch, BatchTimes, SeriesRef};

/// Names, in the order of [`Report::values`].
const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    // The rest with `extra_scrape_metrics`.
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
const BASIC_LEN: usize = 5;

/// What a scrape came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) duration_seconds: f64,
    pub(crate) scraped: usize,
    pub(crate) after_relabelling: usize,
    pub(crate) series_added: usize,
    pub(crate) timeout_seconds: f64,
    pub(crate) sample_limit: usize,
    /// -1: over the limit.
    pub(crate) body_bytes: i64,
}

impl Report {
    fn values(&self) -> [f64; 8] {
        [
            f64::from(u8::from(self.up)),
            self.duration_seconds,
            self.scraped as f64,
            self.after_relabelling as f64,
            self.series_added as f64,
            self.timeout_seconds,
            self.sample_limit as f64,
            self.body_bytes as f64,
        ]
    }
}

/// References of a target's report series.
#[derive(Debug, Default)]
pub(crate) struct ReportSeries {
    series: Vec<SeriesRef>,
}

impl ReportSeries {
    /// Appends `report`, or markers if there is none.
    pub(crate) fn append(
        &mut self,
        appender: &mut dyn Appender,
        target: &Labels,
        extra: bool,
        report: Option<&Report>,
        time: Timestamp,
    ) -> Result<(), AppendError> {
        let count = if extra { NAMES.len() } else { BASIC_LEN };
        if self.series.len() != count && (self.series.len() < count || report.is_some()) {
            self.resolve(appender, target, count)?;
        }
        let values = report.map_or([STALE_NAN; 8], Report::values);
        if self.append_values(appender, &values, report.is_none(), time)? {
            // The store has dropped the series since.
            self.resolve(appender, target, count)?;
            self.append_values(appender, &values, report.is_none(), time)?;
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        appender: &mut dyn Appender,
        target: &Labels,
        count: usize,
    ) -> Result<(), AppendError> {
        self.series.clear();
        for name in NAMES.iter().take(count) {
            self.series
                .push(appender.series(&report_labels(name, target))?);
        }
        Ok(())
    }

    /// Whether a reference was unknown.
    fn append_values(
        &self,
        appender: &mut dyn Appender,
        values: &[f64],
        markers: bool,
        time: Timestamp,
    ) -> Result<bool, AppendError> {
        let count = self.series.len();
        let batch = Batch {
            series: &self.series,
            times: BatchTimes::Same(time),
            values: values.get(..count).unwrap_or(values),
            histograms: &[],
            start_timestamps: &[],
            exemplars: &[],
            reject_out_of_order: markers,
        };
        let mut results = Vec::new();
        appender.append(&batch, &mut results, &mut Vec::new())?;
        // Out of order and repeated ones are expected after a restart of the loop.
        Ok(results
            .iter()
            .any(|(_, reason)| *reason == AppendError::UnknownSeries))
    }
}

fn report_labels(name: &str, target: &Labels) -> Labels {
    let mut builder = LabelsBuilder::new();
    builder.set(METRIC_NAME, name);
    for (label, value) in target {
        if label == METRIC_NAME {
            builder.set(&format!("{EXPORTED_PREFIX}{label}"), name);
        }
        builder.set(label, value);
    }
    builder.labels()
}
