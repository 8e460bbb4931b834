//! `series`: the label sets of the series selected.

use std::collections::BTreeMap;

use model::Labels;
use storage::SelectHints;

use super::{ApiError, ApiResult, Call, ErrorKind, Remarks, TRUNCATED, hint_limit};
use crate::json;

/// Label sets, each once; in label order when there are several selectors.
pub(super) fn series(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    call.whole_form()?;
    if call.form.values("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = call.limit()?;
    let (start, end) = call.time_range()?;
    let sets = call
        .matcher_sets()
        .map_err(|err| ApiError::parameter("match[]", err))?;
    let querier = call.backend.queryable.querier(start, end)?;
    let hints = SelectHints {
        start,
        end,
        function: "series".to_owned(),
        limit: hint_limit(limit),
        ..SelectHints::default()
    };
    let mut remarks = Remarks::default();
    let mut found: Vec<Labels> = Vec::new();
    let mut merged: BTreeMap<Vec<(String, String)>, Labels> = BTreeMap::new();
    let is_merging = sets.len() > 1;
    for matchers in &sets {
        let set = querier.select(is_merging, &hints, matchers, &call.cancel)?;
        remarks.warnings.extend(set.warnings());
        for index in 0..set.len() {
            let labels = set.labels(index);
            if is_merging {
                merged.insert(sort_key(&labels), labels);
                continue;
            }
            found.push(labels);
            if limit > 0 && found.len() > limit {
                break;
            }
        }
    }
    found.extend(merged.into_values());
    if limit > 0 && found.len() > limit {
        found.truncate(limit);
        remarks.warnings.push(TRUNCATED.to_owned());
    }
    json::array(out, &found, json::labels);
    Ok(remarks)
}

/// Deleting series here was never built in the reference either, and says so.
pub(super) fn not_implemented() -> ApiError {
    ApiError {
        kind: ErrorKind::Internal,
        text: "not implemented".to_owned(),
    }
}

/// Orders label sets by names and values in turn.
fn sort_key(labels: &Labels) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
