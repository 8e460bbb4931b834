//! An API server of Kubernetes in miniature, which speaks its real protocol: lists in pages, watches
//! from a version on, bookmarks, versions that are forgotten (410), connections that break.
//!
//! HTTP/1.1 with chunked bodies, written by hand, so that every cut is where a test wants it; and
//! HTTP/2, where a client with TLS chooses it (see [`reply`](crate::reply)).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::reply::{Http1, Reply, Stream, chose_http2, serve_http2, write_status};

/// Objects of which there are many: made when they are asked for.
pub(crate) struct Bulk {
    pub(crate) resource: &'static str,
    pub(crate) count: usize,
    pub(crate) make: fn(usize) -> String,
}

/// How the server behaves.
#[derive(Default)]
pub(crate) struct Manners {
    /// Pages are no longer than this, whatever is asked for.
    pub(crate) page_max: Option<usize>,
    /// Everything in one page, as servers answer from their cache.
    pub(crate) ignores_limit: bool,
    /// Before each piece of a list.
    pub(crate) pause: Duration,
    /// Status of the next requests, while there are some.
    pub(crate) refusals: Vec<u16>,
    /// Whether a forgotten version is told by the status of the answer, else by an event.
    pub(crate) gone_by_status: bool,
    /// Lists break off after so many items; used up by the first.
    pub(crate) break_list_after: Option<usize>,
    /// The credentials that must come along.
    pub(crate) token: Option<String>,
    /// Resources that nobody may see.
    pub(crate) forbidden: Vec<String>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Watches from before this version cannot be had.
    oldest: u64,
    /// By resource and key.
    objects: BTreeMap<(String, String), Value>,
    log: Vec<Entry>,
    /// What a list began with, by its version, for its later pages.
    snapshots: BTreeMap<u64, Vec<String>>,
    bulk: Vec<Bulk>,
    manners: Manners,
    requests: Vec<String>,
    /// The last version that went to a watch.
    sent: u64,
    /// What is of an older epoch breaks.
    epochs: Epochs,
    /// Connections so far, and those of HTTP/2 among them.
    connections: usize,
    http2_connections: usize,
}

/// How often each kind of thing was broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// Connections.
    pub(crate) connections: u64,
    /// Streams of HTTP/2.
    pub(crate) streams: u64,
    /// Connections of HTTP/2 that are to take no more requests.
    pub(crate) gone_away: u64,
}

#[derive(Clone)]
struct Entry {
    version: u64,
    resource: String,
    /// The line that is sent.
    text: String,
    namespace: String,
    is_bookmark: bool,
}

/// The server; clones are the same one.
#[derive(Clone)]
pub(crate) struct ApiDouble {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
    address: SocketAddr,
}

impl ApiDouble {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With TLS, if there is a configuration of it.
    pub(crate) async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self {
            state: Arc::default(),
            changed: watch::Sender::new(()),
            address: listener.local_addr().unwrap(),
        };
        double.lock().version = 1000;
        let serving = double.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // As real servers do; else HTTP/2 waits for acknowledgements.
                let _ = stream.set_nodelay(true);
                serving.lock().connections += 1;
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away ends its connection.
                    let _ = match tls {
                        None => serving.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) if chose_http2(&stream) => {
                                serving.lock().http2_connections += 1;
                                serve_http2(&serving, stream).await;
                                Ok(())
                            }
                            Ok(stream) => serving.serve(stream).await,
                            Err(err) => Err(err),
                        },
                    };
                });
            }
        });
        double
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes how the server behaves.
    pub(crate) fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.lock().manners);
    }

    pub(crate) fn add_bulk(&self, bulk: Bulk) {
        self.lock().bulk.push(bulk);
    }

    /// Creates or replaces an object.
    pub(crate) fn put(&self, resource: &str, mut object: Value) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let key = key(&object);
        let place = (resource.to_owned(), key);
        let kind = match state.objects.contains_key(&place) {
            true => "MODIFIED",
            false => "ADDED",
        };
        state.tell(resource, kind, &object);
        state.objects.insert(place, object);
        drop(state);
        self.changed.send_replace(());
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, resource: &str, key: &str) {
        let mut state = self.lock();
        let place = (resource.to_owned(), key.to_owned());
        let mut object = state.objects.remove(&place).expect("an object to delete");
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.tell(resource, "DELETED", &object);
        drop(state);
        self.changed.send_replace(());
    }

    /// Sends bytes to the watches of `resource` as they are.
    pub(crate) fn send_raw(&self, resource: &str, text: &str) {
        let mut state = self.lock();
        state.version += 1;
        let entry = Entry {
            version: state.version,
            resource: resource.to_owned(),
            text: text.to_owned(),
            namespace: String::new(),
            is_bookmark: false,
        };
        state.log.push(entry);
        drop(state);
        self.changed.send_replace(());
    }

    /// Tells the watches of `resource` how far they are.
    pub(crate) fn bookmark(&self, resource: &str) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let object = json!({"kind": "X", "metadata": {"resourceVersion": version.to_string()}});
        state.tell(resource, "BOOKMARK", &object);
        drop(state);
        self.changed.send_replace(());
    }

    /// Forgets what happened so far: watches must begin behind it.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        state.oldest = state.version;
        state.log.clear();
        state.snapshots.clear();
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.lock().epochs.connections += 1;
        self.changed.send_replace(());
    }

    /// Breaks every watch on HTTP/2; the connections stay.
    pub(crate) fn reset_streams(&self) {
        self.lock().epochs.streams += 1;
        self.changed.send_replace(());
    }

    /// Takes no more requests on the connections of HTTP/2 there are; their watches go on.
    pub(crate) fn go_away(&self) {
        self.lock().epochs.gone_away += 1;
        self.changed.send_replace(());
    }

    /// How many connections there have been, and how many with HTTP/2.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let state = self.lock();
        (state.connections, state.http2_connections)
    }

    /// What was broken so far, and word of more.
    pub(crate) fn epochs(&self) -> (Epochs, watch::Receiver<()>) {
        let changed = self.changed.subscribe();
        (self.lock().epochs, changed)
    }

    /// Waits until a watch has been sent what happened last.
    pub(crate) async fn until_sent(&self) {
        let is_sent = || {
            let state = self.lock();
            state.sent >= state.version
        };
        while !is_sent() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Path and query of every request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    async fn serve(&self, mut stream: impl Stream) -> std::io::Result<()> {
        let epoch = self.lock().epochs.connections;
        let mut received = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = received.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
                let mut changed = self.changed.subscribe();
                if self.lock().epochs.connections != epoch {
                    return Ok(());
                }
                tokio::select! {
                    read = stream.read_buf(&mut received) => if read? == 0 { return Ok(()) },
                    _ = changed.changed() => {}
                }
            };
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            received.drain(..end);
            let target = head.split(' ').nth(1).unwrap_or("").to_owned();
            let mut reply = Http1(&mut stream);
            self.answer(&mut reply, &head, &target, epoch).await?;
        }
    }

    /// Answers the request for `target` on a connection of epoch `connection`; `head` is all that came
    /// with it.
    pub(crate) async fn answer(
        &self,
        reply: &mut impl Reply,
        head: &str,
        target: &str,
        connection: u64,
    ) -> std::io::Result<()> {
        let epochs = Epochs {
            connections: connection,
            ..self.lock().epochs
        };
        let refusal = self.admit(head, target);
        if let Some(status) = refusal {
            return write_status(reply, status, "no").await;
        }
        let asked = Asked::parse(target);
        if asked.is_watch() {
            self.watch(reply, &asked, epochs).await
        } else {
            self.list(reply, &asked).await
        }
    }

    /// Notes a request. The status to refuse it with.
    fn admit(&self, head: &str, target: &str) -> Option<u16> {
        let mut state = self.lock();
        state.requests.push(target.to_owned());
        let manners = &mut state.manners;
        if let Some(token) = &manners.token {
            let wanted = format!("authorization: bearer {token}");
            if !head
                .to_ascii_lowercase()
                .contains(&wanted.to_ascii_lowercase())
            {
                return Some(401);
            }
        }
        if manners.forbidden.iter().any(|part| target.contains(part)) {
            return Some(403);
        }
        manners.refusals.pop()
    }

    async fn list(&self, reply: &mut impl Reply, asked: &Asked) -> std::io::Result<()> {
        let Some(page) = self.lock().page(asked) else {
            return write_status(reply, 410, "the continue token is too old").await;
        };
        let pause = self.lock().manners.pause;
        let break_after = self.lock().manners.break_list_after.take();
        reply.head(200).await?;
        reply
            .chunk(r#"{"kind":"List","apiVersion":"v1","items":["#)
            .await?;
        let mut text = String::new();
        for (index, item) in page.items.iter().enumerate() {
            if break_after == Some(index) {
                return Err(reply.break_off("{\"me").await);
            }
            let comma = if index > 0 { "," } else { "" };
            write!(text, "{comma}{item}").unwrap();
            if text.len() > 20_000 || !pause.is_zero() || break_after.is_some() {
                tokio::time::sleep(pause).await;
                reply.chunk(&text).await?;
                text.clear();
            }
        }
        let meta = json!({"resourceVersion": page.version.to_string(), "continue": page.next});
        write!(text, r#"],"metadata":{meta}}}"#).unwrap();
        reply.chunk(&text).await?;
        reply.end().await
    }

    async fn watch(
        &self,
        reply: &mut impl Reply,
        asked: &Asked,
        epochs: Epochs,
    ) -> std::io::Result<()> {
        let mut version: u64 = asked.parameter("resourceVersion").parse().unwrap_or(0);
        let (oldest, by_status) = {
            let state = self.lock();
            (state.oldest, state.manners.gone_by_status)
        };
        if version < oldest && by_status {
            return write_status(reply, 410, "too old resource version").await;
        }
        reply.head(200).await?;
        if version < oldest {
            let status = json!({"kind": "Status", "code": 410, "reason": "Expired"});
            let line = json!({"type": "ERROR", "object": status});
            reply.chunk(&format!("{line}\n")).await?;
            return reply.end().await;
        }
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let (events, now, pause) = {
                let state = self.lock();
                let events = state.events_after(version, asked);
                (events, state.epochs, state.manners.pause)
            };
            if now.connections != epochs.connections || now.streams != epochs.streams {
                return Err(reply.break_off("{\"type\":\"ADD").await);
            }
            for (at, line) in events {
                version = at;
                if pause.is_zero() {
                    reply.chunk(&line).await?;
                } else {
                    // A few bytes at a time.
                    for piece in line.as_bytes().chunks(100) {
                        reply.chunk(&String::from_utf8_lossy(piece)).await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                self.lock().sent = at;
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = reply.gone() => return Err(std::io::Error::other("the client is gone")),
            }
        }
    }
}

/// `namespace/name`, or the name alone.
fn key(object: &Value) -> String {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().expect("a name");
    match meta["namespace"].as_str() {
        None => name.to_owned(),
        Some(namespace) => format!("{namespace}/{name}"),
    }
}

struct Page {
    items: Vec<String>,
    version: u64,
    next: String,
}

impl State {
    fn tell(&mut self, resource: &str, kind: &str, object: &Value) {
        let line = json!({"type": kind, "object": object});
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        self.log.push(Entry {
            version: self.version,
            resource: resource.to_owned(),
            text: format!("{line}\n"),
            namespace: namespace.to_owned(),
            is_bookmark: kind == "BOOKMARK",
        });
    }

    fn events_after(&self, version: u64, asked: &Asked) -> Vec<(u64, String)> {
        let wants_bookmarks = asked.parameter("allowWatchBookmarks") == "true";
        let log = self.log.iter().filter(|entry| {
            entry.version > version
                && entry.resource == asked.resource
                && (asked.namespace.is_empty() || asked.namespace == entry.namespace)
                && (wants_bookmarks || !entry.is_bookmark)
        });
        log.map(|entry| (entry.version, entry.text.clone()))
            .collect()
    }

    fn all(&self, asked: &Asked) -> Vec<String> {
        let objects = self.objects.iter();
        let of_resource = objects.filter(|((resource, key), _)| {
            let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
            *resource == asked.resource
                && (asked.namespace.is_empty() || asked.namespace == namespace)
        });
        of_resource.map(|(_, object)| object.to_string()).collect()
    }

    /// A page of a list; `None` if its token is too old.
    fn page(&mut self, asked: &Asked) -> Option<Page> {
        let limit: usize = asked.parameter("limit").parse().unwrap_or(usize::MAX);
        let limit = limit.min(self.manners.page_max.unwrap_or(usize::MAX));
        let limit = if self.manners.ignores_limit {
            usize::MAX
        } else {
            limit
        };
        let token = asked.parameter("continue");
        let (version, start) = match token.split_once(':') {
            None => (self.version, 0_usize),
            Some((version, start)) => (version.parse().unwrap(), start.parse().unwrap()),
        };
        if version < self.oldest {
            return None;
        }
        let bulk = self
            .bulk
            .iter()
            .find(|bulk| bulk.resource == asked.resource);
        let (items, count): (Vec<String>, usize) = match bulk {
            Some(bulk) => {
                let end = bulk.count.min(start.saturating_add(limit));
                ((start..end).map(bulk.make).collect(), bulk.count)
            }
            None => {
                let all = match self.snapshots.get(&version) {
                    Some(all) if start > 0 => all.clone(),
                    _ => self.all(asked),
                };
                let page = all.iter().skip(start).take(limit).cloned().collect();
                let count = all.len();
                if start + limit.min(count) < count {
                    self.snapshots.insert(version, all);
                }
                (page, count)
            }
        };
        let end = start + items.len();
        let next = match end < count {
            true => format!("{version}:{end}"),
            false => String::new(),
        };
        Some(Page {
            items,
            version,
            next,
        })
    }
}

/// What a request asks for.
struct Asked {
    resource: String,
    namespace: String,
    parameters: BTreeMap<String, String>,
}

impl Asked {
    fn parse(target: &str) -> Self {
        let url = url::Url::parse(&format!("http://h{target}")).unwrap();
        let parts: Vec<&str> = url.path().split('/').collect();
        let namespace = parts.windows(3).find(|w| w[0] == "namespaces");
        Self {
            resource: (*parts.last().unwrap_or(&"")).to_owned(),
            namespace: namespace.map_or(String::new(), |w| w[1].to_owned()),
            parameters: url.query_pairs().into_owned().collect(),
        }
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn is_watch(&self) -> bool {
        self.parameter("watch") == "true"
    }
}
