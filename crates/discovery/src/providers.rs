//! The mechanisms, one file each.

pub mod static_config;
