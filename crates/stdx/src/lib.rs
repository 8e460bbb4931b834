//! What the standard library lacks. No word of the monitoring domain may enter here.
//!
//! - [`cancel`]: a token that long work polls, with an optional deadline.
//! - [`pool`]: named, bounded thread pools that carry CPU work off the async threads.

pub mod cancel;
pub mod pool;
