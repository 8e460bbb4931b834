//! What a pod takes.

use super::*;

/// Four labels, three annotations, two containers with a port each, and what nobody needs.
const POD: &[u8] = br#"{"metadata": {"name": "checkout-api-5d8f7c9b6d-x2x7p", "namespace": "shop",
    "uid": "4f9a0c1e-7a3b-4a53-9c55-0123456789ab", "resourceVersion": "123456",
    "labels": {"app.kubernetes.io/name": "checkout-api", "app.kubernetes.io/version": "1.42.0",
        "pod-template-hash": "5d8f7c9b6d", "team": "payments"},
    "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080",
        "kubernetes.io/config.seen": "2024-01-01T00:00:00.000000000Z"},
    "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-api-5d8f7c9b6d",
        "controller": true}], "managedFields": [{"manager": "kubelet"}]},
    "spec": {"nodeName": "ip-10-0-12-34.eu-central-1.compute.internal", "containers": [
        {"name": "checkout-api", "image": "registry.example.com/shop/checkout-api:1.42.0",
         "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]},
        {"name": "istio-proxy", "image": "registry.example.com/istio/proxyv2:1.22.1",
         "ports": [{"name": "envoy-prom", "containerPort": 15090, "protocol": "TCP"}]}]},
    "status": {"phase": "Running", "podIP": "10.100.12.34", "hostIP": "10.0.12.34",
        "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
        {"name": "checkout-api", "containerID":
         "containerd://e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}}"#;

fn pod() -> Pod {
    let written: Written = serde_json::from_slice(POD).unwrap();
    written.into_pod()
}

#[test]
fn a_pod_with_its_targets_takes_at_most_3_kib() {
    let pod = pod();
    let group = pod.group();
    let bytes = |labels: &model::Labels| labels.as_bytes().len() + 16;
    let targets: usize = group.targets.iter().map(bytes).sum();
    let held = pod.meta.key.len() + bytes(&group.labels) + targets + size_of_val(&*group.targets);
    assert_eq!(group.targets.len(), 2);
    // What a map of them adds is less than the difference.
    assert!(held <= 2700, "{held}");
}

#[test]
fn a_pod_behind_endpoints_takes_at_most_2_kib() {
    let pod = pod();
    let of_pairs = |pairs: &objects::Pairs| pairs.bytes();
    let texts = [
        &pod.uid,
        &pod.node,
        &pod.ip,
        &pod.host_ip,
        &pod.phase,
        &pod.ready,
    ];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    let containers: usize = pod.containers.iter().map(Container::bytes).sum();
    let held = size_of_val(&pod)
        + pod.meta.key.len()
        + of_pairs(&pod.meta.labels)
        + of_pairs(&pod.meta.annotations)
        + texts
        + containers;
    assert!(held <= 1600, "{held}");
}

impl Container {
    fn bytes(&self) -> usize {
        let texts = self.name.len() + self.image.len() + self.id.len();
        let ports = self
            .ports
            .iter()
            .map(|port| port.name.len() + port.protocol.len());
        size_of_val(self) + texts + size_of_val(&*self.ports) + ports.sum::<usize>()
    }
}
