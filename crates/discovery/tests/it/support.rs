//! Running a provider and looking at what it reports.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

use std::time::Duration;

use discovery::config::SdConfigs;
use discovery::metrics::ProviderMetrics;
use discovery::providers::{Environment, specs};
use discovery::{Discoverer, TargetGroup};
use model::Labels;
use telemetry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long a test waits before it gives up; far more than it needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A provider that runs.
pub(crate) struct Running {
    pub(crate) reports: mpsc::Receiver<Vec<TargetGroup>>,
    registry: Registry,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The discovery sections that `text` writes.
pub(crate) fn configs(text: &str) -> SdConfigs {
    let mut configs = <SdConfigs as yaml::Yaml>::zero();
    yaml::decode(text, yaml::Dialect::V2, true, &mut configs).unwrap();
    configs
}

/// Runs the one provider that `text` configures.
pub(crate) fn start(text: &str) -> Running {
    let configs = configs(text);
    assert_eq!(configs.not_built(), Vec::<String>::new());
    run(|environment| {
        let mut specs = specs(&configs, environment);
        assert_eq!(specs.len(), 1, "{text}");
        (specs.remove(0).make)().unwrap()
    })
}

/// Runs what `make` makes.
pub(crate) fn run(make: impl FnOnce(&Environment) -> Box<dyn Discoverer>) -> Running {
    let registry = Registry::new();
    let discoverer = make(&Environment {
        metrics: ProviderMetrics::new(&registry),
        user_agent: "ferula-test/1".to_owned(),
        config_name: "job".to_owned(),
    });
    let (updates, reports) = mpsc::channel(16);
    Running {
        reports,
        registry,
        task: tokio::spawn(discoverer.run(updates)),
    }
}

impl Running {
    /// The next report.
    pub(crate) async fn next(&mut self) -> Vec<TargetGroup> {
        let next = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
        next.expect("no report").expect("the provider ended")
    }

    /// The next report of one group.
    pub(crate) async fn group(&mut self) -> TargetGroup {
        let mut groups = self.next().await;
        assert_eq!(groups.len(), 1, "{groups:?}");
        groups.remove(0)
    }

    /// The value of one of our own metrics; 0 if it is not there yet.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = telemetry::text::write(&self.registry.gather());
        let line = page.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then_some(value)
        });
        line.unwrap_or("0").parse().unwrap()
    }

    /// Waits until the counter `series` is at least `wanted`.
    pub(crate) async fn counted(&self, series: &str, wanted: f64) {
        let counted = async {
            while self.metric(series) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let counted = tokio::time::timeout(PATIENCE, counted).await;
        counted.unwrap_or_else(|_| panic!("{series} is {}", self.metric(series)));
    }
}

/// Labels as lines `name=value`, sorted.
pub(crate) fn lines(labels: &Labels) -> Vec<String> {
    labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Fails unless the labels are those of `expected`: a line each, in any order.
pub(crate) fn assert_labels(labels: &Labels, expected: &str) {
    let mut wanted: Vec<String> = expected
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    wanted.sort();
    let mut found = lines(labels);
    found.sort();
    assert_eq!(found, wanted);
}

/// The addresses of all targets.
pub(crate) fn addresses(group: &TargetGroup) -> Vec<&str> {
    let targets = group.targets.iter();
    targets
        .map(|target| target.value_or_empty("__address__"))
        .collect()
}
