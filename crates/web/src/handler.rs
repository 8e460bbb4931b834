//! From a request to an answer: routing, readiness, CORS, compression, counting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use gocompat::regex::Regex;
use gocompat::url::{self, Part, Url};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use model::{Exemplar, Labels, Matcher, Timestamp};
use promql::QueryOrigin;
use stdx::cancel::CancelToken;
use stdx::pool::{Pool, PoolError};
use storage::{Queryable, StorageError};
use telemetry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::api::{self, ApiError, Call, ErrorKind};
use crate::encoding::Encoding;
use crate::form::Form;
use crate::metrics::Metrics;
use crate::page;
use crate::redirect;
use crate::remote_read::{self, ReadEndpoint, ResponseBody, full};
use crate::remote_write::{self, WriteReceiver};
use crate::router::{self, Endpoint, Routed};
use crate::targets::TargetSource;

/// The address that a request came from, beside the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientIp(pub(crate) std::net::IpAddr);

/// Longest form body, as in the reference's runtime.
const FORM_BYTES_MAX: usize = 10 << 20;

/// An answer whose body is complete.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Who we say we are.
#[derive(Debug, Clone, Default)]
pub struct BuildInfo {
    /// Version of the reference that is followed.
    pub version: String,
    /// `ferula-` and our own version.
    pub revision: String,
    /// Branch built from.
    pub branch: String,
    /// Who built it.
    pub build_user: String,
    /// When it was built.
    pub build_date: String,
    /// Where the reference names its Go version.
    pub go_version: String,
    /// Our own version.
    pub own_version: String,
}

/// What `/api/v1/status/runtimeinfo` tells, as of one moment.
#[derive(Debug, Clone)]
pub struct RuntimeInfo {
    /// When the server started.
    pub start_time: SystemTime,
    /// Working directory.
    pub working_directory: String,
    /// Host name.
    pub host_name: String,
    /// Whether the latest load of the configuration went well.
    pub reload_success: bool,
    /// When a configuration was last loaded.
    pub last_config_time: SystemTime,
    /// Damages met in the write-ahead log.
    pub corruption_count: i64,
    /// Threads of the process.
    pub thread_count: i64,
    /// Worker threads.
    pub worker_threads: i64,
    /// Bytes the process may use.
    pub memory_limit_bytes: i64,
    /// How long samples are kept, and up to how many bytes.
    pub storage_retention: String,
}

/// What `/api/v1/status/tsdb` tells of the head. The lists hold (name, count), largest first.
#[derive(Debug, Clone, Default)]
pub struct TsdbInfo {
    /// Series.
    pub series_count: i64,
    /// Distinct label pairs.
    pub label_pair_count: i64,
    /// Chunks.
    pub chunk_count: i64,
    /// Time of the oldest sample, milliseconds.
    pub min_time: i64,
    /// Time of the newest sample, milliseconds.
    pub max_time: i64,
    /// Series by metric name.
    pub series_by_metric_name: Vec<(String, i64)>,
    /// Values by label name.
    pub values_by_label_name: Vec<(String, i64)>,
    /// Bytes of values by label name.
    pub bytes_by_label_name: Vec<(String, i64)>,
    /// Series by label pair.
    pub series_by_label_pair: Vec<(String, i64)>,
}

/// What does not change while the server runs.
pub struct Options {
    /// In the form [`canonical_prefix`](crate::canonical_prefix) gives.
    pub route_prefix: String,
    /// URL by which the outside reaches us.
    pub external_url: Url,
    /// Port of the first listener: targets on it are this server.
    pub listen_port: String,
    /// Anchored expression of the origins that may use the API.
    pub cors_origin: Regex,
    /// Whether reload and quit are allowed.
    pub lifecycle_enabled: bool,
    /// Title of pages.
    pub page_title: String,
    /// Every flag as text.
    pub flags: BTreeMap<String, String>,
    /// Who we are.
    pub build: BuildInfo,
    /// Longest time to read a request's body.
    pub read_timeout: Duration,
    /// Progress of reading the write-ahead log: first segment, last, and the one being read.
    pub wal_replay: Box<dyn Fn() -> (u32, u32, u32) + Send + Sync>,
}

/// Exemplars by series in label order.
pub type ExemplarsBySeries = Vec<(Labels, Vec<Exemplar>)>;

/// Finds exemplars in a time range of the series that any of the selectors selects.
pub type FindExemplars = dyn Fn(Timestamp, Timestamp, &[Vec<Matcher>]) -> Result<ExemplarsBySeries, StorageError>
    + Send
    + Sync;

/// Deletes samples in a time range of the series selected.
pub type Delete = dyn Fn(Timestamp, Timestamp, &[Matcher]) -> Result<(), String> + Send + Sync;

/// What the administrative endpoints do.
pub struct Admin {
    /// Deletes samples.
    pub delete: Box<Delete>,
    /// Rewrites blocks without what was deleted.
    pub clean_tombstones: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Takes a snapshot, with the head or without, and tells its name.
    pub snapshot: Box<dyn Fn(bool) -> Result<String, String> + Send + Sync>,
}

/// What exists only once the store is open.
pub struct Backend {
    /// The samples.
    pub queryable: Arc<dyn Queryable>,
    /// The query engine.
    pub engine: Arc<promql::Engine>,
    /// Whether `stats=all` counts samples by step.
    pub per_step_stats: bool,
    /// How selectors and expressions are read.
    pub parser_options: promql_parser::ParserOptions,
    /// The targets.
    pub targets: Arc<dyn TargetSource>,
    /// The configuration as YAML, with defaults, without secrets.
    pub config_yaml: Box<dyn Fn() -> String + Send + Sync>,
    /// What the server knows of itself.
    pub runtime_info: Box<dyn Fn() -> RuntimeInfo + Send + Sync>,
    /// What the head holds, with lists of at most as many entries as asked for.
    pub tsdb_info: Box<dyn Fn(usize) -> TsdbInfo + Send + Sync>,
    /// Exemplars.
    pub exemplars: Box<FindExemplars>,
    /// The administrative endpoints, if they are switched on.
    pub admin: Option<Admin>,
    /// Remote reads.
    pub read_endpoint: ReadEndpoint,
    /// The remote write receiver, if it is switched on.
    pub write_receiver: Option<WriteReceiver>,
}

/// Whether the API answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The store is being opened.
    NotReady,
    /// It answers.
    Ready,
    /// The server is about to end.
    Stopping,
}

/// Answered when the reload is through, with the text of the error if it failed.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// Where requests to reload and to end go.
pub struct Lifecycle {
    /// Reloads wanted.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// Asks the server to end; false if that was asked for before.
    pub quit: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Answers requests. Shared by all connections.
pub struct Handler {
    options: Options,
    registry: Registry,
    metrics: Metrics,
    query_pool: Pool,
    lifecycle: Lifecycle,
    readiness: AtomicU8,
    backend: ArcSwapOption<Backend>,
}

/// Cancels the work for a client that has left.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Handler {
    /// A handler that is not ready yet. `registry` is what `/metrics` shows; reads of storage run
    /// on `query_pool`.
    pub fn new(
        options: Options,
        registry: &Registry,
        query_pool: Pool,
        lifecycle: Lifecycle,
    ) -> Self {
        Self {
            options,
            registry: registry.clone(),
            metrics: Metrics::new(registry),
            query_pool,
            lifecycle,
            readiness: AtomicU8::new(0),
            backend: ArcSwapOption::empty(),
        }
    }

    /// Hands over what the API needs; it does not answer before [`set_readiness`] says so.
    ///
    /// [`set_readiness`]: Self::set_readiness
    pub fn set_backend(&self, backend: Backend) {
        self.backend.store(Some(Arc::new(backend)));
    }

    /// Opens or closes the API.
    pub fn set_readiness(&self, readiness: Readiness) {
        let code = match readiness {
            Readiness::NotReady => 0,
            Readiness::Ready => 1,
            Readiness::Stopping => 2,
        };
        self.readiness.store(code, Ordering::Release);
        self.metrics.ready.set(if readiness == Readiness::Ready {
            1.0
        } else {
            0.0
        });
    }

    pub(crate) fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Acquire) {
            0 => Readiness::NotReady,
            1 => Readiness::Ready,
            _ => Readiness::Stopping,
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn backend(&self) -> Option<Arc<Backend>> {
        self.backend.load_full()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers one request. Dropping the future cancels the query it runs.
    pub async fn handle<B>(self: &Arc<Self>, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Ok(path) = url::unescape(request.uri().path(), Part::Path) else {
            return full(text(StatusCode::BAD_REQUEST, "400 Bad Request"));
        };
        let routed = router::find(&self.options.route_prefix, request.method(), &path);
        let query = request.uri().query().map(str::to_owned);
        let answer = match routed {
            Routed::Endpoint(Endpoint::RemoteRead, label, _) => {
                let started = Instant::now();
                let answer = self.remote_read(request).await;
                self.count(&label, started, answer.status(), answer.body());
                return answer;
            }
            Routed::Endpoint(endpoint, label, parameter) => {
                let started = Instant::now();
                let is_head = *request.method() == Method::HEAD;
                let mut answer = self.endpoint(endpoint, parameter, request).await;
                if is_head {
                    // The reference learns the type from the body it writes, which is none here.
                    answer.headers_mut().remove(header::CONTENT_TYPE);
                }
                self.count(&label, started, answer.status(), answer.body());
                answer
            }
            Routed::Redirect { path, permanent } => {
                redirect::to_path(request.method(), permanent, &path, query.as_deref())
            }
            Routed::Allowed(methods) => {
                let mut answer = empty(StatusCode::OK);
                set(answer.headers_mut(), header::ALLOW, &methods);
                answer
            }
            Routed::MethodNotAllowed(methods) => {
                let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                set(answer.headers_mut(), header::ALLOW, &methods);
                answer
            }
            Routed::NotFound => error(StatusCode::NOT_FOUND, "404 page not found"),
        };
        full(answer)
    }

    fn count(&self, label: &str, started: Instant, status: StatusCode, body: &impl Body) {
        let size = body.size_hint().exact().unwrap_or(0);
        self.metrics.requests.with(&[label, status.as_str()]).inc();
        self.metrics
            .durations
            .with(&[label])
            .observe(started.elapsed().as_secs_f64());
        self.metrics.sizes.with(&[label]).observe(size as f64);
    }

    async fn endpoint<B>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        parameter: Vec<u8>,
        request: Request<B>,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let query = request.uri().query();
        match endpoint {
            Endpoint::OutsidePrefix => redirect::to_text(&self.options.route_prefix),
            Endpoint::Root => self.to_page(None),
            Endpoint::Graph => self.to_page(Some(query.unwrap_or(""))),
            Endpoint::Page => with_type(
                StatusCode::OK,
                "text/html; charset=utf-8",
                page::render(self),
            ),
            Endpoint::Healthy => text(StatusCode::OK, "Prometheus Server is Healthy.\n"),
            Endpoint::Ready => match self.readiness() {
                Readiness::Ready => text(StatusCode::OK, "Prometheus Server is Ready.\n"),
                other => not_ready(other),
            },
            Endpoint::Reload => self.reload().await,
            Endpoint::Quit => self.quit(),
            Endpoint::LifecycleWrongMethod => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "Only POST or PUT requests allowed",
            ),
            Endpoint::Metrics => self.own_metrics(request.headers()),
            Endpoint::Version => {
                let mut out = Vec::new();
                api::build_info(&mut out, &self.options.build);
                out.push(b'\n');
                with_type(StatusCode::OK, "text/plain; charset=utf-8", out)
            }
            Endpoint::WalReplay => {
                // Unlike the rest of the API it answers before the server is ready.
                let mut out = b"{\"status\":\"success\",\"data\":".to_vec();
                api::wal_replay(&mut out, (self.options.wal_replay)());
                out.push(b'}');
                let mut answer = with_type(StatusCode::OK, "application/json", out);
                self.allow_origin(request.headers(), answer.headers_mut());
                answer
            }
            Endpoint::RemoteWrite => self.remote_write(request).await,
            _ => self.api(endpoint, parameter, request).await,
        }
    }

    /// Where the page of queries is for the outside, which may know us by another path.
    fn to_page(&self, query: Option<&str>) -> Answer {
        let mut text = format!("{}/query", self.options.external_url.path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        redirect::to_text(&text)
    }

    async fn remote_read<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let readiness = self.readiness();
        let Some(backend) = self.backend().filter(|_| readiness == Readiness::Ready) else {
            return full(not_ready(readiness));
        };
        let timeout = self.options.read_timeout;
        remote_read::answer(&backend.read_endpoint, &self.query_pool, request, timeout).await
    }

    async fn remote_write<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let readiness = self.readiness();
        let Some(backend) = self.backend().filter(|_| readiness == Readiness::Ready) else {
            return not_ready(readiness);
        };
        match &backend.write_receiver {
            Some(receiver) => {
                remote_write::answer(receiver, request, self.options.read_timeout).await
            }
            None => error(
                StatusCode::NOT_FOUND,
                "remote write receiver needs to be enabled with --web.enable-remote-write-receiver",
            ),
        }
    }

    async fn api<B>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        parameter: Vec<u8>,
        request: Request<B>,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let readiness = self.readiness();
        let Some(backend) = self.backend().filter(|_| readiness == Readiness::Ready) else {
            return not_ready(readiness);
        };
        let (parts, body) = request.into_parts();
        let client_ip = parts.extensions.get::<ClientIp>().map(|ip| ip.0);
        let accept = header_text(&parts.headers, header::ACCEPT_ENCODING);
        let encoding = Encoding::negotiate(accept);
        let mut answer = if endpoint == Endpoint::ApiOptions {
            empty(StatusCode::NO_CONTENT)
        } else {
            let query = parts.uri.query().unwrap_or("");
            let form = match self.form(&parts.method, &parts.headers, query, body).await {
                Ok(form) => form,
                Err(answer) => return answer,
            };
            let cancel = CancelToken::new();
            let guard = CancelOnDrop(cancel.clone());
            let call = Call {
                handler: self.clone(),
                backend,
                url_form: Form::parse(query, None),
                form,
                parameter,
                now: SystemTime::now(),
                cancel,
                explains: matches!(
                    endpoint,
                    Endpoint::QueryExplain | Endpoint::QueryRangeExplain
                ),
                origin: QueryOrigin::Http {
                    client_ip: client_ip.map_or_else(String::new, |ip| ip.to_string()),
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                },
            };
            let (status, body) = if api::reads_storage(endpoint) {
                let job = move || render(endpoint, &call, encoding);
                self.query_pool
                    .run(job)
                    .await
                    .unwrap_or_else(|err| pool_failure(&err, encoding))
            } else {
                render(endpoint, &call, encoding)
            };
            drop(guard);
            let has_body = status != StatusCode::NO_CONTENT;
            let mut answer = if has_body {
                with_type(status, "application/json", body)
            } else {
                empty(status)
            };
            if let Some(encoding) = encoding.filter(|_| has_body) {
                set(
                    answer.headers_mut(),
                    header::CONTENT_ENCODING,
                    encoding.name(),
                );
            }
            answer
        };
        self.allow_origin(&parts.headers, answer.headers_mut());
        answer
    }

    /// The form values of query string and body.
    async fn form<B>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: &str,
        body: B,
    ) -> Result<Form, Answer>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = header_text(headers, header::CONTENT_TYPE);
        let media_type = kind.split(';').next().unwrap_or("").trim();
        let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let has_form = matches!(*method, Method::POST | Method::PUT);
        if !has_form || !is_form {
            return Ok(Form::parse(query, None));
        }
        let reading = Limited::new(body, FORM_BYTES_MAX).collect();
        match tokio::time::timeout(self.options.read_timeout, reading).await {
            Ok(Ok(body)) => Ok(Form::parse(query, Some(&body.to_bytes()))),
            Ok(Err(_)) => Err(error(StatusCode::BAD_REQUEST, "http: POST too large")),
            Err(_) => Err(error(
                StatusCode::REQUEST_TIMEOUT,
                "request body read timeout",
            )),
        }
    }

    /// CORS headers, as the reference sends them for its API.
    fn allow_origin(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        set(answer, header::VARY, "Origin");
        let Some(origin) = request.get(header::ORIGIN) else {
            return;
        };
        set(
            answer,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Accept, Authorization, Content-Type, Origin",
        );
        set(
            answer,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, OPTIONS",
        );
        set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date");
        if origin
            .to_str()
            .is_ok_and(|text| self.options.cors_origin.is_match(text))
        {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    async fn reload(&self) -> Answer {
        if !self.options.lifecycle_enabled {
            return text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
        }
        let (done, outcome) = oneshot::channel();
        let sent = self.lifecycle.reload.send(done).await.is_ok();
        match if sent { outcome.await.ok() } else { None } {
            Some(Ok(())) => empty(StatusCode::OK),
            Some(Err(reason)) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("failed to reload config: {reason}"),
            ),
            None => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed to reload config: the server is stopping",
            ),
        }
    }

    fn quit(&self) -> Answer {
        if !self.options.lifecycle_enabled {
            return text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
        }
        let is_first = (self.lifecycle.quit)();
        text(
            StatusCode::OK,
            if is_first {
                "Requesting termination... Goodbye!"
            } else {
                "Termination already in progress."
            },
        )
    }

    /// Our own metrics in the text format, which every scraper reads.
    fn own_metrics(&self, headers: &HeaderMap) -> Answer {
        let body = telemetry::text::write(&self.registry.gather()).into_bytes();
        let escaping = escaping_scheme(header_text(headers, header::ACCEPT));
        let kind = format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
        // Deflate is for the API only, as in the reference.
        let accept = header_text(headers, header::ACCEPT_ENCODING);
        let gzip = accept.split(',').any(|name| name.trim() == "gzip");
        match gzip.then(|| Encoding::Gzip.encode(&body)) {
            Some(Ok(compressed)) => {
                let mut answer = with_type(StatusCode::OK, &kind, compressed);
                set(answer.headers_mut(), header::CONTENT_ENCODING, "gzip");
                answer
            }
            _ => with_type(StatusCode::OK, &kind, body),
        }
    }
}

/// The escaping of names that an `Accept` header asks for.
fn escaping_scheme(accept: &str) -> &'static str {
    const SCHEMES: &[&str] = &["allow-utf-8", "underscores", "dots", "values"];
    let wanted = accept
        .split([',', ';'])
        .filter_map(|part| part.trim().strip_prefix("escaping="))
        .find_map(|name| SCHEMES.iter().find(|scheme| **scheme == name));
    wanted.copied().unwrap_or("underscores")
}

/// Runs an API call and writes and compresses its answer.
fn render(endpoint: Endpoint, call: &Call, encoding: Option<Encoding>) -> (StatusCode, Vec<u8>) {
    let (status, body) = api::answer(endpoint, call);
    (status, compressed(body, encoding))
}

fn compressed(body: Vec<u8>, encoding: Option<Encoding>) -> Vec<u8> {
    // Writing to memory does not fail.
    encoding
        .and_then(|encoding| encoding.encode(&body).ok())
        .unwrap_or(body)
}

/// The answer when a call could not be run or did not survive.
fn pool_failure(err: &PoolError, encoding: Option<Encoding>) -> (StatusCode, Vec<u8>) {
    let (kind, text) = match err {
        PoolError::Full => (
            ErrorKind::Timeout,
            "query timed out in query queue".to_owned(),
        ),
        PoolError::Closed => (
            ErrorKind::Canceled,
            "query was canceled in query queue".to_owned(),
        ),
        PoolError::Panicked(message) => {
            tracing::error!(component = "web", err = %message, "API call panicked");
            (ErrorKind::Execution, format!("unexpected error: {message}"))
        }
    };
    let (status, body) = ApiError { kind, text }.render();
    (status, compressed(body, encoding))
}

pub(crate) fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

pub(crate) fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    // A value that cannot stand in a header is left out; ours all can.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn with_type(status: StatusCode, kind: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", body)
}

/// An error as Go's `http.Error` writes it.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    let mut answer = with_type(status, "text/plain; charset=utf-8", format!("{message}\n"));
    set(
        answer.headers_mut(),
        header::X_CONTENT_TYPE_OPTIONS,
        "nosniff",
    );
    answer
}

fn not_ready(readiness: Readiness) -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    let stopping = if readiness == Readiness::Stopping {
        "true"
    } else {
        "false"
    };
    let name = header::HeaderName::from_static("x-prometheus-stopping");
    set(answer.headers_mut(), name, stopping);
    answer
}

#[cfg(test)]
mod tests;
