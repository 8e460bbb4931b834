//! What the reference has and we have not yet.
//!
//! The contract (`docs/compat.md`): what would change what is stored or answered stops the server
//! with a sentence that names it; feature names and retention only warn.

use crate::settings::Settings;

/// Flags that stop the server when given with another value than their default.
const REFUSED: &[(&str, &str)] = &[
    ("agent", "agent mode"),
    (
        "config.auto-reload",
        "automatic reload of the configuration",
    ),
    (
        "web.config.file",
        "TLS and authentication of the server's own listener",
    ),
    ("web.enable-otlp-receiver", "the OTLP receiver"),
    ("web.user-assets", "serving user assets"),
];

/// Flags that only warn.
const WARNED: &[(&str, &str)] = &[
    ("web.console.templates", "console templates"),
    ("web.console.libraries", "console templates"),
    (
        "storage.tsdb.max-block-chunk-segment-size",
        "writing blocks",
    ),
    (
        "storage.tsdb.head-chunks-write-queue-size",
        "head chunk files",
    ),
    ("storage.tsdb.delayed-compaction.max-percent", "compaction"),
    ("storage.tsdb.delay-compact-file.path", "compaction"),
    ("storage.tsdb.block-reload-interval", "reading blocks"),
    (
        "auto-gomemlimit.refresh-interval",
        "looking up the memory limit again",
    ),
];

/// Features that work when switched on, or that the reference accepts without effect.
const BUILT_FEATURES: &[&str] = &[
    "promql-experimental-functions",
    "promql-extended-range-selectors",
    "promql-binop-fill-modifiers",
    "promql-delayed-name-removal",
    "promql-per-step-stats",
    "promql-duration-expr",
    "created-timestamp-zero-ingestion",
    "exemplar-storage",
    "extra-scrape-metrics",
    "histograms-st-encoding",
    "st-storage",
    "st-synthesis",
    "xor2-encoding",
    "memory-snapshot-on-shutdown",
];

/// Features that only set the default of an option of the configuration.
const DEFAULTS: &[(&str, &str)] = &[
    ("extra-scrape-metrics", "extra_scrape_metrics"),
    ("xor2-encoding", "storage.tsdb.chunk_encoding.floats"),
];

/// Features the reference knows.
const KNOWN_FEATURES: &[&str] = &[
    "auto-reload-config",
    "concurrent-rule-eval",
    "created-timestamp-zero-ingestion",
    "delayed-compaction",
    "exemplar-storage",
    "extra-scrape-metrics",
    "fast-startup",
    "histograms-st-encoding",
    "memory-snapshot-on-shutdown",
    "metadata-wal-records",
    "native-histograms",
    "old-ui",
    "ooo-native-histograms",
    "otlp-deltatocumulative",
    "otlp-native-delta-ingestion",
    "promql-binop-fill-modifiers",
    "promql-delayed-name-removal",
    "promql-duration-expr",
    "promql-experimental-functions",
    "promql-extended-range-selectors",
    "promql-per-step-stats",
    "search-api",
    "st-storage",
    "st-synthesis",
    "type-and-unit-labels",
    "use-start-timestamps",
    "use-uncached-io",
    "xor2-encoding",
];

/// The sentence that stops the server, if a flag asks for too much.
pub(crate) fn refusal(settings: &Settings) -> Option<String> {
    let flags = &settings.flags;
    let differs = |name: &str| {
        let default = crate::flags::FLAGS.iter().find(|flag| flag.name == name);
        flags.is_given(name)
            && flags.to_texts().get(name).map(String::as_str) != default.map(|flag| flag.default)
    };
    let (name, what) = REFUSED.iter().find(|(name, _)| differs(name))?;
    Some(format!(
        "--{name} is not supported yet: {what} is not built"
    ))
}

/// Logs one warning for each flag or feature that has no effect yet.
pub(crate) fn warn(settings: &Settings) {
    for (name, what) in WARNED {
        if settings.flags.is_given(name) {
            tracing::warn!(flag = name, not_built = what, "This flag has no effect yet");
        }
    }
    for feature in &settings.features {
        if !KNOWN_FEATURES.contains(&feature.as_str()) {
            tracing::warn!(option = %feature, "Unknown option for --enable-feature");
        } else if !BUILT_FEATURES.contains(&feature.as_str()) {
            tracing::warn!(feature = %feature, "This feature is not built yet and has no effect");
        } else if let Some((_, key)) = DEFAULTS.iter().find(|(name, _)| name == feature) {
            tracing::warn!(
                option = %feature,
                key,
                "This feature only sets the default of a key of the configuration, and will go: use the configuration"
            );
        } else {
            tracing::info!(feature = %feature, "Experimental feature enabled");
        }
    }
}
