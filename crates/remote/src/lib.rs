//! Remote write and read: the receiving side of remote write, and the configuration of both.
#![deny(missing_docs)]

pub mod config;
pub mod receive;

pub use receive::{Receiver, ReceiverOptions};
