//! Outbound HTTP: options, TLS, credentials.

pub mod config;
