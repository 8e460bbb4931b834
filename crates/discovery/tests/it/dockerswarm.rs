//! Docker Swarm, against a manager's double.

use std::future::ready;

use crate::docker::Seen;
use crate::http_double::{Asked, answer, json, serve};
use crate::support::{Running, addresses, assert_labels, start};

const SERVICES: &str = r#"[
  {"ID": "s1", "Version": {"Index": 7},
   "Spec": {"Name": "web", "Labels": {"team.name": "a"}, "Mode": {"Replicated": {"Replicas": 2}},
     "TaskTemplate": {"ContainerSpec": {"Image": "web:2", "Hostname": "h"}}},
   "Endpoint": {"Ports": [
       {"Name": "metrics", "Protocol": "tcp", "TargetPort": 80, "PublishedPort": 18080,
        "PublishMode": "ingress"},
       {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"}],
     "VirtualIPs": [{"NetworkID": "n1", "Addr": "10.0.0.3/24"},
       {"NetworkID": "unlisted", "Addr": "10.0.1.3/24"}]},
   "UpdateStatus": {"State": "completed"}},
  {"ID": "s2", "Spec": {"Name": "agent", "Labels": null, "Mode": {"Global": {}},
     "TaskTemplate": {"PluginSpec": {}}},
   "Endpoint": {"VirtualIPs": [{"NetworkID": "n1", "Addr": "10.0.0.9/24"}]}},
  {"ID": "s3", "Spec": {"Name": "hidden", "Mode": {"ReplicatedJob": {}}}, "Endpoint": {}}
]"#;

const NODES: &str = r#"[
  {"ID": "m1", "Spec": {"Labels": {"rack-no": "7"}, "Role": "manager", "Availability": "active"},
   "Description": {"Hostname": "alpha", "Platform": {"Architecture": "x86_64", "OS": "linux"},
     "Engine": {"EngineVersion": "27.1"}},
   "Status": {"State": "ready", "Addr": "192.168.0.1"},
   "ManagerStatus": {"Leader": true, "Reachability": "reachable", "Addr": "192.168.0.1:2377"}},
  {"ID": "w1", "Spec": {"Labels": {}, "Role": "worker", "Availability": "drain"},
   "Description": {"Hostname": "beta", "Platform": {"Architecture": "aarch64", "OS": "linux"},
     "Engine": {"EngineVersion": "26.0"}},
   "Status": {"State": "down", "Addr": "192.168.0.2"}}
]"#;

const TASKS: &str = r#"[
  {"ID": "t1", "Slot": 2, "ServiceID": "s1", "NodeID": "m1", "DesiredState": "running",
   "Spec": {"ContainerSpec": {"Labels": {"a.b": "c"}}},
   "Status": {"State": "starting", "ContainerStatus": {"ContainerID": "c1", "PID": 1},
     "PortStatus": {"Ports": [
       {"Protocol": "tcp", "TargetPort": 90, "PublishedPort": 19090, "PublishMode": "host"},
       {"Protocol": "sctp", "PublishedPort": 1}]}},
   "NetworksAttachments": [
     {"Network": {"ID": "n1", "Spec": {}}, "Addresses": ["10.0.0.5/24"]}]},
  {"ID": "t2", "ServiceID": "s2", "NodeID": "lost", "DesiredState": "shutdown",
   "Status": {"State": "failed", "PortStatus": {}},
   "NetworksAttachments": [{"Network": {"ID": "n1"}, "Addresses": ["10.0.0.6/24", "fd00::6/64"]}]}
]"#;

const NETWORKS: &str = r#"[{"Name": "ingress", "Id": "n1", "Scope": "swarm", "Internal": false,
    "Ingress": true, "Labels": {"x": "y"}}]"#;

const NETWORK_LABELS: &str = "__meta_dockerswarm_network_id=n1
    __meta_dockerswarm_network_name=ingress
    __meta_dockerswarm_network_scope=swarm
    __meta_dockerswarm_network_internal=false
    __meta_dockerswarm_network_ingress=true
    __meta_dockerswarm_network_label_x=y";

fn manager(asked: &Asked, seen: &Seen) -> Vec<u8> {
    seen.lock().push(asked.clone());
    match asked.path() {
        "/_ping" => answer("200 OK", &[("API-Version", "1.40")], ""),
        "/v1.40/services" => json(SERVICES),
        "/v1.40/tasks" => json(TASKS),
        "/v1.40/nodes" => json(NODES),
        "/v1.40/networks" => json(NETWORKS),
        other => panic!("{other}"),
    }
}

async fn start_role(role: &str) -> (Running, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let server = serve(move |asked| ready(manager(&asked, &noted))).await;
    let running = start(&format!(
        "dockerswarm_sd_configs: [{{host: 'http://{server}', role: {role}, port: 81,
            filters: [{{name: name, values: [x]}}]}}]"
    ));
    (running, seen)
}

#[tokio::test]
async fn services_have_their_virtual_addresses() {
    let (mut running, seen) = start_role("services").await;
    let group = running.group().await;
    assert_eq!(group.source, "DockerSwarm");
    let service = "__meta_dockerswarm_service_id=s1
        __meta_dockerswarm_service_name=web
        __meta_dockerswarm_service_mode=replicated
        __meta_dockerswarm_service_label_team_name=a
        __meta_dockerswarm_service_task_container_hostname=h
        __meta_dockerswarm_service_task_container_image=web:2
        __meta_dockerswarm_service_updating_status=completed
        __meta_dockerswarm_service_endpoint_port_name=metrics
        __meta_dockerswarm_service_endpoint_port_publish_mode=ingress";
    assert_eq!(group.targets.len(), 3);
    assert_labels(
        &group.targets[0],
        &format!("{service}\n{NETWORK_LABELS}\n__address__=10.0.0.3:18080"),
    );
    assert_labels(
        &group.targets[1],
        &format!("{service}\n__address__=10.0.1.3:18080"),
    );
    assert_labels(
        &group.targets[2],
        &format!(
            "{NETWORK_LABELS}
            __meta_dockerswarm_service_id=s2
            __meta_dockerswarm_service_name=agent
            __meta_dockerswarm_service_mode=global
            __address__=10.0.0.9:81"
        ),
    );
    let filters = seen.lock()[1].parameter("filters");
    assert_eq!(filters.as_deref(), Some(r#"{"name":{"x":true}}"#));
}

#[tokio::test]
async fn tasks_have_ports_of_their_own_and_of_their_service() {
    let (mut running, seen) = start_role("tasks").await;
    let group = running.group().await;
    let task = "__meta_dockerswarm_task_id=t1
        __meta_dockerswarm_task_container_id=c1
        __meta_dockerswarm_task_desired_state=running
        __meta_dockerswarm_task_slot=2
        __meta_dockerswarm_task_state=starting
        __meta_dockerswarm_container_label_a_b=c
        __meta_dockerswarm_service_id=s1
        __meta_dockerswarm_service_name=web
        __meta_dockerswarm_service_mode=replicated
        __meta_dockerswarm_service_label_team_name=a
        __meta_dockerswarm_node_address=192.168.0.1
        __meta_dockerswarm_node_availability=active
        __meta_dockerswarm_node_hostname=alpha
        __meta_dockerswarm_node_id=m1
        __meta_dockerswarm_node_label_rack_no=7
        __meta_dockerswarm_node_platform_architecture=x86_64
        __meta_dockerswarm_node_platform_os=linux
        __meta_dockerswarm_node_role=manager
        __meta_dockerswarm_node_status=ready";
    assert_eq!(group.targets.len(), 4);
    assert_labels(
        &group.targets[0],
        &format!(
            "{task}
            __address__=192.168.0.1:19090
            __meta_dockerswarm_task_port_publish_mode=host"
        ),
    );
    assert_labels(
        &group.targets[1],
        &format!(
            "{task}\n{NETWORK_LABELS}
            __address__=10.0.0.5:18080
            __meta_dockerswarm_task_port_publish_mode=ingress"
        ),
    );
    assert_labels(
        &group.targets[2],
        &format!(
            "{NETWORK_LABELS}
            __address__=10.0.0.6:81
            __meta_dockerswarm_task_id=t2
            __meta_dockerswarm_task_desired_state=shutdown
            __meta_dockerswarm_task_slot=0
            __meta_dockerswarm_task_state=failed
            __meta_dockerswarm_service_id=s2
            __meta_dockerswarm_service_name=agent
            __meta_dockerswarm_service_mode=global"
        ),
    );
    assert_eq!(addresses(&group)[3], "[fd00::6]:81");
    // The filters are those of the role's list.
    for asked in &*seen.lock() {
        let filtered = asked.parameter("filters").is_some();
        assert_eq!(
            filtered,
            asked.path().ends_with("/tasks"),
            "{}",
            asked.target
        );
    }
}

#[tokio::test]
async fn nodes_are_targets_too() {
    let (mut running, _) = start_role("nodes").await;
    let group = running.group().await;
    assert_eq!(group.targets.len(), 2);
    assert_labels(
        &group.targets[0],
        "__address__=192.168.0.1:81
         __meta_dockerswarm_node_address=192.168.0.1
         __meta_dockerswarm_node_availability=active
         __meta_dockerswarm_node_engine_version=27.1
         __meta_dockerswarm_node_hostname=alpha
         __meta_dockerswarm_node_id=m1
         __meta_dockerswarm_node_label_rack_no=7
         __meta_dockerswarm_node_manager_address=192.168.0.1:2377
         __meta_dockerswarm_node_manager_leader=true
         __meta_dockerswarm_node_manager_reachability=reachable
         __meta_dockerswarm_node_platform_architecture=x86_64
         __meta_dockerswarm_node_platform_os=linux
         __meta_dockerswarm_node_role=manager
         __meta_dockerswarm_node_status=ready",
    );
    assert_labels(
        &group.targets[1],
        "__address__=192.168.0.2:81
         __meta_dockerswarm_node_address=192.168.0.2
         __meta_dockerswarm_node_availability=drain
         __meta_dockerswarm_node_engine_version=26.0
         __meta_dockerswarm_node_hostname=beta
         __meta_dockerswarm_node_id=w1
         __meta_dockerswarm_node_platform_architecture=aarch64
         __meta_dockerswarm_node_platform_os=linux
         __meta_dockerswarm_node_role=worker
         __meta_dockerswarm_node_status=down",
    );
}
