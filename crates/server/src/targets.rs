//! Shows the scrape manager's targets to the API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use scrape::Manager;
use web::targets::{ActiveTarget, DroppedTarget, Health, TargetMetadata, TargetSource};

/// The manager's targets as the API shows them.
pub(crate) struct Targets(pub(crate) Manager);

impl TargetSource for Targets {
    fn pools(&self) -> Vec<String> {
        self.0.scrape_pools()
    }

    fn active(&self) -> BTreeMap<String, Vec<ActiveTarget>> {
        let mut pools = BTreeMap::new();
        for (pool, targets) in self.0.targets_active() {
            let Some(options) = self.0.pool_options(&pool) else {
                continue;
            };
            let views = targets.iter().map(|target| {
                let last = target.last_scrape();
                ActiveTarget {
                    discovered_labels: target.discovered_labels(&options),
                    labels: target.labels().clone(),
                    pool: pool.clone(),
                    url: target.url().to_owned(),
                    last_error: last.error,
                    last_scrape: last.time.map(system_time),
                    last_scrape_seconds: last.duration.as_secs_f64(),
                    health: match last.health {
                        scrape::Health::Unknown => Health::Unknown,
                        scrape::Health::Up => Health::Up,
                        scrape::Health::Down => Health::Down,
                    },
                    scrape_interval: target.interval_text().to_owned(),
                    scrape_timeout: target.timeout_text().to_owned(),
                }
            });
            let views = views.collect();
            pools.insert(pool, views);
        }
        pools
    }

    fn dropped(&self) -> BTreeMap<String, Vec<DroppedTarget>> {
        let mut pools = BTreeMap::new();
        for (pool, targets) in self.0.targets_dropped() {
            let views = targets
                .into_iter()
                .map(|discovered_labels| DroppedTarget {
                    discovered_labels,
                    pool: pool.clone(),
                })
                .collect();
            pools.insert(pool, views);
        }
        pools
    }

    fn dropped_counts(&self) -> BTreeMap<String, usize> {
        self.0.targets_dropped_counts()
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<TargetMetadata> {
        let targets = self.0.targets_active();
        let all = targets.values().flatten().map(|target| TargetMetadata {
            target: target.labels().clone(),
            families: match metric {
                None => target.metadata(),
                Some(name) => target
                    .metadata_of(name)
                    .map(|metadata| (name.to_owned(), metadata))
                    .into_iter()
                    .collect(),
            },
        });
        all.collect()
    }
}

/// A time in milliseconds since the epoch; what lies before it is the epoch.
fn system_time(timestamp: model::Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(timestamp).unwrap_or(0))
}
