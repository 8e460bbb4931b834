//! `status/*`: what the server tells of itself.

use std::time::SystemTime;

use jiff::Timestamp as UtcTime;

use super::{ApiError, ApiResult, Call, Remarks};
use crate::handler::BuildInfo;
use crate::json;
use crate::params;

/// The configuration with its defaults.
pub(super) fn config(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let mut object = json::Object::open(out);
    object.string("yaml", &(call.backend.config_yaml)());
    object.close();
    Ok(Remarks::default())
}

/// Every flag as text.
pub(super) fn flags(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let mut object = json::Object::open(out);
    for (name, value) in &call.handler.options().flags {
        object.string(name, value);
    }
    object.close();
    Ok(Remarks::default())
}

/// Start, load and limits.
pub(super) fn runtime_info(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let info = (call.backend.runtime_info)();
    let mut object = json::Object::open(out);
    object
        .string("startTime", &nanos(info.start_time))
        .string("CWD", &info.working_directory)
        .string("hostname", &info.host_name)
        .string("serverTime", &nanos(call.now))
        .boolean("reloadConfigSuccess", info.reload_success)
        .string("lastConfigTime", &seconds(info.last_config_time))
        .integer("corruptionCount", info.corruption_count)
        .integer("goroutineCount", info.thread_count)
        .integer("GOMAXPROCS", info.worker_threads)
        .integer("GOMEMLIMIT", info.memory_limit_bytes)
        .string("GOGC", "")
        .string("GODEBUG", "")
        .string("storageRetention", &info.storage_retention);
    object.close();
    Ok(Remarks::default())
}

/// Most entries of each list that may be asked for.
const TOP_MAX: i64 = 10_000;
/// Entries of each list when nothing is asked for.
const TOP: i64 = 10;

/// What the head holds, and what it holds most of.
pub(super) fn tsdb(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let top = match call.form.value("limit") {
        "" => TOP,
        text => match params::go_atoi(text) {
            Ok(top @ 1..) => top,
            _ => return Err(ApiError::bad_data("limit must be a positive number")),
        },
    };
    if top > TOP_MAX {
        return Err(ApiError::bad_data(format!(
            "limit must not exceed {TOP_MAX}"
        )));
    }
    let info = (call.backend.tsdb_info)(usize::try_from(top).unwrap_or(usize::MAX));
    let mut object = json::Object::open(out);
    let mut head = json::Object::open(object.key("headStats"));
    head.integer("numSeries", info.series_count)
        .integer("numLabelPairs", info.label_pair_count)
        .integer("chunkCount", info.chunk_count)
        .integer("minTime", info.min_time)
        .integer("maxTime", info.max_time);
    head.close();
    for (name, entries) in [
        ("seriesCountByMetricName", &info.series_by_metric_name),
        ("labelValueCountByLabelName", &info.values_by_label_name),
        ("memoryInBytesByLabelName", &info.bytes_by_label_name),
        ("seriesCountByLabelValuePair", &info.series_by_label_pair),
    ] {
        json::array(object.key(name), entries, |out, (name, value)| {
            let mut object = json::Object::open(out);
            object.string("name", name).integer("value", *value);
            object.close();
        });
    }
    object.close();
    Ok(Remarks::default())
}

/// Progress of reading the write-ahead log: first segment, last, and the one being read.
pub(crate) fn write_replay(out: &mut Vec<u8>, (min, max, current): (u32, u32, u32)) {
    let mut object = json::Object::open(out);
    object
        .integer("min", i64::from(min))
        .integer("max", i64::from(max))
        .integer("current", i64::from(current));
    object.close();
}

fn utc(time: SystemTime) -> UtcTime {
    UtcTime::try_from(time).unwrap_or(UtcTime::UNIX_EPOCH)
}

fn nanos(time: SystemTime) -> String {
    utc(time).to_string()
}

fn seconds(time: SystemTime) -> String {
    utc(time).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Who we are.
pub(super) fn build_info(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    write_build_info(out, &call.handler.options().build);
    Ok(Remarks::default())
}

/// Who we are, as `/version` writes it too.
pub(crate) fn write_build_info(out: &mut Vec<u8>, build: &BuildInfo) {
    let mut object = json::Object::open(out);
    object
        .string("version", &build.version)
        .string("revision", &build.revision)
        .string("branch", &build.branch)
        .string("buildUser", &build.build_user)
        .string("buildDate", &build.build_date)
        .string("goVersion", &build.go_version);
    object.close();
}
