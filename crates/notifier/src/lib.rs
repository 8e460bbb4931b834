//! Sending alerts to Alertmanagers: so far its configuration.
#![deny(missing_docs)]

pub mod config;
