//! The layer table: a crate imports only from rows below its own.

/// Rows from the ground up. `ARCHITECTURE.md` shows the same table with words.
pub(crate) const ROWS: &[&[&str]] = &[
    &["stdx", "memory", "gocompat", "yaml"],
    &["model", "telemetry"],
    &["chunk"],
    &[
        "storage",
        "exposition",
        "promql-parser",
        "text-template",
        "http-client",
        "gossip",
    ],
    &["tsdb", "promql", "discovery"],
    &[
        "scrape",
        "remote",
        "rules",
        "notifier",
        "alertmanager",
        "promqltest",
    ],
    &["web", "config"],
    &["server", "promtool", "amtool"],
    &["ferula"],
];

/// Pairs inside one row that are allowed: `model` speaks through what the ground offers, and the
/// few neighbours below are listed with their reason in `ARCHITECTURE.md`.
pub(crate) const NEIGHBOURS: &[(&str, &str)] = &[];

/// Crates below which no async runtime may appear.
pub(crate) const SYNC: &[&str] = &[
    "stdx",
    "memory",
    "gocompat",
    "yaml",
    "model",
    "telemetry",
    "chunk",
    "storage",
    "exposition",
    "promql-parser",
    "text-template",
    "tsdb",
    "promql",
    "promqltest",
];

/// Row of a crate, if it is one of the layered crates.
pub(crate) fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}
