//! The labels of every role, as the inventory of the reference has them.

use serde_json::json;

use crate::api_double::ApiDouble;
use crate::follow::{Follow, assert_targets};
use crate::objects;

/// Labels of the pod of [`objects::pod`] that every target of it has.
const POD: &str = "
    .pod_name p1
    .pod_ip 10.0.0.1
    .pod_ready true
    .pod_phase Running
    .pod_node_name n1
    .pod_host_ip 192.168.0.1
    .pod_uid uid-p1
    .pod_controller_kind ReplicaSet
    .pod_controller_name web-1
    .pod_label_app_kubernetes_io_name web
    .pod_labelpresent_app_kubernetes_io_name true
    .pod_labelpresent_empty true
    .pod_annotation_prometheus_io_scrape true
    .pod_annotationpresent_prometheus_io_scrape true";

const HTTP_PORT: &str = "
    .pod_container_name app
    .pod_container_image web:1
    .pod_container_init false
    .pod_container_port_name http
    .pod_container_port_number 8080
    .pod_container_port_protocol TCP";

const DNS_PORT: &str = "
    .pod_container_name app
    .pod_container_image web:1
    .pod_container_init false
    .pod_container_port_name dns
    .pod_container_port_number 53
    .pod_container_port_protocol UDP";

const INIT_PORT: &str = "
    .pod_container_name init
    .pod_container_image init:3
    .pod_container_init true
    .pod_container_port_number 7000";

#[tokio::test]
async fn nodes_are_targets_at_their_kubelets() {
    let double = ApiDouble::start().await;
    double.put("nodes", objects::node("n1"));
    let mut follow = Follow::start(&double, "node", "");
    follow.until_there("node/n1").await;
    let expected = "
        __address__ 192.168.0.1:10250
        instance n1
        .node_name n1
        .node_provider_id aws:///z1/i-1
        .node_label_topology_kubernetes_io_zone z1
        .node_labelpresent_topology_kubernetes_io_zone true
        .node_annotation_note n1
        .node_annotationpresent_note true
        .node_address_InternalIP 192.168.0.1
        .node_address_Hostname n1
        .node_address_ExternalDNS node.example
        .node_condition_memorypressure false
        .node_condition_ready unknown";
    assert_targets(follow.targets("node/n1"), &[expected]);
}

#[tokio::test]
async fn the_preferred_address_of_a_node_counts() {
    let double = ApiDouble::start().await;
    let with = |name: &str, addresses: serde_json::Value| {
        let mut node = objects::node(name);
        node["status"]["addresses"] = addresses;
        double.put("nodes", node);
    };
    let address = |kind: &str, address: &str| json!({"type": kind, "address": address});
    with(
        "a",
        json!([address("Hostname", "h"), address("LegacyHostIP", "1.1.1.1")]),
    );
    with(
        "b",
        json!([
            address("ExternalDNS", "e"),
            address("ExternalIP", "fd00::2")
        ]),
    );
    with(
        "c",
        json!([
            address("ExternalIP", "2.2.2.2"),
            address("InternalDNS", "i")
        ]),
    );
    with("d", json!([address("Hostname", "host-d")]));
    with("e", json!([]));
    let mut follow = Follow::start(&double, "node", "");
    follow.until(|follow| follow.reported.len() == 5).await;
    for (name, address) in [
        ("a", "1.1.1.1:10250"),
        ("b", "[fd00::2]:10250"),
        ("c", "i:10250"),
        ("d", "host-d:10250"),
    ] {
        let targets = follow.targets(&format!("node/{name}"));
        assert_eq!(targets[0]["__address__"], address);
    }
    assert!(!follow.groups.contains_key("node/e"));
}

#[tokio::test]
async fn pods_are_targets_at_every_port_of_their_containers() {
    let double = ApiDouble::start().await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    let mut follow = Follow::start(&double, "pod", "");
    follow.until_there("pod/default/p1").await;
    let expected = [
        format!("__address__ 10.0.0.1:8080{HTTP_PORT}\n.pod_container_id containerd://a1"),
        format!("__address__ 10.0.0.1:53{DNS_PORT}\n.pod_container_id containerd://a1"),
        "__address__ 10.0.0.1
        .pod_container_name side
        .pod_container_image side:2
        .pod_container_init false"
            .to_owned(),
        format!("__address__ 10.0.0.1:7000{INIT_PORT}\n.pod_container_id containerd://i1"),
    ];
    let expected = expected.map(|text| format!("{text}{POD}\n.namespace default"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_targets(follow.targets("pod/default/p1"), &expected);
}

#[tokio::test]
async fn a_pod_is_a_target_while_it_has_an_address() {
    let double = ApiDouble::start().await;
    let mut pod = objects::pod("p1", "default", "n1", "fd00::7");
    let mut starting = pod.clone();
    starting["status"] = json!({"phase": "Pending"});
    double.put("pods", starting);
    let mut follow = Follow::start(&double, "pod", "");
    follow.until(|follow| !follow.reported.is_empty()).await;
    assert!(follow.groups.is_empty());
    pod["status"]["conditions"] = json!(null);
    double.put("pods", pod);
    follow.until_there("pod/default/p1").await;
    let target = &follow.targets("pod/default/p1")[0];
    assert_eq!(target["__address__"], "[fd00::7]:8080");
    assert_eq!(target["__meta_kubernetes_pod_ready"], "unknown");
    double.delete("pods", "default/p1");
    follow.until_gone("pod/default/p1").await;
}

#[tokio::test]
async fn services_are_targets_at_their_ports() {
    let double = ApiDouble::start().await;
    double.put("services", objects::service("web", "default"));
    let mut external = objects::service("ext", "default");
    external["spec"] = json!({"type": "ExternalName", "externalName": "db.example",
                              "clusterIP": "x", "ports": [{"port": 5432}]});
    double.put("services", external);
    let mut balanced = objects::service("lb", "default");
    balanced["spec"]["type"] = json!("LoadBalancer");
    balanced["spec"]["ports"] = json!([{"port": 443, "protocol": "TCP"}]);
    double.put("services", balanced.clone());
    balanced["metadata"]["name"] = json!("lb2");
    balanced["status"]["loadBalancer"] = json!({"ingress": [
        {"ip": "1.2.3.4"}, {"hostname": "h"}, {"ip": "fd00::3"}]});
    double.put("services", balanced);
    let mut follow = Follow::start(&double, "service", "");
    follow.until(|follow| follow.groups.len() == 4).await;
    let common = "
        .namespace default
        .service_name web
        .service_label_app web
        .service_labelpresent_app true
        .service_annotation_a_b c
        .service_annotationpresent_a_b true";
    let http = format!(
        "__address__ web.default.svc:80
        .service_port_name http
        .service_port_number 80
        .service_port_protocol TCP
        .service_type ClusterIP
        .service_cluster_ip 10.1.0.1{common}"
    );
    let dns = format!(
        "__address__ web.default.svc:53
        .service_port_number 53
        .service_port_protocol UDP
        .service_type ClusterIP
        .service_cluster_ip 10.1.0.1{common}"
    );
    assert_targets(follow.targets("svc/default/web"), &[&http, &dns]);
    let external = format!(
        "__address__ ext.default.svc:5432
        .service_port_number 5432
        .service_type ExternalName
        .service_external_name db.example{common}"
    );
    let external = external
        .replace("name web", "name ext")
        .replace("app web", "app ext");
    assert_targets(follow.targets("svc/default/ext"), &[&external]);
    let ip =
        |name: &str| follow.targets(name)[0]["__meta_kubernetes_service_loadbalancer_ip"].clone();
    assert_eq!(ip("svc/default/lb"), "9.9.9.9");
    assert_eq!(ip("svc/default/lb2"), "1.2.3.4,fd00::3");
}

/// Labels of the service before endpoints.
const SERVICE: &str = "
    .service_name web
    .service_label_app web
    .service_labelpresent_app true
    .service_annotation_a_b c
    .service_annotationpresent_a_b true";

#[tokio::test]
async fn endpoints_are_joined_with_service_and_pods() {
    let double = ApiDouble::start().await;
    double.put("services", objects::service("web", "default"));
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    double.put(
        "endpoints",
        objects::endpoints("web", "default", "p1", "10.0.0.1"),
    );
    let mut follow = Follow::start(&double, "endpoints", "");
    follow.until_there("endpoints/default/web").await;
    let group = format!(
        "
        .namespace default
        .endpoints_name web
        .endpoints_label_e 1
        .endpoints_labelpresent_e true
        .endpoints_annotation_endpoints_kubernetes_io_last_change_trigger_time t
        .endpoints_annotationpresent_endpoints_kubernetes_io_last_change_trigger_time true{SERVICE}"
    );
    let port = ".endpoint_port_name http\n.endpoint_port_protocol TCP";
    let expected = [
        format!(
            "__address__ 10.0.0.1:8080
            {port}
            .endpoint_ready true
            .endpoint_node_name n1
            .endpoint_hostname web-0
            .endpoint_address_target_kind Pod
            .endpoint_address_target_name p1{POD}{HTTP_PORT}{group}"
        ),
        format!("__address__ 10.9.9.9:8080\n{port}\n.endpoint_ready false{group}"),
        format!(
            "__address__ 10.9.9.8:8080
            {port}
            .endpoint_ready false
            .endpoint_address_target_kind Node
            .endpoint_address_target_name n1{group}"
        ),
        // The pod's other ports.
        format!("__address__ 10.0.0.1:53{POD}{DNS_PORT}{group}"),
        format!("__address__ 10.0.0.1:7000{POD}{INIT_PORT}{group}"),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_targets(follow.targets("endpoints/default/web"), &expected);
}

#[tokio::test]
async fn endpoint_slices_are_joined_with_service_and_pods() {
    let double = ApiDouble::start().await;
    double.put("services", objects::service("web", "default"));
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    double.put(
        "endpointslices",
        objects::slice("web-abc", "default", "p1", "10.0.0.1"),
    );
    let mut follow = Follow::start(&double, "endpointslice", "");
    follow.until_there("endpointslice/default/web-abc").await;
    let group = format!(
        "
        .namespace default
        .endpointslice_name web-abc
        .endpointslice_address_type IPv4
        .endpointslice_label_kubernetes_io_service_name web
        .endpointslice_labelpresent_kubernetes_io_service_name true
        .endpointslice_annotation_s 2
        .endpointslice_annotationpresent_s true{SERVICE}"
    );
    let port = ".endpointslice_port 8080
        .endpointslice_port_name http
        .endpointslice_port_protocol TCP
        .endpointslice_port_app_protocol http";
    let expected = [
        format!(
            "__address__ 10.0.0.1:8080
            {port}
            .endpointslice_endpoint_conditions_ready true
            .endpointslice_endpoint_conditions_serving true
            .endpointslice_endpoint_conditions_terminating false
            .endpointslice_endpoint_hostname web-0
            .endpointslice_endpoint_node_name n1
            .endpointslice_endpoint_zone z1
            .endpointslice_endpoint_topology_rack_row r1
            .endpointslice_endpoint_topology_present_rack_row true
            .endpointslice_address_target_kind Pod
            .endpointslice_address_target_name p1{POD}{HTTP_PORT}{group}"
        ),
        format!("__address__ 10.9.9.9:8080\n{port}{group}"),
        format!("__address__ 10.0.0.1:53{POD}{DNS_PORT}{group}"),
        format!("__address__ 10.0.0.1:7000{POD}{INIT_PORT}{group}"),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_targets(follow.targets("endpointslice/default/web-abc"), &expected);
}

#[tokio::test]
async fn a_slice_without_port_number_has_bare_addresses() {
    let double = ApiDouble::start().await;
    let mut slice = objects::slice("s", "default", "nobody", "10.0.0.1");
    slice["ports"] = json!([{"name": "any"}]);
    double.put("endpointslices", slice);
    let mut follow = Follow::start(&double, "endpointslice", "");
    follow.until_there("endpointslice/default/s").await;
    let targets = follow.targets("endpointslice/default/s");
    assert_eq!(targets[0]["__address__"], "10.0.0.1");
    assert_eq!(targets.len(), 2);
}

#[tokio::test]
async fn slices_of_the_second_family_of_a_service_are_no_targets() {
    let double = ApiDouble::start().await;
    let mut service = objects::service("web", "default");
    service["spec"]["ipFamilyPolicy"] = json!("PreferDualStack");
    service["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    double.put("services", service.clone());
    double.put(
        "endpointslices",
        objects::slice("four", "default", "x", "10.0.0.1"),
    );
    let mut six = objects::slice("six", "default", "x", "fd00::1");
    six["addressType"] = json!("IPv6");
    double.put("endpointslices", six);
    let mut follow = Follow::start(&double, "endpointslice", "");
    follow.until(|follow| follow.reported.len() == 2).await;
    let sources: Vec<_> = follow.groups.keys().cloned().collect();
    assert_eq!(sources, ["endpointslice/default/four"]);
    // With one family there is no second one.
    service["spec"]["ipFamilyPolicy"] = json!("SingleStack");
    double.put("services", service);
    follow.until_there("endpointslice/default/six").await;
}

#[tokio::test]
async fn ingresses_are_targets_at_every_path() {
    let double = ApiDouble::start().await;
    double.put("ingresses", objects::ingress("web", "default"));
    let mut follow = Follow::start(&double, "ingress", "");
    follow.until_there("ingress/default/web").await;
    let group = "
        .namespace default
        .ingress_name web
        .ingress_class_name nginx
        .ingress_label_i 1
        .ingress_labelpresent_i true
        .ingress_annotation_nginx_x y
        .ingress_annotationpresent_nginx_x true";
    let at = |host: &str, scheme: &str, path: &str| {
        format!(
            "__address__ {host}
            .ingress_host {host}
            .ingress_scheme {scheme}
            .ingress_path {path}{group}"
        )
    };
    let expected = [
        at("a.example.com", "https", "/x"),
        at("a.example.com", "https", "/"),
        at("b.other", "http", "/"),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_targets(follow.targets("ingress/default/web"), &expected);
}
