//! `admin/tsdb/*`: deleting series, cleaning up after it, snapshots. Only with
//! `--web.enable-admin-api`.

use super::{ApiError, ApiResult, Call, ErrorKind, Remarks};
use crate::handler::Admin;
use crate::json;

/// Marks samples of the series selected as deleted.
pub(super) fn delete_series(call: &Call) -> ApiResult {
    let admin = admin(call)?;
    call.whole_form()?;
    if call.form.values("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let (start, end) = call.time_range()?;
    // Unlike elsewhere a selector may match everything: each is deleted as soon as it is read.
    for text in call.form.values("match[]") {
        let options = &call.backend.parser_options;
        let matchers = promql_parser::parse_metric_selector(text, options)
            .map_err(|err| ApiError::parameter("match[]", err))?;
        (admin.delete)(start, end, &matchers).map_err(internal)?;
    }
    Ok(Remarks::nothing())
}

/// Rewrites blocks without what was deleted.
pub(super) fn clean_tombstones(call: &Call) -> ApiResult {
    let admin = admin(call)?;
    (admin.clean_tombstones)().map_err(internal)?;
    Ok(Remarks::nothing())
}

/// Copies the data to a directory of its own and names it.
pub(super) fn snapshot(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let admin = admin(call)?;
    let text = call.form.value("skip_head");
    let skip_head = match text {
        "" => false,
        text => gocompat::boolean::parse(text).map_err(|err| {
            let reason = format!("unable to parse boolean: {err}");
            ApiError::parameter("skip_head", reason)
        })?,
    };
    let name = (admin.snapshot)(!skip_head).map_err(internal)?;
    let mut object = json::Object::open(out);
    object.string("name", &name);
    object.close();
    Ok(Remarks::default())
}

fn admin(call: &Call) -> Result<&Admin, ApiError> {
    call.backend.admin.as_ref().ok_or_else(|| ApiError {
        kind: ErrorKind::Unavailable,
        text: "admin APIs disabled".to_owned(),
    })
}

fn internal(text: String) -> ApiError {
    ApiError {
        kind: ErrorKind::Internal,
        text,
    }
}
