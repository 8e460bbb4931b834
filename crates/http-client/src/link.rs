//! A connected stream with HTTP spoken on it: version 1.1, or version 2 where the peer chose it.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::dial::{self, Stream};
use crate::error::Failure;

/// How long an HTTP/2 connection may be silent before it is probed, and how long the answer to
/// that may take: the reference's numbers.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const PROBE_TIME_MAX: Duration = Duration::from_secs(15);
/// Most bytes of the headers of an HTTP/2 answer; HTTP/1.1 has a similar bound.
const HEADER_BYTES_MAX: u32 = 400 << 10;

/// What a connection is between requests.
#[derive(Debug)]
pub(crate) enum Link {
    Running(Running),
    /// Nothing but the stream: no task, no buffers.
    Resting(Stream),
}

/// A stream with HTTP spoken on it by a task.
#[derive(Debug)]
pub(crate) enum Running {
    Http1 {
        sender: http1::SendRequest<Full<Bytes>>,
        /// The stream, after the task's end.
        stream: oneshot::Receiver<Stream>,
        /// Whether the last answer said that there may be another one.
        persists: bool,
    },
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// How an attempt on a connection ended without an answer.
pub(crate) enum Attempt {
    /// A reused connection was dead: worth another try.
    Stale,
    Failed(Failure),
}

impl Link {
    /// Without task and buffers, if it can be had that way. HTTP/2 is left as it is: its two sides
    /// share a state that a stream alone does not have.
    pub(crate) async fn rest(self, deadline: Instant) -> Option<Self> {
        match self {
            Self::Running(Running::Http1 {
                sender,
                stream,
                persists: true,
            }) => {
                // The task ends when nobody can ask any more and nothing is under way.
                drop(sender);
                match timeout_at(deadline, stream).await {
                    Ok(Ok(stream)) => Some(Self::Resting(stream)),
                    // It broke meanwhile.
                    _ => None,
                }
            }
            // Closed from the other side soon, and left alone until then.
            other => Some(other),
        }
    }

    /// Ready for a request, if it is still alive.
    pub(crate) async fn run(self, deadline: Instant) -> Option<Running> {
        match self {
            Self::Running(mut running) => {
                let ready = timeout_at(deadline, running.ready()).await;
                ready.unwrap_or(false).then_some(running)
            }
            Self::Resting(stream) => Running::start(stream).await.ok(),
        }
    }
}

impl Running {
    /// Speaks HTTP on a stream.
    pub(crate) async fn start(stream: Stream) -> Result<Self, Failure> {
        let chose_http2 = stream.chose_http2();
        match stream {
            Stream::Plain(io) => start_http1(io, Stream::Plain).await,
            Stream::Unix(io) => start_http1(io, Stream::Unix).await,
            Stream::Tls(io) if chose_http2 => start_http2(*io).await,
            Stream::Tls(io) => start_http1(*io, |io| Stream::Tls(Box::new(io))).await,
            Stream::Nested(io) if chose_http2 => start_http2(*io).await,
            Stream::Nested(io) => start_http1(*io, |io| Stream::Nested(Box::new(io))).await,
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    async fn ready(&mut self) -> bool {
        match self {
            Self::Http1 { sender, .. } => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends `message` and waits for the answer's head. `reused`: an answer came this way before.
    pub(crate) async fn attempt(
        &mut self,
        message: Request<Full<Bytes>>,
        reused: bool,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Attempt> {
        // On HTTP/2 a request can have been heard although it failed.
        let repeatable =
            !self.is_http2() || matches!(*message.method(), Method::GET | Method::HEAD);
        let sent = match self {
            Self::Http1 { sender, .. } => timeout_at(deadline, sender.send_request(message)).await,
            Self::Http2(sender) => timeout_at(deadline, sender.send_request(message)).await,
        };
        match sent {
            Err(_) => Err(Attempt::Failed(Failure::Timeout)),
            Ok(Ok(answer)) => {
                if let Self::Http1 { persists, .. } = self {
                    *persists = announces_more(answer.version(), answer.headers());
                }
                Ok(answer)
            }
            Ok(Err(err)) => Err(judge(&err, reused, repeatable, self.is_http2())),
        }
    }
}

fn judge(err: &hyper::Error, reused: bool, repeatable: bool, http2: bool) -> Attempt {
    let unsent = err.is_canceled() || err.is_closed();
    let ended = err.is_incomplete_message() || unsent;
    let text = dial::root_text(err);
    let died = ended || http2 || text.contains("reset") || text.contains("roken pipe");
    if reused && died && (repeatable || unsent) {
        return Attempt::Stale;
    }
    Attempt::Failed(match ended {
        true => Failure::Closed,
        false => Failure::Transport(text),
    })
}

async fn start_http1<T>(
    io: T,
    wrap: impl FnOnce(T) -> Stream + Send + 'static,
) -> Result<Running, Failure>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(io)
        .await
        .map_err(|err| Failure::Transport(dial::root_text(&err)))?;
    let (give_back, stream) = oneshot::channel();
    // Ends when the sender is dropped or the peer closes; errors reach the request's waiter.
    tokio::spawn(async move {
        match connection.without_shutdown().await {
            Ok(mut parts) => {
                // Bytes that nobody asked for cannot belong to the next answer.
                if !parts.read_buf.is_empty() || give_back.is_closed() {
                    let io = &mut parts.io;
                    let _ = poll_fn(|context| Pin::new(&mut *io).poll_shutdown(context)).await;
                    return;
                }
                let _ = give_back.send(wrap(parts.io));
            }
            Err(err) => {
                tracing::debug!(component = "http client", err = %err, "Connection ended");
            }
        }
    });
    Ok(Running::Http1 {
        sender,
        stream,
        persists: false,
    })
}

async fn start_http2<T>(io: T) -> Result<Running, Failure>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE_MAX)
        .keep_alive_timeout(PROBE_TIME_MAX)
        .keep_alive_while_idle(true)
        .max_header_list_size(HEADER_BYTES_MAX)
        .handshake(io)
        .await
        .map_err(|err| Failure::Transport(dial::root_text(&err)))?;
    tokio::spawn(async move {
        if let Err(err) = connection.await {
            tracing::debug!(component = "http client", err = %err, "Connection ended");
        }
    });
    Ok(Running::Http2(sender))
}

/// Whether the peer keeps the connection after its answer.
fn announces_more(version: Version, headers: &HeaderMap) -> bool {
    let closes = |value: &HeaderValue| {
        let options = value.as_bytes().split(|byte| *byte == b',');
        let mut options = options.map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(b"close"))
    };
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(closes)
}
