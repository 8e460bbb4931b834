//! Metadata of other objects: what each switch attaches, and that changes of it are reported.

use serde_json::json;

use crate::api_double::ApiDouble;
use crate::follow::Follow;
use crate::objects;

const NODE_LABEL: &str = "__meta_kubernetes_node_label_topology_kubernetes_io_zone";
const TEAM: &str = "__meta_kubernetes_namespace_label_team";
const DEPLOYMENT: &str = "__meta_kubernetes_pod_deployment_name";
const JOB: &str = "__meta_kubernetes_pod_job_name";
const CRON_JOB: &str = "__meta_kubernetes_pod_cronjob_name";

async fn double_with_pods() -> ApiDouble {
    let double = ApiDouble::start().await;
    double.put("nodes", objects::node("n1"));
    double.put("namespaces", objects::namespace("default", "blue"));
    double.put("services", objects::service("web", "default"));
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    let job_pod = objects::pod("p2", "default", "n1", "10.0.0.2");
    double.put("pods", objects::pod_of(job_pod, "Job", "backup-1"));
    double.put(
        "replicasets",
        objects::owned("web-1", "default", "Deployment", "web"),
    );
    double.put(
        "jobs",
        objects::owned("backup-1", "default", "CronJob", "backup"),
    );
    double.put(
        "endpoints",
        objects::endpoints("web", "default", "p1", "10.0.0.1"),
    );
    double.put(
        "endpointslices",
        objects::slice("web-abc", "default", "p2", "10.0.0.2"),
    );
    double.put("ingresses", objects::ingress("web", "default"));
    double
}

#[tokio::test]
async fn node_metadata_is_attached_to_pods_and_followed() {
    let double = double_with_pods().await;
    double.put("pods", objects::pod("p3", "default", "unknown", "10.0.0.3"));
    let mut follow = Follow::start(&double, "pod", "attach_metadata: {node: true}");
    follow.until(|follow| follow.reported.len() == 3).await;
    let target = &follow.targets("pod/default/p1")[0];
    assert_eq!(target["__meta_kubernetes_node_name"], "n1");
    assert_eq!(target[NODE_LABEL], "z1");
    assert_eq!(target["__meta_kubernetes_node_annotation_note"], "n1");
    // Nothing else of a node.
    assert!(!target.contains_key("__meta_kubernetes_node_provider_id"));
    // A pod on a node that is not selected is left out.
    assert!(!follow.groups.contains_key("pod/default/p3"));
    let mut node = objects::node("n1");
    node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!("z2");
    double.put("nodes", node);
    follow.until_label(NODE_LABEL, "z2").await;
    double.put("nodes", objects::node("unknown"));
    follow.until_there("pod/default/p3").await;
    double.delete("nodes", "n1");
    follow.until_gone("pod/default/p1").await;
    follow.until_gone("pod/default/p2").await;
}

#[tokio::test]
async fn node_metadata_is_attached_to_addresses() {
    let double = double_with_pods().await;
    let more = "attach_metadata: {node: true}";
    let mut endpoints = Follow::start(&double, "endpoints", more);
    endpoints.until_there("endpoints/default/web").await;
    let with_node = |follow: &Follow, source: &str| {
        let targets = follow.targets(source).into_iter();
        let with_node = targets.filter(|target| target.contains_key(NODE_LABEL));
        with_node
            .map(|target| target["__address__"].clone())
            .collect::<Vec<_>>()
    };
    // By the name of the node, or by the node that the address stands for.
    let found = with_node(&endpoints, "endpoints/default/web");
    assert_eq!(found, ["10.0.0.1:8080", "10.9.9.8:8080"]);
    let mut slices = Follow::start(&double, "endpointslice", more);
    slices.until_there("endpointslice/default/web-abc").await;
    let found = with_node(&slices, "endpointslice/default/web-abc");
    assert_eq!(found, ["10.0.0.2:8080"]);
    let mut node = objects::node("n1");
    node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!("z2");
    double.put("nodes", node);
    endpoints.until_label(NODE_LABEL, "z2").await;
    slices.until_label(NODE_LABEL, "z2").await;
}

#[tokio::test]
async fn namespace_metadata_is_attached_to_every_role_in_a_namespace() {
    let double = double_with_pods().await;
    let roles = [
        ("pod", "pod/default/p1"),
        ("service", "svc/default/web"),
        ("endpoints", "endpoints/default/web"),
        ("endpointslice", "endpointslice/default/web-abc"),
        ("ingress", "ingress/default/web"),
    ];
    let mut follows = Vec::new();
    for (role, source) in roles {
        let mut follow = Follow::start(&double, role, "attach_metadata: {namespace: true}");
        follow.until_there(source).await;
        for target in follow.targets(source) {
            assert_eq!(target[TEAM], "blue", "{role}");
            assert_eq!(
                target["__meta_kubernetes_namespace_labelpresent_team"],
                "true"
            );
            assert_eq!(
                target["__meta_kubernetes_namespace_annotation_cost_center"],
                "7"
            );
            let present = "__meta_kubernetes_namespace_annotationpresent_cost_center";
            assert_eq!(target[present], "true");
        }
        follows.push(follow);
    }
    double.put("namespaces", objects::namespace("default", "red"));
    for follow in &mut follows {
        follow.until_label(TEAM, "red").await;
    }
}

#[tokio::test]
async fn deployments_are_attached_and_followed() {
    let double = double_with_pods().await;
    let more = "attach_metadata: {deployment: true}";
    let mut pods = Follow::start(&double, "pod", more);
    let mut endpoints = Follow::start(&double, "endpoints", more);
    pods.until_label(DEPLOYMENT, "web").await;
    endpoints.until_label(DEPLOYMENT, "web").await;
    pods.until_there("pod/default/p2").await;
    assert!(!pods.targets("pod/default/p2")[0].contains_key(DEPLOYMENT));
    double.put(
        "replicasets",
        objects::owned("web-1", "default", "Deployment", "web2"),
    );
    pods.until_label(DEPLOYMENT, "web2").await;
    endpoints.until_label(DEPLOYMENT, "web2").await;
    double.delete("replicasets", "default/web-1");
    pods.until(|follow| !follow.has_label(DEPLOYMENT, "web2"))
        .await;
    // What owns a replica set is not always a deployment.
    double.put(
        "replicasets",
        objects::owned("web-1", "default", "Rollout", "web3"),
    );
    double.put("pods", objects::pod("p4", "default", "n1", "10.0.0.4"));
    pods.until_there("pod/default/p4").await;
    assert!(!pods.targets("pod/default/p4")[0].contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn jobs_are_attached() {
    let double = double_with_pods().await;
    let more = "attach_metadata: {job: true}";
    let mut pods = Follow::start(&double, "pod", more);
    pods.until_there("pod/default/p2").await;
    let target = &pods.targets("pod/default/p2")[0];
    assert_eq!(target[JOB], "backup-1");
    assert!(!target.contains_key(CRON_JOB));
    let mut slices = Follow::start(&double, "endpointslice", more);
    slices.until_label(JOB, "backup-1").await;
}

#[tokio::test]
async fn cron_jobs_are_attached_and_followed() {
    let double = double_with_pods().await;
    let more = "attach_metadata: {cronjob: true}";
    let mut pods = Follow::start(&double, "pod", more);
    let mut slices = Follow::start(&double, "endpointslice", more);
    pods.until_label(CRON_JOB, "backup").await;
    slices.until_label(CRON_JOB, "backup").await;
    assert!(!pods.targets("pod/default/p2")[0].contains_key(JOB));
    double.put(
        "jobs",
        objects::owned("backup-1", "default", "CronJob", "other"),
    );
    pods.until_label(CRON_JOB, "other").await;
    slices.until_label(CRON_JOB, "other").await;
}

#[tokio::test]
async fn groups_of_endpoints_follow_services_and_pods() {
    let double = double_with_pods().await;
    let mut endpoints = Follow::start(&double, "endpoints", "");
    endpoints.until_there("endpoints/default/web").await;
    let mut pod = objects::pod("p1", "default", "n1", "10.0.0.1");
    pod["status"]["phase"] = json!("Failed");
    double.put("pods", pod);
    endpoints
        .until_label("__meta_kubernetes_pod_phase", "Failed")
        .await;
    let mut service = objects::service("web", "default");
    service["metadata"]["labels"]["app"] = json!("changed");
    double.put("services", service);
    endpoints
        .until_label("__meta_kubernetes_service_label_app", "changed")
        .await;
    double.delete("services", "default/web");
    let label = "__meta_kubernetes_service_name";
    endpoints
        .until(|follow| !follow.has_label(label, "web"))
        .await;
    double.delete("pods", "default/p1");
    let label = "__meta_kubernetes_pod_name";
    endpoints
        .until(|follow| !follow.has_label(label, "p1"))
        .await;
    assert_eq!(endpoints.targets("endpoints/default/web").len(), 3);
    double.delete("endpoints", "default/web");
    endpoints.until_gone("endpoints/default/web").await;
}

#[tokio::test]
async fn what_changes_no_label_is_not_reported() {
    let double = double_with_pods().await;
    let mut follow = Follow::start(&double, "pod", "attach_metadata: {node: true}");
    follow.until(|follow| follow.groups.len() == 2).await;
    let before = follow.reported.len();
    // A heartbeat of the node, and a field of the pod that is not kept.
    let mut node = objects::node("n1");
    node["status"]["conditions"][0]["lastHeartbeatTime"] = json!("now");
    double.put("nodes", node);
    let mut pod = objects::pod("p1", "default", "n1", "10.0.0.1");
    pod["spec"]["volumes"] = json!([]);
    double.put("pods", pod);
    double.put("pods", objects::pod("p9", "default", "n1", "10.0.0.9"));
    follow.until_there("pod/default/p9").await;
    assert_eq!(follow.reported[before..], ["pod/default/p9"]);
}
