//! Whole-process tests: the binary as users start it, targets as they meet them.
//!
//! [`Server`] is a running `ferula`, [`Exporter`] a target that the test controls, [`remote_write`]
//! a sender, [`Seen`] what a server showed, [`http`] the few lines of HTTP that all sides need. The
//! tests are in `tests/it`.

pub mod exporter;
pub mod http;
pub mod random;
pub mod remote_write;
pub mod seen;
pub mod server;

pub use exporter::Exporter;
pub use random::Random;
pub use seen::Seen;
pub use server::{Server, samples_of, wait_for};
