//! The server program: flags, assembly, start, reload, shutdown.

pub mod flags;
