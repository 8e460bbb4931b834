//! The query log: a line of JSON for each query that ran.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp as UtcTime;
use parking_lot::Mutex;

use crate::json_text::push_string;
use crate::stats::QueryStats;

/// Who asked a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QueryOrigin {
    /// Not said.
    #[default]
    Unknown,
    /// A request to the API.
    Http {
        /// Address of the client.
        client_ip: String,
        /// Method of the request.
        method: String,
        /// Its path.
        path: String,
    },
    /// A rule.
    RuleGroup {
        /// File of the group.
        file: String,
        /// Name of the group.
        name: String,
    },
}

/// An open log file.
#[derive(Debug)]
pub struct QueryLog {
    file: Mutex<File>,
}

/// What a line tells.
pub(crate) struct Entry<'a> {
    pub(crate) query: &'a str,
    /// Milliseconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Milliseconds, 0 for an instant query.
    pub(crate) step_ms: i64,
    pub(crate) error: Option<&'a str>,
    pub(crate) stats: &'a QueryStats,
    pub(crate) origin: &'a QueryOrigin,
}

impl QueryLog {
    /// Opens the file at `path` to append to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    pub(crate) fn write(&self, now: UtcTime, entry: &Entry<'_>) -> io::Result<()> {
        let line = line(now, entry);
        self.file.lock().write_all(line.as_bytes())
    }
}

fn line(now: UtcTime, entry: &Entry<'_>) -> String {
    let mut out = String::from("{\"time\":");
    push_string(&mut out, &now.to_string(), false);
    out.push_str(",\"level\":\"INFO\",\"msg\":\"promql query logged\",\"params\":{\"end\":");
    push_string(&mut out, &moment(entry.end), false);
    out.push_str(",\"query\":");
    push_string(&mut out, entry.query, false);
    out.push_str(",\"start\":");
    push_string(&mut out, &moment(entry.start), false);
    out.push_str(&format!(",\"step\":{}}}", entry.step_ms / 1000));
    if let Some(error) = entry.error {
        out.push_str(",\"error\":");
        push_string(&mut out, error, false);
    }
    push_stats(&mut out, entry.stats);
    // Without tracing there is no span.
    out.push_str(",\"spanID\":\"0000000000000000\"");
    push_origin(&mut out, entry.origin);
    out.push_str("}\n");
    out
}

fn push_stats(out: &mut String, stats: &QueryStats) {
    out.push_str(",\"stats\":{\"timings\":{");
    let timings = stats.timings().map(|(name, seconds)| {
        let seconds = gocompat::float::format_g(seconds);
        format!("\"{name}\":{seconds}")
    });
    out.push_str(&timings.join(","));
    out.push_str("},\"samples\":{");
    for (name, steps) in [
        ("totalQueryableSamplesPerStep", &stats.samples_per_step),
        ("samplesReadPerStep", &stats.samples_read_per_step),
    ] {
        if !steps.is_empty() {
            let steps: Vec<String> = steps
                .iter()
                .map(|(time, count)| {
                    let seconds = gocompat::float::format_g(*time as f64 / 1000.0);
                    format!("[{seconds},{count}]")
                })
                .collect();
            out.push_str(&format!("\"{name}\":[{}],", steps.join(",")));
        }
    }
    out.push_str(&format!(
        "\"totalQueryableSamples\":{},\"samplesRead\":{},\"peakSamples\":{}}}}}",
        stats.total_samples, stats.samples_read, stats.peak_samples
    ));
}

fn push_origin(out: &mut String, origin: &QueryOrigin) {
    let (name, fields) = match origin {
        QueryOrigin::Unknown => return,
        QueryOrigin::Http {
            client_ip,
            method,
            path,
        } => (
            "httpRequest",
            vec![("clientIP", client_ip), ("method", method), ("path", path)],
        ),
        QueryOrigin::RuleGroup { file, name } => {
            ("ruleGroup", vec![("file", file), ("name", name)])
        }
    };
    out.push_str(&format!(",\"{name}\":{{"));
    for (index, (key, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&format!("\"{key}\":"));
        push_string(out, value, false);
    }
    out.push('}');
}

/// `2006-01-02T15:04:05.000Z`
fn moment(time_ms: i64) -> String {
    match UtcTime::from_millisecond(time_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => time_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_parameters_error_statistics_and_origin() {
        let stats = QueryStats {
            total_samples: 3,
            samples_per_step: vec![(1_500, 3)],
            samples_read_per_step: vec![(1_500, 2)],
            ..QueryStats::default()
        };
        let origin = QueryOrigin::RuleGroup {
            file: "r.yml".to_owned(),
            name: "g".to_owned(),
        };
        let entry = Entry {
            query: "a < \"b\"",
            start: 1_700_000_000_500,
            end: 1_700_000_060_000,
            step_ms: 15_500,
            error: Some("boom"),
            stats: &stats,
            origin: &origin,
        };
        let now = UtcTime::from_millisecond(1_700_000_100_001).expect("time");
        let expected = "{\"time\":\"2023-11-14T22:15:00.001Z\",\"level\":\"INFO\",\"msg\":\"promql \
            query logged\",\"params\":{\"end\":\"2023-11-14T22:14:20.000Z\",\"query\":\"a < \
            \\\"b\\\"\",\"start\":\"2023-11-14T22:13:20.500Z\",\"step\":15},\"error\":\"boom\",\
            \"stats\":{\"timings\":{\"evalTotalTime\":0,\"resultSortTime\":0,\
            \"queryPreparationTime\":0,\"innerEvalTime\":0,\"execQueueTime\":0,\
            \"execTotalTime\":0},\"samples\":{\"totalQueryableSamplesPerStep\":[[1.5,3]],\
            \"samplesReadPerStep\":[[1.5,2]],\"totalQueryableSamples\":3,\"samplesRead\":0,\
            \"peakSamples\":0}},\"spanID\":\"0000000000000000\",\"ruleGroup\":{\"file\":\"r.yml\",\
            \"name\":\"g\"}}\n";
        assert_eq!(line(now, &entry), expected);
    }
}
