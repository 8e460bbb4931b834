//! Start timestamps of OpenMetrics 1.0: a metric's last line, `<family>_created`, says since when it has
//! been counted. They are wanted with the lines before, so the body is read ahead, in all once.
//!
//! As in the reference the next such line decides: if it is another metric's, or if the family ends
//! before, there is none. Labels must be in the same order; bounds and quantiles do not count.

use model::label_name::{BUCKET_LABEL, QUANTILE_LABEL};
use model::{MetricType, Timestamp};

use super::OpenMetricsParser;
use crate::Entry;
use crate::series_text::{RawLabels, raw_name};

const SUFFIX: &[u8] = b"_created";

/// What is known of start timestamps.
#[derive(Debug, Default)]
pub(super) struct StartTimestamps<'a> {
    next: Next<'a>,
    /// The line of the metric before.
    current: Option<Created<'a>>,
}

/// A `_created` line.
#[derive(Debug, Clone, Copy)]
struct Created<'a> {
    /// Text of its series.
    text: &'a [u8],
    /// Where the next entry starts.
    end: usize,
    start: Timestamp,
}

/// The next `_created` line of the family.
#[derive(Debug, Default)]
enum Next<'a> {
    #[default]
    Unknown,
    /// There is none before this position, where the family ends.
    None(usize),
    Line(Created<'a>),
}

/// Whether metrics of this type have a start.
fn has_start(metric_type: MetricType) -> bool {
    matches!(
        metric_type,
        MetricType::Counter | MetricType::Summary | MetricType::Histogram
    )
}

/// Whether the series says since when a metric of this type has been counted.
pub(super) fn is_created(series: &[u8], metric_type: MetricType) -> bool {
    has_start(metric_type) && raw_name(series).ends_with(SUFFIX)
}

impl<'a> StartTimestamps<'a> {
    /// The start timestamp of `series`, 0 if there is none. `ahead` stands where the next entry starts
    /// and reads `_created` lines as any other.
    pub(super) fn of(&mut self, series: &'a [u8], ahead: OpenMetricsParser<'a>) -> Timestamp {
        let (metric_type, family_len) = (ahead.metric_type, ahead.family_len);
        let same =
            |created: &Created<'_>| is_same_metric(series, created.text, family_len, metric_type);
        if !has_start(metric_type) {
            self.current = None;
            return 0;
        }
        if let Some(created) = self.current.as_ref().filter(|created| same(created)) {
            return created.start;
        }
        self.current = self.next(ahead).filter(|created| same(created));
        self.current.map_or(0, |created| created.start)
    }

    fn next(&mut self, mut ahead: OpenMetricsParser<'a>) -> Option<Created<'a>> {
        match self.next {
            Next::Line(created) if created.end > ahead.at => return Some(created),
            Next::None(end) if end >= ahead.at => return None,
            _ => {}
        }
        let metric_type = ahead.metric_type;
        loop {
            let at = ahead.at;
            // What cannot be read is told when it is its turn.
            let Ok(Some(Entry::Series(series))) = ahead.next_entry() else {
                self.next = Next::None(at);
                return None;
            };
            if is_created(series.text, metric_type) {
                let created = Created {
                    text: series.text,
                    end: ahead.at,
                    // Cut, not rounded, as in the reference.
                    start: (series.value * 1000.0) as Timestamp,
                };
                self.next = Next::Line(created);
                return Some(created);
            }
        }
    }
}

/// Whether a `_created` series is that of the metric of `series`, whose family's name has `family_len`
/// bytes.
fn is_same_metric(
    series: &[u8],
    created: &[u8],
    family_len: usize,
    metric_type: MetricType,
) -> bool {
    let family = raw_name(series).get(..family_len);
    if family.is_none() || family != raw_name(created).strip_suffix(SUFFIX) {
        return false;
    }
    let left_out: &[u8] = match metric_type {
        MetricType::Histogram => BUCKET_LABEL.as_bytes(),
        MetricType::Summary => QUANTILE_LABEL.as_bytes(),
        _ => b"",
    };
    let labels = |text| {
        let labels = RawLabels::of(text);
        labels.filter(|(name, value)| value.is_some() && *name != left_out)
    };
    labels(series).eq(labels(created))
}

#[cfg(test)]
mod tests;
