//! `metadata` and `targets/metadata`: types, units and help texts that targets sent.

use std::collections::{BTreeMap, BTreeSet};

use super::{ApiError, ApiResult, Call, Remarks};
use crate::json;
use crate::params;

/// A limit that, unlike others, may be negative for "all".
fn any_limit(call: &Call, name: &str) -> Result<Option<usize>, ApiError> {
    let text = call.form.value(name);
    if text.is_empty() {
        return Ok(None);
    }
    match params::go_atoi(text) {
        Ok(value) => Ok(usize::try_from(value).ok()),
        Err(_) => Err(ApiError::bad_data(format!("{name} must be a number"))),
    }
}

/// By metric family, each differing metadata once.
pub(super) fn by_metric(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let limit = any_limit(call, "limit")?;
    let limit_per_metric = any_limit(call, "limit_per_metric")?.filter(|limit| *limit > 0);
    let wanted = Some(call.form.value("metric")).filter(|name| !name.is_empty());
    let targets = call.backend.targets.metadata(wanted);
    let mut by_name: BTreeMap<&str, BTreeSet<(&str, &str, &str)>> = BTreeMap::new();
    for (name, metadata) in targets.iter().flat_map(|target| &target.families) {
        let known = by_name.entry(name).or_default();
        if limit_per_metric.is_none_or(|limit| known.len() < limit) {
            known.insert((
                metadata.metric_type.as_str(),
                &metadata.unit,
                &metadata.help,
            ));
        }
    }
    let mut object = json::Object::open(out);
    for (name, known) in by_name.iter().take(limit.unwrap_or(usize::MAX)) {
        json::array(object.key(name), known, |out, (kind, unit, help)| {
            let mut object = json::Object::open(out);
            object
                .string("type", kind)
                .string("unit", unit)
                .string("help", help);
            object.close();
        });
    }
    object.close();
    Ok(Remarks::default())
}

/// By target.
pub(super) fn by_target(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let limit = any_limit(call, "limit")?;
    let selector = call.form.value("match_target");
    let matchers = if selector.is_empty() {
        Vec::new()
    } else {
        promql_parser::parse_metric_selector(selector, &call.backend.parser_options)
            .map_err(|err| ApiError::parameter("match_target", err))?
    };
    let metric = Some(call.form.value("metric")).filter(|name| !name.is_empty());
    let mut entries = Vec::new();
    let targets = call.backend.targets.metadata(metric);
    for target in &targets {
        // As in the reference, the limit is looked at between targets only.
        if limit.is_some_and(|limit| entries.len() >= limit) {
            break;
        }
        let fits =
            |matcher: &model::Matcher| matcher.matches(target.target.value_or_empty(&matcher.name));
        if matchers.iter().all(fits) {
            entries.extend(
                target
                    .families
                    .iter()
                    .map(|family| (&target.target, family)),
            );
        }
    }
    json::array(out, entries, |out, (target, (name, metadata))| {
        let mut object = json::Object::open(out);
        json::labels(object.key("target"), target);
        if metric.is_none() {
            object.string("metric", name);
        }
        object
            .string("type", metadata.metric_type.as_str())
            .string("help", &metadata.help)
            .string("unit", &metadata.unit);
        object.close();
    });
    Ok(Remarks::default())
}
