//! `label_replace` and `label_join`.

use gocompat::regex::Regex;
use model::label_name::METRIC_NAME;
use model::{Labels, LabelsBuilder};

use crate::column::{Grid, Series};
use crate::error::QueryError;
use crate::exec::{Evaluator, Sink};
use crate::plan::Node;

impl Evaluator<'_> {
    pub(super) fn label_replace(
        &self,
        vector: &Node,
        texts: &[String; 4],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let [target, template, source, expression] = texts;
        let regex = Regex::new_anchored(expression).map_err(|_| {
            QueryError::Execution(format!(
                "invalid regular expression in label_replace(): {expression}"
            ))
        })?;
        check_name(target, "destination label name in label_replace()")?;
        self.joined(sink, |sink| {
            self.vector(vector, grid, &mut |mut series| {
                let value = series.labels.value_or_empty(source).to_owned();
                if let Some(captures) = regex.captures(&value) {
                    let mut replaced = String::new();
                    regex.expand(template, &captures, &mut replaced);
                    relabel(&mut series, target, &replaced);
                }
                sink(series)
            })
        })
    }

    pub(super) fn label_join(
        &self,
        vector: &Node,
        (target, separator): (&str, &str),
        sources: &[String],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        for source in sources {
            check_name(source, "source label name in label_join()")?;
        }
        check_name(target, "destination label name in label_join()")?;
        self.joined(sink, |sink| {
            self.vector(vector, grid, &mut |mut series| {
                let values: Vec<&str> = sources
                    .iter()
                    .map(|name| series.labels.value_or_empty(name))
                    .collect();
                let value = values.join(separator);
                relabel(&mut series, target, &value);
                sink(series)
            })
        })
    }
}

fn check_name(name: &str, what: &str) -> Result<(), QueryError> {
    if name.is_empty() {
        return Err(QueryError::Execution(format!("invalid {what}: {name}")));
    }
    Ok(())
}

/// Sets a label; a metric name that was set on purpose stays.
fn relabel(series: &mut Series, name: &str, value: &str) {
    let mut builder = LabelsBuilder::from_labels(&series.labels);
    builder.set(name, value);
    series.labels = builder.labels();
    if name == METRIC_NAME {
        series.drop_name = false;
    }
}

/// A label set as error texts show it: `{a="b", c="d"}`.
pub(crate) fn label_text(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let value = gocompat::quote::quote(value);
            if model::label_name::is_legacy_label_name(name) {
                format!("{name}={value}")
            } else {
                format!("{}={value}", gocompat::quote::quote(name))
            }
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
