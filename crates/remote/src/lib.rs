//! Remote write and read: so far their configuration.
#![deny(missing_docs)]

pub mod config;
