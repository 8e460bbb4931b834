//! All jobs' pools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery::TargetSets;
use model::Labels;
use parking_lot::Mutex;
use stdx::pool::Pool;
use storage::Appendable;
use telemetry::Registry;
use telemetry::metrics::Kind;
use tokio::sync::mpsc;

use crate::bounds::Bounds;
use crate::early::EarlyScrapes;
use crate::error::Error;
use crate::failure_log::FailureLogs;
use crate::metrics::Metrics;
use crate::options::JobOptions;
use crate::pool::{ScrapePool, Shared};
use crate::target::Target;
use crate::text_hash::TextKey;

/// What a manager works with.
pub struct ManagerOptions {
    /// Most bytes of answers that are kept until the store is open.
    pub kept_bytes_max: usize,
    /// What targets may take of the memory.
    pub bounds: Bounds,
    /// Where CPU work and appends run.
    pub workers: Pool,
    /// Own metrics.
    pub metrics: Metrics,
    /// The User-Agent of requests, such as `Prometheus/3.14.0`.
    pub user_agent: String,
    /// Scrapes that are late by at most this (and by at most a hundredth of their interval) get the
    /// time they were due; `None` leaves all times as they are.
    pub timestamp_tolerance: Option<Duration>,
    /// Whether start timestamps are read and handed to the store. `_created` lines of OpenMetrics are
    /// no samples then.
    pub start_timestamps: bool,
    /// Whether counters whose targets tell no start begin at zero with their first sample, which is left
    /// out.
    pub synthesize_starts: bool,
}

/// Scrapes all jobs' targets. Clones share everything.
#[derive(Clone)]
pub struct Manager {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    pools: Mutex<BTreeMap<String, ScrapePool>>,
    failure_logs: Mutex<FailureLogs>,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").finish_non_exhaustive()
    }
}

impl Manager {
    /// A manager without jobs. Its scrapes wait for [`append_to`](Self::append_to).
    pub fn new(options: ManagerOptions) -> Self {
        let early = EarlyScrapes::new(options.kept_bytes_max, options.metrics.clone());
        let shared = Shared {
            store: Arc::default(),
            early: Arc::new(early),
            bounds: options.bounds,
            workers: options.workers,
            metrics: options.metrics,
            user_agent: options.user_agent,
            offset_seed: 0,
            spare: Arc::default(),
            text_key: Arc::new(TextKey::random()),
            families: Arc::default(),
            timestamp_tolerance: options.timestamp_tolerance,
            start_timestamps: options.start_timestamps,
            synthesize_starts: options.synthesize_starts,
        };
        Self {
            inner: Arc::new(Inner {
                shared,
                pools: Mutex::default(),
                failure_logs: Mutex::default(),
            }),
        }
    }

    /// Registers metrics about memory that all jobs share.
    pub fn register(&self, registry: &Registry) {
        let families = self.inner.shared.families.clone();
        registry.function(
            "ferula_scrape_metadata_memory_bytes",
            "Bytes of memory that descriptions of metric families take, which targets share.",
            Kind::Gauge,
            move || families.heap_bytes() as f64,
        );
        let spare = self.inner.shared.spare.clone();
        registry.function(
            "ferula_scrape_buffers_memory_bytes",
            "Bytes of memory that those who append scrapes work with.",
            Kind::Gauge,
            move || spare.heap_bytes() as f64,
        );
    }

    /// Takes the store, once it is open, and appends what was scraped before; scrapes go there as
    /// they come when this is done. Call it once.
    pub async fn append_to(&self, store: Arc<dyn Appendable>) {
        let shared = &self.inner.shared;
        shared.store.open(store);
        shared.early.append_all(&shared.workers).await;
    }

    /// Makes exactly these jobs exist; those that did not change go on undisturbed.
    /// `offset_seed` is [`crate::offset::seed`]. Call it inside the async runtime.
    ///
    /// All jobs are applied as far as possible; the error names the first one that failed.
    pub fn apply_config(&self, jobs: Vec<JobOptions>, offset_seed: u64) -> Result<(), Error> {
        let mut logs = self.inner.failure_logs.lock();
        let files = jobs
            .iter()
            .map(|options| options.failure_log_file.as_path());
        logs.open(files.filter(|file| !file.as_os_str().is_empty()))?;
        let mut pools = self.inner.pools.lock();
        let mut before = std::mem::take(&mut *pools);
        let mut failure = Ok(());
        for options in jobs {
            let job = options.job_name.clone();
            let failure_log = logs.get(&options.failure_log_file);
            let pool = match before.remove(&job) {
                Some(mut pool) => {
                    let reloaded = pool.reload(options, offset_seed, failure_log);
                    reloaded.map(|()| pool)
                }
                None => {
                    let shared = Shared {
                        offset_seed,
                        ..self.inner.shared.clone()
                    };
                    ScrapePool::new(shared, options, failure_log)
                }
            };
            match pool {
                Ok(pool) => {
                    pools.insert(job, pool);
                }
                Err(err) => {
                    tracing::error!(
                        component = "scrape manager",
                        scrape_pool = %job,
                        err = %err,
                        "error reloading scrape pool"
                    );
                    failure = failure.and(Err(err));
                }
            }
        }
        for mut pool in before.into_values() {
            pool.stop();
            pool.unexpose();
        }
        failure
    }

    /// Takes over what discovery found.
    pub fn apply_targets(&self, sets: TargetSets) {
        let mut pools = self.inner.pools.lock();
        for (job, groups) in sets {
            // Discovery may still know a job that is gone, or know one before we do.
            if let Some(pool) = pools.get_mut(&job) {
                pool.sync(groups);
            }
        }
    }

    /// Follows discovery until it ends.
    pub async fn run(&self, mut sets: mpsc::Receiver<TargetSets>) {
        while let Some(found) = sets.recv().await {
            self.apply_targets(found);
        }
    }

    /// Stops all loops. Series do not end: another server start goes on with them.
    pub fn stop(&self) {
        for pool in self.inner.pools.lock().values_mut() {
            pool.stop();
        }
    }

    /// Names of all jobs, sorted.
    pub fn scrape_pools(&self) -> Vec<String> {
        self.inner.pools.lock().keys().cloned().collect()
    }

    /// Settings of a job.
    pub fn pool_options(&self, job: &str) -> Option<Arc<JobOptions>> {
        self.inner
            .pools
            .lock()
            .get(job)
            .map(|pool| pool.options().clone())
    }

    /// Targets that are scraped, by job.
    pub fn targets_active(&self) -> BTreeMap<String, Vec<Arc<Target>>> {
        let pools = self.inner.pools.lock();
        pools
            .iter()
            .map(|(job, pool)| (job.clone(), pool.active_targets()))
            .collect()
    }

    /// Labels before relabelling of targets that relabelling dropped, by job; as many as are kept.
    pub fn targets_dropped(&self) -> BTreeMap<String, Vec<Labels>> {
        let pools = self.inner.pools.lock();
        pools
            .iter()
            .map(|(job, pool)| (job.clone(), pool.dropped_targets().to_vec()))
            .collect()
    }

    /// Number of targets that relabelling dropped, by job.
    pub fn targets_dropped_counts(&self) -> BTreeMap<String, usize> {
        let pools = self.inner.pools.lock();
        pools
            .iter()
            .map(|(job, pool)| (job.clone(), pool.dropped_count()))
            .collect()
    }

    /// Brings the gauges about metadata up to date; call it before metrics are gathered.
    pub fn update_metadata_metrics(&self) {
        let metrics = &self.inner.shared.metrics;
        for (job, targets) in self.targets_active() {
            let sizes = targets.iter().map(|target| target.metadata_size());
            let (entries, bytes) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
            metrics.metadata_entries.with(&[&job]).set(entries as f64);
            metrics.metadata_bytes.with(&[&job]).set(bytes as f64);
        }
    }
}
