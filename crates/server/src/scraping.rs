//! Discovery and scraping: begun with the process, before the store is open.

use std::sync::Arc;

use config::Config;
use discovery::metrics::{ManagerMetrics, ProviderMetrics};
use discovery::providers::Environment;
use parking_lot::RwLock;
use scrape::config::ScrapeConfig;
use scrape::{Bounds, JobOptions};
use stdx::pool::Pool;
use telemetry::Registry;
use tokio::task::JoinHandle;
use tsdb::Db;

use crate::monitor::POOL_QUEUE_LEN_MAX;
use crate::settings::{Settings, host_name};
use crate::{identity, limits};

/// Bytes of answers that wait for the store: a share of the memory limit, and at least this. At
/// about 10 bytes a sample compressed, that is some minutes of a hundred thousand series.
const KEPT_BYTES_MIN: u64 = 64 << 20;
const KEPT_SHARE: u64 = 16;

/// The jobs that are followed, as the configuration means them.
pub(crate) type Sections = Arc<RwLock<Vec<ScrapeConfig>>>;

/// The managers, and the task by which one follows the other.
pub(crate) struct Scraping {
    pub(crate) manager: scrape::Manager,
    /// What `manager` was told last.
    pub(crate) sections: Sections,
    /// Where samples are brought into the store.
    pub(crate) append_pool: Pool,
    discovery: discovery::Manager,
    provider_metrics: ProviderMetrics,
    following: JoinHandle<()>,
}

impl Scraping {
    /// Begins to scrape what `config` says; what that brings is kept until
    /// [`append_to`](Self::append_to).
    ///
    /// A configuration that cannot be followed is not an error yet: it is applied again when the
    /// store is open, whose own errors come first.
    pub(crate) fn start(
        settings: &Settings,
        config: &Config,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let append_pool = Pool::new("append", settings.worker_threads, POOL_QUEUE_LEN_MAX)?;
        let kept_bytes_max = settings
            .memory_limit_bytes
            .map_or(0, |bytes| bytes / KEPT_SHARE)
            .max(KEPT_BYTES_MIN);
        let manager = scrape::Manager::new(scrape::ManagerOptions {
            kept_bytes_max: usize::try_from(kept_bytes_max).unwrap_or(usize::MAX),
            bounds: settings
                .memory_limit_bytes
                .map_or_else(Bounds::default, |bytes| {
                    Bounds::within(bytes, move || limits::used_bytes(bytes))
                }),
            workers: append_pool.clone(),
            metrics: scrape::Metrics::new(registry),
            user_agent: user_agent(),
            timestamp_tolerance: settings.timestamp_tolerance(),
            start_timestamps: settings.reads_starts(),
            synthesize_starts: settings.has_feature("st-synthesis"),
        });
        manager.register(registry);
        let interval = settings.duration("scrape.discovery-reload-interval");
        let metrics = ManagerMetrics::new(registry);
        let (discovery, target_sets) =
            discovery::Manager::with_interval("scrape", metrics, interval);
        let following = tokio::spawn({
            let manager = manager.clone();
            async move { manager.run(target_sets).await }
        });
        let scraping = Self {
            manager,
            sections: Sections::default(),
            append_pool,
            discovery,
            provider_metrics: ProviderMetrics::new(registry),
            following,
        };
        if let Err(err) = scraping.apply(config) {
            tracing::debug!(err = %err, "Scraping does not begin before the storage is open");
        }
        Ok(scraping)
    }

    /// Makes both managers follow `config`.
    pub(crate) fn apply(&self, config: &Config) -> Result<(), String> {
        let sections = config.all_scrape_configs().map_err(|err| err.to_string())?;
        let options = sections.iter().map(JobOptions::from).collect();
        let providers = sections.iter().map(|job| {
            let environment = Environment {
                metrics: self.provider_metrics.clone(),
                user_agent: user_agent(),
                config_name: job.job_name.clone(),
            };
            (
                job.job_name.clone(),
                discovery::providers::specs(&job.discovery, &environment),
            )
        });
        let seed = scrape::offset::seed(&host_name(), &config.global.external_labels.to_labels());
        self.manager
            .apply_config(options, seed)
            .map_err(|err| err.to_string())?;
        self.discovery.apply_config(providers.collect());
        *self.sections.write() = sections;
        Ok(())
    }

    /// Hands over the store, now that it is open. The task ends when everything that was scraped
    /// before is in it.
    pub(crate) fn append_to(&self, store: Arc<Db>) -> JoinHandle<()> {
        let manager = self.manager.clone();
        tokio::spawn(async move { manager.append_to(store).await })
    }

    /// Stops discovery, then scraping.
    pub(crate) fn stop(&self) {
        tracing::info!("Stopping scrape discovery manager...");
        self.following.abort();
        self.discovery.apply_config([].into());
        tracing::info!("Stopping scrape manager...");
        self.manager.stop();
        tracing::info!("Scrape manager stopped");
    }
}

/// How we name ourselves to targets and discovery servers.
fn user_agent() -> String {
    format!("Prometheus/{}", identity::REFERENCE_VERSION)
}
