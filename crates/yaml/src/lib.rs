//! YAML as the reference's language reads and writes it.
//!
//! - [`document`]: text to a tree of nodes with line and column, by way of libyaml's events.
//! - [`resolve`]: what an unquoted scalar means (`yes`, `0o17`, `1_000`, `.inf`, `~`, dates).
//! - [`mod@decode`]: nodes to values: strict, in place over the defaults, all type errors at once and in
//!   the words users know (`line 3: field x not found in type config.plain`).
//! - [`record!`]: one table per struct gives its fields, keys, defaults, decoding and encoding.
//! - [`encode`]: values to text, in the same layout as the reference prints its configuration.
//!
//! Two dialects exist because the reference uses two versions of its library: [`Dialect::V2`] for
//! configuration, [`Dialect::V3`] for rule files. They differ in merge keys, duplicates and null.
#![deny(missing_docs)]

pub mod decode;
pub mod document;
pub mod encode;
mod error;
pub mod record;
pub mod resolve;
pub mod value;

pub use decode::{Decoder, Dialect, Yaml, decode};
pub use document::{Document, NodeId};
pub use encode::{Tree, to_text};
pub use error::{Error, Fatal};
pub use value::{Entries, FilePath, Secret, Spanned};
