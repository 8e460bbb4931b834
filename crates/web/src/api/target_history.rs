//! `ferula/target_history`: what the last scrapes of each target came to.

use super::target_list::time_text;
use super::{ApiResult, Call, Remarks};
use crate::json;
use crate::targets::{PastScrape, TargetHistory};

/// Targets that are scraped, by pool; of each its last scrapes, the newest first.
pub(super) fn histories(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let pool = call.url_form.value("scrapePool");
    let mut histories = call.backend.targets.histories();
    histories.retain(|name, _| pool.is_empty() || pool == name);
    let mut object = json::Object::open(out);
    json::array(
        object.key("targets"),
        histories.values().flatten(),
        write_target,
    );
    object.close();
    Ok(Remarks::default())
}

fn write_target(out: &mut Vec<u8>, target: &TargetHistory) {
    let mut object = json::Object::open(out);
    object
        .string("scrapePool", &target.pool)
        .string("scrapeUrl", &target.url);
    json::labels(object.key("labels"), &target.labels);
    json::array(object.key("scrapes"), &target.scrapes, write_scrape);
    object.close();
}

fn write_scrape(out: &mut Vec<u8>, scrape: &PastScrape) {
    let mut object = json::Object::open(out);
    object.string("start", &time_text(Some(scrape.time)));
    json::number(object.key("durationSeconds"), scrape.seconds);
    object.string("health", scrape.health.as_str());
    match &scrape.error {
        Some(error) => json::string(object.key("error"), error),
        None => object.key("error").extend_from_slice(b"null"),
    }
    object
        .string("format", scrape.format)
        .boolean("compressed", scrape.compressed)
        .integer("bodyBytes", scrape.body_bytes.into())
        .integer("samples", scrape.samples.into())
        .integer(
            "samplesAfterRelabelling",
            scrape.samples_after_relabelling.into(),
        )
        .integer("seriesAdded", scrape.series_added.into());
    object.close();
}
