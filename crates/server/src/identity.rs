//! Who the server says it is: the version of the reference that is followed, and our own.
//!
//! Clients switch their features by the first, so that is the `version` everywhere the reference
//! has one; our own stands in the revision and under our own name.

use telemetry::Registry;
use telemetry::metrics::{ExposedSample, Kind};
use web::BuildInfo;

/// Version of the reference that is followed.
pub const REFERENCE_VERSION: &str = "3.14.0";
/// Our own version.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What status and version pages tell.
pub fn build_info() -> BuildInfo {
    BuildInfo {
        version: REFERENCE_VERSION.to_owned(),
        revision: revision(),
        branch: "HEAD".to_owned(),
        build_user: "ferula".to_owned(),
        build_date: String::new(),
        go_version: language_version(),
        own_version: OWN_VERSION.to_owned(),
    }
}

fn revision() -> String {
    format!("ferula-{OWN_VERSION}")
}

/// Stands where the reference names its Go version.
fn language_version() -> String {
    format!("rust{}", env!("CARGO_PKG_RUST_VERSION"))
}

/// Operating system and processor as Go names them.
fn platform() -> (&'static str, &'static str) {
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    (std::env::consts::OS, processor)
}

/// What `--version` prints for a program of ours.
pub fn version_text(program: &str) -> String {
    let (os, processor) = platform();
    format!(
        "{program}, version {REFERENCE_VERSION} (branch: HEAD, revision: {})\n  \
         ferula version:   {OWN_VERSION}\n  rust version:     {}\n  platform:         {os}/{processor}\n",
        revision(),
        language_version().trim_start_matches("rust"),
    )
}

/// The version as the reference's first log line has it.
pub(crate) fn short_version() -> String {
    format!(
        "(version={REFERENCE_VERSION}, branch=HEAD, revision={})",
        revision()
    )
}

/// Registers `prometheus_build_info` and `ferula_build_info`.
pub(crate) fn register(registry: &Registry) {
    let (os, processor) = platform();
    let constant = |name: &str, help: &str, labels: &[(&str, String)]| {
        let labels: Vec<(String, String)> = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        registry.collector(name, help, Kind::Gauge, move |family| {
            let labels = labels.clone();
            family.samples.push(ExposedSample {
                suffix: "",
                labels,
                value: 1.0,
            });
        });
    };
    constant(
        "prometheus_build_info",
        "A metric with a constant '1' value labeled by version, revision, branch, goversion from which prometheus was built, and the goos and goarch for the build.",
        &[
            ("branch", "HEAD".to_owned()),
            ("goarch", processor.to_owned()),
            ("goos", os.to_owned()),
            ("goversion", language_version()),
            ("revision", revision()),
            ("tags", String::new()),
            ("version", REFERENCE_VERSION.to_owned()),
        ],
    );
    constant(
        "ferula_build_info",
        "Always 1, labelled with our own version and the version of Prometheus that is followed.",
        &[
            ("prometheus_version", REFERENCE_VERSION.to_owned()),
            ("version", OWN_VERSION.to_owned()),
        ],
    );
}
