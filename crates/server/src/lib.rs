//! The server program: what was typed → what is meant → start, reload, stop.
//!
//! Map: [`flags`] (the command line) → [`settings`] (what it means) → `monitor` (the running
//! server: assembly, reload, shutdown; `scraping`: what begins before the store is open), with [`identity`] (who we say we are), [`limits`] (what the
//! machine allows) and `not_built` (what is refused).

mod backend;
#[cfg(test)]
mod documents;
pub mod environment;
pub mod flags;
pub mod identity;
pub mod limits;
mod metrics;
mod monitor;
mod not_built;
mod run;
mod scraping;
pub mod settings;
mod storage;
mod targets;

pub use run::run;
