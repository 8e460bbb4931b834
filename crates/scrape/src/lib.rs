//! Scraping.

pub mod config;
