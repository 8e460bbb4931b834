//! Scraping: from a target's answer to samples in the store.
//!
//! - [`options`]: a job's settings, resolved.
//! - [`manager`]: all jobs; [`pool`]: the targets of one; `scrape_loop`: one target, again and
//!   again at its [`offset`].
//! - [`target`]: a target's labels, URL and state; target relabelling. [`histograms`]: which forms of
//!   histograms are scraped of it.
//! - `fetch`: the request and the body's bytes. Network only, on the async runtime.
//! - `fetched`: an answer on its way to the worker pool; `early`: those that came before the store
//!   was open, and `late_store`, which stands for it until then.
//! - `append`: inflate, parse, relabel, append, report, commit: one transaction a scrape, on the
//!   worker pool. `cache` knows the target's lines by hashes (`text_hash`); [`limits`] and `report`
//!   are its parts.
//! - [`bounds`]: what targets may take of the memory where their jobs set no limits.
//! - `synthesis`: start timestamps for counters whose targets tell none.
//! - [`history`]: what a target's last scrapes came to.
//! - `failure_log`: a line for each scrape that failed, where the configuration wants it.
//! - `metadata`: what targets say about their metric families; [`metrics`]: our own metrics.
//!
//! Flow: discovery's groups → [`Manager::apply_targets`] → pool sync → loops → fetch → append.
//!
//! Gotchas: a failed scrape still appends (`up 0`, and markers for series it did not get to); report series skip metric
//! relabelling and limits; end-of-run markers are written about two intervals after a target went
//! away, with an earlier time, so that a target that came back is not hurt.
#![deny(missing_docs)]

mod append;
pub mod bounds;
mod cache;
pub mod config;
mod early;
mod error;
mod failure_log;
mod fetch;
mod fetched;
pub mod histograms;
pub mod history;
mod late_store;
pub mod limits;
pub mod manager;
mod metadata;
pub mod metrics;
pub mod offset;
pub mod options;
pub mod pool;
mod report;
mod scrape_loop;
mod synthesis;
pub mod target;
mod text_hash;

pub use bounds::Bounds;
pub use error::Error;
pub use histograms::HistogramSwitches;
pub use history::PastScrape;
pub use manager::{Manager, ManagerOptions};
pub use metrics::Metrics;
pub use options::JobOptions;
pub use target::{Health, Target};
