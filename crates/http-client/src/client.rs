//! Clients, their connections, and requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION, REFERER, USER_AGENT,
};
use http::{Method, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use crate::auth;
use crate::body::Body;
use crate::dial::{Dialer, Origin};
use crate::error::{Error, Failure};
use crate::link::{Attempt, Link, Running};
use crate::oauth2::TokenSource;
use crate::options::{Auth, ClientOptions};
use crate::proxy::connect::Manners;
use crate::proxy::{Proxies, Proxy};
use crate::redirect::{self, REDIRECTS_MAX};
use crate::tls::{Sessions, Tls};

/// Characters of a redirect's target that an error shows.
const LOCATION_CHARS_MAX: usize = 1000;

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
    tls: Arc<Tls>,
    proxies: Proxies,
    tokens: Option<TokenSource>,
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
    /// What TLS it was made with.
    sessions: Option<Arc<Sessions>>,
    link: Link,
    used: Instant,
}

impl Client {
    /// A client with `options` that calls itself `user_agent`. Reads the files of the TLS options
    /// so that mistakes show at once.
    pub fn new(options: ClientOptions, user_agent: &str) -> Result<Self, Error> {
        let tls = Tls::new(options.tls.clone(), options.http2).map_err(Error::Setup)?;
        let proxies = Proxies::new(&options.proxy).map_err(Error::Setup)?;
        let tokens = match &options.auth {
            Auth::OAuth2(oauth2) => Some(TokenSource::new(oauth2, user_agent)?),
            Auth::None | Auth::Basic { .. } | Auth::Header { .. } => None,
        };
        let user_agent = HeaderValue::from_str(user_agent)
            .map_err(|err| Error::Setup(format!("user agent: {err}")))?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                user_agent,
                tls: Arc::new(tls),
                proxies,
                tokens,
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
        // Once lost, trust does not come back, not even at the first host.
        let mut credentials = true;
        loop {
            // Large, with all that dialling may need: who waits for the next request does without it.
            let sent = Box::pin(self.send_one(&request, credentials, deadline)).await;
            let response =
                sent.map_err(|failure| Error::request(&request.method, &request.url, failure))?;
            if !self.client.shared.options.follow_redirects {
                return Ok(response);
            }
            let Some(method) = redirect::next_method(response.status, &request.method) else {
                return Ok(response);
            };
            let Some(location) = response.headers.get(LOCATION) else {
                // Seen in the wild: an answer like any other.
                return Ok(response);
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            redirects += 1;
            // The body of a redirect is of no interest: give the connection up if it is long.
            self.open = None;
            let url = redirect_target(&request.url, &location)
                .map_err(|failure| Error::request(&request.method, &request.url, failure))?;
            if redirects > REDIRECTS_MAX - 1 {
                let failure = Failure::TooManyRedirects(REDIRECTS_MAX);
                let shown = start_of(&location);
                return Err(Error::redirected(&request.method, &url, &shown, failure));
            }
            if method != request.method {
                request.body = Bytes::new();
                request.headers.remove(CONTENT_TYPE);
                request.headers.remove(CONTENT_LENGTH);
            }
            credentials &= redirect::keeps_credentials(&first_url, &url);
            if !credentials {
                for name in &redirect::CREDENTIALS {
                    request.headers.remove(name);
                }
            }
            match redirect::referer(&request.url, &url) {
                Some(referer) => request.headers.insert(REFERER, referer),
                None => request.headers.remove(REFERER),
            };
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
        let headers = timeout_at(deadline, shared.headers(request, credentials, deadline)).await;
        let headers = headers.map_err(|_| Failure::Timeout)??;
        let unix_socket = shared.options.unix_socket.as_deref();
        let proxy = shared.proxies.proxy_for(&origin);
        let proxy = proxy.filter(|_| unix_socket.is_none());
        let sessions = timeout_at(deadline, shared.sessions(&origin, proxy)).await;
        let sessions = sessions.map_err(|_| Failure::Timeout)??;
        let dialer = Dialer {
            origin: &origin,
            proxy,
            unix_socket,
            manners: Manners {
                user_agent: &shared.user_agent,
                headers: &shared.proxies.connect_headers,
            },
            tls: &shared.tls,
            sessions: sessions.as_deref(),
        };
        loop {
            let reused = self.reusable(&origin, sessions.as_ref(), deadline).await;
            let (mut running, reused) = match reused {
                Some(running) => (running, true),
                None => (Running::start(dialer.dial(deadline).await?).await?, false),
            };
            let message = message(request, headers.clone(), &dialer, running.is_http2())?;
            match running.attempt(message, reused, deadline).await {
                Ok(answer) => {
                    let (parts, incoming) = answer.into_parts();
                    self.open = Some(Open {
                        origin,
                        sessions,
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
    async fn reusable(
        &mut self,
        origin: &Origin,
        sessions: Option<&Arc<Sessions>>,
        deadline: Instant,
    ) -> Option<Running> {
        let open = self.open.take()?;
        let same_tls = open.sessions.as_ref().map(Arc::as_ptr) == sessions.map(Arc::as_ptr);
        if open.origin != *origin || !same_tls || open.used.elapsed() > IDLE_MAX {
            return None;
        }
        open.link.run(deadline).await
    }

    /// Gives back the task and the buffers (8 KiB each or more) that the connection has for a
    /// request: for those who ask seldom. Only to be called when the last answer's body was read to
    /// its end. The next request finds the connection open. Connections with HTTP/2 stay as they
    /// are.
    pub async fn rest(&mut self, deadline: Instant) {
        if let Some(open) = self.open.take()
            && let Some(link) = open.link.rest(deadline).await
        {
            self.open = Some(Open { link, ..open });
        }
    }
}

impl Shared {
    /// The headers of `request` and those of the client.
    async fn headers(
        &self,
        request: &Request,
        credentials: bool,
        deadline: Instant,
    ) -> Result<HeaderMap, Failure> {
        let mut headers = request.headers.clone();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(HOST, host_header(&request.url)?);
        let mut added = auth::configured(&self.options).await?;
        if credentials {
            let tokens = self.tokens.as_ref();
            if let Some(value) = auth::authorization(&self.options, tokens, deadline).await? {
                added.insert(AUTHORIZATION, value);
            }
        } else {
            for name in &redirect::CREDENTIALS {
                added.remove(name);
            }
        }
        for (name, value) in &added {
            if !request.headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        Ok(headers)
    }

    /// The TLS settings of the moment, if TLS is spoken on the way to `origin`.
    async fn sessions(
        &self,
        origin: &Origin,
        proxy: Option<&Proxy>,
    ) -> Result<Option<Arc<Sessions>>, Failure> {
        if !origin.https && !proxy.is_some_and(Proxy::wants_tls) {
            return Ok(None);
        }
        self.tls.sessions().await.map(Some).map_err(Failure::Tls)
    }
}

/// `request` as it is written to whom `dialer` connects to.
fn message(
    request: &Request,
    mut headers: HeaderMap,
    dialer: &Dialer<'_>,
    http2: bool,
) -> Result<http::Request<Full<Bytes>>, Failure> {
    let url = &request.url;
    let proxy = dialer.proxy.filter(|proxy| proxy.forwards(dialer.origin));
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let target = match (http2, proxy) {
        (false, None) => path.to_owned(),
        // Proxies and HTTP/2 want to know scheme and host, but not the user.
        _ => {
            let host = &url[Position::BeforeHost..Position::BeforePath];
            format!("{}://{host}{path}", url.scheme())
        }
    };
    if http2 {
        headers.remove(HOST);
    }
    if let Some(authorization) = proxy.map(Proxy::authorization).transpose()?.flatten() {
        headers.insert(PROXY_AUTHORIZATION, authorization);
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

fn redirect_target(url: &Url, location: &str) -> Result<Url, Failure> {
    url.join(location).map_err(|err| {
        let shown = start_of(location);
        let why = gocompat::url::parse(&shown).err();
        let why = why.map_or_else(|| err.to_string(), |why| why.to_string());
        Failure::BadRedirect(format!("failed to parse Location header {shown:?}: {why}"))
    })
}

/// As much of a redirect's target as errors show.
fn start_of(location: &str) -> String {
    location.chars().take(LOCATION_CHARS_MAX).collect()
}
