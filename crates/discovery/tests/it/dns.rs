//! DNS: against a double, and against NSD out of Debian's packages.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use discovery::providers::dns::{DnsDiscoverer, Resolver};
use discovery::refresh::Poller;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SRV};

use crate::dns_double::{Question, Reply, answer, cut, name, serve};
use crate::dns_server;
use crate::support::{Running, addresses, assert_labels, configs, run};

const FAILURES: &str = "prometheus_sd_dns_lookup_failures_total";
const LOOKUPS: &str = "prometheus_sd_dns_lookups_total";

fn start(config: &str, resolver: Resolver) -> Running {
    let configs = configs(&format!("dns_sd_configs: [{config}]"));
    let config = configs.dns_sd_configs.iter().next().cloned().expect("one");
    run(|environment| {
        let polled = DnsDiscoverer::new(&config, environment, resolver);
        Box::new(Poller::new(polled, environment))
    })
}

fn srv(host: &str, port: u16) -> RData {
    RData::SRV(SRV::new(0, 5, port, name(host)))
}

#[tokio::test]
async fn names_are_asked_for_in_search_domains() {
    let dns = serve(&["127.0.0.1"], |question, _| match question.name.as_str() {
        "_web._tcp.b.test." => answer(
            ResponseCode::NoError,
            vec![
                ("_web._tcp.b.test.", srv("w1.b.test.", 9100)),
                ("_web._tcp.b.test.", srv("W2.b.test.", 9101)),
            ],
        ),
        _ => answer(ResponseCode::NXDomain, vec![]),
    })
    .await;
    let resolver =
        dns.resolver("nameserver 127.0.0.1\nsearch a.test b.test c.test\noptions ndots:3\n");
    let mut running = start("{names: [_web._tcp]}", resolver);
    let group = running.group().await;
    assert_eq!(group.source, "_web._tcp");
    assert_eq!(group.targets.len(), 2);
    assert_labels(
        &group.targets[0],
        "__address__=w1.b.test:9100
         __meta_dns_name=_web._tcp
         __meta_dns_srv_record_port=9100
         __meta_dns_srv_record_target=w1.b.test.",
    );
    assert_labels(
        &group.targets[1],
        "__address__=W2.b.test:9101
         __meta_dns_name=_web._tcp
         __meta_dns_srv_record_port=9101
         __meta_dns_srv_record_target=W2.b.test.",
    );
    let asked = |name: &str| Question {
        server: Ipv4Addr::LOCALHOST.into(),
        over: "UDP",
        name: name.to_owned(),
        record_type: "SRV".to_owned(),
        edns: Some(4096),
        recursion: true,
    };
    assert_eq!(
        dns.take_questions(),
        [asked("_web._tcp.a.test."), asked("_web._tcp.b.test.")]
    );
    assert_eq!(running.metric(LOOKUPS), 1.0);
    assert_eq!(running.metric(FAILURES), 0.0);
}

#[tokio::test]
async fn all_record_types_become_targets() {
    let dns = serve(&["127.0.0.1"], |question, _| {
        let data = match question.record_type.as_str() {
            "A" => {
                let alias = ("x.test.", RData::CNAME(CNAME(name("y.test."))));
                let address = ("y.test.", RData::A(A(Ipv4Addr::new(10, 0, 0, 7))));
                return answer(ResponseCode::NoError, vec![alias, address]);
            }
            "AAAA" => RData::AAAA(AAAA(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 7))),
            "MX" => RData::MX(MX::new(10, name("mail.test."))),
            _ => RData::NS(NS(name("ns1.test."))),
        };
        answer(ResponseCode::NoError, vec![("x.test.", data)])
    })
    .await;
    let cases = [
        ("A", "__address__=10.0.0.7:80\n__meta_dns_name=x.test"),
        ("aaaa", "__address__=[fd00::7]:80\n__meta_dns_name=x.test"),
        (
            "MX",
            "__address__=mail.test:80\n__meta_dns_name=x.test\n__meta_dns_mx_record_target=mail.test.",
        ),
        (
            "NS",
            "__address__=ns1.test:80\n__meta_dns_name=x.test\n__meta_dns_ns_record_target=ns1.test.",
        ),
    ];
    for (record_type, expected) in cases {
        let resolver = dns.resolver("nameserver 127.0.0.1\n");
        let config = format!("{{names: [x.test], type: {record_type}, port: 80}}");
        let group = start(&config, resolver).group().await;
        assert_eq!(group.targets.len(), 1, "{record_type}");
        assert_labels(&group.targets[0], expected);
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_over_tcp() {
    let many = |count: u16| {
        (0..count)
            .map(|number| {
                (
                    "x.test.",
                    srv(&format!("host-{number}.x.test."), number + 1),
                )
            })
            .collect::<Vec<_>>()
    };
    let dns = serve(&["127.0.0.1"], move |question, _| match question.over {
        "UDP" => cut(many(3)),
        _ => answer(ResponseCode::NoError, many(500)),
    })
    .await;
    let resolver = dns.resolver("nameserver 127.0.0.1\n");
    let group = start("{names: [x.test]}", resolver).group().await;
    assert_eq!(group.targets.len(), 500);
    assert_eq!(addresses(&group)[499], "host-499.x.test:500");
    let questions = dns.take_questions();
    let ways: Vec<_> = questions.iter().map(|one| (one.over, one.edns)).collect();
    assert_eq!(ways, [("UDP", Some(4096)), ("TCP", None)]);

    let always_cut = serve(&["127.0.0.1"], |_, _| cut(vec![])).await;
    let resolver = always_cut.resolver("nameserver 127.0.0.1\n");
    let running = start("{names: [x.test], refresh_interval: 10ms}", resolver);
    running.counted(FAILURES, 1.0).await;
}

#[tokio::test]
async fn only_an_answer_of_all_domains_empties_a_group() {
    // By poll: there, refused, no such name.
    let turn = Arc::new(AtomicUsize::new(0));
    let current = turn.clone();
    let dns = serve(&["127.0.0.1"], move |question, _| {
        let code = match (current.load(Ordering::SeqCst), question.name.as_str()) {
            (0, "x.test.") => {
                let data = RData::A(A(Ipv4Addr::new(10, 0, 0, 7)));
                return answer(ResponseCode::NoError, vec![("x.test.", data)]);
            }
            (1, "x.test.a.test.") => ResponseCode::ServFail,
            _ => ResponseCode::NXDomain,
        };
        answer(code, vec![])
    })
    .await;
    let resolver = dns.resolver("nameserver 127.0.0.1\nsearch a.test\n");
    let config = "{names: [x.test], type: A, port: 80, refresh_interval: 10ms}";
    let mut running = start(config, resolver);
    assert_eq!(addresses(&running.group().await), ["10.0.0.7:80"]);
    turn.store(1, Ordering::SeqCst);
    running.counted(FAILURES, 2.0).await;
    turn.store(2, Ordering::SeqCst);
    // Polls that failed report nothing of the name, those before the groups it had.
    let emptied = loop {
        let groups = running.next().await;
        if let Some(group) = groups.into_iter().find(|group| group.targets.is_empty()) {
            break group;
        }
    };
    assert_eq!(emptied.source, "x.test");
    let refreshes = r#"prometheus_sd_refresh_failures_total{config="job",mechanism="dns"}"#;
    assert_eq!(running.metric(refreshes), 0.0, "lookups fail, not polls");
}

#[tokio::test]
async fn one_name_that_fails_does_not_hide_the_others() {
    let dns = serve(&["127.0.0.1"], |question, _| {
        if question.name == "bad.test." {
            return answer(ResponseCode::Refused, vec![]);
        }
        let data = RData::A(A(Ipv4Addr::new(10, 0, 0, 1)));
        answer(ResponseCode::NoError, vec![("good.test.", data)])
    })
    .await;
    let resolver = dns.resolver("nameserver 127.0.0.1\n");
    let config = "{names: [bad.test., good.test., 'empty..label'], type: A, port: 80}";
    let mut running = start(config, resolver);
    let group = running.group().await;
    assert_eq!(group.source, "good.test.");
    assert_eq!(running.metric(LOOKUPS), 3.0);
    assert_eq!(running.metric(FAILURES), 2.0);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_of_no_use() {
    let dns = serve(
        &["127.0.0.1", "127.0.0.2", "127.0.0.3"],
        |question, id| match question.server.to_string().as_str() {
            "127.0.0.1" => answer(ResponseCode::ServFail, vec![]),
            "127.0.0.2" => {
                let mut garbage = id.to_be_bytes().to_vec();
                garbage.extend([0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c, 0xc0]);
                Reply::Raw(vec![garbage])
            }
            _ => {
                let data = RData::A(A(Ipv4Addr::new(10, 0, 0, 3)));
                answer(ResponseCode::NoError, vec![("x.test.", data)])
            }
        },
    )
    .await;
    let resolver =
        dns.resolver("nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n");
    let group = start("{names: [x.test], type: A, port: 80}", resolver)
        .group()
        .await;
    assert_eq!(addresses(&group), ["10.0.0.3:80"]);
    let servers: Vec<String> = dns
        .take_questions()
        .iter()
        .map(|question| question.server.to_string())
        .collect();
    assert_eq!(servers, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

#[tokio::test]
async fn answers_to_other_questions_are_passed_over_and_silence_ends() {
    let dns = serve(&["127.0.0.1", "127.0.0.2"], |question, id| {
        if question.server.to_string() == "127.0.0.2" {
            let data = RData::A(A(Ipv4Addr::new(10, 0, 0, 2)));
            return answer(ResponseCode::NoError, vec![("x.test.", data)]);
        }
        // Says that there is no such name, to a question that nobody asked; then nothing.
        let mut other = id.wrapping_add(1).to_be_bytes().to_vec();
        other.extend([0x81, 0x83, 0, 0, 0, 0, 0, 0, 0, 0]);
        Reply::Raw(vec![other, vec![], vec![7]])
    })
    .await;
    let mut resolver = dns.resolver("nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
    resolver.timeout = Duration::from_millis(200);
    let group = start("{names: [x.test], type: A, port: 80}", resolver)
        .group()
        .await;
    assert_eq!(addresses(&group), ["10.0.0.2:80"]);

    let silent = serve(&["127.0.0.1"], |_, _| Reply::Silence).await;
    let mut resolver = silent.resolver("nameserver 127.0.0.1\n");
    resolver.timeout = Duration::from_millis(50);
    let running = start("{names: [x.test], refresh_interval: 10ms}", resolver);
    running.counted(FAILURES, 2.0).await;
}

#[tokio::test]
async fn the_file_of_servers_is_read_for_every_poll() {
    let dns = serve(&["127.0.0.1"], |_, _| {
        answer(ResponseCode::NXDomain, vec![])
    })
    .await;
    let resolver = dns.resolver("");
    std::fs::remove_file(dns.conf_path()).expect("was there");
    let mut running = start("{names: [x.test], refresh_interval: 10ms}", resolver);
    running.counted(FAILURES, 1.0).await;
    assert!(running.next().await.is_empty());
    let _written = dns.resolver("nameserver 127.0.0.1\n");
    while running.next().await.is_empty() {}
}

/// Everything that a zone can have, asked of NSD.
#[tokio::test]
async fn a_real_server_is_understood() {
    let many: String = (0..400)
        .map(|number| format!("_many._tcp SRV 0 5 {} host-{number}\n", 1000 + number))
        .collect();
    let zone = format!(
        "$ORIGIN zone.test.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\n\
         @ NS ns2.other.test.\n@ MX 10 mail\nns1 A 127.0.0.1\nmail A 10.0.0.9\n\
         alias CNAME web\nweb A 10.0.0.1\nweb A 10.0.0.2\nweb AAAA fd00::1\n\
         _web._tcp SRV 0 5 9100 web\nnothing TXT \"x\"\n{many}"
    );
    let Some(server) = dns_server::start(&zone).await else {
        return;
    };
    let sorted = async |config: &str| {
        let group = start(config, server.resolver()).group().await;
        let mut found: Vec<String> = addresses(&group).into_iter().map(str::to_owned).collect();
        found.sort();
        found
    };
    assert_eq!(sorted("{names: [_web._tcp]}").await, ["web.zone.test:9100"]);
    assert_eq!(
        sorted("{names: [alias.zone.test], type: A, port: 80}").await,
        ["10.0.0.1:80", "10.0.0.2:80"]
    );
    assert_eq!(
        sorted("{names: [web], type: AAAA, port: 80}").await,
        ["[fd00::1]:80"]
    );
    assert_eq!(
        sorted("{names: [zone.test.], type: MX, port: 25}").await,
        ["mail.zone.test:25"]
    );
    assert_eq!(
        sorted("{names: [zone.test.], type: NS, port: 53}").await,
        ["ns1.zone.test:53", "ns2.other.test:53"]
    );
    let many = sorted("{names: [_many._tcp]}").await;
    assert_eq!(
        (many.len(), many[0].as_str()),
        (400, "host-0.zone.test:1000")
    );
    // There, but without such records; not there at all.
    assert!(
        sorted("{names: [nothing], type: A, port: 80}")
            .await
            .is_empty()
    );
    assert!(sorted("{names: [missing.zone.test.]}").await.is_empty());
    // Another's zone is refused.
    let running = start(
        "{names: [x.other.test.], refresh_interval: 10ms}",
        server.resolver(),
    );
    running.counted(FAILURES, 1.0).await;
}
