//! A target whose answers a test writes byte by byte, and a manager that scrapes it.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery::TargetGroup;
use model::Labels;
use scrape::{Bounds, JobOptions, Manager, ManagerOptions, Metrics, Target};
use stdx::pool::Pool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::store::{Committed, Store};

/// How long a test waits before it gives up; far more than it needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A whole answer with status 200.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer(
        "Content-Type: text/plain; version=0.0.4\r\n",
        body.as_bytes(),
    )
}

/// A whole answer with status 200 and these headers.
pub(crate) fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Answers the n-th request with `answers[n]`, the last one for ever.
pub(crate) async fn serve(answers: Vec<Vec<u8>>) -> String {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let answers = Arc::new(answers);
    serve_with(move |mut stream| {
        let (answers, count) = (answers.clone(), count.clone());
        async move {
            while read_request(&mut stream).await.is_some() {
                let index = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let answer = &answers[index.min(answers.len() - 1)];
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// Hands every connection to `handle`; the address.
pub(crate) async fn serve_with<F, R>(handle: F) -> String
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// The head of the next request; `None` at the end.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A manager with one job.
pub(crate) struct Scraping {
    pub(crate) manager: Manager,
    pub(crate) store: Store,
    registry: telemetry::Registry,
}

impl Scraping {
    /// Scrapes `address` every 20 ms.
    pub(crate) fn of(address: &str, change: impl FnOnce(&mut JobOptions)) -> Self {
        Self::within(Bounds::default(), address, change)
    }

    /// As [`of`](Self::of), with bounds.
    pub(crate) fn within(
        bounds: Bounds,
        address: &str,
        change: impl FnOnce(&mut JobOptions),
    ) -> Self {
        let scraping = Self::new(address, change, |manager| manager.bounds = bounds);
        scraping.open();
        scraping
    }

    /// As [`of`](Self::of), with starts for counters that tell none.
    pub(crate) fn synthesizing(address: &str) -> Self {
        let change = |options: &mut JobOptions| every(300, options);
        let scraping = Self::new(address, change, |manager| manager.synthesize_starts = true);
        scraping.open();
        scraping
    }

    /// As [`of`](Self::of), with a store that is not open yet.
    pub(crate) fn before_open(
        address: &str,
        kept_bytes_max: usize,
        change: impl FnOnce(&mut JobOptions),
    ) -> Self {
        let keep = |manager: &mut ManagerOptions| manager.kept_bytes_max = kept_bytes_max;
        Self::new(address, change, keep)
    }

    fn new(
        address: &str,
        change: impl FnOnce(&mut JobOptions),
        adjust: impl FnOnce(&mut ManagerOptions),
    ) -> Self {
        let store = Store::default();
        let registry = telemetry::Registry::new();
        let mut manager = ManagerOptions {
            kept_bytes_max: 0,
            bounds: Bounds::default(),
            workers: Pool::new("append", 1, 16).unwrap(),
            metrics: Metrics::new(&registry),
            user_agent: "Prometheus/0".to_owned(),
            timestamp_tolerance: None,
            start_timestamps: true,
            synthesize_starts: false,
        };
        adjust(&mut manager);
        let manager = Manager::new(manager);
        let mut options = JobOptions {
            job_name: "j".to_owned(),
            scrape_interval_ms: 20,
            scrape_timeout_ms: 20,
            ..JobOptions::default()
        };
        change(&mut options);
        manager.apply_config(vec![options], 0).unwrap();
        let scraping = Self {
            manager,
            store,
            registry,
        };
        scraping.targets(&[address]);
        scraping
    }

    /// Opens the store.
    pub(crate) fn open(&self) {
        let (manager, store) = (self.manager.clone(), self.store.clone());
        tokio::spawn(async move { manager.append_to(Arc::new(store)).await });
    }

    /// The value of a metric of our own without labels.
    pub(crate) fn own_metric(&self, name: &str) -> f64 {
        let text = telemetry::text::write(&self.registry.gather());
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }

    /// Makes these the job's targets.
    pub(crate) fn targets(&self, addresses: &[&str]) {
        let target =
            |address: &&str| Labels::from_pairs([("__address__", *address), ("instance", "i")]);
        let group = TargetGroup {
            targets: addresses.iter().map(target).collect(),
            ..TargetGroup::default()
        };
        self.manager
            .apply_targets(BTreeMap::from([("j".to_owned(), vec![Arc::new(group)])]));
    }

    /// The transactions as soon as there are `count`.
    pub(crate) async fn transactions(&self, count: usize) -> Vec<Vec<Committed>> {
        self.until(|| {
            let transactions = self.store.transactions();
            (transactions.len() >= count).then_some(transactions)
        })
        .await
    }

    /// A transaction after the store has forgotten its series.
    pub(crate) async fn transaction_after_forgetting(&self) -> Vec<Committed> {
        self.store.forget();
        let count = self.store.transactions().len();
        // One may be under way, the next one finds out.
        self.transactions(count + 3).await.pop().unwrap()
    }

    /// The target once it has been scraped.
    pub(crate) async fn scraped_target(&self) -> Arc<Target> {
        self.until(|| {
            let target = self.manager.targets_active().remove("j")?.pop()?;
            target.last_scrape().time.map(|_| target.clone())
        })
        .await
    }

    pub(crate) async fn until<T>(&self, ready: impl Fn() -> Option<T>) -> T {
        let poll = async {
            loop {
                if let Some(value) = ready() {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap()
    }
}

/// Scrapes at an interval that a busy machine can keep: who is slow is no failing target.
pub(crate) fn every(millis: i64, options: &mut JobOptions) {
    options.scrape_interval_ms = millis;
    options.scrape_timeout_ms = millis;
}

/// The value of series `name` in a transaction, if it is there.
pub(crate) fn value(transaction: &[Committed], name: &str) -> Option<f64> {
    let start = format!("{{__name__=\"{name}\"");
    transaction
        .iter()
        .find(|(labels, _, _)| labels.starts_with(&start))
        .map(|found| found.2)
}
