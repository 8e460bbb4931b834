//! A target's answer on its way from the network into the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Timestamp;
use parking_lot::Mutex;
use stdx::pool::{Pool, Running};

use crate::append::{self, Context, LoopState};
use crate::error::Error;
use crate::fetch::Answer;
use crate::history::PastScrape;
use crate::target::{Health, LastScrape};

/// How long to wait before offering work to a full pool again.
const POOL_RETRY: Duration = Duration::from_millis(5);
/// What a scrape takes beside its body, roughly: itself and the text of an error.
const SCRAPE_BYTES: usize = 512;

/// What loops of one target hand on to each other.
pub(crate) type SharedState = Arc<Mutex<LoopState>>;

/// A scrape whose answer, or failure, is there.
pub(crate) struct Fetched {
    pub(crate) context: Context,
    pub(crate) state: SharedState,
    pub(crate) answer: Result<Answer, Error>,
    /// The time of its samples.
    pub(crate) time: Timestamp,
    pub(crate) begun: Begun,
}

/// When a scrape was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begun {
    At(Instant),
    /// It was laid by when it had taken this long.
    Before(Duration),
}

impl Begun {
    /// When it would have begun, had it not been laid by.
    fn instant(self) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::Before(took) => {
                let now = Instant::now();
                now.checked_sub(took).unwrap_or(now)
            }
        }
    }
}

impl Fetched {
    /// Stops the clock of the scrape and gives back memory it has no use for.
    pub(crate) fn lay_by(&mut self) {
        self.begun = Begun::Before(self.begun.instant().elapsed());
        if let Ok(answer) = &mut self.answer {
            answer.body.shrink_to_fit();
        }
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let body = self.answer.as_ref().map_or(0, |answer| answer.body.len());
        SCRAPE_BYTES.saturating_add(body)
    }

    /// Appends it on a worker.
    pub(crate) async fn append(self, workers: &Pool) {
        self.begin_to_append(workers).await.end().await;
    }

    /// Hands it to a worker, waiting while all are busy.
    pub(crate) async fn begin_to_append(self, workers: &Pool) -> Appending {
        let Self {
            context,
            state,
            answer,
            time,
            begun,
        } = self;
        let started = begun.instant();
        let answer = Arc::new(Mutex::new(Some(answer)));
        let outcome = on_worker(workers, &context, &state, move |context, state| {
            let answer = answer.lock().take();
            if let Some(answer) = answer {
                append::scrape(context, state, answer, time, started);
            }
        });
        Appending {
            outcome: outcome.await,
            context,
            time,
            started,
        }
    }
}

/// A scrape that a worker appends.
pub(crate) struct Appending {
    outcome: Running<()>,
    context: Context,
    time: Timestamp,
    started: Instant,
}

impl Appending {
    /// Waits until it is done.
    pub(crate) async fn end(self) {
        let Err(err) = self.outcome.await else { return };
        tracing::error!(
            component = "scrape manager",
            scrape_pool = %self.context.options.job_name,
            target = %self.context.target.url(),
            err = %err,
            "Scrape worker failed"
        );
        let duration = self.started.elapsed();
        let last = LastScrape {
            health: Health::Down,
            error: Error::Worker(err.to_string()).to_string(),
            time: Some(self.time),
            duration,
        };
        let past = PastScrape::new(self.time, duration);
        self.context.target.report(last, past);
    }
}

/// Hands `job` to a worker, waiting while all are busy.
pub(crate) async fn on_worker<F>(
    workers: &Pool,
    context: &Context,
    state: &SharedState,
    job: F,
) -> Running<()>
where
    F: Fn(&Context, &mut LoopState) + Clone + Send + 'static,
{
    loop {
        let (context, state, job) = (context.clone(), state.clone(), job.clone());
        match workers.begin(move || job(&context, &mut state.lock())) {
            Ok(running) => return running,
            Err(_) => tokio::time::sleep(POOL_RETRY).await,
        }
    }
}
