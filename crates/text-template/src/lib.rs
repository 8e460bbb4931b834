//! The template language of alert annotations, notifications and consoles: Go's `text/template`.
//!
//! Map: `lex` (text → tokens) → `parse` (tokens → [`ast`], with the reference's error texts). What
//! runs a tree, and the functions, come with what uses them.
//!
//! Gotcha: some nonsense is no parse error in the reference either (`{{ 1 2 }}`, `{{ nil }}`,
//! `{{ .a | }}`); it fails when the template runs.
#![deny(missing_docs)]

pub mod ast;
mod lex;
mod number;
mod parse;

pub use parse::{Options, ParseError, Template, parse};
