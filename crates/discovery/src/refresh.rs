//! The loop of providers that poll: at once, then at each interval. A failed poll keeps the old
//! groups, as does a poll that says nothing of a source.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::discoverer::{Discoverer, Running, Updates};
use crate::providers::Environment;
use crate::{Error, TargetGroup};

/// A mechanism that polls.
pub trait Poll: Send + 'static {
    /// Its name in metrics and logs.
    const MECHANISM: &'static str;

    /// Time from one poll to the next.
    fn interval(&self) -> Duration;

    /// The groups as they are now. Empty ones say that their source is gone.
    fn poll(&mut self) -> impl Future<Output = Result<Vec<TargetGroup>, Error>> + Send;
}

/// Runs a [`Poll`] as a provider.
#[derive(Debug)]
pub struct Poller<P> {
    polled: P,
    environment: Environment,
}

impl<P: Poll> Poller<P> {
    /// A provider that asks `polled` again and again.
    pub fn new(polled: P, environment: &Environment) -> Self {
        Self {
            polled,
            environment: environment.clone(),
        }
    }

    async fn run(mut self, updates: Updates) {
        let config = self.environment.config_name.as_str();
        let metrics = &self.environment.metrics;
        let failures = metrics.refresh_failures.with(&[P::MECHANISM, config]);
        let duration = metrics.refresh_duration.with(&[P::MECHANISM, config]);
        let durations = metrics.refresh_duration_histogram.with(&[P::MECHANISM]);
        let mut beat = ticker(self.polled.interval());
        loop {
            beat.tick().await;
            let started = Instant::now();
            let polled = self.polled.poll().await;
            let seconds = started.elapsed().as_secs_f64();
            duration.observe(seconds);
            durations.observe(seconds);
            match polled {
                Ok(groups) => {
                    if updates.send(groups).await.is_err() {
                        return;
                    }
                }
                Err(err) => {
                    failures.inc();
                    tracing::error!(
                        component = "discovery manager",
                        discovery = P::MECHANISM,
                        config = %config,
                        err = %err,
                        "Unable to refresh target groups"
                    );
                }
            }
        }
    }
}

impl<P: Poll> Discoverer for Poller<P> {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin((*self).run(updates))
    }
}

/// Ticks at once and then each `interval`. Of ticks that nobody waited for one remains.
pub(crate) fn ticker(interval: Duration) -> tokio::time::Interval {
    let mut beat = tokio::time::interval(interval.max(Duration::from_millis(1)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}
