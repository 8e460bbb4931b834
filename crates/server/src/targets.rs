//! Shows the scrape manager's targets to the API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use model::relabel::RelabelConfig;
use scrape::Manager;
use web::targets::{
    ActiveTarget, DroppedTarget, Health, PastScrape, TargetHistory, TargetMetadata, TargetSource,
};
use yaml::Yaml;

use crate::scraping::{Scraping, Sections};

/// The manager's targets as the API shows them.
pub(crate) struct Targets {
    manager: Manager,
    sections: Sections,
}

impl Targets {
    pub(crate) fn of(scraping: &Scraping) -> Self {
        Self {
            manager: scraping.manager.clone(),
            sections: scraping.sections.clone(),
        }
    }
}

impl TargetSource for Targets {
    fn pools(&self) -> Vec<String> {
        self.manager.scrape_pools()
    }

    fn active(&self) -> BTreeMap<String, Vec<ActiveTarget>> {
        let mut pools = BTreeMap::new();
        for (pool, targets) in self.manager.targets_active() {
            let Some(options) = self.manager.pool_options(&pool) else {
                continue;
            };
            let views = targets.iter().map(|target| {
                let last = target.last_scrape();
                ActiveTarget {
                    discovered_labels: target.discovered_labels(&options),
                    labels: target.labels().clone(),
                    pool: pool.clone(),
                    scheme: target.scheme().to_owned(),
                    address: target.address().to_owned(),
                    url: target.url().to_owned(),
                    last_error: last.error,
                    last_scrape: last.time.map(system_time),
                    last_scrape_seconds: last.duration.as_secs_f64(),
                    health: health(last.health),
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
        for (pool, targets) in self.manager.targets_dropped() {
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
        self.manager.targets_dropped_counts()
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<TargetMetadata> {
        let targets = self.manager.targets_active();
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

    fn histories(&self) -> BTreeMap<String, Vec<TargetHistory>> {
        let mut pools = BTreeMap::new();
        for (pool, targets) in self.manager.targets_active() {
            let histories = targets.iter().map(|target| TargetHistory {
                pool: pool.clone(),
                url: target.url().to_owned(),
                labels: target.labels().clone(),
                scrapes: target.history().into_iter().map(past_scrape).collect(),
            });
            let histories = histories.collect();
            pools.insert(pool, histories);
        }
        pools
    }

    fn relabel_configs(&self, pool: &str) -> Option<Vec<RelabelConfig>> {
        let options = self.manager.pool_options(pool)?;
        Some(options.relabel_configs.clone())
    }

    fn pool_yaml(&self, pool: &str) -> Option<String> {
        // A section may be there whose pool could not be set up.
        self.manager.pool_options(pool)?;
        let sections = self.sections.read();
        let section = sections.iter().find(|section| section.job_name == pool)?;
        Some(yaml::to_text(&section.encode()))
    }
}

fn health(health: scrape::Health) -> Health {
    match health {
        scrape::Health::Unknown => Health::Unknown,
        scrape::Health::Up => Health::Up,
        scrape::Health::Down => Health::Down,
    }
}

fn past_scrape(past: scrape::PastScrape) -> PastScrape {
    PastScrape {
        time: system_time(past.time),
        seconds: f64::from(past.duration_us) / 1e6,
        health: if past.up { Health::Up } else { Health::Down },
        format: past.format_name(),
        error: if past.up { Some("".into()) } else { past.error },
        body_bytes: past.body_bytes,
        compressed: past.compressed,
        samples: past.scraped,
        samples_after_relabelling: past.after_relabelling,
        series_added: past.series_added,
    }
}

/// A time in milliseconds since the epoch; what lies before it is the epoch.
fn system_time(timestamp: model::Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(timestamp).unwrap_or(0))
}
