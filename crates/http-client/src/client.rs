//! Clients, their connections, and requests.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue,
    LOCATION, USER_AGENT,
};
use http::{Method, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::auth;
use crate::body::Body;
use crate::dial::{self, Origin, Stream};
use crate::error::{Error, Failure};
use crate::options::ClientOptions;
use crate::redirect::{self, REDIRECTS_MAX};
use crate::tls::Tls;

/// Idle connections older than this are not used again.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Options and what was made of them. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    user_agent: HeaderValue,
    tls: Tls,
}

/// A request without the headers that the client adds itself.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers beside User-Agent, credentials and those of the configuration.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

impl Request {
    /// A GET request for `url`.
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
}

/// One kept-alive connection, used for one request at a time. Made without connecting.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    origin: Origin,
    link: Link,
    used: Instant,
}

/// What a connection is between requests.
#[derive(Debug)]
enum Link {
    Running(Running),
    /// Nothing but the stream: no task, no buffers.
    Resting(Stream),
}

/// A stream with HTTP spoken on it by a task.
#[derive(Debug)]
struct Running {
    sender: http1::SendRequest<Full<Bytes>>,
    /// The stream, after the task's end.
    stream: oneshot::Receiver<Stream>,
    /// Whether the last answer said that there may be another one.
    persists: bool,
}

/// How an attempt on a connection ended without an answer.
enum Attempt {
    /// A reused connection was dead: worth another try.
    Stale,
    Failed(Failure),
}

impl Client {
    /// A client with `options` that calls itself `user_agent`. Reads the files of the TLS options
    /// so that mistakes show at once.
    pub fn new(options: ClientOptions, user_agent: &str) -> Result<Self, Error> {
        let tls = Tls::new(options.tls.clone()).map_err(Error::Setup)?;
        let user_agent = HeaderValue::from_str(user_agent)
            .map_err(|err| Error::Setup(format!("user agent: {err}")))?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                user_agent,
                tls,
            }),
        })
    }

    /// A connection of this client.
    pub fn connection(&self) -> Connection {
        Connection {
            client: self.clone(),
            open: None,
        }
    }

    /// The options.
    pub fn options(&self) -> &ClientOptions {
        &self.shared.options
    }
}

impl Connection {
    /// Sends `request` and waits for the head of the answer, redirects included. The deadline also
    /// bounds the reading of the body.
    pub async fn send(&mut self, request: Request, deadline: Instant) -> Result<Response, Error> {
        let first_url = request.url.clone();
        let mut request = request;
        let mut redirects = 0;
        loop {
            let credentials =
                redirects == 0 || redirect::keeps_credentials(&first_url, &request.url);
            let sent = self.send_one(&request, credentials, deadline).await;
            let response =
                sent.map_err(|failure| Error::request(&request.method, &request.url, failure))?;
            if !self.client.shared.options.follow_redirects {
                return Ok(response);
            }
            let Some(method) = redirect::next_method(response.status, &request.method) else {
                return Ok(response);
            };
            redirects += 1;
            let target = redirect_target(&request.url, &response);
            // The body of a redirect is of no interest: give the connection up if it is long.
            self.open = None;
            let next = match target {
                Ok(_) if redirects > REDIRECTS_MAX - 1 => {
                    Err(Failure::TooManyRedirects(REDIRECTS_MAX))
                }
                other => other,
            };
            let url =
                next.map_err(|failure| Error::request(&request.method, &request.url, failure))?;
            if method != request.method {
                request.body = Bytes::new();
                request.headers.remove(CONTENT_TYPE);
                request.headers.remove(CONTENT_LENGTH);
            }
            if !redirect::keeps_credentials(&first_url, &url) {
                request.headers.remove(AUTHORIZATION);
                request.headers.remove(COOKIE);
            }
            request.method = method;
            request.url = url;
        }
    }

    /// One request, one answer; at most two attempts.
    async fn send_one(
        &mut self,
        request: &Request,
        credentials: bool,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let shared = self.client.shared.clone();
        let origin = Origin::of(&request.url)?;
        let mut headers = request.headers.clone();
        headers.insert(USER_AGENT, shared.user_agent.clone());
        headers.insert(HOST, host_header(&request.url)?);
        if credentials {
            let added = timeout_at(deadline, auth::headers(&shared.options));
            let added = added.await.map_err(|_| Failure::Timeout)??;
            for (name, value) in &added {
                if !request.headers.contains_key(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        loop {
            let (mut running, reused) = match self.reusable(&origin, deadline).await {
                Some(running) => (running, true),
                None => {
                    let stream = match &shared.options.unix_socket {
                        Some(path) => dial::dial_unix(path, deadline).await?,
                        None => dial::dial(&origin, &shared.tls, deadline).await?,
                    };
                    (start(stream).await?, false)
                }
            };
            let message = message(request, headers.clone())?;
            match attempt(&mut running, message, reused, deadline).await {
                Ok(answer) => {
                    let (parts, incoming) = answer.into_parts();
                    running.persists = persists(parts.version, &parts.headers);
                    self.open = Some(Open {
                        origin,
                        link: Link::Running(running),
                        used: Instant::now(),
                    });
                    let body = Body::new(incoming, deadline);
                    return Ok(Response {
                        status: parts.status,
                        headers: parts.headers,
                        body,
                    });
                }
                Err(Attempt::Stale) => {}
                Err(Attempt::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// The open connection, if it fits and is ready for a request.
    async fn reusable(&mut self, origin: &Origin, deadline: Instant) -> Option<Running> {
        let open = self.open.take()?;
        if open.origin != *origin || open.used.elapsed() > IDLE_MAX {
            return None;
        }
        match open.link {
            Link::Running(mut running) => {
                let ready = timeout_at(deadline, running.sender.ready()).await;
                matches!(ready, Ok(Ok(()))).then_some(running)
            }
            Link::Resting(stream) => start(stream).await.ok(),
        }
    }

    /// Gives back the task and the buffers (8 KiB each or more) that the connection has for a request:
    /// for those who ask seldom. Only
    /// to be called when the last answer's body was read to its end. The next request finds the
    /// connection open.
    pub async fn rest(&mut self, deadline: Instant) {
        let Some(Open { origin, link, used }) = self.open.take() else {
            return;
        };
        let stream = match link {
            Link::Resting(stream) => stream,
            Link::Running(running) if !running.persists => {
                // Closed from the other side soon, and left alone until then.
                let link = Link::Running(running);
                self.open = Some(Open { origin, link, used });
                return;
            }
            Link::Running(Running { sender, stream, .. }) => {
                // The task ends when nobody can ask any more and nothing is under way.
                drop(sender);
                match timeout_at(deadline, stream).await {
                    Ok(Ok(stream)) => stream,
                    // It broke meanwhile.
                    _ => return,
                }
            }
        };
        let link = Link::Resting(stream);
        self.open = Some(Open { origin, link, used });
    }
}

/// Speaks HTTP on a stream.
async fn start(stream: Stream) -> Result<Running, Failure> {
    match stream {
        Stream::Plain(io) => handshake(io, Stream::Plain).await,
        Stream::Unix(io) => handshake(io, Stream::Unix).await,
        Stream::Tls(io) => handshake(*io, |io| Stream::Tls(Box::new(io))).await,
    }
}

async fn handshake<T>(
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
    Ok(Running {
        sender,
        stream,
        persists: false,
    })
}

/// Whether the peer keeps the connection after its answer.
fn persists(version: Version, headers: &HeaderMap) -> bool {
    let closes = |value: &HeaderValue| {
        let options = value.as_bytes().split(|byte| *byte == b',');
        let mut options = options.map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(b"close"))
    };
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(closes)
}

async fn attempt(
    running: &mut Running,
    message: http::Request<Full<Bytes>>,
    reused: bool,
    deadline: Instant,
) -> Result<http::Response<Incoming>, Attempt> {
    match timeout_at(deadline, running.sender.send_request(message)).await {
        Err(_) => Err(Attempt::Failed(Failure::Timeout)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(err)) => {
            let ended = err.is_incomplete_message() || err.is_canceled() || err.is_closed();
            let text = dial::root_text(&err);
            if reused && (ended || text.contains("reset") || text.contains("roken pipe")) {
                return Err(Attempt::Stale);
            }
            let failure = if ended {
                Failure::Closed
            } else {
                Failure::Transport(text)
            };
            Err(Attempt::Failed(failure))
        }
    }
}

fn message(request: &Request, headers: HeaderMap) -> Result<http::Request<Full<Bytes>>, Failure> {
    let mut target = request.url.path().to_owned();
    if let Some(query) = request.url.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut message = http::Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = target
        .parse()
        .map_err(|err| Failure::BadUrl(format!("{target}: {err}")))?;
    *message.headers_mut() = headers;
    Ok(message)
}

pub(crate) fn host_header(url: &Url) -> Result<HeaderValue, Failure> {
    let host = url.host_str().unwrap_or("");
    let text = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&text).map_err(|err| Failure::BadUrl(err.to_string()))
}

fn redirect_target(url: &Url, response: &Response) -> Result<Url, Failure> {
    let Some(location) = response.headers.get(LOCATION) else {
        let status = response.status.as_u16();
        return Err(Failure::BadRedirect(format!(
            "{status} response missing Location header"
        )));
    };
    let text = String::from_utf8_lossy(location.as_bytes());
    url.join(&text).map_err(|err| {
        Failure::BadRedirect(format!("failed to parse Location header {text:?}: {err}"))
    })
}
