//! The configurations of `examples/`: each loads, and its discovery and rules come to the targets that
//! stand beside it. Where the reference's tool is at hand (`$FERULA_PEERS/bin/promtool`) it checks them
//! too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use config::LoadOptions;
use discovery::TargetGroup;
use discovery::metrics::ProviderMetrics;
use discovery::providers::{Environment, specs};
use http_client::config::EndpointUrl;
use scrape::JobOptions;
use scrape::config::ScrapeConfig;
use scrape::target::{Discovered, Populated, Target};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api_double::ApiDouble;

/// How long what must come may take; never how long it has to.
const PATIENCE: Duration = Duration::from_secs(60);
/// Without a report for so long all is taken to be known, when expectations are written.
const QUIET: Duration = Duration::from_secs(2);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The configurations: files that have jobs.
fn configurations() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let subject = entry.unwrap().path();
        if !subject.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(subject).unwrap() {
            let file = entry.unwrap().path();
            let is_yaml = file.extension().is_some_and(|extension| extension == "yml");
            if is_yaml
                && std::fs::read_to_string(&file)
                    .unwrap()
                    .contains("\nscrape_configs:")
            {
                found.push(file);
            }
        }
    }
    found.sort();
    assert!(found.len() >= 10, "only {found:?}");
    found
}

/// A cluster with the objects of the folder's `cluster.json`, if it has one.
async fn cluster(folder: &Path) -> ApiDouble {
    let double = ApiDouble::start().await;
    if let Ok(text) = std::fs::read_to_string(folder.join("cluster.json")) {
        let objects: BTreeMap<String, Vec<Value>> = serde_json::from_str(&text).unwrap();
        for (resource, objects) in objects {
            for object in objects {
                double.put(&resource, object);
            }
        }
    }
    double
}

/// The providers of one job, and what they have reported.
struct Job {
    options: JobOptions,
    groups: BTreeMap<(usize, String), TargetGroup>,
    reports: mpsc::Receiver<(usize, Vec<TargetGroup>)>,
    tasks: JoinSet<()>,
}

impl Job {
    fn start(mut job: ScrapeConfig, double: &ApiDouble) -> Self {
        for section in job.discovery.kubernetes_sd_configs.iter_mut() {
            section.api_server = Some(EndpointUrl::parse(&double.url()).unwrap());
            section.kubeconfig_file = Default::default();
        }
        let environment = Environment {
            metrics: ProviderMetrics::new(&telemetry::Registry::new()),
            user_agent: "test/1".to_owned(),
            config_name: job.job_name.clone(),
        };
        let (sender, reports) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        for (number, spec) in specs(&job.discovery, &environment).into_iter().enumerate() {
            let (updates, mut updated) = mpsc::channel(4);
            tasks.spawn((spec.make)().unwrap().run(updates));
            let sender = sender.clone();
            tasks.spawn(async move {
                while let Some(groups) = updated.recv().await {
                    if sender.send((number, groups)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self {
            options: JobOptions::from(&job),
            groups: BTreeMap::new(),
            reports,
            tasks,
        }
    }

    /// What is known by now, relabelled.
    fn outcome(&self) -> Value {
        let mut targets = BTreeSet::new();
        let mut dropped = 0;
        for group in self.groups.values() {
            for target in &group.targets {
                let discovered = Discovered {
                    target: target.clone(),
                    group: group.labels.clone(),
                };
                match Target::populate(discovered, &self.options) {
                    Populated::Dropped => dropped += 1,
                    Populated::Failed(reason) => panic!("{}: {reason}", self.options.job_name),
                    Populated::Kept(target) => {
                        let labels = target.labels().iter();
                        let labels: BTreeMap<String, String> =
                            labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                        targets.insert((target.url().to_owned(), labels));
                    }
                }
            }
        }
        let targets: Vec<Value> = targets
            .into_iter()
            .map(|(url, labels)| json!({"url": url, "labels": labels}))
            .collect();
        json!({"targets": targets, "dropped": dropped})
    }

    /// Takes reports until the outcome is `expected`; without expectation until all is quiet. The
    /// outcome.
    async fn settle(mut self, expected: Option<&Value>) -> Value {
        let patience = if expected.is_some() { PATIENCE } else { QUIET };
        loop {
            let outcome = self.outcome();
            if expected == Some(&outcome) {
                return outcome;
            }
            let report = tokio::time::timeout(patience, self.reports.recv()).await;
            let Ok(Some((number, groups))) = report else {
                self.tasks.abort_all();
                return outcome;
            };
            for group in groups {
                self.groups.insert((number, group.source.clone()), group);
            }
        }
    }
}

/// Compares with the file beside `configuration`, or writes it.
async fn check(configuration: &Path) {
    let config = config::load_file(configuration, &LoadOptions::default())
        .unwrap_or_else(|err| panic!("{}", err.located()));
    let double = cluster(configuration.parent().unwrap()).await;
    let file = configuration.with_extension("targets.json");
    let writes = std::env::var_os("UPDATE_EXPECT").is_some();
    let expected: BTreeMap<String, Value> = match writes {
        true => BTreeMap::new(),
        false => serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap(),
    };
    let mut outcomes = BTreeMap::new();
    for job in config.all_scrape_configs().unwrap() {
        let name = job.job_name.clone();
        assert_eq!(job.discovery.not_built(), Vec::<String>::new());
        let wanted = expected.get(&name).unwrap_or(&Value::Null);
        let running = Job::start(job, &double);
        let outcome = running.settle((!writes).then_some(wanted)).await;
        outcomes.insert(name, outcome);
    }
    if writes {
        let text = serde_json::to_string_pretty(&outcomes).unwrap();
        std::fs::write(&file, text + "\n").unwrap();
    } else {
        let shown = configuration.display();
        assert_eq!(outcomes, expected, "{shown}");
        for (name, outcome) in outcomes {
            assert_ne!(outcome["targets"], json!([]), "{shown}: {name}");
        }
    }
}

#[tokio::test]
async fn example_configurations_find_the_targets_that_stand_beside_them() {
    for configuration in configurations() {
        check(&configuration).await;
    }
}

/// The targets that a shard has of the job `node`.
fn of_shard(number: usize) -> Vec<String> {
    let file = folder().join(format!("sharding/shard-{number}.targets.json"));
    let text = std::fs::read_to_string(file).unwrap();
    let jobs: Value = serde_json::from_str(&text).unwrap();
    let targets = jobs["node"]["targets"].as_array().unwrap();
    let url = |target: &Value| target["url"].as_str().unwrap().to_owned();
    targets.iter().map(url).collect()
}

#[test]
fn every_target_has_exactly_one_shard() {
    let mut all: Vec<String> = (0..3).flat_map(of_shard).collect();
    all.sort();
    let expected: Vec<String> = (1..=9)
        .map(|number| format!("http://node-0{number}.example.com:9100/metrics"))
        .collect();
    assert_eq!(all, expected);
}

#[test]
fn the_references_tool_takes_the_example_configurations() {
    let peers = std::env::var_os("FERULA_PEERS").map(PathBuf::from);
    let tool = peers.map(|peers| peers.join("bin/promtool"));
    let Some(tool) = tool.filter(|tool| tool.exists()) else {
        println!("left out: no promtool in $FERULA_PEERS/bin");
        return;
    };
    for configuration in configurations() {
        let mut command = Command::new(&tool);
        command.args(["check", "config", "--syntax-only"]);
        let output = command.arg(&configuration).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}: {text}",
            configuration.display()
        );
    }
}
