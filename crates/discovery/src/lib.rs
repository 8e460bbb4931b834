//! Finding targets: groups of addresses with labels, kept up to date.
//!
//! - [`config`]: every mechanism's section of a configuration file.
//! - [`target_group`]: what a provider reports.
//! - [`discoverer`]: the seam every provider implements.
//! - [`manager`]: runs the providers of all jobs and hands on what changed, at most every 5 s.
//! - [`refresh`]: the loop of providers that poll; [`fetch`]: how they ask HTTP APIs.
//! - [`providers`]: one file a mechanism.
//! - [`metrics`]: our own metrics.
//!
//! Flow: configuration → [`Manager::apply_config`] → one task per distinct provider → groups keyed
//! by source → a snapshot of all jobs' groups → `scrape` or `notifier`.
//!
//! Gotchas: a group with an empty target list says that its source is gone; providers that several
//! jobs configure alike run once; until a provider's first report its job has no groups.
#![deny(missing_docs)]

pub mod config;
pub mod discoverer;
mod error;
pub mod fetch;
pub mod manager;
pub mod metrics;
pub mod providers;
pub mod refresh;
pub mod target_group;

pub use discoverer::{Discoverer, Updates};
pub use error::Error;
pub use manager::{Manager, ProviderSpec, TargetSets};
pub use target_group::TargetGroup;
