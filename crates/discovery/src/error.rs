//! Why a provider could not be started or asked.

use std::path::PathBuf;

/// Errors of providers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be set up or a request failed.
    #[error(transparent)]
    Http(#[from] http_client::Error),
    /// An answer or file says something else than target groups.
    #[error("{0}")]
    BadContent(String),
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}
