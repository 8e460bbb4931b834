//! Runs a provider against a double and keeps the groups that it reports.

use std::collections::BTreeMap;
use std::time::Duration;

use discovery::config::SdConfigs;
use discovery::metrics::ProviderMetrics;
use discovery::providers::{self, Environment};
use discovery::{Discoverer, TargetGroup, Updates};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api_double::ApiDouble;

/// How long what must come may take; never how long it has to.
const PATIENCE: Duration = Duration::from_secs(60);

/// A target with the labels of its group.
pub(crate) type Target = BTreeMap<String, String>;

/// A running provider and what it has reported.
pub(crate) struct Follow {
    pub(crate) groups: BTreeMap<String, TargetGroup>,
    /// Sources in the order of their reports.
    pub(crate) reported: Vec<String>,
    updates: mpsc::Receiver<Vec<TargetGroup>>,
    task: JoinHandle<()>,
    pub(crate) registry: telemetry::Registry,
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follow {
    /// A provider of `role`, with more lines of its section, which reaches `double`.
    pub(crate) fn start(double: &ApiDouble, role: &str, more: &str) -> Self {
        Self::start_section(&format!(
            "role: {role}\napi_server: {}\n{more}",
            double.url()
        ))
    }

    /// A provider with this section.
    pub(crate) fn start_section(section: &str) -> Self {
        Self::start_made(section, |configs, environment| {
            let mut specs = providers::specs(configs, environment);
            assert_eq!(specs.len(), 1);
            (specs.remove(0).make)().expect("a provider")
        })
    }

    /// A provider that `make` makes of this section.
    pub(crate) fn start_made(
        section: &str,
        make: impl FnOnce(&SdConfigs, &Environment) -> Box<dyn Discoverer>,
    ) -> Self {
        let section = section.trim_end().replace('\n', "\n  ");
        let text = format!("kubernetes_sd_configs:\n- {section}\n");
        let mut configs = SdConfigs::default();
        yaml::decode(&text, yaml::Dialect::V2, true, &mut configs).expect("a good section");
        let registry = telemetry::Registry::new();
        let environment = Environment {
            metrics: ProviderMetrics::new(&registry),
            user_agent: "test/1".to_owned(),
            config_name: "job".to_owned(),
        };
        let discoverer = make(&configs, &environment);
        let (sender, updates): (Updates, _) = mpsc::channel(4);
        Self {
            groups: BTreeMap::new(),
            reported: Vec::new(),
            updates,
            task: tokio::spawn(discoverer.run(sender)),
            registry,
        }
    }

    /// Takes reports until the groups are so.
    pub(crate) async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            let report = tokio::time::timeout_at(deadline, self.updates.recv()).await;
            let Ok(Some(report)) = report else {
                panic!("not so far: {:#?}", self.groups);
            };
            self.take(report);
        }
    }

    fn take(&mut self, report: Vec<TargetGroup>) {
        for group in report {
            self.reported.push(group.source.clone());
            if group.targets.is_empty() {
                self.groups.remove(&group.source);
            } else {
                self.groups.insert(group.source.clone(), group);
            }
        }
    }

    /// Waits for the group of `source`.
    pub(crate) async fn until_there(&mut self, source: &str) {
        self.until(|follow| follow.groups.contains_key(source))
            .await;
    }

    /// Waits until there is no group of `source`.
    pub(crate) async fn until_gone(&mut self, source: &str) {
        self.until(|follow| !follow.groups.contains_key(source))
            .await;
    }

    /// Waits until some target has this label.
    pub(crate) async fn until_label(&mut self, name: &str, value: &str) {
        self.until(|follow| follow.has_label(name, value)).await;
    }

    /// Whether some target has this label.
    pub(crate) fn has_label(&self, name: &str, value: &str) -> bool {
        let groups = self.groups.values();
        let mut targets = groups.flat_map(targets_of);
        targets.any(|target| target.get(name).is_some_and(|found| found == value))
    }

    /// The targets of `source`, with the labels of the group.
    #[track_caller]
    pub(crate) fn targets(&self, source: &str) -> Vec<Target> {
        let group = self.groups.get(source);
        targets_of(group.unwrap_or_else(|| panic!("no {source} in {:?}", self.groups.keys())))
    }

    /// What the metrics page says.
    pub(crate) fn metrics(&self) -> String {
        telemetry::text::write(&self.registry.gather())
    }
}

fn targets_of(group: &TargetGroup) -> Vec<Target> {
    let pairs = |labels: &model::Labels| -> Vec<(String, String)> {
        let labels = labels.iter();
        labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    };
    let targets = group.targets.iter();
    targets
        .map(|target| {
            pairs(&group.labels)
                .into_iter()
                .chain(pairs(target))
                .collect()
        })
        .collect()
}

/// A target as a test writes it: `name value` a line, names without `__meta_kubernetes_` if they
/// begin with a dot.
pub(crate) fn target(text: &str) -> Target {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ').expect("name and value");
        let name = match name.strip_prefix('.') {
            Some(rest) => format!("__meta_kubernetes_{rest}"),
            None => name.to_owned(),
        };
        (name, value.to_owned())
    };
    lines.map(pair).collect()
}

/// Compares targets, in any order.
#[track_caller]
pub(crate) fn assert_targets(mut found: Vec<Target>, expected: &[&str]) {
    let mut expected: Vec<Target> = expected.iter().map(|text| target(text)).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
