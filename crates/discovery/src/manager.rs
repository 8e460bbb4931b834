//! Runs the providers of all jobs and hands on snapshots of what they found.
//!
//! A change is handed on at the next beat of a 5 s clock, and only if the receiver has taken the
//! one before: bursts become one update. After a reload, groups of providers that stay are kept;
//! a job that lost its last provider gets an empty list, so that its targets are dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::discoverer::Discoverer;
use crate::metrics::ManagerMetrics;
use crate::target_group::TargetGroup;

/// How often changes are handed on at most.
pub const UPDATE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the first update waits for further providers: a server that starts is blind until then,
/// so it does not wait a whole interval.
const FIRST_UPDATE_AFTER: Duration = Duration::from_millis(200);
/// Reports of one provider that may wait.
const PROVIDER_QUEUE_LEN_MAX: usize = 16;

/// All groups by job; jobs without any have an empty list.
pub type TargetSets = BTreeMap<String, Vec<Arc<TargetGroup>>>;

/// A provider to run, if none alike runs already.
pub struct ProviderSpec {
    /// Identifies the configuration: providers with equal keys are the same and run once.
    pub key: String,
    /// Makes the provider.
    pub make: Box<dyn FnOnce() -> Result<Box<dyn Discoverer>, crate::Error> + Send>,
}

impl std::fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key may hold credentials.
        f.debug_struct("ProviderSpec").finish_non_exhaustive()
    }
}

/// The providers of one purpose (`scrape` or `notify`).
#[derive(Debug)]
pub struct Manager {
    name: String,
    shared: Arc<Shared>,
    metrics: ManagerMetrics,
    sender: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    providers: HashMap<String, Provider>,
    /// Every configured job, and the keys of its providers in their order.
    jobs: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Provider {
    task: JoinHandle<()>,
    /// By source; `BTreeMap` so that snapshots have one order.
    groups: BTreeMap<String, Arc<TargetGroup>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Manager {
    /// A manager, and the receiver of its snapshots. Call it inside the async runtime.
    pub fn new(name: &str, metrics: ManagerMetrics) -> (Self, mpsc::Receiver<TargetSets>) {
        Self::with_interval(name, metrics, UPDATE_INTERVAL)
    }

    /// As [`new`](Self::new), with another beat.
    pub fn with_interval(
        name: &str,
        metrics: ManagerMetrics,
        interval: Duration,
    ) -> (Self, mpsc::Receiver<TargetSets>) {
        let shared = Arc::new(Shared::default());
        let (sets, receiver) = mpsc::channel(1);
        let sender = tokio::spawn(send_loop(
            name.to_owned(),
            shared.clone(),
            metrics.clone(),
            sets,
            interval,
        ));
        metrics.failed_configs.with(&[name]).set(0.0);
        (
            Self {
                name: name.to_owned(),
                shared,
                metrics,
                sender,
            },
            receiver,
        )
    }

    /// Makes exactly these jobs' providers run. Providers that stay keep their groups.
    pub fn apply_config(&self, jobs: BTreeMap<String, Vec<ProviderSpec>>) {
        let mut failed = 0;
        let mut state = self.shared.state.lock();
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (job, specs) in jobs {
            let mut keys = Vec::new();
            for spec in specs {
                let known = state.providers.contains_key(&spec.key);
                if !known {
                    match (spec.make)() {
                        Ok(discoverer) => {
                            let provider = self.start(&spec.key, discoverer);
                            state.providers.insert(spec.key.clone(), provider);
                        }
                        Err(err) => {
                            tracing::error!(
                                component = "discovery manager",
                                config = %job,
                                err = %err,
                                "Cannot create service discovery"
                            );
                            failed += 1;
                            continue;
                        }
                    }
                }
                if !keys.contains(&spec.key) {
                    keys.push(spec.key);
                }
            }
            wanted.insert(job, keys);
        }
        let gone: Vec<String> = state
            .jobs
            .keys()
            .filter(|job| !wanted.contains_key(*job))
            .cloned()
            .collect();
        for job in gone {
            self.metrics.discovered_targets.remove(&[&self.name, &job]);
            self.metrics.last_update.remove(&[&self.name, &job]);
        }
        state
            .providers
            .retain(|key, _| wanted.values().any(|keys| keys.contains(key)));
        state.jobs = wanted;
        drop(state);
        self.metrics
            .failed_configs
            .with(&[&self.name])
            .set(f64::from(failed));
        self.shared.changed.notify_one();
    }

    fn start(&self, key: &str, discoverer: Box<dyn Discoverer>) -> Provider {
        let (updates, mut reports) = mpsc::channel(PROVIDER_QUEUE_LEN_MAX);
        let shared = self.shared.clone();
        let key = key.to_owned();
        let received = self.metrics.received_updates.with(&[&self.name]);
        let task = tokio::spawn(async move {
            let mut running = discoverer.run(updates);
            let mut ended = false;
            loop {
                let report = tokio::select! {
                    report = reports.recv() => report,
                    () = &mut running, if !ended => {
                        ended = true;
                        continue;
                    }
                };
                let Some(groups) = report else {
                    return;
                };
                received.inc();
                shared.take_report(&key, groups);
            }
        });
        Provider {
            task,
            groups: BTreeMap::new(),
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.sender.abort();
        self.shared.state.lock().providers.clear();
    }
}

impl Shared {
    fn take_report(&self, key: &str, groups: Vec<TargetGroup>) {
        let mut state = self.state.lock();
        let Some(provider) = state.providers.get_mut(key) else {
            return;
        };
        for group in groups {
            // Gone sources leave the map, as in the reference.
            if group.targets.is_empty() {
                provider.groups.remove(&group.source);
            } else {
                provider
                    .groups
                    .insert(group.source.clone(), Arc::new(group));
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn snapshot(&self, name: &str, metrics: &ManagerMetrics) -> TargetSets {
        let state = self.state.lock();
        let mut sets = TargetSets::new();
        for (job, keys) in &state.jobs {
            let groups: Vec<Arc<TargetGroup>> = keys
                .iter()
                .filter_map(|key| state.providers.get(key))
                .flat_map(|provider| provider.groups.values().cloned())
                .collect();
            let targets: usize = groups.iter().map(|group| group.targets.len()).sum();
            metrics
                .discovered_targets
                .with(&[name, job])
                .set(targets as f64);
            sets.insert(job.clone(), groups);
        }
        sets
    }
}

async fn send_loop(
    name: String,
    shared: Arc<Shared>,
    metrics: ManagerMetrics,
    sets: mpsc::Sender<TargetSets>,
    interval: Duration,
) {
    let (sent, delayed) = (
        metrics.sent_updates.with(&[&name]),
        metrics.delayed_updates.with(&[&name]),
    );
    let first = Instant::now() + interval.min(FIRST_UPDATE_AFTER);
    let mut beat = tokio::time::interval_at(first, interval);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        shared.changed.notified().await;
        sent.inc();
        match sets.try_reserve() {
            Ok(permit) => permit.send(shared.snapshot(&name, &metrics)),
            Err(mpsc::error::TrySendError::Closed(())) => return,
            Err(mpsc::error::TrySendError::Full(())) => {
                delayed.inc();
                shared.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests;
