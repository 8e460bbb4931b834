//! The labels of a scraped series: its own, those of its target, and what relabelling makes of them.

use exposition::{Format, series_text};
use model::label_name::{EXPORTED_PREFIX, METRIC_NAME};
use model::labels::LABEL_BYTES_MAX;
use model::{Labels, LabelsBuilder, MetricType, relabel};

use crate::append::Context;
use crate::error::Error;
use crate::limits;
use crate::target::labels_text;

/// The labels a scraped series is stored with; `None` if relabelling drops it.
pub(super) fn final_labels(
    context: &Context,
    format: Format,
    text: &[u8],
    metric_type: MetricType,
) -> Result<Option<Labels>, Error> {
    if text.len() > LABEL_BYTES_MAX {
        return Err(Error::SeriesTooLong(text.len()));
    }
    let options = &*context.options;
    let mut pairs = Vec::new();
    series_text::pairs(format, text, metric_type, &mut pairs)?;
    pairs.retain(|(_, value)| !value.is_empty());
    let twice = pairs.windows(2).find_map(|pair| match pair {
        [(first, _), (second, _)] if first == second => Some(first.to_string()),
        _ => None,
    });
    let mut builder = LabelsBuilder::new();
    for (name, value) in &pairs {
        builder.set(name, value);
    }
    add_target_labels(&mut builder, context.target.labels(), options.honor_labels);
    if !relabel::process_builder(&mut builder, &options.metric_relabel_configs)
        || builder.is_empty()
    {
        return Ok(None);
    }
    let labels = builder.labels();
    if !labels.has(METRIC_NAME) {
        return Err(Error::NoMetricName);
    }
    let legal = labels.iter().all(|(name, value)| {
        if name == METRIC_NAME {
            options.name_scheme.is_metric_name(value)
        } else {
            options.name_scheme.is_label_name(name)
        }
    });
    if !legal {
        return Err(Error::InvalidNames(labels_text(&labels)));
    }
    limits::check(&labels, options)?;
    match twice {
        Some(name) => Err(Error::DuplicateLabel(gocompat::quote::quote(&name))),
        None => Ok(Some(labels)),
    }
}

/// Adds the target's labels. Where both have one, the target's wins and the scraped one is renamed,
/// or with `honor_labels` the scraped one wins.
fn add_target_labels(builder: &mut LabelsBuilder, target: &Labels, honor_labels: bool) {
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for (name, value) in target {
        let scraped = builder.value_or_empty(name);
        if scraped.is_empty() {
            builder.set(name, value);
        } else if !honor_labels {
            conflicts.push((name.to_owned(), scraped.to_owned()));
            builder.set(name, value);
        }
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut renamed = format!("{EXPORTED_PREFIX}{name}");
        while !builder.value_or_empty(&renamed).is_empty() {
            renamed.insert_str(0, EXPORTED_PREFIX);
        }
        builder.set(&renamed, &value);
    }
}
