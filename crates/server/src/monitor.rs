//! The running server: assembly, reload, shutdown.
//!
//! Start: listeners first (health and metrics answer, the API says 503) → discovery and scraping,
//! whose answers are kept → store, with the log read → configuration → ready. Shutdown is the same
//! backwards, at any moment of the start too; reloads wait until it is through.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use config::storage::ExemplarsConfig;
use config::{Config, LoadOptions};
use memory::budget::Budget;
use promql::{ActiveQueries, Engine, EngineOptions, QueryLog};
use promql_parser::ParserOptions;
use stdx::pool::Pool;
use telemetry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tsdb::{Db, ReplayStatus};
use web::handler::{Lifecycle, ReloadRequest};
use web::{Handler, Limits, Readiness};

use crate::backend;
use crate::identity;
use crate::limits;
use crate::metrics::ConfigMetrics;
use crate::scraping::Scraping;
use crate::settings::{ConfigSource, Settings};
use crate::storage::{
    EXEMPLARS_MAX, configured_floats, exemplars_max, out_of_order_window_ms, retention,
    store_options,
};

/// What a server without a configuration file does: it scrapes itself.
const BUILT_IN_CONFIG: &str = "\
global:
  scrape_interval: 15s
scrape_configs:
- job_name: prometheus
  static_configs:
  - targets:
    - ADDRESS
";

/// Queries that wait for their turn with their costs known; more wait in the order they came.
const QUERIES_WAITING_MAX: usize = 16;

/// Reloads that may wait.
const RELOAD_QUEUE_LEN_MAX: usize = 4;
/// Jobs that may wait for a worker of a pool.
pub(crate) const POOL_QUEUE_LEN_MAX: usize = 4096;
/// Time that open requests get at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the configuration and refuses what is not built.
pub(crate) fn load_config(settings: &Settings) -> anyhow::Result<Config> {
    let options = LoadOptions {
        extra_scrape_metrics: settings.has_feature("extra-scrape-metrics"),
        prefer_protobuf: settings.reads_starts(),
        ..LoadOptions::default()
    };
    let config = match &settings.config_source {
        ConfigSource::File(path) => config::load_file(path, &options),
        ConfigSource::BuiltIn => config::load_text(&built_in(settings), &options),
    };
    let mut config = config?;
    if settings.has_feature("exemplar-storage") {
        // As in the reference, the default shows in what the API prints.
        config.storage.exemplars.get_or_insert(ExemplarsConfig {
            max_exemplars: EXEMPLARS_MAX,
        });
    }
    let not_built = config.not_built()?;
    if !not_built.is_empty() {
        let names = not_built.join(", ");
        return Err(anyhow!("not supported yet by this version: {names}"));
    }
    Ok(config)
}

fn built_in(settings: &Settings) -> String {
    let address = format!("localhost:{}", settings.listen_port());
    let prefix = settings.route_prefix.trim_end_matches('/');
    let text = BUILT_IN_CONFIG.replace("ADDRESS", &address);
    if prefix.is_empty() {
        text
    } else {
        format!("{text}  metrics_path: {prefix}/metrics\n")
    }
}

/// How the loaded configuration fares, for status pages.
#[derive(Default)]
pub(crate) struct ConfigState {
    pub(crate) yaml: parking_lot::RwLock<String>,
    pub(crate) success: AtomicBool,
    /// Milliseconds since the epoch.
    pub(crate) loaded_ms: AtomicI64,
    /// What the managers follow now.
    pub(crate) applied: parking_lot::Mutex<Option<Config>>,
}

/// The parts that follow the configuration.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    store: Arc<Db>,
    pub(crate) scraping: Scraping,
    engine: Engine,
    pub(crate) state: Arc<ConfigState>,
    metrics: ConfigMetrics,
}

impl Parts {
    fn new(
        settings: Settings,
        store: Arc<Db>,
        scraping: Scraping,
        engine: Engine,
        registry: &Registry,
    ) -> Self {
        Self {
            settings,
            store,
            scraping,
            engine,
            state: Arc::default(),
            metrics: ConfigMetrics::new(registry),
        }
    }

    /// Reads the file and applies it, wholly or not at all.
    fn reload(&self) -> Result<(), String> {
        let file = self.settings.flags.text("config.file");
        tracing::info!(filename = file, "Loading configuration file");
        let outcome = load_config(&self.settings)
            .map_err(|err| format!("couldn't load configuration (--config.file=\"{file}\"): {err}"))
            .and_then(|config| {
                // The reference's sentence, and then the reason, for which it sends to the log.
                let sentence = "one or more errors occurred while applying the new configuration";
                let applied = self.apply(&config);
                applied.map_err(|err| format!("{sentence} (--config.file=\"{file}\"): {err}"))
            });
        if let Err(err) = &outcome {
            tracing::error!(err = %err, "Error reloading config");
            self.state.success.store(false, Ordering::Relaxed);
            self.metrics.last_reload_successful.set(0.0);
        }
        outcome
    }

    /// Makes the managers follow `config`; if one cannot, all go on with what they had.
    fn apply(&self, config: &Config) -> Result<(), String> {
        let begun = SystemTime::now();
        let mut applied = self.state.applied.lock();
        if let Err(err) = self.hand_to_managers(config) {
            if let Some(before) = &*applied
                && let Err(err) = self.hand_to_managers(before)
            {
                tracing::error!(err = %err, "Going back to the previous configuration failed");
            }
            return Err(err);
        }
        self.store
            .set_exemplars_max(exemplars_max(&self.settings, config));
        self.store.set_retention(retention(&self.settings, config));
        let interval = config.global.evaluation_interval.as_ms();
        let engine = self.engine.options();
        engine
            .no_step_subquery_interval_ms
            .store(interval, Ordering::Relaxed);
        *self.state.yaml.write() = config.to_yaml();
        *applied = Some(config.clone());
        self.state.success.store(true, Ordering::Relaxed);
        let now = SystemTime::now();
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.state
            .loaded_ms
            .store(since_epoch.as_millis() as i64, Ordering::Relaxed);
        self.metrics.last_reload_successful.set(1.0);
        self.metrics
            .last_reload_success_timestamp
            .set(since_epoch.as_secs_f64());
        tracing::info!(
            filename = self.settings.flags.text("config.file"),
            totalDuration = ?now.duration_since(begun).unwrap_or_default(),
            "Completed loading of configuration file"
        );
        Ok(())
    }

    fn hand_to_managers(&self, config: &Config) -> Result<(), String> {
        self.store
            .set_float_encoding(configured_floats(config))
            .map_err(|err| err.to_string())?;
        self.engine.set_query_log(query_log(config)?);
        self.scraping.apply(config)?;
        self.store
            .set_out_of_order_window(out_of_order_window_ms(config))
            .map_err(|err| err.to_string())
    }
}

/// The query log that `config` asks for, opened anew at each reload so that it can be moved away.
fn query_log(config: &Config) -> Result<Option<QueryLog>, String> {
    let path: &str = &config.global.query_log_file;
    if path.is_empty() {
        return Ok(None);
    }
    QueryLog::open(Path::new(path))
        .map(Some)
        .map_err(|err| format!("open query log {path}: {err}"))
}

/// The engine, which keeps the queries that run in a file of the data directory.
fn engine(settings: &Settings, registry: &Registry) -> anyhow::Result<Engine> {
    let engine = Engine::with_metrics(engine_options(settings), registry);
    let folder = PathBuf::from(settings.flags.text("storage.tsdb.path"));
    let slots = queries_max(settings);
    if slots == 0 {
        return Ok(engine);
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let (active, unfinished) = ActiveQueries::open(&folder, slots)?;
    if let Some(queries) = unfinished {
        tracing::info!(
            component = "activeQueryTracker",
            queries,
            "These queries didn't finish in prometheus' last run:"
        );
    }
    Ok(engine.with_active_queries(active))
}

/// Runs the server until it is asked to end.
pub(crate) async fn run(settings: Settings, config: Config) -> anyhow::Result<()> {
    // Before anything that takes time: a signal must not find us unprepared.
    let mut requests = Requests::new()?;
    greet(&settings);
    let start_time = SystemTime::now();
    let registry = registry();
    let background_pool = Pool::new("background", 1, POOL_QUEUE_LEN_MAX)?;
    let store_options = store_options(&settings, &config);
    let replay_status = &store_options.replay_status;
    let web = WebServer::start(&settings, &registry, replay_status, requests.lifecycle()).await?;
    let scraping = Scraping::start(&settings, &config, &registry)?;
    let stop_opening = store_options.stop.clone();
    let opening = open_store(&settings, store_options, &registry, &background_pool);
    let opened = requests
        .unless_ended(opening, || {
            stop_opening.cancel();
            begin_to_stop(&web, &scraping);
        })
        .await?;
    let Some(db) = opened else {
        web.stop().await;
        return Ok(());
    };
    // Once the directory is locked: another server's file must stay.
    let engine = engine(&settings, &registry)?;
    let parts = Parts::new(settings, db.clone(), scraping, engine.clone(), &registry);
    let file = parts.settings.flags.text("config.file").to_owned();
    tracing::info!(filename = %file, "Loading configuration file");
    parts
        .apply(&config)
        .map_err(|err| anyhow!("error loading config from {file:?}: {err}"))?;
    let appending = parts.scraping.append_to(db.clone());
    let backend = backend::new(&parts, &db, engine, &registry, start_time);
    web.handler.set_backend(backend);
    web.handler.set_readiness(Readiness::Ready);
    tracing::info!("Server is ready to receive web requests.");
    say_where(&parts.settings);
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    requests.serve(&parts).await;

    begin_to_stop(&web, &parts.scraping);
    // What was scraped before the store was open, if that is not through yet.
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, appending).await;
    web.stop().await;
    let closing = background_pool.run(move || db.close());
    closing
        .await
        .context("closing storage failed")?
        .context("closing storage failed")?;
    Ok(())
}

/// Turns requests away and stops scraping.
fn begin_to_stop(web: &WebServer, scraping: &Scraping) {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    web.handler.set_readiness(Readiness::Stopping);
    scraping.stop();
}

/// What the outside may ask of the whole server: signals and the lifecycle endpoints.
struct Requests {
    hangups: Signal,
    terminations: Signal,
    interrupts: Signal,
    reloads: mpsc::Receiver<ReloadRequest>,
    reload_sender: mpsc::Sender<ReloadRequest>,
    quit: watch::Receiver<bool>,
    quit_sender: Arc<watch::Sender<bool>>,
}

impl Requests {
    fn new() -> std::io::Result<Self> {
        let (reload_sender, reloads) = mpsc::channel(RELOAD_QUEUE_LEN_MAX);
        let (quit_sender, quit) = watch::channel(false);
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            terminations: signal(SignalKind::terminate())?,
            interrupts: signal(SignalKind::interrupt())?,
            reloads,
            reload_sender,
            quit,
            quit_sender: Arc::new(quit_sender),
        })
    }

    /// The ends that the web handler holds.
    fn lifecycle(&self) -> Lifecycle {
        let quit = self.quit_sender.clone();
        Lifecycle {
            reload: self.reload_sender.clone(),
            quit: Box::new(move || !quit.send_replace(true)),
        }
    }

    /// Reloads as often as asked; returns when the server is to end.
    async fn serve(&mut self, parts: &Parts) {
        loop {
            tokio::select! {
                _ = self.hangups.recv() => {
                    // What went wrong is logged; a signal has nobody to tell.
                    let _ = parts.reload();
                }
                Some(done) = self.reloads.recv() => {
                    // Fails only if the client is gone.
                    let _ = done.send(parts.reload());
                }
                () = Self::asked_to_end(&mut self.terminations, &mut self.interrupts, &mut self.quit) => return,
            }
        }
    }

    /// What `opening` comes to; `None` if the server is to end before that. Then `stop` is called,
    /// which should make an end of it. Reloads wait meanwhile.
    async fn unless_ended<T>(
        &mut self,
        opening: impl Future<Output = anyhow::Result<T>>,
        stop: impl FnOnce(),
    ) -> anyhow::Result<Option<T>> {
        let mut opening = pin!(opening);
        tokio::select! {
            opened = &mut opening => return opened.map(Some),
            () = Self::asked_to_end(&mut self.terminations, &mut self.interrupts, &mut self.quit) => {}
        }
        stop();
        // Not for ever: a disk may not answer, and what is there is safe without us.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, opening).await;
        Ok(None)
    }

    async fn asked_to_end(
        terminations: &mut Signal,
        interrupts: &mut Signal,
        quit: &mut watch::Receiver<bool>,
    ) {
        tokio::select! {
            _ = terminations.recv() => {
                tracing::warn!(signal = "terminated", "Received an OS signal, exiting gracefully...");
            }
            _ = interrupts.recv() => {
                tracing::warn!(signal = "interrupt", "Received an OS signal, exiting gracefully...");
            }
            _ = quit.changed() => {
                tracing::warn!("Received termination request via web service, exiting gracefully...");
            }
        }
    }
}

/// The registry with what belongs to the process as a whole.
fn registry() -> Registry {
    let registry = Registry::new();
    telemetry::process::register(&registry);
    limits::register_heap(&registry);
    identity::register(&registry);
    registry
}

fn queries_max(settings: &Settings) -> usize {
    usize::try_from(settings.flags.int("query.max-concurrency"))
        .unwrap_or(0)
        .max(1)
}

/// The listeners and who answers on them.
struct WebServer {
    handler: Arc<Handler>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl WebServer {
    /// Listens and answers, not ready yet.
    async fn start(
        settings: &Settings,
        registry: &Registry,
        replay_status: &Arc<ReplayStatus>,
        lifecycle: Lifecycle,
    ) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for address in &settings.listen_addresses {
            tracing::info!(component = "web", address = %address, "Start listening for connections");
            let listener = web::bind(address)
                .await
                .context("Unable to start web listener")?;
            let address = listener.local_addr()?;
            tracing::info!(component = "web", address = %address, "Listening on");
            listeners.push(listener);
        }
        // A few more threads than queries run: those that wait go in by what they cost.
        let query_threads = queries_max(settings).saturating_add(QUERIES_WAITING_MAX);
        let query_pool = Pool::new("query", query_threads, POOL_QUEUE_LEN_MAX)?;
        let handler = Arc::new(Handler::new(
            web_options(settings, replay_status),
            registry,
            query_pool,
            lifecycle,
        ));
        let connections = settings.flags.int("web.max-connections");
        let limits = Limits {
            connections_max: usize::try_from(connections).unwrap_or(0).max(1),
            read_timeout: settings.duration("web.read-timeout"),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        };
        let (stop, stops) = watch::channel(false);
        let serving = tokio::spawn(web::serve(listeners, handler.clone(), limits, stops));
        Ok(Self {
            handler,
            stop,
            serving,
        })
    }

    /// Lets open requests finish and stops listening.
    async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
    }
}

/// The first lines of the log.
fn greet(settings: &Settings) {
    let version = identity::short_version();
    tracing::info!(mode = "server", version = %version, ferula = identity::OWN_VERSION, "Starting Prometheus Server");
    limits::avoid_huge_pages();
    let (soft, hard) = limits::raise_open_files();
    let shown = |limit: Option<u64>| {
        limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
    };
    let fd_limits = format!("(soft={}, hard={})", shown(soft), shown(hard));
    tracing::info!(
        fd_limits = %fd_limits,
        worker_threads = settings.worker_threads,
        memory_limit_bytes = settings.memory_limit_bytes.unwrap_or(0),
        "operational information"
    );
}

/// One line on where to look.
fn say_where(settings: &Settings) {
    let url = format!(
        "http://localhost:{}{}",
        settings.listen_port(),
        settings.route_prefix
    );
    let data = settings.data_directory();
    match &settings.config_source {
        ConfigSource::BuiltIn => tracing::info!(
            url = %url,
            data = %data.display(),
            "No configuration file: scraping ourselves. Open the URL in a browser"
        ),
        ConfigSource::File(_) => tracing::info!(url = %url, data = %data.display(), "Serving"),
    }
}

/// Opens the data directory on the pool: reading the log takes its time.
async fn open_store(
    settings: &Settings,
    options: tsdb::Options,
    registry: &Registry,
    pool: &Pool,
) -> anyhow::Result<Arc<Db>> {
    tracing::info!("Starting TSDB ...");
    let directory = settings.data_directory();
    let registry = registry.clone();
    let opening = pool.run(move || Db::open(Path::new(&directory), options, &registry));
    let db = opening
        .await?
        .map_err(|err| anyhow!("opening storage failed: {err}"))?;
    tracing::info!("TSDB started");
    Ok(Arc::new(db))
}

fn engine_options(settings: &Settings) -> EngineOptions {
    let flags = &settings.flags;
    let parser = ParserOptions {
        experimental_functions: settings.has_feature("promql-experimental-functions"),
        extended_range_selectors: settings.has_feature("promql-extended-range-selectors"),
        fill_modifiers: settings.has_feature("promql-binop-fill-modifiers"),
        ..ParserOptions::default()
    };
    let limit = settings.memory_limit_bytes;
    let query_bytes_max = u64::try_from(flags.int("query.max-memory"))
        .ok()
        .filter(|bytes| *bytes > 0)
        .or(limit.map(|bytes| bytes / 4));
    EngineOptions {
        memory: Budget::new("queries", limit.map_or(u64::MAX, |bytes| bytes / 2)),
        query_bytes_max: query_bytes_max.unwrap_or(u64::MAX),
        timeout: settings.duration("query.timeout"),
        max_samples: u64::try_from(flags.int("query.max-samples")).unwrap_or(0),
        max_concurrent: queries_max(settings),
        helper_threads: settings.worker_threads.saturating_sub(1),
        lookback_delta_ms: flags.int("query.lookback-delta"),
        delayed_name_removal: settings.has_feature("promql-delayed-name-removal"),
        use_start_timestamps: settings.has_feature("use-start-timestamps"),
        type_and_unit_labels: settings.has_feature("type-and-unit-labels"),
        parser,
        ..EngineOptions::default()
    }
}

fn web_options(settings: &Settings, replay_status: &Arc<ReplayStatus>) -> web::Options {
    web::Options {
        wal_replay: {
            let status = replay_status.clone();
            Box::new(move || status.segments())
        },
        route_prefix: settings.route_prefix.clone(),
        external_url: settings.external_url.clone(),
        listen_port: settings.listen_port(),
        cors_origin: settings.cors_origin.clone(),
        lifecycle_enabled: settings.flags.is_on("web.enable-lifecycle"),
        page_title: settings.flags.text("web.page-title").to_owned(),
        flags: settings.flags.to_texts(),
        build: identity::build_info(),
        read_timeout: settings.duration("web.read-timeout"),
    }
}

/// The registry of a server with all its parts, which ends at once.
#[cfg(test)]
pub(crate) async fn registry_of_all(settings: Settings) -> anyhow::Result<Registry> {
    let requests = Requests::new()?;
    let registry = registry();
    let pool = Pool::new("background", 1, POOL_QUEUE_LEN_MAX)?;
    let options = store_options(&settings, &Config::default());
    let replay = &options.replay_status;
    let web = WebServer::start(&settings, &registry, replay, requests.lifecycle()).await?;
    let engine = Engine::with_metrics(engine_options(&settings), &registry);
    let db = open_store(&settings, options, &registry, &pool).await?;
    let scraping = Scraping::start(&settings, &Config::default(), &registry)?;
    let parts = Parts::new(settings, db.clone(), scraping, engine.clone(), &registry);
    backend::new(&parts, &db, engine, &registry, SystemTime::now());
    parts.scraping.stop();
    web.stop().await;
    db.close()?;
    Ok(registry)
}
