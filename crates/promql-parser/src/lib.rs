//! PromQL text <-> syntax tree: lexer, parser, type check, printing, series notation.
//!
//! No evaluation, no storage. Grammar and error texts follow the reference.
//!
//! Reading: `lex` → `parse` → `check`. Writing: `print` (one line), [`pretty`] (many lines),
//! [`tree`] (JSON). [`series_notation`] is what test scripts use to write samples.

pub mod ast;
mod check;
mod error;
pub mod functions;
mod fuzzed;
mod lex;
mod names;
mod options;
mod parse;
pub mod pretty;
mod print;
pub mod series_notation;
mod token;
pub mod tree;

pub use error::{ParseError, ParseErrors, line_and_column};
pub use fuzzed::check_text;
pub use options::ParserOptions;
pub use parse::{
    TREE_HEIGHT_MAX, parse_expr, parse_metric, parse_metric_selector, parse_metric_selectors,
};
pub use series_notation::{SequenceValue, SeriesDescription, parse_series_desc};
