//! Why the server cannot listen.

/// What can go wrong when the listeners are made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("listen tcp {address}: {reason}")]
    Listen {
        /// As given.
        address: String,
        /// In the reference's words where it is a common case.
        reason: String,
    },
}
