//! The server program: what was typed → what is meant → start, reload, stop.
//!
//! Map: [`flags`] (the command line) → [`settings`] (what it means), with [`identity`] (who we say
//! we are) and [`limits`] (what the machine allows).

pub mod flags;
pub mod identity;
pub mod limits;
pub mod settings;
