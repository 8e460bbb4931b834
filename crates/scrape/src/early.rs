//! Scrapes that come before the store is open: kept as they came, appended in their order once it
//! is. A server that reads a long log scrapes all the same, and has no gap for it.
//!
//! One queue for all targets, in the order in which the answers came: so two targets that expose
//! the same series meet in the store as they would have without the wait. Bodies stay compressed
//! and unread. The bound counts bytes over all targets; beyond it the oldest scrapes go, so that the
//! gap which they leave is part of the one before the start.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use stdx::pool::Pool;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fetched::Fetched;
use crate::metrics::Metrics;

/// Most scrapes that are appended between two looks at the queue.
const ROUND_LEN_MAX: usize = 4096;

/// What waits for the store.
pub(crate) struct EarlyScrapes {
    queue: Mutex<Queue>,
    /// Whether scrapes go to the store at once. It holds only after everything kept was appended.
    through: watch::Sender<bool>,
    bytes_max: usize,
    metrics: Metrics,
}

#[derive(Default)]
struct Queue {
    /// As `through`; the one that counts.
    through: bool,
    scrapes: VecDeque<Fetched>,
    /// Of `scrapes`.
    bytes: usize,
    /// Whether it was said that the bound is reached.
    said: bool,
}

impl EarlyScrapes {
    /// Keeps scrapes of at most `bytes_max` together.
    pub(crate) fn new(bytes_max: usize, metrics: Metrics) -> Self {
        Self {
            queue: Mutex::default(),
            through: watch::Sender::new(false),
            bytes_max,
            metrics,
        }
    }

    /// Keeps a scrape for later; gives it back if it can be appended now.
    pub(crate) fn keep(&self, mut scrape: Fetched) -> Option<Fetched> {
        if self.queue.lock().through {
            return Some(scrape);
        }
        scrape.lay_by();
        let mut queue = self.queue.lock();
        if queue.through {
            return Some(scrape);
        }
        let bytes = scrape.bytes();
        let mut dropped = 0;
        while queue.bytes.saturating_add(bytes) > self.bytes_max {
            let Some(oldest) = queue.scrapes.pop_front() else {
                break;
            };
            queue.bytes -= oldest.bytes();
            dropped += 1;
        }
        if bytes <= self.bytes_max {
            queue.bytes += bytes;
            queue.scrapes.push_back(scrape);
        } else {
            dropped += 1;
        }
        self.metrics.kept_bytes.set(queue.bytes as f64);
        self.metrics.kept_dropped.add(f64::from(dropped));
        if dropped > 0 && !std::mem::replace(&mut queue.said, true) {
            tracing::warn!(
                component = "scrape manager",
                bytes_max = self.bytes_max,
                "Dropping scrapes that wait for the storage to open, the oldest first"
            );
        }
        None
    }

    /// Appends what was kept on `workers`, now that the store is open, and lets later scrapes
    /// through once that is done.
    pub(crate) async fn append_all(&self, workers: &Pool) {
        loop {
            let round = self.next_round();
            if round.is_empty() {
                break;
            }
            let mut running = JoinSet::new();
            for scrape in round {
                // Begun in order, and as close together as if no one had waited.
                if running.len() >= workers.threads() {
                    let _ = running.join_next().await;
                }
                let workers = workers.clone();
                running.spawn(async move { scrape.append(&workers).await });
            }
            running.join_all().await;
        }
        self.through.send_replace(true);
    }

    /// The next scrapes in order, of each loop at most one: what a loop knows of its target goes
    /// from one scrape to the next. If there are none, scrapes go through from now on.
    fn next_round(&self) -> Vec<Fetched> {
        let mut queue = self.queue.lock();
        let mut round: Vec<Fetched> = Vec::new();
        let mut loops = hashbrown::HashSet::new();
        while round.len() < ROUND_LEN_MAX
            && let Some(next) = queue.scrapes.front()
            && loops.insert(Arc::as_ptr(&next.state))
            && let Some(next) = queue.scrapes.pop_front()
        {
            queue.bytes -= next.bytes();
            round.push(next);
        }
        queue.through = round.is_empty();
        self.metrics.kept_bytes.set(queue.bytes as f64);
        round
    }

    /// Waits until everything that was kept is in the store.
    pub(crate) async fn appended(&self) {
        // Fails only when the sender is gone, which is ours.
        let _ = self.through.subscribe().wait_for(|through| *through).await;
    }
}
