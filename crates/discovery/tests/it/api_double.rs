//! An API server of Kubernetes in miniature, which speaks its real protocol: lists in pages, watches
//! from a version on, bookmarks, versions that are forgotten (410), connections that break.
//!
//! HTTP/1.1 with chunked bodies, written by hand, so that every cut is where a test wants it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What a connection runs on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

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
    /// Connections of an older epoch break.
    epoch: u64,
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
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away ends its connection.
                    let _ = match tls {
                        None => serving.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
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
        self.lock().epoch += 1;
        self.changed.send_replace(());
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
        let epoch = self.lock().epoch;
        let mut received = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = received.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
                let mut changed = self.changed.subscribe();
                if self.lock().epoch != epoch {
                    return Ok(());
                }
                tokio::select! {
                    read = stream.read_buf(&mut received) => if read? == 0 { return Ok(()) },
                    _ = changed.changed() => {}
                }
            };
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            received.drain(..end);
            self.answer(&mut stream, &head, epoch).await?;
        }
    }

    async fn answer(
        &self,
        stream: &mut impl Stream,
        head: &str,
        epoch: u64,
    ) -> std::io::Result<()> {
        let target = head.split(' ').nth(1).unwrap_or("").to_owned();
        let refusal = self.admit(head, &target);
        if let Some(status) = refusal {
            return write_status(stream, status, "no").await;
        }
        let asked = Asked::parse(&target);
        if asked.is_watch() {
            self.watch(stream, &asked, epoch).await
        } else {
            self.list(stream, &asked).await
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

    async fn list(&self, stream: &mut impl Stream, asked: &Asked) -> std::io::Result<()> {
        let Some(page) = self.lock().page(asked) else {
            return write_status(stream, 410, "the continue token is too old").await;
        };
        let pause = self.lock().manners.pause;
        let break_after = self.lock().manners.break_list_after.take();
        write_head(stream, 200).await?;
        write_chunk(stream, r#"{"kind":"List","apiVersion":"v1","items":["#).await?;
        let mut text = String::new();
        for (index, item) in page.items.iter().enumerate() {
            if break_after == Some(index) {
                stream.write_all(b"5\r\n{\"me").await?;
                return Err(std::io::Error::other("broken as told"));
            }
            let comma = if index > 0 { "," } else { "" };
            write!(text, "{comma}{item}").unwrap();
            if text.len() > 20_000 || !pause.is_zero() || break_after.is_some() {
                tokio::time::sleep(pause).await;
                write_chunk(stream, &text).await?;
                text.clear();
            }
        }
        let meta = json!({"resourceVersion": page.version.to_string(), "continue": page.next});
        write!(text, r#"],"metadata":{meta}}}"#).unwrap();
        write_chunk(stream, &text).await?;
        stream.write_all(b"0\r\n\r\n").await
    }

    async fn watch(
        &self,
        stream: &mut impl Stream,
        asked: &Asked,
        epoch: u64,
    ) -> std::io::Result<()> {
        let mut version: u64 = asked.parameter("resourceVersion").parse().unwrap_or(0);
        let (oldest, by_status) = {
            let state = self.lock();
            (state.oldest, state.manners.gone_by_status)
        };
        if version < oldest && by_status {
            return write_status(stream, 410, "too old resource version").await;
        }
        write_head(stream, 200).await?;
        if version < oldest {
            let status = json!({"kind": "Status", "code": 410, "reason": "Expired"});
            let line = json!({"type": "ERROR", "object": status});
            write_chunk(stream, &format!("{line}\n")).await?;
            return stream.write_all(b"0\r\n\r\n").await;
        }
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let (events, is_cut) = {
                let state = self.lock();
                (state.events_after(version, asked), state.epoch != epoch)
            };
            if is_cut {
                // In the middle of a chunk.
                stream.write_all(b"40\r\n{\"type\":\"ADD").await?;
                return Err(std::io::Error::other("cut as told"));
            }
            for (at, line) in events {
                version = at;
                write_chunk(stream, &line).await?;
                self.lock().sent = at;
            }
            let mut byte = [0];
            tokio::select! {
                _ = changed.changed() => {}
                read = stream.read(&mut byte) => if read? == 0 {
                    return Err(std::io::Error::other("the client is gone"));
                }
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

async fn write_head(stream: &mut impl Stream, status: u16) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await
}

async fn write_chunk(stream: &mut impl Stream, text: &str) -> std::io::Result<()> {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(chunk.as_bytes()).await
}

async fn write_status(stream: &mut impl Stream, code: u16, message: &str) -> std::io::Result<()> {
    let status = json!({"kind": "Status", "code": code, "message": message});
    write_head(stream, code).await?;
    write_chunk(stream, &status.to_string()).await?;
    stream.write_all(b"0\r\n\r\n").await
}
