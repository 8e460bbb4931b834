//! The protobuf format: a row of `io.prometheus.client.MetricFamily` messages, each behind its
//! length. The only format with native histograms; classic ones are made native here too, if wanted.
//!
//! Nothing of it is text, so a series has no text in the body: [`ProtobufParser`] puts one together in
//! a buffer of its own ([`key`]), and what it yields borrows from that buffer as well. Beside the
//! buffer and the buckets of the native histogram at hand the parser takes no memory: buckets,
//! quantiles and exemplars are read where they lie.

mod histogram;
pub(crate) mod key;
mod metric;
mod parse;
mod schemas;
mod wire;

pub(crate) use histogram::MessageExemplars;
pub(crate) use metric::exemplar_pairs;
pub use parse::ProtobufParser;

#[cfg(test)]
mod encode;
#[cfg(test)]
mod tests;
