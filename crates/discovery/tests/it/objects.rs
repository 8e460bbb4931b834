//! Objects as the API sends them, with many fields that nobody needs.

use serde_json::{Value, json};

/// A running pod with two containers, of which one has two ports, and an init container.
pub(crate) fn pod(name: &str, namespace: &str, node: &str, ip: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-{name}"),
            "creationTimestamp": "2024-01-01T00:00:00Z", "generateName": "web-",
            "labels": {"app.kubernetes.io/name": "web", "empty": ""},
            "annotations": {"prometheus.io/scrape": "true"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "1"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2",
                 "controller": true, "blockOwnerDeletion": true}],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:x]}\"": {}}}}],
        },
        "spec": {
            "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
            "containers": [
                {"name": "app", "image": "web:1", "env": [{"name": "A", "value": "b"}],
                 "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                           {"name": "dns", "containerPort": 53, "protocol": "UDP"}]},
                {"name": "side", "image": "side:2", "resources": {}}],
            "initContainers": [
                {"name": "init", "image": "init:3", "ports": [{"containerPort": 7000}]}],
            "nodeName": node, "restartPolicy": "Always",
        },
        "status": {
            "phase": "Running", "hostIP": "192.168.0.1", "podIP": ip,
            "podIPs": [{"ip": ip}], "startTime": "2024-01-01T00:00:00Z",
            "conditions": [{"type": "Initialized", "status": "True"},
                           {"type": "Ready", "status": "True", "lastProbeTime": null}],
            "containerStatuses": [
                {"name": "app", "containerID": "containerd://a1", "image": "web:1", "ready": true},
                {"name": "side", "image": "side:2"}],
            "initContainerStatuses": [{"name": "init", "containerID": "containerd://i1"}],
        },
    })
}

/// The pod with the controller that owns it.
pub(crate) fn pod_of(mut pod: Value, kind: &str, name: &str) -> Value {
    let owner = json!({"kind": kind, "name": name, "controller": true});
    pod["metadata"]["ownerReferences"] = json!([owner]);
    pod
}

/// A replica set or job that something else owns.
pub(crate) fn owned(name: &str, namespace: &str, kind: &str, owner: &str) -> Value {
    let owner = json!({"kind": kind, "name": owner, "controller": true});
    json!({"metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner]},
           "spec": {"template": {}}, "status": {"replicas": 1}})
}

/// A node with all that can be known of it.
pub(crate) fn node(name: &str) -> Value {
    json!({
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"topology.kubernetes.io/zone": "z1"},
            "annotations": {"note": "n1"},
        },
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": "aws:///z1/i-1"},
        "status": {
            "capacity": {"cpu": "4"},
            "conditions": [{"type": "MemoryPressure", "status": "False"},
                           {"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "Hostname", "address": name},
                          {"type": "InternalIP", "address": "192.168.0.1"},
                          {"type": "InternalIP", "address": "fd00::1"},
                          {"type": "ExternalDNS", "address": "node.example"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": [{"names": ["web:1"], "sizeBytes": 1}],
        },
    })
}

/// A namespace with a label and an annotation.
pub(crate) fn namespace(name: &str, team: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"team": team}, "annotations": {"cost-center": "7"}},
           "spec": {"finalizers": ["kubernetes"]}})
}

/// A service with two ports.
pub(crate) fn service(name: &str, namespace: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace,
                     "labels": {"app": name}, "annotations": {"a/b": "c"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": "10.1.0.1", "clusterIPs": ["10.1.0.1"],
            "selector": {"app": "web"}, "loadBalancerIP": "9.9.9.9",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
                      {"port": 53, "protocol": "UDP"}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// Endpoints with a pod that is ready, an address of no pod that is not, and a node.
pub(crate) fn endpoints(name: &str, namespace: &str, pod: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"e": "1"},
                     "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "t"}},
        "subsets": [{
            "addresses": [{"ip": ip, "nodeName": "n1", "hostname": "web-0",
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": "u"}}],
            "notReadyAddresses": [{"ip": "10.9.9.9"},
                {"ip": "10.9.9.8", "targetRef": {"kind": "Node", "name": "n1"}}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }],
    })
}

/// A slice of service `web` with a pod that is ready and an address of no pod.
pub(crate) fn slice(name: &str, namespace: &str, pod: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace,
                     "labels": {"kubernetes.io/service-name": "web"}, "annotations": {"s": "2"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [ip], "nodeName": "n1", "hostname": "web-0", "zone": "z1",
             "conditions": {"ready": true, "serving": true, "terminating": false},
             "deprecatedTopology": {"rack/row": "r1"},
             "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod}},
            {"addresses": ["10.9.9.9"], "conditions": {}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
    })
}

/// An ingress with two hosts, of which one has a certificate.
pub(crate) fn ingress(name: &str, namespace: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"i": "1"},
                     "annotations": {"nginx/x": "y"}},
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": ["*.example.com"], "secretName": "s"}, {"secretName": "t"}],
            "rules": [
                {"host": "a.example.com", "http": {"paths": [
                    {"path": "/x", "pathType": "Prefix", "backend": {"service": {"name": "web"}}},
                    {"pathType": "Prefix"}]}},
                {"host": "b.other"}],
        },
    })
}
