//! Memory of Kubernetes discovery, a pod: what the provider keeps, and with the groups it reported.
//!
//!     cargo run -p discovery --example kubernetes_memory -- [pod|endpointslice] [pods]
//!
//! An API server of our own (the tests' one) makes the pods as it sends them; it holds none. Bytes are
//! those that the program asked its allocator for; what the allocator rounds up to is shown as well,
//! as resident memory without files behind it.
#![expect(clippy::print_stdout, reason = "the example prints its figures")]

#[path = "../tests/it/api_double.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
#[expect(clippy::unwrap_used, reason = "a double of the tests")]
mod api_double;
#[path = "../tests/it/reply.rs"]
#[expect(clippy::unwrap_used, reason = "a double of the tests")]
mod reply;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use discovery::config::SdConfigs;
use discovery::metrics::ProviderMetrics;
use discovery::providers::{self, Environment};
use discovery::{TargetGroup, Updates};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use api_double::{ApiDouble, Bulk};

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// Addresses of a slice, as the API makes them at most.
const SLICE_LEN: usize = 100;

/// A pod as a deployment makes it, with what the API adds: about 7 KiB of JSON. Five labels, four
/// annotations, two containers, two ports.
fn make_pod(index: usize) -> String {
    let owner = index / 5;
    let mut managed = String::new();
    for field in 0..60 {
        write!(
            managed,
            r#""f:field-{field}":{{"f:some":{{}},"f:thing":{{}}}},"#
        )
        .expect("a text");
    }
    format!(
        r#"{{"metadata":{{"name":"checkout-api-{owner:010x}-{index:05}","generateName":"checkout-",
        "namespace":"team-{team}","uid":"4f9a0c1e-7a3b-4a53-9c55-{index:012x}",
        "resourceVersion":"{index}","creationTimestamp":"2024-01-01T00:00:00Z",
        "labels":{{"app.kubernetes.io/name":"checkout-api","app.kubernetes.io/instance":"prod",
          "app.kubernetes.io/version":"1.42.{team}","pod-template-hash":"{owner:010x}",
          "team":"team-{team}"}},
        "annotations":{{"prometheus.io/scrape":"true","prometheus.io/port":"8080",
          "kubernetes.io/config.seen":"2024-01-01T00:00:00.000000000Z",
          "checksum/config":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
        "ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","controller":true,
          "name":"checkout-api-{owner:010x}","uid":"4f9a0c1e-7a3b-4a53-9c55-{owner:012x}"}}],
        "managedFields":[{{"manager":"kubelet","operation":"Update","fieldsV1":{{{managed}"f:z":{{}}}}}}]}},
        "spec":{{"nodeName":"ip-10-0-{node_a}-{node_b}.eu-central-1.compute.internal",
        "volumes":[{{"name":"kube-api-access","projected":{{"sources":[]}}}}],
        "containers":[{{"name":"checkout-api",
          "image":"registry.example.com/shop/checkout-api:1.42.{team}",
          "env":[{{"name":"A","value":"b"}}],
          "ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}]}},
         {{"name":"istio-proxy","image":"registry.example.com/istio/proxyv2:1.22.1",
          "ports":[{{"name":"http-envoy-prom","containerPort":15090,"protocol":"TCP"}}]}}]}},
        "status":{{"phase":"Running","hostIP":"10.0.{node_a}.{node_b}","podIP":"{ip}",
        "conditions":[{{"type":"Ready","status":"True"}}],
        "containerStatuses":[{{"name":"checkout-api","containerID":"containerd://{index:064x}"}},
         {{"name":"istio-proxy","containerID":"containerd://{owner:064x}"}}]}}}}"#,
        team = index % 40,
        node_a = index % 5_000 / 250,
        node_b = index % 250,
        ip = ip(index),
    )
}

fn ip(index: usize) -> String {
    format!(
        "10.{}.{}.{}",
        100 + index / 62_500,
        index / 250 % 250,
        index % 250
    )
}

/// The slice of pods from `index * SLICE_LEN` on.
fn make_slice(index: usize) -> String {
    let mut endpoints = String::new();
    for pod in index * SLICE_LEN..(index + 1) * SLICE_LEN {
        let (comma, owner) = (if endpoints.is_empty() { "" } else { "," }, pod / 5);
        write!(
            endpoints,
            r#"{comma}{{"addresses":["{}"],"conditions":{{"ready":true,"serving":true,
            "terminating":false}},"nodeName":"ip-10-0-{}-{}.eu-central-1.compute.internal",
            "zone":"eu-central-1a","targetRef":{{"kind":"Pod","namespace":"team-{}",
            "name":"checkout-api-{owner:010x}-{pod:05}"}}}}"#,
            ip(pod),
            pod % 5_000 / 250,
            pod % 250,
            pod % 40,
        )
        .expect("a text");
    }
    format!(
        r#"{{"metadata":{{"name":"checkout-{index}","namespace":"team-1","resourceVersion":"1",
        "labels":{{"kubernetes.io/service-name":"checkout"}}}},"addressType":"IPv4",
        "endpoints":[{endpoints}],
        "ports":[{{"name":"http","port":8080,"protocol":"TCP"}}]}}"#
    )
}

/// Resident bytes without a file behind them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let text = line.and_then(|line| line.split_whitespace().nth(1));
    text.and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}

fn start(double: &ApiDouble, role: &str) -> (mpsc::Receiver<Vec<TargetGroup>>, JoinHandle<()>) {
    let text = format!(
        "kubernetes_sd_configs: [{{role: {role}, api_server: '{}'}}]",
        double.url()
    );
    let mut configs = SdConfigs::default();
    yaml::decode(&text, yaml::Dialect::V2, true, &mut configs).expect("a good section");
    let environment = Environment {
        metrics: ProviderMetrics::new(&telemetry::Registry::new()),
        user_agent: "example/1".to_owned(),
        config_name: "example".to_owned(),
    };
    let spec = providers::specs(&configs, &environment).remove(0);
    let discoverer = (spec.make)().expect("a provider");
    let (sender, updates): (Updates, _) = mpsc::channel(4);
    (updates, tokio::spawn(discoverer.run(sender)))
}

/// Takes reports until there are `count` targets; the groups, if they are to be kept.
async fn take(
    updates: &mut mpsc::Receiver<Vec<TargetGroup>>,
    count: usize,
    keep: bool,
) -> BTreeMap<String, TargetGroup> {
    let (mut groups, mut targets) = (BTreeMap::new(), 0);
    while targets < count {
        let Some(report) = updates.recv().await else {
            break;
        };
        for group in report {
            targets += group.targets.len();
            if keep {
                groups.insert(group.source.clone(), group);
            }
        }
    }
    groups
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let role = args.next().unwrap_or_else(|| "pod".to_owned());
    let pods: usize = args
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50_000);
    let double = ApiDouble::start().await;
    double.add_bulk(Bulk {
        resource: "pods",
        count: pods,
        make: make_pod,
    });
    double.add_bulk(Bulk {
        resource: "endpointslices",
        count: pods / SLICE_LEN,
        make: make_slice,
    });
    // Two targets a pod: of a slice one is an address, the other one a port of the pod.
    let targets = 2 * pods;
    println!("{pods} pods, {} bytes of JSON each", make_pod(4711).len());
    for keep in [false, true] {
        let (allocated, before) = (memory::allocator::allocated_bytes(), resident());
        let began = std::time::Instant::now();
        let (mut updates, provider) = start(&double, &role);
        let groups = take(&mut updates, targets, keep).await;
        let seconds = began.elapsed().as_secs_f64();
        let held = memory::allocator::allocated_bytes().saturating_sub(allocated);
        let resident = resident().saturating_sub(before);
        let what = if keep {
            "provider and groups"
        } else {
            "provider"
        };
        println!(
            "role {role}, {what}: {} bytes a pod allocated, {} resident, synced in {seconds:.1} s",
            held / pods,
            resident / pods,
        );
        drop(groups);
        // So that the next round begins with nothing.
        provider.abort();
        let _ = provider.await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
