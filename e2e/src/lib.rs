//! Whole-process tests: the binary as users start it, targets as they meet them.
//!
//! [`Server`] is a running `ferula`, [`Exporter`] a target that the test controls, [`http`] the
//! few lines of HTTP that both sides need. The tests are in `tests/it`.

pub mod exporter;
pub mod http;
pub mod random;
pub mod server;

pub use exporter::Exporter;
pub use random::Random;
pub use server::{Server, samples_of, wait_for};
