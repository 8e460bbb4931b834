//! Instances of Consul services: one watch of the list of services, one of each service.
//!
//! A watch is a chain of blocking queries: the server answers when something changed since the
//! index of the answer before, or after two minutes. `api` asks, `entry` turns answers into groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::Labels;
use telemetry::{Counter, Summary};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Environment;
use crate::config::ConsulSdConfig;
use crate::discoverer::{Discoverer, Running, Updates};
use crate::error::Error;
use crate::refresh::ticker;
use crate::target_group::TargetGroup;

mod api;
mod entry;

pub(super) use api::{client_options, completed};
pub use entry::check_entries;

use api::{Agent, Api, Reply};

/// Most services that are watched at a time; each takes a connection.
const WATCHES_MAX: usize = 1 << 15;

/// How long watches wait.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest time that the server may let a query wait.
    pub watch: Duration,
    /// Pause after a failure.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(120),
            retry: Duration::from_secs(15),
        }
    }
}

/// Watches the services of a Consul server.
#[derive(Debug)]
pub struct ConsulDiscoverer {
    shared: Arc<Shared>,
}

/// What all watches of a provider have in common.
#[derive(Debug)]
struct Shared {
    config: ConsulSdConfig,
    api: Api,
    pace: Pace,
    failures: Counter,
    services_duration: Summary,
    service_duration: Summary,
}

/// Ends its watch when dropped.
#[derive(Debug)]
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether there is still somebody to report to.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    Taken,
    NobodyThere,
}

impl ConsulDiscoverer {
    /// A provider as configured.
    pub fn new(
        config: &ConsulSdConfig,
        environment: &Environment,
        pace: Pace,
    ) -> Result<Self, Error> {
        let metrics = &environment.metrics;
        Ok(Self {
            shared: Arc::new(Shared {
                config: config.clone(),
                api: Api::new(config, &environment.user_agent)?,
                pace,
                failures: metrics.consul_failures.clone(),
                services_duration: metrics.consul_duration.with(&["catalog", "services"]),
                service_duration: metrics.consul_duration.with(&["catalog", "service"]),
            }),
        })
    }

    async fn run(self, updates: Updates) {
        let shared = self.shared;
        let datacenter = shared.datacenter().await;
        let config = &shared.config;
        let all_named =
            !config.services.is_empty() && config.tags.is_empty() && config.filter.is_empty();
        if !all_named {
            return shared.watch_catalog(&datacenter, &updates).await;
        }
        let named: BTreeSet<&String> = config.services.iter().collect();
        let watches: Vec<Watch> = named
            .into_iter()
            .map(|name| shared.watch_service(name, &datacenter, &updates))
            .collect();
        updates.closed().await;
        drop(watches);
    }
}

impl Discoverer for ConsulDiscoverer {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin((*self).run(updates))
    }
}

impl Shared {
    /// The configured datacenter, else that of the agent, asked for until it tells.
    async fn datacenter(&self) -> String {
        if !self.config.datacenter.is_empty() {
            return self.config.datacenter.clone();
        }
        let mut connection = self.api.connection();
        loop {
            let deadline = Instant::now() + self.pace.watch + self.pace.retry;
            let asked: Result<Agent, Error> = self.api.agent(&mut connection, deadline).await;
            let err = match asked {
                Ok(agent) => match agent.datacenter() {
                    Ok(datacenter) => return datacenter.to_owned(),
                    Err(err) => err,
                },
                Err(err) => {
                    self.failures.inc();
                    err
                }
            };
            self.log(&err, "Error retrieving datacenter name", "");
            tokio::time::sleep(self.pace.retry).await;
        }
    }

    /// Keeps one watch for each service that is wanted.
    async fn watch_catalog(self: &Arc<Self>, datacenter: &str, updates: &Updates) {
        let mut beat = ticker(self.config.refresh_interval.as_std());
        let mut connection = self.api.connection();
        let mut watches: BTreeMap<String, Watch> = BTreeMap::new();
        let mut index = 0;
        loop {
            beat.tick().await;
            let started = Instant::now();
            let asked = self.api.services(&mut connection, index, self.pace).await;
            let seconds = started.elapsed().as_secs_f64();
            self.services_duration.observe(seconds);
            let reply = match asked {
                Ok(reply) => reply,
                Err(err) => {
                    self.failures.inc();
                    self.log(&err, "Error refreshing service list", "");
                    tokio::time::sleep(self.pace.retry).await;
                    continue;
                }
            };
            let Some(services) = take_newer(reply, &mut index) else {
                continue;
            };
            if self
                .apply(&services, &mut watches, datacenter, updates)
                .await
                == Report::NobodyThere
            {
                return;
            }
        }
    }

    /// Begins and ends watches so that they fit the list of services and their tags.
    async fn apply(
        self: &Arc<Self>,
        services: &BTreeMap<String, Option<Vec<String>>>,
        watches: &mut BTreeMap<String, Watch>,
        datacenter: &str,
        updates: &Updates,
    ) -> Report {
        let gone: Vec<String> = watches
            .keys()
            .filter(|name| !services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(mut watch) = watches.remove(&name) {
                watch.0.abort();
                // Nothing that it found may be reported after its end is.
                let _ = (&mut watch.0).await;
            }
            if updates.send(vec![TargetGroup::gone(&name)]).await.is_err() {
                return Report::NobodyThere;
            }
        }
        for (name, tags) in services {
            if watches.contains_key(name) || !self.wants(name, tags.as_deref().unwrap_or(&[])) {
                continue;
            }
            if watches.len() >= WATCHES_MAX {
                let err = Error::BadContent(format!("more than {WATCHES_MAX} services"));
                self.log(&err, "Not all services are watched", name);
                break;
            }
            let watch = self.watch_service(name, datacenter, updates);
            watches.insert(name.clone(), watch);
        }
        // Says that there is nothing, rather than nothing.
        if watches.is_empty() && updates.send(vec![TargetGroup::gone("")]).await.is_err() {
            return Report::NobodyThere;
        }
        Report::Taken
    }

    fn wants(&self, name: &str, tags: &[String]) -> bool {
        let services = &self.config.services;
        let named = services.is_empty() || services.iter().any(|service| service == name);
        named && self.config.tags.iter().all(|tag| tags.contains(tag))
    }

    fn watch_service(self: &Arc<Self>, name: &str, datacenter: &str, updates: &Updates) -> Watch {
        let (shared, name) = (self.clone(), name.to_owned());
        let (datacenter, updates) = (datacenter.to_owned(), updates.clone());
        Watch(tokio::spawn(async move {
            shared.watch_one(&name, &datacenter, &updates).await;
        }))
    }

    async fn watch_one(&self, name: &str, datacenter: &str, updates: &Updates) {
        let labels = Labels::from_pairs([
            (entry::META_SERVICE, name),
            (entry::META_DATACENTER, datacenter),
        ]);
        let mut beat = ticker(self.config.refresh_interval.as_std());
        let mut connection = self.api.connection();
        let mut index = 0;
        loop {
            beat.tick().await;
            let started = Instant::now();
            let connection = &mut connection;
            let asked = self.api.service(connection, name, index, self.pace).await;
            let seconds = started.elapsed().as_secs_f64();
            self.service_duration.observe(seconds);
            let reply = match asked {
                Ok(reply) => reply,
                Err(err) => {
                    self.failures.inc();
                    self.log(&err, "Error refreshing service", name);
                    tokio::time::sleep(self.pace.retry).await;
                    continue;
                }
            };
            let Some(targets) = take_newer(reply, &mut index) else {
                continue;
            };
            let group = TargetGroup {
                targets,
                labels: labels.clone(),
                source: name.to_owned(),
            };
            if updates.send(vec![group]).await.is_err() {
                return;
            }
        }
    }

    fn log(&self, err: &Error, message: &str, service: &str) {
        tracing::error!(
            component = "discovery manager",
            discovery = "consul",
            server = %self.config.server,
            service = %service,
            err = %err,
            "{message}"
        );
    }
}

/// What the reply says, unless nothing changed. An index that goes backwards (a server restored
/// from a backup, a follower behind) counts, and the next query begins anew, as Consul's
/// documentation asks of clients.
fn take_newer<T>(reply: Reply<T>, index: &mut u64) -> Option<T> {
    if reply.index == *index {
        return None;
    }
    *index = if reply.index < *index { 0 } else { reply.index };
    Some(reply.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_decides_what_is_news() {
        let reply = |index| Reply { index, content: () };
        let mut index = 0;
        assert_eq!(take_newer(reply(0), &mut index), None);
        assert_eq!(take_newer(reply(7), &mut index), Some(()));
        assert_eq!(take_newer(reply(7), &mut index), None);
        assert_eq!(take_newer(reply(3), &mut index), Some(()));
        assert_eq!(index, 0, "backwards: from the beginning");
        assert_eq!(take_newer(reply(3), &mut index), Some(()));
        assert_eq!(index, 3);
    }
}
