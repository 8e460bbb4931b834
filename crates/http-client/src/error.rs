//! Why a request failed, in the words that `lastError` and logs show.

use std::io;
use std::path::PathBuf;

use url::Url;

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be set up (a file that cannot be read, a bad certificate).
    #[error("{0}")]
    Setup(String),
    /// The request did not come to an answer.
    #[error("{method} \"{url}\": {failure}")]
    Request {
        /// `Get`, `Post`.
        method: String,
        /// Where to, without password.
        url: String,
        /// What went wrong.
        failure: Failure,
    },
}

/// What went wrong with one request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The deadline passed.
    #[error("context deadline exceeded")]
    Timeout,
    /// The name did not resolve.
    #[error("dial tcp: lookup {host}: no such host")]
    Lookup {
        /// The name.
        host: String,
    },
    /// No connection.
    #[error("dial tcp {address}: {}", connect_text(.source))]
    Connect {
        /// The last address tried.
        address: String,
        /// Its refusal.
        source: io::Error,
    },
    /// No connection to a socket in the file system.
    #[error("dial unix {}: {}", path.display(), connect_text(.source))]
    ConnectUnix {
        /// The socket.
        path: PathBuf,
        /// Its refusal.
        source: io::Error,
    },
    /// The proxy could not be reached.
    #[error("proxyconnect tcp: {0}")]
    Proxy(Box<Failure>),
    /// No TLS session.
    #[error("{0}")]
    Tls(String),
    /// The connection ended before an answer.
    #[error("EOF")]
    Closed,
    /// The answer was no HTTP, or the connection broke.
    #[error("{0}")]
    Transport(String),
    /// Redirects do not end.
    #[error("stopped after {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect cannot be followed.
    #[error("{0}")]
    BadRedirect(String),
    /// There is no OAuth 2.0 token.
    #[error("{0}")]
    Token(String),
    /// Credentials could not be read.
    #[error("{0}")]
    Credentials(String),
    /// The URL cannot be requested.
    #[error("{0}")]
    BadUrl(String),
}

impl Error {
    /// Puts method and URL before what went wrong.
    pub(crate) fn request(method: &http::Method, url: &Url, failure: Failure) -> Self {
        let mut shown = url.clone();
        if shown.password().is_some() {
            // Fails only for URLs that cannot have one.
            let _ = shown.set_password(Some("xxxxx"));
        }
        Self::Request {
            method: shown_method(method),
            url: shown.into(),
            failure,
        }
    }

    /// Puts method and the `location` of a redirect to `url`, as it came, before what went wrong.
    pub(crate) fn redirected(
        method: &http::Method,
        url: &Url,
        location: &str,
        failure: Failure,
    ) -> Self {
        if url.password().is_some() {
            return Self::request(method, url, failure);
        }
        Self::Request {
            method: shown_method(method),
            url: location.to_owned(),
            failure,
        }
    }

    /// Whether the deadline was what ended it.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::Request {
                failure: Failure::Timeout,
                ..
            }
        )
    }
}

/// `Get`, `Post`.
fn shown_method(method: &http::Method) -> String {
    let method = method.as_str();
    let rest = method.get(1..).unwrap_or("").to_ascii_lowercase();
    format!("{}{rest}", method.get(..1).unwrap_or(""))
}

fn connect_text(err: &io::Error) -> String {
    let reason = match err.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::HostUnreachable => "no route to host",
        io::ErrorKind::NetworkUnreachable => "network is unreachable",
        io::ErrorKind::ConnectionReset => "connection reset by peer",
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::TimedOut => return "i/o timeout".to_owned(),
        _ => return format!("connect: {err}"),
    };
    format!("connect: {reason}")
}
