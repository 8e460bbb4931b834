//! `targets` and `scrape_pools`.

use jiff::Timestamp as UtcTime;
use url::{Host, Url};

use super::{ApiResult, Call, Remarks};
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

fn write_active(out: &mut Vec<u8>, target: &ActiveTarget, options: &Options) {
    let last_scrape = target
        .last_scrape
        .and_then(|time| UtcTime::try_from(time).ok())
        .map_or_else(|| NEVER.to_owned(), |time| time.to_string());
    let mut object = json::Object::open(out);
    json::labels(object.key("discoveredLabels"), &target.discovered_labels);
    json::labels(object.key("labels"), &target.labels);
    object
        .string("scrapePool", &target.pool)
        .string("scrapeUrl", &target.url)
        .string("globalUrl", &global_url(&target.url, options))
        .string("lastError", &target.last_error)
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

/// The URL as others reach it: this machine's loopback names give way to our external host.
fn global_url(text: &str, options: &Options) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.to_owned();
    };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    };
    if !is_loopback {
        return text.to_owned();
    }
    let external = &options.external_url;
    let port = url.port_or_known_default();
    // Setters refuse only what an http URL cannot have; the external URL is one too.
    let _ = url.set_host(external.host_str());
    if port.is_some_and(|port| port.to_string() == options.listen_port) {
        // Our own listener: the way in is the external URL's, scheme and port included.
        let _ = url.set_scheme(external.scheme());
        let _ = url.set_port(external.port());
    }
    url.to_string()
}

/// Names of the scrape pools.
pub(super) fn scrape_pools(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let mut object = json::Object::open(out);
    json::strings(object.key("scrapePools"), call.backend.targets.pools());
    object.close();
    Ok(Remarks::default())
}
