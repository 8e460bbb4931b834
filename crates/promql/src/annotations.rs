//! Remarks about an evaluation: warnings and infos, without repeats, in order of appearance. A remark
//! that is made at several places is told of the last one, as in the reference.

use std::collections::HashMap;

use model::Timestamp;
use model::histogram::SumRemarks;
use promql_parser::ast::PosRange;

/// Which list a remark belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Severity {
    /// The result may be wrong.
    Warning,
    /// The result may surprise.
    Info,
}

#[derive(Debug, Clone)]
enum Detail {
    Plain,
    Occurrences(u64),
    /// Repaired buckets: lowest and highest bound, largest decrease, samples, first and last time.
    Repaired {
        min: f64,
        max: f64,
        diff: f64,
        samples: u64,
        first: Timestamp,
        last: Timestamp,
    },
}

#[derive(Debug, Clone)]
struct Note {
    severity: Severity,
    text: String,
    pos: PosRange,
    detail: Detail,
}

/// The remarks of one evaluation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Annotations {
    notes: Vec<Note>,
    index: HashMap<(Severity, String), usize>,
}

impl Annotations {
    pub(crate) fn warn(&mut self, text: String, pos: PosRange) {
        self.add(Severity::Warning, text, pos, Detail::Plain);
    }

    pub(crate) fn info(&mut self, text: String, pos: PosRange) {
        self.add(Severity::Info, text, pos, Detail::Plain);
    }

    /// What adding histograms brought up; `what` is addition, subtraction or aggregation.
    pub(crate) fn histogram_sum(&mut self, remarks: SumRemarks, what: &str, pos: PosRange) {
        if remarks.reset_collision {
            self.warn(
                format!("conflicting counter resets during histogram {what}"),
                pos,
            );
        }
        if remarks.bounds_reconciled {
            self.info(
                format!("mismatched custom buckets were reconciled during {what}"),
                pos,
            );
        }
    }

    pub(crate) fn start_time_overlap(&mut self, metric: &str, pos: PosRange) {
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            gocompat::quote::quote(metric)
        );
        self.add(Severity::Warning, text, pos, Detail::Occurrences(1));
    }

    /// Classic buckets at `time` had to be made monotonic.
    pub(crate) fn forced_monotonicity(
        &mut self,
        metric: &str,
        pos: PosRange,
        time: Timestamp,
        (min, max, diff): (f64, f64, f64),
    ) {
        let detail = Detail::Repaired {
            min,
            max,
            diff,
            samples: 1,
            first: time,
            last: time,
        };
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}",
            for_metric(metric)
        );
        self.add(Severity::Info, text, pos, detail);
    }

    /// Adds the remarks of a part, as if they had been made here.
    pub(crate) fn merge(&mut self, part: Self) {
        for note in part.notes {
            self.add(note.severity, note.text, note.pos, note.detail);
        }
    }

    fn add(&mut self, severity: Severity, text: String, pos: PosRange, detail: Detail) {
        let key = (severity, text);
        if let Some(note) = self
            .index
            .get(&key)
            .and_then(|index| self.notes.get_mut(*index))
        {
            note.pos = pos;
            note.detail.merge(detail);
            return;
        }
        self.notes.push(Note {
            severity,
            text: key.1.clone(),
            pos,
            detail,
        });
        self.index.insert(key, self.notes.len() - 1);
    }

    /// The messages of one kind; positions refer to the query text.
    pub(crate) fn messages(&self, wanted: Severity, query: &str) -> Vec<String> {
        let mut messages = Vec::new();
        for note in self.notes.iter().filter(|note| note.severity == wanted) {
            let kind = match wanted {
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            let place = if query.is_empty() {
                String::new()
            } else {
                format!(" ({})", line_and_column(query, note.pos))
            };
            messages.push(format!(
                "PromQL {kind}: {}{}{place}",
                note.text,
                note.detail.text()
            ));
        }
        messages
    }
}

impl Detail {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Occurrences(count), Self::Occurrences(more)) => *count += more,
            (
                Self::Repaired {
                    min,
                    max,
                    diff,
                    samples,
                    first,
                    last,
                },
                Self::Repaired {
                    min: min2,
                    max: max2,
                    diff: diff2,
                    samples: more,
                    first: f2,
                    last: l2,
                },
            ) => {
                *min = min.min(min2);
                *max = max.max(max2);
                *diff = diff.max(diff2);
                *samples += more;
                *first = (*first).min(f2);
                *last = (*last).max(l2);
            }
            _ => {}
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Plain | Self::Occurrences(1) => String::new(),
            Self::Occurrences(count) => format!(" ({count} occurrences)"),
            Self::Repaired {
                min,
                max,
                diff,
                samples,
                first,
                last,
            } => format!(
                ", from buckets {} to {}, with a max diff of {}, over {samples} samples from {} to {}",
                gocompat::float::format_g(*min),
                gocompat::float::format_g(*max),
                gocompat::float::format_g_precision(*diff, 2),
                rfc3339(*first),
                rfc3339(*last),
            ),
        }
    }
}

/// ` for metric name "x"`, or nothing where the name is not known.
pub(crate) fn for_metric(metric: &str) -> String {
    if metric.is_empty() {
        return String::new();
    }
    format!(" for metric name {}", gocompat::quote::quote(metric))
}

/// `line:column` of the first byte of `pos`, both counted from 1.
pub(crate) fn line_and_column(query: &str, pos: PosRange) -> String {
    let before = query
        .as_bytes()
        .get(..pos.start as usize)
        .unwrap_or(query.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    format!("{line}:{}", before.len() - line_start + 1)
}

/// Whole seconds, UTC, as in `2006-01-02T15:04:05Z`.
fn rfc3339(time: Timestamp) -> String {
    match jiff::Timestamp::from_second(time.div_euclid(1000)) {
        Ok(time) => time.to_string(),
        Err(_) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_merged_and_positions_are_lines_and_columns() {
        let mut notes = Annotations::default();
        let pos = PosRange { start: 4, end: 6 };
        notes.warn("x".to_owned(), pos);
        notes.warn("x".to_owned(), pos);
        notes.start_time_overlap("m", pos);
        notes.start_time_overlap("m", pos);
        assert_eq!(
            notes.messages(Severity::Warning, "a +\nbc"),
            [
                "PromQL warning: x (2:1)",
                "PromQL warning: sample has start time that overlaps with previous sample \
                 timestamp for metric \"m\" (2 occurrences) (2:1)",
            ]
        );
        assert!(notes.messages(Severity::Info, "").is_empty());
    }
}
