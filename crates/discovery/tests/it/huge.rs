//! Clusters of a size that few have.

use std::fmt::Write as _;
use std::time::Duration;

use crate::api_double::{ApiDouble, Bulk};
use crate::follow::Follow;
use crate::objects;

const NODES: usize = 5_000;
const PODS: usize = 50_000;

fn make_node(index: usize) -> String {
    objects::node(&format!("node-{index:05}")).to_string()
}

fn make_pod(index: usize) -> String {
    let (a, b) = (index / 250, index % 250);
    format!(
        r#"{{"metadata":{{"name":"web-{index:05}","namespace":"ns-{}","resourceVersion":"9",
        "labels":{{"app":"web"}}}},"spec":{{"nodeName":"node-{:05}","containers":[{{"name":"app",
        "image":"web:1","ports":[{{"containerPort":80}}]}}]}},"status":{{"podIP":"10.{}.{}.{b}"}}}}"#,
        index % 100,
        index % NODES,
        a / 250,
        a % 250,
    )
}

async fn huge() -> ApiDouble {
    let double = ApiDouble::start().await;
    double.add_bulk(Bulk {
        resource: "nodes",
        count: NODES,
        make: make_node,
    });
    double.add_bulk(Bulk {
        resource: "pods",
        count: PODS,
        make: make_pod,
    });
    double
}

fn targets(follow: &Follow) -> usize {
    follow
        .groups
        .values()
        .map(|group| group.targets.len())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pod_of_a_huge_cluster_is_found_with_its_node() {
    let double = huge().await;
    let mut follow = Follow::start(&double, "pod", "attach_metadata: {node: true}");
    follow.until(|follow| follow.groups.len() == PODS).await;
    assert_eq!(targets(&follow), PODS);
    // Each was reported once: no group came before its node was known.
    assert_eq!(follow.reported.len(), PODS);
    let target = &follow.targets("pod/ns-99/web-49999")[0];
    assert_eq!(target["__address__"], "10.0.199.249:80");
    assert_eq!(target["__meta_kubernetes_node_name"], "node-04999");
    let lists = double.requests();
    let pages = lists.iter().filter(|request| request.contains("limit=500"));
    assert_eq!(pages.count(), (NODES + PODS) / 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_knows_no_pages_is_read_as_it_sends() {
    let double = huge().await;
    double.behave(|manners| manners.ignores_limit = true);
    let mut follow = Follow::start(&double, "node", "");
    follow.until(|follow| follow.groups.len() == NODES).await;
    assert_eq!(targets(&follow), NODES);
    assert_eq!(
        double
            .requests()
            .iter()
            .filter(|r| r.contains("limit"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_slow_list_is_waited_for() {
    let double = ApiDouble::start().await;
    for index in 0..50 {
        double.put("nodes", objects::node(&format!("n{index}")));
    }
    double.behave(|manners| manners.pause = Duration::from_millis(5));
    let mut follow = Follow::start(&double, "node", "");
    follow.until(|follow| follow.groups.len() == 50).await;
}

#[tokio::test]
async fn a_burst_of_changes_makes_no_queue() {
    let double = ApiDouble::start().await;
    double.put("pods", objects::pod("p", "default", "n1", "10.0.0.1"));
    let mut follow = Follow::start(&double, "pod", "");
    follow.until_there("pod/default/p").await;
    let before = follow.reported.len();
    let mut text = String::new();
    for index in 0..2_000 {
        let mut pod = objects::pod("p", "default", "n1", "10.0.0.1");
        text.clear();
        write!(text, "phase-{index}").unwrap();
        pod["status"]["phase"] = text.as_str().into();
        double.put("pods", pod);
    }
    // Nobody takes reports meanwhile.
    while !follow.metrics().contains("} 2000\n") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let phase = "__meta_kubernetes_pod_phase";
    follow.until_label(phase, "phase-1999").await;
    // Those that had room, and one that has it all: changes come to one group, not to a queue.
    assert!(follow.reported.len() - before <= 6);
}
