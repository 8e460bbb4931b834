//! Docker, against a daemon's double: over a socket in the file system and over TCP.

use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::http_double::{Asked, answer, json, serve, serve_at};
use crate::support::{addresses, assert_labels, start};

pub(crate) type Seen = Arc<Mutex<Vec<Asked>>>;

const CONTAINERS: &str = r#"[
  {"Id": "c1", "Names": ["/web", "/other/web"], "Image": "web:2", "ImageID": "sha256:1",
   "Command": "x", "Created": 1, "Ports": [
     {"IP": "0.0.0.0", "PrivatePort": 8080, "PublicPort": 18080, "Type": "tcp"},
     {"PrivatePort": 9090, "Type": "tcp"}, {"PrivatePort": 53, "Type": "udp"}],
   "Labels": {"com.example/app": "shop"}, "State": "running",
   "HostConfig": {"NetworkMode": "front"},
   "NetworkSettings": {"Networks": {
     "front": {"IPAMConfig": null, "NetworkID": "n-front", "IPAddress": "172.18.0.2",
       "GlobalIPv6Address": "fd00::2"},
     "back": {"NetworkID": "n-back", "IPAddress": "172.19.0.2"}}}},
  {"Id": "c2", "Names": ["/quiet"], "Image": "quiet", "Ports": [], "Labels": null,
   "HostConfig": {"NetworkMode": "six"},
   "NetworkSettings": {"Networks": {
     "six": {"NetworkID": "n-unlisted", "IPAddress": "", "GlobalIPv6Address": "fd01::7"}}}},
  {"Id": "c3", "Names": ["/host"], "Ports": null, "HostConfig": {"NetworkMode": "host"},
   "NetworkSettings": {"Networks": {"host": {"NetworkID": "n-host", "IPAddress": ""}}}},
  {"Id": "c4", "Names": ["/sidecar"], "Ports": [{"PrivatePort": 1234, "Type": "tcp"}],
   "HostConfig": {"NetworkMode": "container:c5"}, "NetworkSettings": {"Networks": {}}},
  {"Id": "c5", "Names": ["/pod"], "Ports": [], "HostConfig": {"NetworkMode": "container:c2"},
   "NetworkSettings": {"Networks": {"gone": null}}},
  {"Id": "c6", "Names": [], "HostConfig": {"NetworkMode": "front"},
   "NetworkSettings": {"Networks": {"front": {"NetworkID": "n-front", "IPAddress": "1.1.1.1"}}}},
  {"Id": "c7", "Names": ["/shares-quiet"], "Ports": [],
   "HostConfig": {"NetworkMode": "container:c2"}, "NetworkSettings": {"Networks": {}}}
]"#;

const NETWORKS: &str = r#"[
  {"Name": "front", "Id": "n-front", "Scope": "local", "Internal": false, "Ingress": true,
   "Labels": {"zone-1": "dmz"}, "Driver": "bridge"},
  {"Name": "back", "Id": "n-back", "Scope": "swarm", "Internal": true, "Ingress": false,
   "Labels": null},
  {"Name": "host", "Id": "n-host", "Scope": "local", "Internal": false, "Ingress": false}
]"#;

fn daemon(asked: &Asked, seen: &Seen) -> Vec<u8> {
    seen.lock().push(asked.clone());
    match asked.path() {
        "/_ping" => answer("200 OK", &[("API-Version", "1.44")], "OK"),
        "/v1.44/containers/json" => json(CONTAINERS),
        "/v1.44/networks" => json(NETWORKS),
        other => panic!("{other}"),
    }
}

const WEB: &str = "__meta_docker_container_id=c1
    __meta_docker_container_name=/web
    __meta_docker_container_network_mode=front
    __meta_docker_container_image=web:2
    __meta_docker_container_image_id=sha256:1
    __meta_docker_container_label_com_example_app=shop";
const BACK: &str = "__meta_docker_network_ip=172.19.0.2
    __meta_docker_network_id=n-back
    __meta_docker_network_name=back
    __meta_docker_network_scope=swarm
    __meta_docker_network_internal=true
    __meta_docker_network_ingress=false";

#[tokio::test]
async fn containers_are_listed_over_a_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("docker.sock");
    let seen = Seen::default();
    let noted = seen.clone();
    serve_at(&path, move |asked| ready(daemon(&asked, &noted)));
    let mut running = start(&format!(
        "docker_sd_configs:
- host: unix://{}
  port: 81
  host_networking_host: the-host
  filters: [{{name: label, values: [b, a]}}, {{name: status, values: [running]}}]
",
        path.display()
    ));
    let group = running.group().await;
    assert_eq!(group.source, "Docker");
    // The first network by name only.
    assert_eq!(
        addresses(&group),
        [
            "172.19.0.2:8080",
            "172.19.0.2:9090",
            "[fd01::7]:81",
            "the-host",
            "[fd01::7]:81"
        ]
    );
    assert_labels(
        &group.targets[0],
        &format!(
            "{WEB}\n{BACK}
            __address__=172.19.0.2:8080
            __meta_docker_port_private=8080
            __meta_docker_port_public=18080
            __meta_docker_port_public_ip=0.0.0.0"
        ),
    );
    assert_labels(
        &group.targets[1],
        &format!("{WEB}\n{BACK}\n__address__=172.19.0.2:9090\n__meta_docker_port_private=9090"),
    );
    assert_labels(
        &group.targets[2],
        "__address__=[fd01::7]:81
         __meta_docker_container_id=c2
         __meta_docker_container_name=/quiet
         __meta_docker_container_network_mode=six
         __meta_docker_container_image=quiet
         __meta_docker_network_ip=fd01::7",
    );
    assert_labels(
        &group.targets[3],
        "__address__=the-host
         __meta_docker_container_id=c3
         __meta_docker_container_name=/host
         __meta_docker_container_network_mode=host
         __meta_docker_network_id=n-host
         __meta_docker_network_name=host
         __meta_docker_network_scope=local
         __meta_docker_network_internal=false
         __meta_docker_network_ingress=false",
    );
    let seen = seen.lock();
    let ways: Vec<_> = seen
        .iter()
        .map(|one| (one.method.as_str(), one.path()))
        .collect();
    assert_eq!(
        ways,
        [
            ("HEAD", "/_ping"),
            ("GET", "/v1.44/containers/json"),
            ("GET", "/v1.44/networks")
        ]
    );
    assert_eq!(
        seen[1].parameter("filters").as_deref(),
        Some(r#"{"label":{"a":true,"b":true},"status":{"running":true}}"#)
    );
    assert_eq!(seen[2].target, "/v1.44/networks");
    assert_eq!(seen[1].header("host"), "api.moby.localhost");
}

#[tokio::test]
async fn all_networks_count_when_asked_for() {
    let seen = Seen::default();
    let noted = seen.clone();
    let server = serve(move |asked| ready(daemon(&asked, &noted))).await;
    let mut running = start(&format!(
        "docker_sd_configs: [{{host: 'http://{server}', match_first_network: false,
            basic_auth: {{username: u, password: p}}}}]"
    ));
    let group = running.group().await;
    let front = &group.targets[2];
    assert_labels(
        front,
        &format!(
            "{WEB}
            __address__=172.18.0.2:8080
            __meta_docker_network_ip=172.18.0.2
            __meta_docker_network_id=n-front
            __meta_docker_network_name=front
            __meta_docker_network_scope=local
            __meta_docker_network_internal=false
            __meta_docker_network_ingress=true
            __meta_docker_network_label_zone_1=dmz
            __meta_docker_port_private=8080
            __meta_docker_port_public=18080
            __meta_docker_port_public_ip=0.0.0.0"
        ),
    );
    assert_eq!(group.targets.len(), 7);
    for asked in &*seen.lock() {
        assert_eq!(asked.header("authorization"), "Basic dTpw");
        assert_eq!(asked.header("user-agent"), "ferula-test/1");
    }
}

#[tokio::test]
async fn versions_are_agreed_on_with_old_and_new_daemons() {
    // What the daemon says (to HEAD, to GET), and what is asked for then.
    let cases = [
        (
            ("405 Method Not Allowed", ""),
            ("200 OK", "1.30"),
            "/v1.30/",
        ),
        (("200 OK", ""), ("200 OK", "1.30"), "/v1.24/"),
        (("200 OK", "9.99"), ("200 OK", ""), "/v1.55/"),
        (
            ("500 Internal Server Error", "1.41"),
            ("200 OK", ""),
            "/v1.41/",
        ),
    ];
    for (head, get, expected) in cases {
        let server = serve(move |asked| async move {
            if asked.path() == "/_ping" {
                let (status, version) = if asked.method == "HEAD" { head } else { get };
                let headers = [("Api-Version", version)];
                return answer(status, &headers[..usize::from(!version.is_empty())], "");
            }
            assert!(asked.target.starts_with(expected), "{}", asked.target);
            json("[]")
        })
        .await;
        let config = format!("docker_sd_configs: [{{host: 'tcp://{server}'}}]");
        assert!(
            start(&config).group().await.targets.is_empty(),
            "{expected}"
        );
    }
}
