//! One target, scraped again and again until told to stop.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use http_client::{Connection, Request};
use model::Timestamp;
use stdx::pool::Pool;
use tokio::sync::watch;
use tokio::time::{Instant as TokioInstant, Interval, MissedTickBehavior};

use crate::append::{self, Context};
use crate::early::EarlyScrapes;
use crate::error::Error;
use crate::fetch::{self, Answer, BodyLimits};
use crate::fetched::{Appending, Begun, Fetched, SharedState, on_worker};
use crate::offset;

/// What a loop is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Go on.
    Run,
    /// Stop, and end the target's series once it is sure that nobody else scrapes it.
    StopWithMarkers,
    /// Stop.
    StopSilently,
}

/// A running loop, seen from its pool.
#[derive(Debug)]
pub(crate) struct LoopHandle {
    command: watch::Sender<Command>,
    pub(crate) state: SharedState,
}

/// What a loop needs.
pub(crate) struct ScrapeLoop {
    pub(crate) context: Context,
    pub(crate) state: SharedState,
    pub(crate) connection: Connection,
    pub(crate) request: Result<Request, Error>,
    pub(crate) workers: Pool,
    pub(crate) early: Arc<EarlyScrapes>,
    pub(crate) offset_seed: u64,
    /// See [`ManagerOptions`](crate::ManagerOptions).
    pub(crate) timestamp_tolerance: Option<Duration>,
    /// Set if every scrape of the pool fails (too many targets).
    pub(crate) forced_error: Arc<ArcSwapOption<Error>>,
    /// Whether to begin at once instead of at the target's offset.
    pub(crate) at_once: bool,
    /// The last scrape, as long as it was not asked for.
    pub(crate) appending: Option<Appending>,
}

impl LoopHandle {
    /// Starts `scrape_loop`. Call it inside the async runtime.
    pub(crate) fn start(scrape_loop: ScrapeLoop) -> Self {
        let (command, commands) = watch::channel(Command::Run);
        let state = scrape_loop.state.clone();
        tokio::spawn(scrape_loop.run(commands));
        Self { command, state }
    }

    pub(crate) fn command(&self, command: Command) {
        self.command.send_replace(command);
    }

    /// Whether the loop has ended, markers and all.
    pub(crate) fn is_ended(&self) -> bool {
        self.command.is_closed()
    }
}

impl ScrapeLoop {
    async fn run(mut self, commands: watch::Receiver<Command>) {
        self.scrape_until_told(commands).await;
        self.end_append().await;
    }

    /// Waits for the last scrape's samples, if a worker still appends them. Most of the time they are
    /// long there when somebody asks, and the loop need not be woken for them.
    async fn end_append(&mut self) {
        if let Some(appending) = self.appending.take() {
            appending.end().await;
        }
    }

    async fn scrape_until_told(&mut self, mut commands: watch::Receiver<Command>) {
        let interval = self.context.target.interval();
        if !self.at_once {
            let hash = self.context.target.hash();
            let wait = offset::until_next(now_ns(), interval, hash, self.offset_seed);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // No scrape yet: nothing to end.
                _ = commands.changed() => return,
            }
        }
        let mut beat = tokio::time::interval_at(TokioInstant::now() + interval, interval);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut due = now_ns();
        let mut last: Option<Instant> = None;
        loop {
            let time = aligned(now_ns(), &mut due, interval, self.timestamp_tolerance);
            last = Some(self.scrape(last, time, &mut commands).await);
            if *commands.borrow() == Command::Run {
                tokio::select! {
                    _ = beat.tick() => {}
                    _ = commands.changed() => {}
                }
            }
            self.end_append().await;
            let command = *commands.borrow_and_update();
            match command {
                // Who could command is gone: without this the loop would run on, and never wait.
                Command::Run if commands.has_changed().is_err() => return,
                Command::Run => {}
                Command::StopSilently => return,
                Command::StopWithMarkers => break,
            }
        }
        self.end_of_run(&mut beat, &mut commands, interval).await;
    }

    /// One scrape; when it began.
    async fn scrape(
        &mut self,
        last: Option<Instant>,
        time: Timestamp,
        commands: &mut watch::Receiver<Command>,
    ) -> Instant {
        let started = Instant::now();
        if let Some(last) = last {
            let seconds = started.duration_since(last).as_secs_f64();
            let interval = self.context.target.interval_text();
            let metrics = &self.context.metrics;
            metrics.interval_length.with(&[interval]).observe(seconds);
            metrics
                .interval_length_histogram
                .with(&[interval])
                .observe(seconds);
        }
        let answer = match self.forced_error.load_full() {
            Some(forced) => Err((*forced).clone()),
            None => {
                tokio::select! {
                    answer = self.fetch() => answer,
                    // What a target that is no longer wanted would say is of no interest.
                    _ = commands.wait_for(|command| *command != Command::Run) => return started,
                }
            }
        };
        if let Err(err) = &answer {
            tracing::debug!(
                component = "scrape manager",
                scrape_pool = %self.context.options.job_name,
                target = %self.context.target.url(),
                err = %err,
                "Scrape failed"
            );
        }
        let fetched = Fetched {
            context: self.context.clone(),
            state: self.state.clone(),
            answer,
            time,
            begun: Begun::At(started),
        };
        if let Some(fetched) = self.early.keep(fetched) {
            self.appending = Some(fetched.begin_to_append(&self.workers).await);
        }
        started
    }

    async fn fetch(&mut self) -> Result<Answer, Error> {
        let request = self.request.clone()?;
        let deadline = TokioInstant::now() + self.context.target.timeout();
        let limits = BodyLimits::new(&self.context.options, &self.context.bounds);
        fetch::fetch(&mut self.connection, request, limits, deadline).await
    }

    /// Waits until another loop for this target would have scraped it twice, then ends its series
    /// at the time of the first of the two: if there is another loop, that is too late to matter.
    async fn end_of_run(
        &self,
        beat: &mut Interval,
        commands: &mut watch::Receiver<Command>,
        interval: Duration,
    ) {
        let waiting = async {
            beat.tick().await;
            let time = (now_ns() / 1_000_000) as Timestamp;
            beat.tick().await;
            tokio::time::sleep(interval / 10).await;
            // What it brought comes first.
            self.early.appended().await;
            time
        };
        let time = tokio::select! {
            time = waiting => time,
            _ = commands.wait_for(|command| *command == Command::StopSilently) => return,
        };
        let ending = move |context: &_, state: &mut _| append::end_of_run(context, state, time);
        let running = on_worker(&self.workers, &self.context, &self.state, ending).await;
        if let Err(err) = running.await {
            tracing::error!(
                component = "scrape manager",
                scrape_pool = %self.context.options.job_name,
                target = %self.context.target.url(),
                err = %err,
                "Stale append failed"
            );
        }
    }
}

/// Nanoseconds since 1970.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The time of a scrape that begins `now_ns`, where one was due at `due_ns` or some whole intervals
/// later. One that is late by at most `tolerance`, and by at most a hundredth of its interval, gets
/// the time it was due: regular times compress better.
fn aligned(
    now_ns: u64,
    due_ns: &mut u64,
    interval: Duration,
    tolerance: Option<Duration>,
) -> Timestamp {
    let interval_ns = (interval.as_nanos() as u64).max(1);
    let Some(tolerance) = tolerance else {
        return (now_ns / 1_000_000) as Timestamp;
    };
    let tolerance_ns = u64::try_from(tolerance.as_nanos())
        .unwrap_or(u64::MAX)
        .min(interval_ns / 100);
    let late = now_ns.saturating_sub(*due_ns);
    *due_ns += late / interval_ns * interval_ns;
    let time_ns = if now_ns.saturating_sub(*due_ns) <= tolerance_ns {
        *due_ns
    } else {
        now_ns
    };
    (time_ns / 1_000_000) as Timestamp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(late_ns: u64, tolerance_ms: Option<u64>, expected_ms: i64) {
        let mut due = 1_000_000_000;
        let tolerance = tolerance_ms.map(Duration::from_millis);
        let time = aligned(due + late_ns, &mut due, Duration::from_secs(10), tolerance);
        assert_eq!(time, expected_ms);
    }

    #[test]
    fn slightly_late_scrapes_get_the_time_they_were_due() {
        check(0, Some(2), 1000);
        check(2_000_000, Some(2), 1000);
        check(3_000_000, Some(2), 1003);
        check(10_001_000_000, Some(2), 11_000);
        check(35_000_000_000, Some(2), 36_000);
    }

    #[test]
    fn the_tolerance_is_a_choice_within_a_hundredth_of_the_interval() {
        check(3_000_000, Some(5), 1000);
        check(100_000_000, Some(5000), 1000);
        check(101_000_000, Some(5000), 1101);
        check(1_000_000, Some(0), 1001);
        check(1_000_000, None, 1001);
    }
}
