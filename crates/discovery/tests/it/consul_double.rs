//! A Consul server as far as discovery asks: blocking queries with indexes, the catalog, health.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::http_double::{self, Asked, answer};
use crate::support::PATIENCE;

/// The server's data, which tests change under its clients.
#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) index: u64,
    /// Tags and health entries (JSON objects) of services.
    pub(crate) services: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// What to answer in place of data, for paths that begin so.
    pub(crate) failing: Option<(String, String)>,
}

pub(crate) struct Consul {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Mutex<Catalog>,
    changed: Notify,
    asked: Mutex<Vec<Asked>>,
}

impl Shared {
    async fn handle(self: Arc<Self>, asked: Asked) -> Vec<u8> {
        self.asked.lock().push(asked.clone());
        let known: Option<u64> = asked.parameter("index").map(|index| index.parse().unwrap());
        let wait = asked.parameter("wait").unwrap_or_default();
        let wait: u64 = wait.strip_suffix("ms").unwrap_or("0").parse().unwrap();
        let end = tokio::time::Instant::now() + Duration::from_millis(wait);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let catalog = self.catalog.lock();
                let blocks = known.is_some_and(|known| known == catalog.index);
                if !blocks || catalog.failing.is_some() {
                    return catalog.reply(&asked);
                }
            }
            if tokio::time::timeout_at(end, changed).await.is_err() {
                return self.catalog.lock().reply(&asked);
            }
        }
    }
}

impl Catalog {
    fn reply(&self, asked: &Asked) -> Vec<u8> {
        if let Some((path, status)) = &self.failing
            && asked.path().starts_with(path.as_str())
        {
            return answer(status, &[], "rpc error\n");
        }
        let body = match asked.path().rsplit_once("/v1/").unwrap().1 {
            "agent/self" => r#"{"Config":{"Datacenter":"dc-of-agent"},"Member":{}}"#.to_owned(),
            "catalog/services" => {
                let services = self.services.iter();
                let tags: BTreeMap<_, _> = services.map(|(name, (tags, _))| (name, tags)).collect();
                serde_json::to_string(&tags).unwrap()
            }
            health => {
                let name = health.strip_prefix("health/service/").unwrap();
                let entries = self
                    .services
                    .get(name)
                    .map(|(_, entries)| entries.join(","));
                format!("[{}]", entries.unwrap_or_default())
            }
        };
        let index = self.index.to_string();
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Consul-Index", index.as_str()),
            ("X-Consul-LastContact", "0"),
            ("X-Consul-KnownLeader", "true"),
        ];
        answer("200 OK", &headers, body)
    }
}

impl Consul {
    pub(crate) async fn start() -> Self {
        let shared = Self::shared();
        let handled = shared.clone();
        let address = http_double::serve(move |asked| handled.clone().handle(asked)).await;
        Self { address, shared }
    }

    pub(crate) fn start_at(path: &std::path::Path) -> Self {
        let shared = Self::shared();
        let handled = shared.clone();
        http_double::serve_at(path, move |asked| handled.clone().handle(asked));
        Self {
            address: format!("unix://{}", path.display()),
            shared,
        }
    }

    fn shared() -> Arc<Shared> {
        Arc::new(Shared {
            catalog: Mutex::new(Catalog {
                index: 10,
                ..Catalog::default()
            }),
            changed: Notify::new(),
            asked: Mutex::new(Vec::new()),
        })
    }

    /// Changes the data, and lets queries that wait know.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Catalog)) {
        change(&mut self.shared.catalog.lock());
        self.shared.changed.notify_waiters();
    }

    /// Adds or replaces a service with one instance of this address.
    pub(crate) fn set(&self, name: &str, tags: &[&str], address: &str) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let entry = serde_json::json!({
            "Node": {"Node": "n1", "Address": address},
            "Service": {"ID": "i", "Service": name, "Tags": tags, "Port": 80},
            "Checks": [],
        });
        self.change(|catalog| {
            catalog.index += 1;
            let entries = vec![entry.to_string()];
            catalog.services.insert(name.to_owned(), (tags, entries));
        });
    }

    /// Requests whose path ends so.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock();
        let asked = asked.iter().filter(|asked| asked.path().ends_with(path));
        asked.cloned().collect()
    }

    /// As [`asked`](Self::asked), once there are `count` of them.
    pub(crate) async fn asked_times(&self, path: &str, count: usize) -> Vec<Asked> {
        let enough = async {
            while self.asked(path).len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.unwrap();
        self.asked(path)
    }
}
