//! EC2, against a double of its Query API and of the machine's metadata service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use discovery::providers::ec2::Ec2Discoverer;
use discovery::refresh::Poller;
use http_client::Variables;
use parking_lot::Mutex;

use crate::http_double::{Asked, answer, serve};
use crate::support::{Running, addresses, assert_labels, configs, run, start};

const XML: [(&str, &str); 1] = [("Content-Type", "text/xml;charset=UTF-8")];
const FAILURES: &str = r#"prometheus_sd_refresh_failures_total{config="job",mechanism="ec2"}"#;

const ZONES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>r</requestId>
  <availabilityZoneInfo>
    <item><zoneName>eu-west-9a</zoneName><zoneState>available</zoneState><zoneId>euw9-az2</zoneId></item>
    <item><zoneName>eu-west-9b</zoneName></item>
  </availabilityZoneInfo>
</DescribeAvailabilityZonesResponse>"#;

const FIRST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>8f7724cf</requestId>
  <reservationSet>
    <item>
      <reservationId>r-1</reservationId><ownerId>123456789012</ownerId><groupSet/>
      <instancesSet>
        <item>
          <instanceId>i-1</instanceId><imageId>ami-1</imageId>
          <instanceState><code>16</code><name>running</name></instanceState>
          <privateDnsName>ip-10-0-0-1.internal</privateDnsName>
          <dnsName>ec2-1-2-3-4.example</dnsName><reason/>
          <instanceType>m7.large</instanceType>
          <placement><availabilityZone>eu-west-9a</availabilityZone><tenancy>default</tenancy></placement>
          <platform>windows</platform>
          <subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
          <privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>1.2.3.4</ipAddress>
          <architecture>x86_64</architecture>
          <instanceLifecycle>spot</instanceLifecycle>
          <tagSet>
            <item><key>Name</key><value>web &amp; shop</value></item>
            <item><key>team:owner</key><value>a</value></item>
            <item><key>empty</key><value/></item>
          </tagSet>
          <networkInterfaceSet>
            <item><subnetId>subnet-1</subnetId><attachment><deviceIndex>0</deviceIndex></attachment>
              <ipv6AddressesSet><item><ipv6Address>fd00::1</ipv6Address></item></ipv6AddressesSet></item>
            <item><subnetId>subnet-2</subnetId><attachment><deviceIndex>2</deviceIndex></attachment>
              <ipv6AddressesSet>
                <item><ipv6Address>fd00::2</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item>
                <item><ipv6Address>fd00::3</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item>
              </ipv6AddressesSet></item>
            <item><subnetId>subnet-1</subnetId></item>
            <item><attachment><deviceIndex>4</deviceIndex></attachment></item>
          </networkInterfaceSet>
        </item>
        <item><instanceId>i-stopped</instanceId></item>
      </instancesSet>
    </item>
  </reservationSet>
  <nextToken>page two &amp; so on</nextToken>
</DescribeInstancesResponse>"#;

const SECOND: &str = r#"<DescribeInstancesResponse><reservationSet><item><instancesSet>
  <item>
    <instanceId>i-2</instanceId><imageId>ami-2</imageId>
    <instanceState><name>pending</name></instanceState><instanceType>t4</instanceType>
    <placement><availabilityZone>eu-west-9c</availabilityZone></placement>
    <subnetId>subnet-3</subnetId><vpcId>vpc-1</vpcId>
    <networkInterfaceSet><item><subnetId>subnet-3</subnetId>
      <ipv6AddressesSet><item><ipv6Address>fd00::9</ipv6Address></item></ipv6AddressesSet>
    </item></networkInterfaceSet>
  </item>
</instancesSet></item></reservationSet></DescribeInstancesResponse>"#;

fn refused(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>req-1</RequestID></Response>"
    );
    answer(status, &XML, body)
}

fn xml(body: &str) -> Vec<u8> {
    answer("200 OK", &XML, body)
}

/// Checks the form of the signature; that it is the right one is the client's own test.
fn assert_signed(asked: &Asked, key: &str, region: &str) {
    let date = asked.header("x-amz-date");
    assert_eq!(date.len(), "20150830T123600Z".len(), "{date}");
    let authorization = asked.header("authorization");
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential={key}/{}/{region}/ec2/aws4_request, SignedHeaders=",
        &date[..8]
    );
    assert!(authorization.starts_with(&scope), "{authorization}");
    let (names, signature) = authorization[scope.len()..]
        .split_once(", Signature=")
        .expect("a signature");
    assert!(names.split(';').any(|name| name == "host"), "{names}");
    assert!(names.split(';').any(|name| name == "x-amz-date"), "{names}");
    assert_eq!(signature.len(), 64);
    assert!(signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[tokio::test]
async fn instances_of_all_pages_have_all_labels() {
    let seen = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let noted = seen.clone();
    let server = serve(move |asked| {
        noted.lock().push(asked.clone());
        async move {
            assert_signed(&asked, "AKIDEXAMPLE", "eu-west-9");
            match asked.parameter("Action").as_deref() {
                Some("DescribeAvailabilityZones") => xml(ZONES),
                Some("DescribeInstances") => match asked.parameter("NextToken").as_deref() {
                    None => xml(FIRST),
                    Some("page two & so on") => xml(SECOND),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    let mut running = start(&format!(
        "ec2_sd_configs:
- endpoint: http://{server}
  region: eu-west-9
  access_key: AKIDEXAMPLE
  secret_key: wJalrXUtnFEMI
  port: 9100
  refresh_interval: 10ms
  filters:
  - {{name: 'tag:env', values: [prod, test]}}
  - {{name: instance-state-name, values: [running]}}
"
    ));
    let group = running.group().await;
    assert_eq!(group.source, "eu-west-9");
    assert_eq!(group.targets.len(), 2);
    assert_labels(
        &group.targets[0],
        "__address__=10.0.0.1:9100
         __meta_ec2_ami=ami-1
         __meta_ec2_architecture=x86_64
         __meta_ec2_availability_zone=eu-west-9a
         __meta_ec2_availability_zone_id=euw9-az2
         __meta_ec2_default_ipv6_address=fd00::2
         __meta_ec2_instance_id=i-1
         __meta_ec2_instance_lifecycle=spot
         __meta_ec2_instance_state=running
         __meta_ec2_instance_type=m7.large
         __meta_ec2_ipv6_addresses=,fd00::1,fd00::2,fd00::3,
         __meta_ec2_owner_id=123456789012
         __meta_ec2_platform=windows
         __meta_ec2_primary_ipv6_addresses=,,,fd00::2,
         __meta_ec2_primary_subnet_id=subnet-1
         __meta_ec2_private_dns_name=ip-10-0-0-1.internal
         __meta_ec2_private_ip=10.0.0.1
         __meta_ec2_public_dns_name=ec2-1-2-3-4.example
         __meta_ec2_public_ip=1.2.3.4
         __meta_ec2_region=eu-west-9
         __meta_ec2_subnet_id=,subnet-1,subnet-2,
         __meta_ec2_tag_Name=web & shop
         __meta_ec2_tag_team_owner=a
         __meta_ec2_vpc_id=vpc-1",
    );
    assert_labels(
        &group.targets[1],
        "__address__=[fd00::9]:9100
         __meta_ec2_ami=ami-2
         __meta_ec2_availability_zone=eu-west-9c
         __meta_ec2_default_ipv6_address=fd00::9
         __meta_ec2_instance_id=i-2
         __meta_ec2_instance_state=pending
         __meta_ec2_instance_type=t4
         __meta_ec2_ipv6_addresses=,fd00::9,
         __meta_ec2_primary_subnet_id=subnet-3
         __meta_ec2_region=eu-west-9
         __meta_ec2_subnet_id=,subnet-3,
         __meta_ec2_vpc_id=vpc-1",
    );
    let again = running.group().await;
    assert_eq!(again, group);
    let seen = seen.lock();
    let zones = |asked: &&Asked| asked.body.contains("DescribeAvailabilityZones");
    assert_eq!(
        seen.iter().filter(zones).count(),
        1,
        "zones are asked for once"
    );
    let first = &seen[1];
    assert_eq!(
        (first.method.as_str(), first.target.as_str()),
        ("POST", "/")
    );
    assert_eq!(first.parameter("Version").as_deref(), Some("2016-11-15"));
    assert_eq!(first.parameter("Filter.1.Name").as_deref(), Some("tag:env"));
    assert_eq!(first.parameter("Filter.1.Value.1").as_deref(), Some("prod"));
    assert_eq!(first.parameter("Filter.1.Value.2").as_deref(), Some("test"));
    assert_eq!(
        first.parameter("Filter.2.Value.1").as_deref(),
        Some("running")
    );
}

/// A provider in an environment with no more than a metadata service.
fn start_on_machine(server: &str) -> Running {
    let configs = configs(&format!(
        "ec2_sd_configs: [{{endpoint: 'http://{server}', refresh_interval: 10ms}}]"
    ));
    let config = configs.ec2_sd_configs.iter().next().cloned().expect("one");
    let metadata = format!("http://{server}/metadata");
    let variables = Variables::of([
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
        ("HOME", "/nonexistent"),
    ]);
    run(|environment| {
        let polled = Ec2Discoverer::new(&config, environment, variables);
        Box::new(Poller::new(polled, environment))
    })
}

fn metadata(path: &str, key: usize) -> Vec<u8> {
    match path {
        "/latest/api/token" => answer("200 OK", &[], "t0ken"),
        "/latest/meta-data/placement/region" => answer("200 OK", &[], "eu-west-9"),
        "/latest/meta-data/iam/security-credentials/" => answer("200 OK", &[], "role"),
        "/latest/meta-data/iam/security-credentials/role" => answer(
            "200 OK",
            &[],
            format!(
                r#"{{"Code":"Success","AccessKeyId":"KEY{key}","SecretAccessKey":"s","Token":"session",
                "Expiration":"2999-01-01T00:00:00Z"}}"#
            ),
        ),
        _ => answer("404 Not Found", &[], ""),
    }
}

#[tokio::test]
async fn region_and_keys_come_from_the_machine_and_anew_after_a_refusal() {
    let keys = Arc::new(AtomicUsize::new(0));
    let server = serve(move |asked| {
        let keys = keys.clone();
        async move {
            if let Some(path) = asked.path().strip_prefix("/metadata") {
                let is_key = path.ends_with("/role");
                let key = keys.fetch_add(usize::from(is_key), Ordering::SeqCst) + 1;
                return metadata(path, key);
            }
            assert_eq!(asked.header("x-amz-security-token"), "session");
            if asked.header("authorization").contains("Credential=KEY1/") {
                return refused("401 Unauthorized", "AuthFailure", "not today");
            }
            assert_signed(&asked, "KEY2", "eu-west-9");
            match asked.parameter("Action").as_deref() {
                Some("DescribeInstances") => xml(SECOND),
                _ => refused("403 Forbidden", "UnauthorizedOperation", "no zones for you"),
            }
        }
    })
    .await;
    let mut running = start_on_machine(&server);
    let group = running.group().await;
    assert_eq!(group.source, "eu-west-9");
    assert_eq!(addresses(&group), ["[fd00::9]:80"]);
    assert_eq!(
        group.targets[0].value("__meta_ec2_availability_zone_id"),
        None
    );
    assert_eq!(running.metric(FAILURES), 1.0);
}

#[tokio::test]
async fn a_service_without_time_is_asked_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked_so_far = count.clone();
    let server = serve(move |asked| {
        let instances = asked.body.contains("Action=DescribeInstances");
        let turn = asked_so_far.fetch_add(usize::from(instances), Ordering::SeqCst);
        async move {
            match (instances, turn) {
                (true, 0) => refused(
                    "503 Service Unavailable",
                    "RequestLimitExceeded",
                    "slow down",
                ),
                (true, 1) => answer("502 Bad Gateway", &[], "<html>"),
                (true, _) => xml(SECOND),
                _ => xml(ZONES),
            }
        }
    })
    .await;
    let mut running = start(&format!(
        "ec2_sd_configs: [{{endpoint: 'http://{server}', region: r, access_key: k, secret_key: s}}]"
    ));
    assert_eq!(running.group().await.targets.len(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 3);
    assert_eq!(running.metric(FAILURES), 0.0);
}

#[tokio::test]
async fn a_page_that_fails_keeps_all() {
    let server = serve(move |asked| async move {
        match asked.parameter("NextToken") {
            Some(_) => refused("400 Bad Request", "InvalidNextToken", "x"),
            None if asked.body.contains("Zones") => xml(ZONES),
            None => xml(FIRST),
        }
    })
    .await;
    let mut running = start(&format!(
        "ec2_sd_configs: [{{endpoint: 'http://{server}', region: r, access_key: k, secret_key: s,
            refresh_interval: 10ms}}]"
    ));
    running.counted(FAILURES, 2.0).await;
    assert!(running.reports.try_recv().is_err());
}
