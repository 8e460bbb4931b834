//! Keeps one resource in step with the API server: list it, watch from the list's version on, and
//! begin anew where that breaks.
//!
//! What is lost while a watch is down is made up for by the next watch, which goes on from the last
//! version seen, or, when the server no longer knows that version (410), by a list: what it does not
//! bring is gone.

use std::sync::Arc;
use std::time::Duration;

use http_client::body::Body;
use http_client::{Connection, Request, Response};
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use super::access::Access;
use super::api::{Envelope, Event, Kind, Selector, Status};
use super::backoff::{Backoff, random};
use super::objects::{self, Key, Parsed};
use super::split::{Form, Piece, SplitError, Splitter};
use crate::metrics::ProviderMetrics;

/// Objects of a page of a list.
const PAGE_LEN: &str = "500";
/// Objects that are handed on together.
const BATCH_LEN: usize = 64;
/// Bytes that are read without letting others have the thread.
const SLICE_BYTES: usize = 64 << 10;
/// Objects larger than this are read on a thread for such work.
const LARGE_BYTES: usize = 128 << 10;
/// How long an answer may be silent, its head included.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a page of a list may take.
const LIST_MAX: Duration = Duration::from_secs(600);
/// The server ends a watch after a time between this and half as much again: a connection that was
/// lost without notice is found then.
const WATCH_MIN: Duration = Duration::from_secs(240);
/// How much longer than that an answer is waited for.
const WATCH_GRACE: Duration = Duration::from_secs(30);
/// A watch that lasted this long without any event was a good one.
const GOOD_WATCH: Duration = Duration::from_secs(5);
/// After so many failed watches in a row the resource is listed again.
const WATCH_TRIES_MAX: u32 = 3;
/// Most bytes of what the server says of a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Most objects of a resource.
const OBJECTS_MAX: usize = 4 << 20;

/// What a feed tells.
#[derive(Debug)]
pub(super) enum Change {
    /// A list begins, perhaps anew.
    ListBegin,
    /// Objects of a list.
    Listed(Vec<Parsed>),
    /// The list has ended. If every object of it could be read, what it did not bring is gone.
    ListEnd { is_whole: bool },
    /// An object is new or has changed.
    Put(Parsed),
    /// An object is gone.
    Gone(Key),
}

/// A change, and whose it is.
#[derive(Debug)]
pub(super) struct Message {
    /// Number of the feed.
    pub(super) feed: usize,
    pub(super) change: Change,
}

/// Why a request or its answer failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the version is too old: {0}")]
    Gone(String),
    #[error("the API server refused ({status}): {message}")]
    Refused { status: u16, message: String },
    #[error("the watch failed: {0}")]
    Event(String),
    #[error(transparent)]
    Access(#[from] crate::Error),
    #[error(transparent)]
    Http(#[from] http_client::Error),
    #[error("{0}")]
    Body(#[from] http_client::BodyError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error("cannot read a list: {0}")]
    Envelope(String),
    #[error("{0}")]
    Content(&'static str),
    /// Nobody listens any more.
    #[error("closed")]
    Closed,
}

/// Which version of a list is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListFrom {
    /// What the server has at hand.
    AtHand,
    /// The newest.
    Newest,
}

/// One resource, in one namespace or all.
#[derive(Debug)]
pub(super) struct Feed {
    /// Its number.
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) selector: Selector,
    pub(super) access: Arc<Access>,
    pub(super) changes: mpsc::Sender<Message>,
    pub(super) metrics: ProviderMetrics,
    /// Name of the job, for logs.
    pub(super) config_name: Arc<str>,
}

/// What a list has brought, over its pages.
#[derive(Debug, Default)]
struct ListSoFar {
    count: usize,
    has_unreadable: bool,
}

/// Where a feed is.
#[derive(Debug)]
struct Place {
    /// With the epoch of its credentials.
    connection: Option<(Connection, u64)>,
    /// The version to watch from; none before a list.
    version: Option<String>,
    list_from: ListFrom,
    backoff: Backoff,
}

impl Feed {
    /// Goes on until nobody listens or the future is dropped.
    pub(super) async fn run(self) {
        let mut place = Place {
            connection: None,
            version: None,
            list_from: ListFrom::AtHand,
            backoff: Backoff::new(),
        };
        loop {
            let was_watch = place.version.is_some();
            let done = if was_watch {
                self.watch(&mut place).await
            } else {
                self.list(&mut place).await
            };
            let wait = match done {
                Ok(Going::On) => continue,
                Ok(Going::AfterAWait) => place.backoff.next(),
                Err(Failure::Closed) => return,
                Err(failure) => self.failed(&failure, was_watch, &mut place).await,
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Notes a failure. How long to wait.
    async fn failed(&self, failure: &Failure, was_watch: bool, place: &mut Place) -> Duration {
        place.connection = None;
        place.list_from = ListFrom::Newest;
        let is_gone = matches!(failure, Failure::Gone(_));
        // While the server cannot be reached the version stays good.
        let is_reached = !matches!(failure, Failure::Http(_) | Failure::Access(_));
        if is_gone || (is_reached && place.backoff.tries() >= WATCH_TRIES_MAX) {
            place.version = None;
        }
        // A watch that breaks off or grows too old is daily life: the reference counts refused ones.
        let is_daily = is_gone || matches!(failure, Failure::Body(_));
        if !(was_watch && is_daily) {
            self.metrics.kubernetes_failures.inc();
        }
        if matches!(failure, Failure::Refused { status: 401, .. }) {
            self.access.renew().await;
        }
        let what = if was_watch { "watch" } else { "list" };
        tracing::warn!(
            component = "discovery manager",
            discovery = "kubernetes",
            config = &*self.config_name,
            resource = self.kind.resource(),
            namespace = self.namespace.as_deref().unwrap_or(""),
            err = %failure,
            "Failed to {what}; trying again"
        );
        place.backoff.next()
    }

    /// Lists the resource, page by page.
    async fn list(&self, place: &mut Place) -> Result<Going, Failure> {
        let mut next: Option<String> = None;
        let mut so_far = ListSoFar::default();
        self.tell(Change::ListBegin).await?;
        loop {
            let mut url = self.url();
            url.query_pairs_mut().append_pair("limit", PAGE_LEN);
            match &next {
                Some(token) => {
                    url.query_pairs_mut().append_pair("continue", token);
                }
                None if place.list_from == ListFrom::AtHand => {
                    url.query_pairs_mut().append_pair("resourceVersion", "0");
                }
                None => {}
            }
            let response = self.ask(url, place).await?;
            let meta = self.read_list(response.body, &mut so_far).await?.metadata;
            let token = meta.next.filter(|token| !token.is_empty());
            match token {
                Some(_) if token == next => {
                    return Err(Failure::Content("the API server repeats a page of a list"));
                }
                Some(_) => next = token,
                None => {
                    let version = meta.resource_version.filter(|text| !text.is_empty());
                    let missing = Failure::Content("a list of the API server has no version");
                    place.version = Some(version.ok_or(missing)?);
                    let is_whole = !so_far.has_unreadable;
                    self.tell(Change::ListEnd { is_whole }).await?;
                    return Ok(Going::On);
                }
            }
        }
    }

    /// Reads one page and hands its objects on.
    async fn read_list(&self, mut body: Body, so_far: &mut ListSoFar) -> Result<Envelope, Failure> {
        let end = Instant::now() + LIST_MAX;
        let mut splitter = Splitter::new(Form::List);
        let mut batch = Vec::new();
        let mut envelope = None;
        loop {
            body.set_deadline(end.min(Instant::now() + SILENCE_MAX));
            let Some(chunk) = body.chunk().await? else {
                break;
            };
            let mut rest: &[u8] = &chunk;
            let mut read = 0;
            while let Some(piece) = splitter.next(&mut rest)? {
                match piece {
                    Piece::Envelope(json) => {
                        envelope = Some(Envelope::parse(json).map_err(Failure::Envelope)?);
                    }
                    Piece::Object(json) => {
                        read += json.len();
                        so_far.count += 1;
                        match self.parse(json, objects::parse).await {
                            Ok(parsed) => batch.push(parsed),
                            Err(reason) => {
                                so_far.has_unreadable = true;
                                self.unreadable(&reason);
                            }
                        }
                    }
                }
                if so_far.count > OBJECTS_MAX {
                    return Err(Failure::Content("the API server has too many objects"));
                }
                if batch.len() >= BATCH_LEN {
                    self.tell(Change::Listed(std::mem::take(&mut batch)))
                        .await?;
                }
                if read >= SLICE_BYTES {
                    read = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        if !batch.is_empty() {
            self.tell(Change::Listed(batch)).await?;
        }
        envelope.ok_or(Failure::Body(http_client::BodyError::Incomplete))
    }

    /// Watches from the last version on, until the server ends the watch or something fails.
    async fn watch(&self, place: &mut Place) -> Result<Going, Failure> {
        let lasts = WATCH_MIN.mul_f64(1.0 + 0.5 * random());
        let version = place.version.clone().unwrap_or_default();
        let mut url = self.url();
        url.query_pairs_mut()
            .append_pair("watch", "true")
            .append_pair("resourceVersion", &version)
            .append_pair("allowWatchBookmarks", "true")
            .append_pair("timeoutSeconds", &lasts.as_secs().to_string());
        let mut body = self.ask(url, place).await?.body;
        let began = Instant::now();
        body.set_deadline(began + lasts + WATCH_GRACE);
        let mut splitter = Splitter::new(Form::Watch);
        let mut had_event = false;
        let mut read = 0;
        while let Some(chunk) = body.chunk().await? {
            let mut rest: &[u8] = &chunk;
            while let Some(Piece::Object(json)) = splitter.next(&mut rest)? {
                read += json.len();
                let event = match self.parse(json, Event::parse).await {
                    Ok(event) => event,
                    Err(reason) => {
                        // Asked for again it would come again.
                        self.unreadable(&reason);
                        let identity = objects::identity(json).ok();
                        identity.map(|(_, version)| Event::Bookmark { version })
                    }
                };
                if let Some(version) = self.take_event(event).await? {
                    place.version = Some(version.into());
                    place.backoff.reset();
                    had_event = true;
                }
                if read >= SLICE_BYTES {
                    read = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        if !splitter.is_at_end() {
            return Err(Failure::Body(http_client::BodyError::Incomplete));
        }
        if had_event || began.elapsed() >= GOOD_WATCH {
            place.backoff.reset();
            return Ok(Going::On);
        }
        Ok(Going::AfterAWait)
    }

    /// Hands an event on. The version that the watch has come to.
    async fn take_event(&self, event: Option<Event>) -> Result<Option<Box<str>>, Failure> {
        let version = match event {
            None => return Ok(None),
            Some(Event::Put(parsed)) => {
                let version = parsed.version.clone();
                self.tell(Change::Put(parsed)).await?;
                version
            }
            Some(Event::Gone { key, version }) => {
                self.tell(Change::Gone(key)).await?;
                version
            }
            Some(Event::Bookmark { version }) => version,
            Some(Event::Failed(status)) => {
                let gone = status.is_gone();
                let message = status.message.unwrap_or_default();
                return Err(match gone {
                    true => Failure::Gone(message),
                    false => Failure::Event(message),
                });
            }
        };
        Ok(Some(version).filter(|version| !version.is_empty()))
    }

    /// Reads an object; a large one elsewhere.
    async fn parse<T: Send + 'static>(
        &self,
        json: &[u8],
        parse: fn(Kind, &[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        let kind = self.kind;
        if json.len() <= LARGE_BYTES {
            return parse(kind, json);
        }
        let json = json.to_vec();
        let parsed = tokio::task::spawn_blocking(move || parse(kind, &json)).await;
        parsed.unwrap_or_else(|err| Err(err.to_string()))
    }

    /// Notes an object that cannot be read: what was known of it stays, others go on.
    fn unreadable(&self, reason: &str) {
        self.metrics.kubernetes_failures.inc();
        tracing::error!(
            component = "discovery manager",
            discovery = "kubernetes",
            config = &*self.config_name,
            resource = self.kind.resource(),
            err = %reason,
            "Cannot read an object of the API server"
        );
    }

    fn url(&self) -> Url {
        let namespace = self
            .namespace
            .as_deref()
            .filter(|_| self.kind.is_namespaced());
        let mut url = self.kind.url(self.access.server(), namespace);
        self.selector.add_to(&mut url);
        url
    }

    /// Sends a request; the answer is a good one.
    async fn ask(&self, url: Url, place: &mut Place) -> Result<Response, Failure> {
        let credentials = self.access.credentials().await?;
        let endpoint = url.path().to_owned();
        let mut request = Request::get(url);
        request.headers = credentials.headers;
        let mut connection = match place.connection.take() {
            Some((connection, epoch)) if epoch == credentials.epoch => connection,
            _ => credentials.client.connection(),
        };
        let began = Instant::now();
        let sent = connection.send(request, began + SILENCE_MAX).await;
        let code = sent
            .as_ref()
            .map_or("<error>", |answer| answer.status.as_str());
        self.metrics.kubernetes_requests.with(&[code]).inc();
        let duration = &self.metrics.kubernetes_request_duration;
        let seconds = began.elapsed().as_secs_f64();
        duration.with(&[&endpoint]).observe(seconds);
        let mut response = sent?;
        let status = response.status.as_u16();
        if status == 200 {
            place.connection = Some((connection, credentials.epoch));
            return Ok(response);
        }
        let text = response.body.collect(REFUSAL_BYTES_MAX).await;
        let text = text.unwrap_or_default();
        let said = Status::parse(&text);
        if status == 410 || said.is_gone() {
            return Err(Failure::Gone(said.message.unwrap_or_default()));
        }
        let message = said.message.unwrap_or_else(|| {
            let reason = response.status.canonical_reason();
            reason.unwrap_or("").to_owned()
        });
        Err(Failure::Refused { status, message })
    }

    async fn tell(&self, change: Change) -> Result<(), Failure> {
        let message = Message {
            feed: self.number,
            change,
        };
        let sent = self.changes.send(message).await;
        sent.map_err(|_| Failure::Closed)
    }
}

/// How to go on after something that went well.
#[derive(Debug)]
enum Going {
    On,
    AfterAWait,
}
