//! The labels of a scraped series: its own, those of its target, and what relabelling makes of them.

use exposition::Format;
use exposition::series_text::{self, Pair};
use model::label_name::{EXPORTED_PREFIX, METRIC_NAME};
use model::labels::LABEL_BYTES_MAX;
use model::{Labels, LabelsBuilder, MetricType, relabel};

use crate::append::Context;
use crate::error::Error;
use crate::limits;
use crate::options::JobOptions;
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
    let target = context.target.labels();
    let merged = match &*options.metric_relabel_configs {
        [] if twice.is_none() => merged(&pairs, target),
        _ => None,
    };
    let (labels, legal) = if let Some(merged) = merged {
        let legal = are_legal(merged.iter().copied(), options);
        (Labels::from_sorted(merged), legal)
    } else {
        let mut builder = LabelsBuilder::new();
        for (name, value) in &pairs {
            builder.set(name, value);
        }
        add_target_labels(&mut builder, target, options.honor_labels);
        if !relabel::process_builder(&mut builder, &options.metric_relabel_configs) {
            return Ok(None);
        }
        (builder.labels(), are_legal(builder.iter(), options))
    };
    if labels.is_empty() {
        return Ok(None);
    }
    if !labels.has(METRIC_NAME) {
        return Err(Error::NoMetricName);
    }
    if !legal {
        return Err(Error::InvalidNames(labels_text(&labels)));
    }
    limits::check(&labels, options)?;
    match twice {
        Some(name) => Err(Error::DuplicateLabel(gocompat::quote::quote(&name))),
        None => Ok(Some(labels)),
    }
}

/// Whether a metric and its labels may be called so.
fn are_legal<'a>(
    mut pairs: impl Iterator<Item = (&'a str, &'a str)>,
    options: &JobOptions,
) -> bool {
    pairs.all(|(name, value)| {
        if name == METRIC_NAME {
            options.name_scheme.is_metric_name(value)
        } else {
            options.name_scheme.is_label_name(name)
        }
    })
}

/// Scraped labels, sorted and each there once, with those of the target in between; `None` if both have
/// one of them.
fn merged<'a>(scraped: &'a [Pair<'_>], target: &'a Labels) -> Option<Vec<(&'a str, &'a str)>> {
    let mut merged = Vec::with_capacity(scraped.len() + target.len());
    let mut target = target.iter().peekable();
    for (name, value) in scraped {
        while let Some(pair) = target.next_if(|(other, _)| *other < &**name) {
            merged.push(pair);
        }
        if target.peek().is_some_and(|(other, _)| *other == &**name) {
            return None;
        }
        merged.push((&**name, &**value));
    }
    merged.extend(target);
    Some(merged)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_gives_what_adding_one_by_one_gives() {
        let names = ["a", "b", "c", "job", "z"];
        let chosen = |bits: usize| {
            let chosen = names.iter().enumerate();
            chosen.filter_map(move |(bit, name)| (bits >> bit & 1 == 1).then_some(*name))
        };
        for (of_scraped, of_target) in
            (0..32).flat_map(|one| (0..32).map(move |other| (one, other)))
        {
            let scraped: Vec<Pair<'_>> = chosen(of_scraped)
                .map(|name| (name.into(), "scraped".into()))
                .collect();
            let target = Labels::from_pairs(chosen(of_target).map(|name| (name, "target")));
            let mut builder = LabelsBuilder::new();
            for (name, value) in &scraped {
                builder.set(name, value);
            }
            add_target_labels(&mut builder, &target, false);
            let expected = (of_scraped & of_target == 0).then(|| builder.labels());
            assert_eq!(merged(&scraped, &target).map(Labels::from_sorted), expected);
        }
    }
}
