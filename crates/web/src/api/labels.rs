//! `labels` and `label/<name>/values`.

use std::collections::BTreeSet;

use gocompat::quote::quote_bytes;
use model::Matcher;
use storage::{LabelHints, StorageError, Warnings};

use super::{ApiError, ApiResult, Call, Remarks, TRUNCATED, hint_limit};
use crate::json;

/// Label names of the series selected.
pub(super) fn names(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let limit = call.limit()?;
    let (start, end) = call.time_range()?;
    let sets = call.matcher_sets().map_err(ApiError::bad_data)?;
    let querier = call.backend.queryable.querier(start, end)?;
    collect(call, &sets, limit, out, |hints, matchers| {
        querier.label_names(hints, matchers)
    })
}

/// Values of one label among the series selected.
pub(super) fn values(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let name = label_name(&call.parameter)?;
    let limit = call.limit()?;
    let (start, end) = call.time_range()?;
    let sets = call.matcher_sets().map_err(ApiError::bad_data)?;
    let querier = call.backend.queryable.querier(start, end)?;
    collect(call, &sets, limit, out, |hints, matchers| {
        querier.label_values(&name, hints, matchers)
    })
}

/// The label that a path segment names; `U__` introduces the escaped form of any name.
fn label_name(segment: &[u8]) -> Result<String, ApiError> {
    let Ok(name) = std::str::from_utf8(segment) else {
        let quoted = quote_bytes(segment);
        return Err(ApiError::bad_data(format!("invalid label name: {quoted}")));
    };
    Ok(unescape_name(name).unwrap_or_else(|| name.to_owned()))
}

/// Undoes the `values` escaping of names; `None` for what is not so escaped.
fn unescape_name(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::new();
    while let Some(at) = rest.find('_') {
        out.push_str(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        if let Some(tail) = rest.strip_prefix('_') {
            out.push('_');
            rest = tail;
            continue;
        }
        let (digits, tail) = rest.split_once('_')?;
        if digits.is_empty() || digits.len() > 6 {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

/// The union of what each matcher set gives, sorted and limited.
fn collect(
    call: &Call,
    sets: &[Vec<Matcher>],
    limit: usize,
    out: &mut Vec<u8>,
    read: impl Fn(&LabelHints, &[Matcher]) -> Result<(Vec<String>, Warnings), StorageError>,
) -> ApiResult {
    let hints = LabelHints {
        limit: hint_limit(limit),
    };
    let mut remarks = Remarks::default();
    let mut texts = BTreeSet::new();
    let everything = [Vec::new()];
    let sets = if sets.is_empty() {
        &everything[..]
    } else {
        sets
    };
    for matchers in sets {
        call.cancel.check().map_err(StorageError::from)?;
        let (found, warnings) = read(&hints, matchers)?;
        texts.extend(found);
        remarks.warnings.extend(warnings);
    }
    let mut shown = texts.len();
    if limit > 0 && shown > limit {
        remarks.warnings.push(TRUNCATED.to_owned());
        shown = limit;
    }
    json::strings(out, texts.iter().take(shown));
    Ok(remarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        let check = |segment: &str, expected: &str| {
            assert_eq!(label_name(segment.as_bytes()), Ok(expected.to_owned()));
        };
        check("job", "job");
        check("U__label_2e_dot", "label.dot");
        check("U__a__b", "a_b");
        check("U__sp_20_ace", "sp ace");
        check("U__bad_zz_x", "U__bad_zz_x");
        check("U__open_2e", "U__open_2e");
        assert_eq!(
            label_name(b"\xff"),
            Err(ApiError::bad_data("invalid label name: \"\\xff\""))
        );
    }
}
