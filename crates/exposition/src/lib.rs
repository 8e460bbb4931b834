//! The exposition formats: what targets say about themselves, and how we say it.
//!
//! - [`negotiate`]: which format a scrape asks for and which one an answer is in.
//! - [`text`]: Prometheus text 0.0.4 / 1.0.0, parsed and written.
//! - [`openmetrics`]: OpenMetrics 0.0.1 / 1.0.0, parsed.
//! - [`protobuf`]: delimited `io.prometheus.client.MetricFamily` messages, parsed.
//! - `classic_to_native`: between a text parser and its caller, makes classic histograms native ones.
//! - [`Parser`]: all of them behind one face; [`entry`] has what it yields.
//! - [`series_text`]: labels out of the text of a series, only asked for when the text is new.
//!
//! Read path: body → [`Parser::next_entry`] (or [`Parser::next_known`] for a line that was there in
//! the last scrape) → [`entry::Series`] with borrowed text. Each text format has two readers: a *quick*
//! one that takes ordinary lines and otherwise declines, and an exact one that walks the
//! reference's token grammar, accepts everything it accepts and words its refusals.
//!
//! Gotchas: label values may contain raw line breaks in the text format (so lines are no unit);
//! the type that decides about `le` and `quantile` normalisation is that of the last TYPE line.
#![deny(missing_docs)]

mod byte_class;
mod classic_to_native;
pub mod entry;
mod error;
pub mod negotiate;
pub mod openmetrics;
mod parser;
pub mod protobuf;
mod quoted;
pub mod series_text;
pub mod text;
mod value;

pub use entry::Entry;
pub use error::ParseError;
pub use parser::{Conversion, Format, Histograms, Parser, ParserOptions, check_body, check_known};
