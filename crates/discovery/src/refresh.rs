//! The loop of providers that poll: at once, then at each interval. A failed poll keeps the old
//! groups.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::discoverer::Updates;
use crate::metrics::ProviderMetrics;
use crate::{Error, TargetGroup};

/// Polls with `poll` until the receiver of the updates is gone. Groups whose source is missing
/// from a poll are reported as gone.
pub async fn run<P, F>(
    mechanism: &str,
    config: &str,
    interval: Duration,
    metrics: ProviderMetrics,
    updates: Updates,
    mut poll: P,
) where
    P: FnMut() -> F + Send,
    F: Future<Output = Result<Vec<TargetGroup>, Error>> + Send,
{
    let failures = metrics.refresh_failures.with(&[mechanism, config]);
    let duration = metrics.refresh_duration.with(&[mechanism, config]);
    let durations = metrics.refresh_duration_histogram.with(&[mechanism]);
    let mut sources = BTreeSet::new();
    let mut beat = tokio::time::interval(interval.max(Duration::from_millis(1)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let started = Instant::now();
        let polled = poll().await;
        let seconds = started.elapsed().as_secs_f64();
        duration.observe(seconds);
        durations.observe(seconds);
        let mut groups = match polled {
            Ok(groups) => groups,
            Err(err) => {
                failures.inc();
                tracing::error!(
                    component = "discovery manager",
                    discovery = %mechanism,
                    config = %config,
                    err = %err,
                    "Unable to refresh target groups"
                );
                continue;
            }
        };
        let found: BTreeSet<String> = groups.iter().map(|group| group.source.clone()).collect();
        groups.extend(
            sources
                .difference(&found)
                .map(|source| TargetGroup::gone(source)),
        );
        sources = found;
        if updates.send(groups).await.is_err() {
            return;
        }
    }
}
