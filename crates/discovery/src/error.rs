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
    /// An AWS service refused.
    #[error(
        "operation error EC2: {action}, https response error StatusCode: {status}, RequestID: {request_id}, api error {code}: {message}"
    )]
    Aws {
        /// What was asked for.
        action: &'static str,
        /// Status of the answer.
        status: u16,
        /// The service's id of the request.
        request_id: String,
        /// Its word for the reason.
        code: String,
        /// The reason.
        message: String,
    },
    /// One of several steps failed.
    #[error("{what}: {source}")]
    Step {
        /// The step.
        what: &'static str,
        /// Its failure.
        source: Box<Error>,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl Error {
    /// `source`, and what was being done.
    pub(crate) fn while_(what: &'static str, source: Error) -> Self {
        Self::Step {
            what,
            source: Box::new(source),
        }
    }
}
