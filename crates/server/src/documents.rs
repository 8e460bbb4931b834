//! Pages of `docs/` that are written from tables. The tests compare; with `UPDATE_EXPECT=1` in the
//! environment they write the pages anew.

use std::path::Path;

use telemetry::Registry;
use telemetry::metrics::Kind;

use crate::environment::Environment;
use crate::flags::{Command, parse};
use crate::monitor;
use crate::settings::Settings;

/// Compares `text` with the page, or replaces it.
#[track_caller]
fn expect_page(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).expect("page written");
    }
    let page = std::fs::read_to_string(&path).expect("the page exists");
    assert!(
        page == text,
        "docs/{name} is out of date: run this test with UPDATE_EXPECT=1"
    );
}

#[test]
fn page_of_flags_is_what_the_program_writes() {
    expect_page("flags.md", &crate::flags::markdown());
}

#[test]
fn page_of_metrics_names_all_that_an_assembled_server_registers() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let flags = [
        format!("--storage.tsdb.path={}", dir.path().join("data").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ];
    let Ok(Command::Run(flags)) = parse(&flags, "") else {
        panic!("good flags")
    };
    let settings = Settings::new(flags, &Environment::default()).expect("good settings");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let registry = runtime
        .expect("a runtime")
        .block_on(monitor::registry_of_all(settings))
        .expect("assembled");
    expect_page("metrics.md", &page_of_metrics(&registry));
}

fn page_of_metrics(registry: &Registry) -> String {
    let mut page =
        "# Metrics of the server\n\nWhat `/metrics` can show; a metric with labels appears \
                    once one of its label values does.\nNames and help texts are the reference's, \
                    `ferula_*` apart.\n\n| name | type | meaning |\n|---|---|---|\n"
            .to_owned();
    for (name, kind, help) in registry.described() {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        let help = help.replace('|', "\\|");
        page.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
    }
    page
}
