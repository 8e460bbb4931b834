//! From a URL to a connected stream.

use std::error::Error as _;
use std::io;
use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::error::Failure;
use crate::tls::Tls;

/// Scheme, host and port: what a connection can be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Where `url` points.
    pub(crate) fn of(url: &Url) -> Result<Self, Failure> {
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(Failure::BadUrl(format!(
                    "unsupported protocol scheme \"{other}\""
                )));
            }
        };
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(Failure::BadUrl("no Host in request URL".to_owned())),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self { https, host, port })
    }
}

/// A stream a connection runs on.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>>),
    Unix(TokioIo<UnixStream>),
}

/// Connects to the server that listens at `path`, wherever the URL points.
pub(crate) async fn dial_unix(path: &Path, deadline: Instant) -> Result<Stream, Failure> {
    match timeout_at(deadline, UnixStream::connect(path)).await {
        Err(_) => Err(Failure::Timeout),
        Ok(Ok(stream)) => Ok(Stream::Unix(TokioIo::new(stream))),
        Ok(Err(source)) => Err(Failure::ConnectUnix {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Connects to `origin`.
pub(crate) async fn dial(origin: &Origin, tls: &Tls, deadline: Instant) -> Result<Stream, Failure> {
    let connected = timeout_at(deadline, connect(origin)).await;
    let stream = connected.map_err(|_| Failure::Timeout)??;
    // Requests are single writes: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    if !origin.https {
        return Ok(Stream::Plain(TokioIo::new(stream)));
    }
    let config = tls.client_config().await.map_err(Failure::Tls)?;
    let name = tls.server_name(&origin.host).map_err(Failure::Tls)?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    match timeout_at(deadline, handshake).await {
        Err(_) => Err(Failure::Timeout),
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(TokioIo::new(stream)))),
        Ok(Err(err)) => Err(tls_failure(&err)),
    }
}

/// Tries the addresses of the host in the order the resolver gives them.
async fn connect(origin: &Origin) -> Result<TcpStream, Failure> {
    let looked_up = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    let no_such_host = || Failure::Lookup {
        host: origin.host.clone(),
    };
    let mut last = None;
    for address in looked_up.map_err(|_| no_such_host())? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(source) => {
                last = Some(Failure::Connect {
                    address: address.to_string(),
                    source,
                });
            }
        }
    }
    Err(last.unwrap_or_else(no_such_host))
}

fn tls_failure(err: &io::Error) -> Failure {
    let Some(tls) = err
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match err.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Closed,
            _ => Failure::Transport(err.to_string()),
        };
    };
    let prefix = "tls: failed to verify certificate: x509:";
    let text = match tls {
        rustls::Error::InvalidCertificate(reason) => {
            use rustls::CertificateError as Bad;
            match reason {
                Bad::UnknownIssuer | Bad::BadSignature => {
                    format!("{prefix} certificate signed by unknown authority")
                }
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => {
                    format!("{prefix} certificate has expired or is not yet valid: {reason}")
                }
                _ => format!("{prefix} {reason}"),
            }
        }
        rustls::Error::InvalidMessage(_) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("remote error: tls: {}", alert_text(*alert))
        }
        other => format!("tls: {other}"),
    };
    Failure::Tls(text)
}

fn alert_text(alert: rustls::AlertDescription) -> String {
    use rustls::AlertDescription as Alert;
    match alert {
        Alert::HandshakeFailure => "handshake failure".to_owned(),
        Alert::BadCertificate => "bad certificate".to_owned(),
        Alert::CertificateRequired => "certificate required".to_owned(),
        Alert::UnknownCA => "unknown certificate authority".to_owned(),
        Alert::ProtocolVersion => "protocol version not supported".to_owned(),
        Alert::UnrecognisedName => "unrecognized name".to_owned(),
        other => format!("{other:?}").to_ascii_lowercase(),
    }
}

/// The innermost cause of a transport error, in words.
pub(crate) fn root_text(err: &hyper::Error) -> String {
    let mut cause = err.source();
    let mut text = err.to_string();
    while let Some(inner) = cause {
        if let Some(io_error) = inner.downcast_ref::<io::Error>()
            && io_error.kind() == io::ErrorKind::ConnectionReset
        {
            return "read: connection reset by peer".to_owned();
        }
        text = inner.to_string();
        cause = inner.source();
    }
    if err.is_parse() {
        return format!("net/http: HTTP/1.x transport connection broken: {text}");
    }
    text
}
