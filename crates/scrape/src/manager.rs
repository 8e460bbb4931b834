//! All jobs' pools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery::TargetSets;
use http_client::Client;
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
use crate::failure_log::{FailureLog, FailureLogs};
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
    jobs: Mutex<Jobs>,
    failure_logs: Mutex<FailureLogs>,
}

/// All jobs.
#[derive(Default)]
struct Jobs {
    pools: BTreeMap<String, ScrapePool>,
    /// Jobs whose pool could not be set up; that is tried again whenever targets come.
    waiting: BTreeMap<String, Waiting>,
    offset_seed: u64,
}

/// What a pool is made of.
struct Waiting {
    options: JobOptions,
    failure_log: Option<Arc<FailureLog>>,
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
                jobs: Mutex::default(),
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
    /// If a job that exists cannot take its new settings, nothing changes; the error is of the first one
    /// of these. A new job whose client cannot be set up is no error, as in the reference: that is
    /// tried again, and told, when its targets are known.
    pub fn apply_config(&self, jobs: Vec<JobOptions>, offset_seed: u64) -> Result<(), Error> {
        let mut logs = self.inner.failure_logs.lock();
        let files = jobs
            .iter()
            .map(|options| options.failure_log_file.as_path());
        logs.open(files.filter(|file| !file.as_os_str().is_empty()))?;
        let mut applied = self.inner.jobs.lock();
        let mut clients = prepared(&applied.pools, &jobs)?;
        applied.offset_seed = offset_seed;
        applied.waiting.clear();
        let mut before = std::mem::take(&mut applied.pools);
        for options in jobs {
            let job = options.job_name.clone();
            let failure_log = logs.get(&options.failure_log_file);
            if let Some(mut pool) = before.remove(&job) {
                pool.set_offset_seed(offset_seed);
                if let Some(client) = clients.remove(&job) {
                    pool.reload(options, client, failure_log);
                }
                applied.pools.insert(job, pool);
                continue;
            }
            let waiting = Waiting {
                options,
                failure_log,
            };
            match self.new_pool(&waiting, offset_seed) {
                Ok(pool) => {
                    applied.pools.insert(job, pool);
                }
                Err(_) => {
                    applied.waiting.insert(job, waiting);
                }
            }
        }
        for mut pool in before.into_values() {
            pool.stop();
            pool.unexpose();
        }
        Ok(())
    }

    fn new_pool(&self, waiting: &Waiting, offset_seed: u64) -> Result<ScrapePool, Error> {
        let shared = Shared {
            offset_seed,
            ..self.inner.shared.clone()
        };
        let Waiting {
            options,
            failure_log,
        } = waiting;
        ScrapePool::new(shared, options.clone(), failure_log.clone())
    }

    /// Takes over what discovery found.
    pub fn apply_targets(&self, sets: TargetSets) {
        let mut jobs = self.inner.jobs.lock();
        for (job, groups) in sets {
            if let Some(waiting) = jobs.waiting.get(&job) {
                match self.new_pool(waiting, jobs.offset_seed) {
                    Ok(pool) => {
                        jobs.waiting.remove(&job);
                        jobs.pools.insert(job.clone(), pool);
                    }
                    Err(err) => {
                        self.inner.shared.metrics.pools.inc();
                        self.inner.shared.metrics.pools_failed.inc();
                        tell(&job, &err, "error creating new scrape pool");
                    }
                }
            }
            // Discovery may still know a job that is gone, or know one before we do.
            if let Some(pool) = jobs.pools.get_mut(&job) {
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
        for pool in self.inner.jobs.lock().pools.values_mut() {
            pool.stop();
        }
    }

    /// Names of all jobs, sorted.
    pub fn scrape_pools(&self) -> Vec<String> {
        self.inner.jobs.lock().pools.keys().cloned().collect()
    }

    /// Settings of a job.
    pub fn pool_options(&self, job: &str) -> Option<Arc<JobOptions>> {
        self.inner
            .jobs
            .lock()
            .pools
            .get(job)
            .map(|pool| pool.options().clone())
    }

    /// Targets that are scraped, by job.
    pub fn targets_active(&self) -> BTreeMap<String, Vec<Arc<Target>>> {
        let jobs = self.inner.jobs.lock();
        jobs.pools
            .iter()
            .map(|(job, pool)| (job.clone(), pool.active_targets()))
            .collect()
    }

    /// Labels before relabelling of targets that relabelling dropped, by job; as many as are kept.
    pub fn targets_dropped(&self) -> BTreeMap<String, Vec<Labels>> {
        let jobs = self.inner.jobs.lock();
        jobs.pools
            .iter()
            .map(|(job, pool)| (job.clone(), pool.dropped_targets().to_vec()))
            .collect()
    }

    /// Number of targets that relabelling dropped, by job.
    pub fn targets_dropped_counts(&self) -> BTreeMap<String, usize> {
        let jobs = self.inner.jobs.lock();
        jobs.pools
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

/// The clients of pools that get new settings. All are tried, so that the log names all that fail.
fn prepared(
    pools: &BTreeMap<String, ScrapePool>,
    jobs: &[JobOptions],
) -> Result<BTreeMap<String, Client>, Error> {
    let mut clients = BTreeMap::new();
    let mut failure = Ok(());
    for options in jobs {
        let Some(pool) = pools.get(&options.job_name) else {
            continue;
        };
        match pool.prepare_reload(options) {
            Ok(None) => {}
            Ok(Some(client)) => {
                clients.insert(options.job_name.clone(), client);
            }
            Err(err) => {
                tell(&options.job_name, &err, "error reloading scrape pool");
                failure = failure.and(Err(err));
            }
        }
    }
    failure.map(|()| clients)
}

fn tell(job: &str, err: &Error, what: &str) {
    tracing::error!(component = "scrape manager", scrape_pool = %job, err = %err, "{what}");
}
