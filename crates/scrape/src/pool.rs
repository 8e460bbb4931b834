//! The targets of one job and their loops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use discovery::TargetGroup;
use http_client::Client;
use model::Labels;
use stdx::pool::Pool;

use crate::append::{Context, Spare};
use crate::bounds::Bounds;
use crate::early::EarlyScrapes;
use crate::error::Error;
use crate::failure_log::FailureLog;
use crate::fetch;
use crate::fetched::SharedState;
use crate::late_store::LateStore;
use crate::metadata::Families;
use crate::metrics::Metrics;
use crate::options::JobOptions;
use crate::scrape_loop::{Command, LoopHandle, ScrapeLoop};
use crate::target::{Discovered, Populated, Target, discovered_labels};
use crate::text_hash::TextKey;

/// What all pools share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<LateStore>,
    pub(crate) early: Arc<EarlyScrapes>,
    pub(crate) bounds: Bounds,
    pub(crate) workers: Pool,
    pub(crate) metrics: Metrics,
    pub(crate) user_agent: String,
    pub(crate) offset_seed: u64,
    pub(crate) spare: Arc<Spare>,
    pub(crate) text_key: Arc<TextKey>,
    pub(crate) families: Arc<Families>,
    pub(crate) timestamp_tolerance: Option<Duration>,
    pub(crate) start_timestamps: bool,
    pub(crate) synthesize_starts: bool,
}

/// One job's targets.
pub(crate) struct ScrapePool {
    shared: Shared,
    options: Arc<JobOptions>,
    client: Client,
    failure_log: Option<Arc<FailureLog>>,
    forced_error: Arc<ArcSwapOption<Error>>,
    /// By hash.
    active: BTreeMap<u64, Active>,
    /// Order in which discovery named them.
    order: Vec<u64>,
    dropped: Vec<Labels>,
    dropped_count: usize,
    /// Loops that are to write markers before they end.
    ending: Vec<LoopHandle>,
    groups: Vec<Arc<TargetGroup>>,
}

struct Active {
    target: Arc<Target>,
    scraped_by: LoopHandle,
}

impl ScrapePool {
    pub(crate) fn new(
        shared: Shared,
        options: JobOptions,
        failure_log: Option<Arc<FailureLog>>,
    ) -> Result<Self, Error> {
        let client = client(&shared, &options)?;
        shared.metrics.pools.inc();
        let pool = Self {
            shared,
            options: Arc::new(options),
            client,
            failure_log,
            forced_error: Arc::default(),
            active: BTreeMap::new(),
            order: Vec::new(),
            dropped: Vec::new(),
            dropped_count: 0,
            ending: Vec::new(),
            groups: Vec::new(),
        };
        pool.expose_limit();
        Ok(pool)
    }

    pub(crate) fn options(&self) -> &Arc<JobOptions> {
        &self.options
    }

    /// What new settings need before they can be taken; `None` if they are the old ones.
    pub(crate) fn prepare_reload(&self, options: &JobOptions) -> Result<Option<Client>, Error> {
        if *self.options == *options {
            return Ok(None);
        }
        let metrics = &self.shared.metrics;
        metrics.pool_reloads.inc();
        client(&self.shared, options)
            .inspect_err(|_| metrics.pool_reloads_failed.inc())
            .map(Some)
    }

    /// Loops that start from now on have another offset.
    pub(crate) fn set_offset_seed(&mut self, offset_seed: u64) {
        self.shared.offset_seed = offset_seed;
    }

    /// Takes new settings and the client that [`prepare_reload`](Self::prepare_reload) made of them.
    /// Targets that stay keep what is known of their lines, as far as it still holds.
    pub(crate) fn reload(
        &mut self,
        options: JobOptions,
        client: Client,
        failure_log: Option<Arc<FailureLog>>,
    ) {
        let started = Instant::now();
        let share = self.options.shares_cache_with(&options);
        self.client = client;
        self.failure_log = failure_log;
        self.options = Arc::new(options);
        self.expose_limit();
        for (hash, active) in std::mem::take(&mut self.active) {
            let state = share.then(|| active.scraped_by.state.clone());
            if share {
                // The new loop goes on where the old one stops.
                active.scraped_by.command(Command::StopSilently);
            } else {
                active.scraped_by.command(Command::StopWithMarkers);
                self.ending.push(active.scraped_by);
            }
            let scraped_by = self.start(&active.target, state);
            self.active.insert(
                hash,
                Active {
                    target: active.target,
                    scraped_by,
                },
            );
        }
        let groups = std::mem::take(&mut self.groups);
        self.sync(groups);
        let interval = model::duration::format(self.options.scrape_interval_ms);
        let seconds = started.elapsed().as_secs_f64();
        self.shared
            .metrics
            .reload_length
            .with(&[&interval])
            .observe(seconds);
    }

    /// Makes exactly the targets of `groups` scraped.
    pub(crate) fn sync(&mut self, groups: Vec<Arc<TargetGroup>>) {
        let started = Instant::now();
        let job = self.options.job_name.clone();
        let metrics = self.shared.metrics.clone();
        let targets = self.populate(&groups);
        self.groups = groups;
        self.order.clear();
        let mut wanted = BTreeSet::new();
        for target in targets {
            let hash = target.hash();
            if wanted.insert(hash) {
                self.order.push(hash);
            }
            if let Some(active) = self.active.get(&hash) {
                active.target.rediscovered(&target);
                continue;
            }
            let target = Arc::new(target);
            let scraped_by = self.start(&target, None);
            self.active.insert(hash, Active { target, scraped_by });
        }
        let gone: Vec<u64> = self
            .active
            .keys()
            .filter(|hash| !wanted.contains(hash))
            .copied()
            .collect();
        for hash in gone {
            if let Some(active) = self.active.remove(&hash) {
                active.scraped_by.command(Command::StopWithMarkers);
                self.ending.push(active.scraped_by);
            }
        }
        self.ending.retain(|handle| !handle.is_ended());
        self.check_target_limit();
        metrics
            .pool_targets
            .with(&[&job])
            .set(self.active.len() as f64);
        metrics.pool_symbols.with(&[&job]).set(0.0);
        metrics.pool_syncs.with(&[&job]).inc();
        let seconds = started.elapsed().as_secs_f64();
        metrics.sync_length.with(&[&job]).observe(seconds);
        metrics.sync_length_histogram.with(&[&job]).observe(seconds);
    }

    /// Stops all loops; no series end.
    pub(crate) fn stop(&mut self) {
        for active in std::mem::take(&mut self.active).into_values() {
            active.scraped_by.command(Command::StopSilently);
        }
        for handle in self.ending.drain(..) {
            handle.command(Command::StopSilently);
        }
    }

    /// No longer exposes metrics of this job.
    pub(crate) fn unexpose(&self) {
        let job = [self.options.job_name.as_str()];
        let metrics = &self.shared.metrics;
        metrics.pool_target_limit.remove(&job);
        metrics.pool_targets.remove(&job);
        metrics.pool_symbols.remove(&job);
        metrics.pool_syncs.remove(&job);
        metrics.sync_length.remove(&job);
        metrics.sync_length_histogram.remove(&job);
        metrics.sync_failed.remove(&job);
        metrics.metadata_entries.remove(&job);
        metrics.metadata_bytes.remove(&job);
    }

    /// Targets in the order discovery named them.
    pub(crate) fn active_targets(&self) -> Vec<Arc<Target>> {
        self.order
            .iter()
            .filter_map(|hash| self.active.get(hash))
            .map(|active| active.target.clone())
            .collect()
    }

    /// Labels before relabelling of dropped targets, as many as are kept.
    pub(crate) fn dropped_targets(&self) -> &[Labels] {
        &self.dropped
    }

    pub(crate) fn dropped_count(&self) -> usize {
        self.dropped_count
    }

    fn populate(&mut self, groups: &[Arc<TargetGroup>]) -> Vec<Target> {
        let mut targets = Vec::new();
        self.dropped.clear();
        self.dropped_count = 0;
        let failed = self
            .shared
            .metrics
            .sync_failed
            .with(&[&self.options.job_name]);
        for group in groups {
            for (index, labels) in group.targets.iter().enumerate() {
                let discovered = Discovered {
                    target: labels.clone(),
                    group: group.labels.clone(),
                };
                match Target::populate(discovered, &self.options) {
                    Populated::Kept(target) => targets.push(target),
                    Populated::Dropped => {
                        self.dropped_count += 1;
                        let keep = self.options.keep_dropped_targets;
                        if keep == 0 || self.dropped.len() < keep {
                            let discovered = Discovered {
                                target: labels.clone(),
                                group: group.labels.clone(),
                            };
                            self.dropped
                                .push(discovered_labels(&discovered, &self.options));
                        }
                    }
                    Populated::Failed(reason) => {
                        failed.inc();
                        tracing::error!(
                            component = "scrape manager",
                            scrape_pool = %self.options.job_name,
                            err = %format!("instance {index} in group {}: {reason}", group.source),
                            "Creating target failed"
                        );
                    }
                }
            }
        }
        targets
    }

    fn start(&self, target: &Arc<Target>, state: Option<SharedState>) -> LoopHandle {
        LoopHandle::start(ScrapeLoop {
            context: Context {
                options: self.options.clone(),
                target: target.clone(),
                store: self.shared.store.clone(),
                metrics: self.shared.metrics.clone(),
                spare: self.shared.spare.clone(),
                text_key: self.shared.text_key.clone(),
                families: self.shared.families.clone(),
                bounds: self.shared.bounds.clone(),
                failure_log: self.failure_log.clone(),
                start_timestamps: self.shared.start_timestamps,
                synthesize_starts: self.shared.synthesize_starts,
            },
            state: state.unwrap_or_default(),
            connection: self.client.connection(),
            request: fetch::request(&self.options, target),
            workers: self.shared.workers.clone(),
            early: self.shared.early.clone(),
            offset_seed: self.shared.offset_seed,
            timestamp_tolerance: self.shared.timestamp_tolerance,
            forced_error: self.forced_error.clone(),
            at_once: false,
            appending: None,
        })
    }

    fn check_target_limit(&self) {
        let (count, limit) = (self.active.len(), self.options.target_limit);
        let exceeded = limit > 0 && count > limit;
        if exceeded {
            self.shared.metrics.pool_exceeded_target_limit.inc();
        }
        let error = exceeded.then(|| Arc::new(Error::TargetLimit { count, limit }));
        self.forced_error.store(error);
    }

    fn expose_limit(&self) {
        let job = [self.options.job_name.as_str()];
        let limit = self.options.target_limit as f64;
        self.shared.metrics.pool_target_limit.with(&job).set(limit);
    }
}

fn client(shared: &Shared, options: &JobOptions) -> Result<Client, Error> {
    Client::new(options.client.clone(), &shared.user_agent)
        .map_err(|err| Error::Client(format!("error creating HTTP client: {err}")))
}
