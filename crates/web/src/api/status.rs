//! `status/*`: what the server tells of itself.

use std::time::SystemTime;

use jiff::Timestamp as UtcTime;

use super::{ApiResult, Call, Remarks};
use crate::handler::BuildInfo;
use crate::json;

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
