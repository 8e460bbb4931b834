//! `targets`, `scrape_pools` and `scrape_pools/config`.

use std::borrow::Cow;
use std::time::SystemTime;

use gocompat::quote::quote;
use gocompat::url;
use jiff::Timestamp as UtcTime;

use super::{ApiError, ApiResult, Call, Remarks};
use crate::handler::Options;
use crate::json;
use crate::targets::{ActiveTarget, DroppedTarget};

/// Time of a scrape that has not been: Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Active and dropped targets, by pool.
pub(super) fn targets(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let state = call.url_form.value("state").to_lowercase();
    let pool = call.url_form.value("scrapePool");
    let wants_pool = |name: &str| pool.is_empty() || pool == name;
    let wants_active = matches!(state.as_str(), "" | "any" | "active");
    let wants_dropped = matches!(state.as_str(), "" | "any" | "dropped");
    let source = &call.backend.targets;
    let mut active = if wants_active {
        source.active()
    } else {
        Default::default()
    };
    active.retain(|name, _| wants_pool(name));
    let mut dropped = if wants_dropped {
        source.dropped()
    } else {
        Default::default()
    };
    dropped.retain(|name, _| wants_pool(name));
    let options = call.handler.options();
    let mut object = json::Object::open(out);
    json::array(
        object.key("activeTargets"),
        active.values().flatten(),
        |out, target| {
            write_active(out, target, options);
        },
    );
    json::array(
        object.key("droppedTargets"),
        dropped.values().flatten(),
        write_dropped,
    );
    let counts = object.key("droppedTargetCounts");
    if wants_dropped {
        let mut object = json::Object::open(counts);
        for (name, count) in source.dropped_counts() {
            object.integer(&name, i64::try_from(count).unwrap_or(i64::MAX));
        }
        object.close();
    } else {
        counts.extend_from_slice(b"null");
    }
    object.close();
    Ok(Remarks::default())
}

/// A time as Go prints it.
pub(super) fn time_text(time: Option<SystemTime>) -> String {
    time.and_then(|time| UtcTime::try_from(time).ok())
        .map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}

fn write_active(out: &mut Vec<u8>, target: &ActiveTarget, options: &Options) {
    let last_scrape = time_text(target.last_scrape);
    let (global_url, told) = global_url(target, options);
    let last_error = match told {
        Ok(()) => Cow::Borrowed(&*target.last_error),
        Err(reason) => Cow::Owned(format!("{}: {reason}", target.last_error)),
    };
    let mut object = json::Object::open(out);
    json::labels(object.key("discoveredLabels"), &target.discovered_labels);
    json::labels(object.key("labels"), &target.labels);
    object
        .string("scrapePool", &target.pool)
        .string("scrapeUrl", &target.url)
        .string("globalUrl", &global_url)
        .string("lastError", &last_error)
        .string("lastScrape", &last_scrape);
    json::number(object.key("lastScrapeDuration"), target.last_scrape_seconds);
    object
        .string("health", target.health.as_str())
        .string("scrapeInterval", &target.scrape_interval)
        .string("scrapeTimeout", &target.scrape_timeout);
    object.close();
}

fn write_dropped(out: &mut Vec<u8>, target: &DroppedTarget) {
    let mut object = json::Object::open(out);
    json::labels(object.key("discoveredLabels"), &target.discovered_labels);
    object.string("scrapePool", &target.pool);
    object.close();
}

/// Hosts that mean this machine.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// The URL as others reach it: this machine's loopback names give way to our external host. The
/// error says why that cannot be told; the URL is as it was then.
fn global_url(target: &ActiveTarget, options: &Options) -> (String, Result<(), String>) {
    let origin = match global_origin(&target.address, options) {
        Ok(None) => return (target.url.clone(), Ok(())),
        Ok(Some((scheme, host))) => {
            let mut origin = String::new();
            url::push_origin(&mut origin, scheme.unwrap_or(&target.scheme), &host);
            origin
        }
        Err(reason) => return (target.url.clone(), Err(reason)),
    };
    let mut own = String::new();
    url::push_origin(&mut own, &target.scheme, &target.address);
    let rest = target.url.strip_prefix(&own).unwrap_or_default();
    (format!("{origin}{rest}"), Ok(()))
}

/// What takes the place of scheme (if that changes too) and host; `None` if all stays.
fn global_origin<'a>(
    address: &str,
    options: &'a Options,
) -> Result<Option<(Option<&'a str>, String)>, String> {
    let (host, port) = host_and_port(address)?;
    if !LOOPBACK.contains(&host) {
        return Ok(None);
    }
    let external = &options.external_url;
    if port == options.listen_port {
        // Our own listener: the way in is the external URL's, scheme and port included.
        return Ok(Some((Some(&external.scheme), external.host.clone())));
    }
    let (host, _) = host_and_port(&external.host)?;
    Ok(Some((
        None,
        if port.is_empty() {
            host.to_owned()
        } else {
            url::join_host_port(host, port)
        },
    )))
}

/// Host without brackets, and port; an address may have none.
fn host_and_port(address: &str) -> Result<(&str, &str), String> {
    url::split_host_port(address).or_else(|reason| {
        // With a port it might have been fine.
        let inside = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let host = inside.unwrap_or(address);
        let is_fine = url::split_host_port(&format!("{address}:80")).is_ok();
        let lacks_port = reason.ends_with("missing port in address");
        if lacks_port && is_fine {
            Ok((host, ""))
        } else {
            Err(reason)
        }
    })
}

/// Names of the scrape pools.
pub(super) fn scrape_pools(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let mut object = json::Object::open(out);
    json::strings(object.key("scrapePools"), call.backend.targets.pools());
    object.close();
    Ok(Remarks::default())
}

/// The name of the pool that a call asks for.
pub(super) fn wanted_pool(call: &Call) -> Result<&str, ApiError> {
    match call.form.value("scrapePool") {
        "" => Err(ApiError::bad_data("no scrapePool parameter provided")),
        pool => Ok(pool),
    }
}

/// What a call learns of a pool that does not exist.
pub(super) fn unknown_pool(pool: &str) -> ApiError {
    let pool = quote(pool);
    ApiError::bad_data(format!(
        "error retrieving scrape config: scrape pool {pool} not found"
    ))
}

/// A pool's configuration.
pub(super) fn pool_config(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let pool = wanted_pool(call)?;
    let yaml = call.backend.targets.pool_yaml(pool);
    let mut object = json::Object::open(out);
    object.string("yaml", &yaml.ok_or_else(|| unknown_pool(pool))?);
    object.close();
    Ok(Remarks::default())
}
