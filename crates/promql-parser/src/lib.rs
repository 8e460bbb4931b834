//! PromQL text <-> syntax tree: lexer, parser, type check, printing, series notation.
//!
//! No evaluation, no storage. Grammar and error texts follow the reference.

pub mod ast;
pub mod functions;
