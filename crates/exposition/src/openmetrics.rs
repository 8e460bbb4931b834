//! The OpenMetrics text format, versions 0.0.1 and 1.0.0.

mod created;
mod lex;
mod parse;
mod quick;

pub use parse::OpenMetricsParser;
