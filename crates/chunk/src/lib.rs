//! Chunk encodings: runs of samples of one series to bytes and back.
//!
//! A chunk opens with its sample count; the rest is a bit stream, most significant bit first.
//! Layouts are byte-exact with the reference's (`docs/internals/formats/chunk_xor.md`). Nothing
//! here knows files: where chunks are kept, framed and checksummed is the business of `tsdb`.
//!
//! Decoders take bytes from disks and networks: they answer with [`DecodeError`], never panic.

pub mod bitstream;
mod encoding;
mod error;
pub mod histogram;
mod start_timestamp;
pub mod varbit;
pub mod xor;
pub mod xor2;

pub use encoding::{Encoding, decode, sample_count};
pub use error::{DecodeError, EncodeError};
