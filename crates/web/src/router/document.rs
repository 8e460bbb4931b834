//! `docs/api.md`, written from the routes. The test compares; with `UPDATE_EXPECT=1` in the
//! environment it writes the page anew.

use std::path::Path;

use super::{API, Endpoint, MAIN, Route};

/// What no description of the reference's has.
const TARGET_HISTORY: &str = "
## Past scrapes

`/api/v1/ferula/target_history` answers `{targets: [{scrapePool, scrapeUrl, labels, scrapes}]}` with the
targets that are scraped now, by job; the parameter `scrapePool` names one job. `scrapes` are the last
ten, the newest first:

| field | meaning |
|---|---|
| `start` | when it began |
| `durationSeconds` | how long it took |
| `health` | `up` or `down` |
| `error` | the beginning of the error's text; empty if there was none, `null` if later errors took its place |
| `format` | as what the body was read: `text`, `openmetrics` or `protobuf`; empty if that did not come about |
| `compressed` | whether the body came compressed |
| `bodyBytes` | bytes of the body, uncompressed; 0 if none came or it was too large |
| `samples` | samples in the body |
| `samplesAfterRelabelling` | those that relabelling left |
| `seriesAdded` | series that were not in the scrape before |

This takes at most 720 bytes a target, in `ferula_scrape_cache_memory_bytes`, and is gone with the target.
";

#[test]
fn page_of_endpoints_follows_the_routes() {
    let mut page =
        "# HTTP endpoints\n\nPaths are below the route prefix. Parameters and answers are \
                    the reference's;\nwhat is missing here answers 404.\n"
            .to_owned();
    for (title, prefix, routes) in [("API", "/api/v1", API), ("The rest", "", MAIN)] {
        page.push_str(&format!(
            "\n## {title}\n\n| path | methods | what it does |\n|---|---|---|\n"
        ));
        for route in routes {
            page.push_str(&row(prefix, route));
        }
    }
    page.push_str(TARGET_HISTORY);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        std::fs::write(&path, &page).expect("page written");
    }
    let found = std::fs::read_to_string(&path).expect("the page exists");
    assert!(
        found == page,
        "docs/api.md is out of date: run this test with UPDATE_EXPECT=1"
    );
}

fn row(prefix: &str, route: &Route) -> String {
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let (pattern, methods) = (route.pattern, methods.join(", "));
    format!(
        "| `{prefix}{pattern}` | {methods} | {} |\n",
        meaning(route.endpoint)
    )
}

fn meaning(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::OutsidePrefix => "redirects to the route prefix",
        Endpoint::Root | Endpoint::Graph => "redirects to `/query` below the external URL",
        Endpoint::Page => "the plain page",
        Endpoint::Healthy => "200 as long as the process answers",
        Endpoint::Ready => "200 once the log is read and the configuration applied, 503 before",
        Endpoint::Reload => "reads the configuration again; needs `--web.enable-lifecycle`",
        Endpoint::Quit => "ends the server; needs `--web.enable-lifecycle`",
        Endpoint::LifecycleWrongMethod => "405: wants POST or PUT",
        Endpoint::Metrics => "the server's own metrics (see `metrics.md`)",
        Endpoint::Version | Endpoint::BuildInfo => {
            "version of the reference followed and of the build"
        }
        Endpoint::ApiOptions => "which origins and headers browsers may use",
        Endpoint::Query => "value of an expression at one time",
        Endpoint::QueryRange => "values of an expression at every step of a range",
        Endpoint::QueryExplain | Endpoint::QueryRangeExplain => {
            "what the query would do and what that is expected to cost, without running it"
        }
        Endpoint::FormatQuery => "an expression, laid out",
        Endpoint::ParseQuery => "an expression as a tree",
        Endpoint::Labels => "label names",
        Endpoint::LabelValues => "values of a label",
        Endpoint::Series => "label sets of series",
        Endpoint::DropSeries => "refused, as in the reference",
        Endpoint::Metadata => "types, units and help texts of metrics",
        Endpoint::Targets => "targets with their health, dropped ones too",
        Endpoint::TargetsMetadata => "metadata by target",
        Endpoint::RelabelSteps => "what each rule of a scrape job makes of a label set",
        Endpoint::TargetHistory => {
            "what the last ten scrapes of each target came to (`scrapePool` for one job's); ours"
        }
        Endpoint::ScrapePools => "names of the scrape jobs",
        Endpoint::ScrapePoolConfig => "the configuration of a scrape job, secrets hidden",
        Endpoint::Config => "the configuration in use, secrets hidden",
        Endpoint::RuntimeInfo => "start time, directories, limits",
        Endpoint::Flags => "all flags with their values",
        Endpoint::TsdbStatus => "cardinality of the head",
        Endpoint::QueryExemplars => "exemplars of the series that an expression selects",
        Endpoint::RemoteRead => "answers remote reads, with samples or a stream of chunks",
        Endpoint::RemoteWrite => {
            "takes remote write 1.0 and 2.0; needs `--web.enable-remote-write-receiver`"
        }
        Endpoint::DeleteSeries => "deletes samples; needs `--web.enable-admin-api`",
        Endpoint::CleanTombstones => {
            "frees the space of deleted samples; needs `--web.enable-admin-api`"
        }
        Endpoint::Snapshot => "copies the data; needs `--web.enable-admin-api`",
        Endpoint::WalReplay => "progress of reading the log at start",
    }
}
