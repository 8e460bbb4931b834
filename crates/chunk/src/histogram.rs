//! Chunks of native histograms, with integer counts (encoding 2) and float counts (encoding 3).
//!
//! The bucket layout stands once at the head of the bit stream; samples follow as differences. A
//! sample with buckets that the open chunk lacks makes the writer encode the chunk anew; a counter
//! reset or another resolution starts a new chunk.
//! Layout: `docs/internals/formats/chunk_histogram.md`.

mod append;
mod decode;
mod float;
mod integer;
mod layout;
mod merge;

pub use append::{
    AppendOutcome, Appender, CounterResetHeader, FloatHistogramAppender, HistogramAppender, Sample,
};
pub use decode::{decode_float, decode_integer};

#[cfg(test)]
mod tests;
