//! Consul, against a double that blocks queries as the real one does.

use std::collections::BTreeMap;
use std::time::Duration;

use discovery::TargetGroup;
use discovery::providers::consul::{ConsulDiscoverer, Pace};

use crate::consul_double::Consul;
use crate::http_double::{answer, serve};
use crate::support::{Running, addresses, assert_labels, configs, run, start};

const FAILURES: &str = "prometheus_sd_consul_rpc_failures_total";

/// Quick to try again.
fn start_quick(config: &str) -> Running {
    let configs = configs(&format!("consul_sd_configs: [{config}]"));
    let config = configs
        .consul_sd_configs
        .iter()
        .next()
        .cloned()
        .expect("one");
    let pace = Pace {
        watch: Duration::from_secs(60),
        retry: Duration::from_millis(20),
    };
    run(|environment| {
        let made = ConsulDiscoverer::new(&config, environment, pace);
        Box::new(made.expect("a client"))
    })
}

/// The next reports until `count` services were told of.
async fn by_source(running: &mut Running, count: usize) -> BTreeMap<String, TargetGroup> {
    let mut groups = BTreeMap::new();
    while groups.len() < count {
        for group in running.next().await {
            groups.insert(group.source.clone(), group);
        }
    }
    groups
}

#[tokio::test]
async fn an_instance_has_all_labels_and_queries_all_parameters() {
    let consul = Consul::start().await;
    let entry = r#"{
        "Node": {"ID": "x", "Node": "node-1", "Address": "10.1.0.1", "Datacenter": "east",
            "TaggedAddresses": {"lan": "10.1.0.1", "wan-v4": "1.2.3.4"},
            "Meta": {"rack-no": "r1"}},
        "Service": {"ID": "web-1", "Service": "web", "Tags": ["prod", "v2"],
            "Address": "10.2.0.1", "Port": 9100, "Meta": {"team.name": "a"},
            "Namespace": "ns1", "Partition": "part1"},
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"},
            {"CheckID": "service:web", "Status": "warning"}]}"#;
    let elsewhere = r#"{
        "Node": {"Node": "node-2", "Address": "fd00::2", "TaggedAddresses": null, "Meta": null},
        "Service": {"ID": "web-2", "Service": "web", "Tags": null, "Address": "", "Port": 0,
            "Meta": null}, "Checks": null}"#;
    consul.change(|catalog| {
        let tags = vec!["prod".to_owned(), "v2".to_owned(), "x".to_owned()];
        let entries = vec![entry.to_owned(), elsewhere.to_owned()];
        catalog.services.insert("web".to_owned(), (tags, entries));
    });
    let mut running = start(&format!(
        "consul_sd_configs:
- server: {}
  path_prefix: /consul
  token: s3cret
  datacenter: east
  namespace: ns1
  partition: part1
  tag_separator: ';'
  tags: [prod, v2]
  node_meta: {{rack: r1}}
  filter: Service != \"x\"
  health_filter: Node.Meta.a == \"b\"
",
        consul.address
    ));
    let group = running.group().await;
    assert_eq!(group.source, "web");
    assert_labels(
        &group.labels,
        "__meta_consul_service=web\n__meta_consul_dc=east",
    );
    assert_labels(
        &group.targets[0],
        "__address__=10.2.0.1:9100
         __meta_consul_address=10.1.0.1
         __meta_consul_node=node-1
         __meta_consul_namespace=ns1
         __meta_consul_partition=part1
         __meta_consul_tags=;prod;v2;
         __meta_consul_service_address=10.2.0.1
         __meta_consul_service_port=9100
         __meta_consul_service_id=web-1
         __meta_consul_health=warning
         __meta_consul_metadata_rack_no=r1
         __meta_consul_service_metadata_team_name=a
         __meta_consul_tagged_address_lan=10.1.0.1
         __meta_consul_tagged_address_wan_v4=1.2.3.4",
    );
    assert_labels(
        &group.targets[1],
        "__address__=[fd00::2]:0
         __meta_consul_address=fd00::2
         __meta_consul_node=node-2
         __meta_consul_tags=;;
         __meta_consul_service_port=0
         __meta_consul_service_id=web-2
         __meta_consul_health=passing",
    );
    let services = &consul.asked("/consul/v1/catalog/services")[0];
    let health = &consul.asked("/consul/v1/health/service/web")[0];
    for asked in [services, health] {
        assert_eq!(asked.header("x-consul-token"), "s3cret");
        assert_eq!(asked.parameter("dc").as_deref(), Some("east"));
        assert_eq!(asked.parameter("ns").as_deref(), Some("ns1"));
        assert_eq!(asked.parameter("partition").as_deref(), Some("part1"));
        assert_eq!(asked.parameter("wait").as_deref(), Some("120000ms"));
        assert_eq!(asked.parameter("stale").as_deref(), Some(""));
        assert_eq!(asked.parameters("node-meta"), ["rack:r1"]);
        assert_eq!(asked.parameter("index"), None, "the first does not wait");
    }
    assert_eq!(services.parameters("filter"), ["Service != \"x\""]);
    assert_eq!(services.parameters("tag"), Vec::<String>::new());
    assert_eq!(health.parameters("filter"), ["Node.Meta.a == \"b\""]);
    assert_eq!(health.parameters("tag"), ["prod", "v2"]);
    assert!(
        consul.asked("/agent/self").is_empty(),
        "the datacenter is set"
    );
    let calls = "prometheus_sd_consul_rpc_duration_seconds_count";
    let one = running.metric(&format!(r#"{calls}{{call="services",endpoint="catalog"}}"#));
    assert_eq!(one, 1.0);
}

#[tokio::test]
async fn services_come_change_and_go_by_blocking_queries() {
    let consul = Consul::start().await;
    consul.set("a", &[], "10.0.0.1");
    consul.set("b", &[], "10.0.0.2");
    let mut running = start_quick(&format!(
        "{{server: '{}', refresh_interval: 5ms, allow_stale: false}}",
        consul.address
    ));
    let first = by_source(&mut running, 2).await;
    assert_eq!(addresses(&first["a"]), ["10.0.0.1:80"]);
    assert_labels(
        &first["b"].labels,
        "__meta_consul_service=b\n__meta_consul_dc=dc-of-agent",
    );
    // A change wakes what waits; nothing else would for a minute.
    consul.set("a", &[], "10.0.0.7");
    loop {
        let group = running.group().await;
        if group.source == "a" && addresses(&group) == ["10.0.0.7:80"] {
            break;
        }
    }
    consul.change(|catalog| {
        catalog.index += 1;
        catalog.services.remove("b");
    });
    let gone = loop {
        let group = running.group().await;
        if group.source == "b" && group.labels.is_empty() {
            break group;
        }
    };
    assert!(gone.targets.is_empty());
    let asked = consul.asked_times("/v1/catalog/services", 2).await;
    assert_eq!(asked[0].parameter("stale"), None);
    let second = asked[1].parameter("index");
    assert_eq!(second.as_deref(), Some("12"), "{asked:?}");
    // The last service goes too: that there is nothing is told.
    consul.change(|catalog| {
        catalog.index += 1;
        catalog.services.clear();
    });
    while !running.group().await.source.is_empty() {}
    assert_eq!(running.metric(FAILURES), 0.0);
}

#[tokio::test]
async fn an_index_that_goes_backwards_begins_anew() {
    let consul = Consul::start().await;
    consul.change(|catalog| catalog.index = 1000);
    consul.set("a", &[], "10.0.0.1");
    let mut running = start_quick(&format!(
        "{{server: '{}', refresh_interval: 5ms}}",
        consul.address
    ));
    assert_eq!(addresses(&running.group().await), ["10.0.0.1:80"]);
    // A server restored from a backup counts from another number.
    consul.change(|catalog| catalog.index = 3);
    consul.set("a", &[], "10.0.0.9");
    while addresses(&running.group().await) != ["10.0.0.9:80"] {}
    consul.set("new", &[], "10.0.0.5");
    while running.group().await.source != "new" {}
    let asked = consul.asked_times("/v1/health/service/a", 3).await;
    let indexes: Vec<Option<String>> = asked.iter().map(|one| one.parameter("index")).collect();
    assert_eq!(indexes[..2], [None, Some("1001".to_owned())]);
    assert_eq!(indexes[2], None, "{indexes:?}");
}

#[tokio::test]
async fn only_services_with_all_tags_are_watched() {
    let consul = Consul::start().await;
    consul.set("both", &["x", "y"], "10.0.0.1");
    consul.set("one", &["x"], "10.0.0.2");
    consul.set("other", &["x", "y"], "10.0.0.3");
    let mut running = start_quick(&format!(
        "{{server: '{}', tags: [y, x], services: [both, one], datacenter: d}}",
        consul.address
    ));
    assert_eq!(running.group().await.source, "both");
    assert!(consul.asked("/v1/health/service/one").is_empty());
    assert!(consul.asked("/v1/health/service/other").is_empty());
}

#[tokio::test]
async fn named_services_need_no_catalog() {
    let consul = Consul::start().await;
    consul.set("a/b", &[], "10.0.0.1");
    let mut running = start_quick(&format!(
        "{{server: '{}', services: [absent, absent], datacenter: d}}",
        consul.address
    ));
    let group = running.group().await;
    assert_eq!(group.source, "absent");
    assert!(group.targets.is_empty());
    assert!(consul.asked("/v1/catalog/services").is_empty());
    assert_eq!(consul.asked("/v1/health/service/absent").len(), 1);
}

#[tokio::test]
async fn failures_are_counted_and_keep_what_was_found() {
    let consul = Consul::start().await;
    consul.set("a", &[], "10.0.0.1");
    let fail = |path: &str| {
        let failing = Some((path.to_owned(), "500 Internal Server Error".to_owned()));
        consul.change(|catalog| catalog.failing = failing);
    };
    fail("/v1/agent");
    let mut running = start_quick(&format!(
        "{{server: '{}', refresh_interval: 5ms}}",
        consul.address
    ));
    running.counted(FAILURES, 2.0).await;
    fail("/v1/catalog");
    running.counted(FAILURES, 5.0).await;
    fail("/v1/health");
    running.counted(FAILURES, 7.0).await;
    assert!(running.reports.try_recv().is_err(), "nothing is known yet");
    consul.change(|catalog| catalog.failing = None);
    assert_eq!(addresses(&running.group().await), ["10.0.0.1:80"]);
    let before = running.metric(FAILURES);
    fail("/v1/");
    running.counted(FAILURES, before + 3.0).await;
    assert!(running.reports.try_recv().is_err(), "what was found stays");
    consul.change(|catalog| catalog.failing = None);
    consul.set("a", &[], "10.0.0.2");
    while addresses(&running.group().await) != ["10.0.0.2:80"] {}
}

#[tokio::test]
async fn a_server_may_listen_on_a_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let consul = Consul::start_at(&folder.path().join("consul.sock"));
    consul.set("a", &[], "10.0.0.1");
    let mut running = start(&format!(
        "consul_sd_configs: [{{server: '{}'}}]",
        consul.address
    ));
    assert_eq!(addresses(&running.group().await), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn answers_of_other_kinds_are_failures() {
    for body in ["[", "{\"a\": 1}", "[]", "\"x\""] {
        let server =
            serve(move |_| async move { answer("200 OK", &[("X-Consul-Index", "7")], body) }).await;
        let mut running = start_quick(&format!("{{server: '{server}', datacenter: d}}"));
        running.counted(FAILURES, 1.0).await;
        assert!(running.reports.try_recv().is_err(), "{body}");
    }
}
