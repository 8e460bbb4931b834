//! From a URL to a connected stream, through a proxy where there is one.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

use crate::error::Failure;
use crate::proxy::connect::{self, Manners};
use crate::proxy::{Kind, Proxy, socks};
use crate::tls::{self, Sessions, Tls};

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
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
    /// TLS to the target within TLS to a proxy.
    Nested(Box<TokioIo<TlsStream<TlsStream<TcpStream>>>>),
    Unix(TokioIo<UnixStream>),
}

impl Stream {
    /// Whether the peer chose HTTP/2 of what was offered.
    pub(crate) fn chose_http2(&self) -> bool {
        let protocol = match self {
            Self::Plain(_) | Self::Unix(_) => None,
            Self::Tls(io) => io.inner().get_ref().1.alpn_protocol(),
            Self::Nested(io) => io.inner().get_ref().1.alpn_protocol(),
        };
        protocol == Some(tls::HTTP2)
    }
}

/// How connections are made.
#[derive(Debug)]
pub(crate) struct Dialer<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) proxy: Option<&'a Proxy>,
    /// In place of the origin and of any proxy.
    pub(crate) unix_socket: Option<&'a Path>,
    pub(crate) manners: Manners<'a>,
    pub(crate) tls: &'a Tls,
    /// Of the moment; `None` if neither the target nor the proxy is reached by TLS.
    pub(crate) sessions: Option<&'a Sessions>,
}

impl Dialer<'_> {
    /// Connects to the origin, or to the proxy in front of it.
    pub(crate) async fn dial(&self, deadline: Instant) -> Result<Stream, Failure> {
        let dialled = timeout_at(deadline, self.dial_unbounded()).await;
        dialled.map_err(|_| Failure::Timeout)?
    }

    async fn dial_unbounded(&self) -> Result<Stream, Failure> {
        if let Some(path) = self.unix_socket {
            let stream = UnixStream::connect(path).await;
            let stream = stream.map_err(|source| Failure::ConnectUnix {
                path: path.to_owned(),
                source,
            });
            return Ok(Stream::Unix(TokioIo::new(stream?)));
        }
        let Some(proxy) = self.proxy else {
            let stream = connect(&self.origin.host, self.origin.port).await?;
            return self.finish(stream).await;
        };
        let of_proxy = |failure| Failure::Proxy(Box::new(failure));
        let stream = connect(&proxy.host, proxy.port).await.map_err(of_proxy)?;
        if proxy.kind != Kind::Https {
            let mut stream = stream;
            if proxy.kind == Kind::Socks5 {
                socks::connect(&mut stream, proxy, self.origin).await?;
            } else if !proxy.forwards(self.origin) {
                connect::tunnel(&mut stream, proxy, self.origin, &self.manners).await?;
            }
            return self.finish(stream).await;
        }
        let stream = self.secure(stream, &proxy.host, |sessions| &sessions.proxy);
        let mut stream = stream.await.map_err(of_proxy)?;
        if proxy.forwards(self.origin) {
            return Ok(Stream::Tls(Box::new(TokioIo::new(stream))));
        }
        connect::tunnel(&mut stream, proxy, self.origin, &self.manners).await?;
        let stream = self.secure(stream, &self.origin.host, |sessions| &sessions.target);
        Ok(Stream::Nested(Box::new(TokioIo::new(stream.await?))))
    }

    /// TLS to the target, if it wants it.
    async fn finish(&self, stream: TcpStream) -> Result<Stream, Failure> {
        if !self.origin.https {
            return Ok(Stream::Plain(TokioIo::new(stream)));
        }
        let stream = self.secure(stream, &self.origin.host, |sessions| &sessions.target);
        Ok(Stream::Tls(Box::new(TokioIo::new(stream.await?))))
    }

    async fn secure<S>(
        &self,
        stream: S,
        host: &str,
        pick: impl FnOnce(&Sessions) -> &Arc<ClientConfig>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let no_sessions = || Failure::Tls("tls: no session settings".to_owned());
        let config = pick(self.sessions.ok_or_else(no_sessions)?).clone();
        let name = self.tls.server_name(host).map_err(Failure::Tls)?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        handshake.await.map_err(|err| tls::failure(&err))
    }
}

/// `host:port`, with brackets around an address with colons.
pub(crate) fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Tries the addresses of the host in the order the resolver gives them.
async fn connect(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let looked_up = tokio::net::lookup_host((host, port)).await;
    let no_such_host = || Failure::Lookup {
        host: host.to_owned(),
    };
    let mut last = None;
    for address in looked_up.map_err(|_| no_such_host())? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are single writes: waiting for more to send only delays them.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
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
    if let Some(known) = chunk_text(&text) {
        return known.to_owned();
    }
    if err.is_parse() {
        return format!("net/http: HTTP/1.x transport connection broken: {text}");
    }
    text
}

/// The reference's words for chunks of a body that are none.
fn chunk_text(text: &str) -> Option<&'static str> {
    Some(match text {
        "Invalid chunk size line: missing size digit" | "Invalid chunk size line: Invalid Size" => {
            "invalid byte in chunk length"
        }
        "Invalid chunk body CR" | "Invalid chunk body LF" => "malformed chunked encoding",
        "invalid chunk size: overflow" => "http chunk length too large",
        "chunk extensions over limit" => "header line too long",
        _ => return None,
    })
}
