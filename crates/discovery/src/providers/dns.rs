//! Targets from DNS records: `resolv_conf` says whom to ask for which names, `ask` asks.
//!
//! A name for which no server has an answer keeps its group; one that all servers say does not
//! exist loses it. All names are asked for at the same time.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::{Name, RData, Record, RecordType};
use model::Labels;
use model::label_name::ADDRESS;
use telemetry::Counter;
use tokio::task::JoinSet;

use super::Environment;
use super::meta::host_port;
use crate::config::DnsSdConfig;
use crate::error::Error;
use crate::refresh::Poll;
use crate::target_group::TargetGroup;

mod ask;
mod resolv_conf;

pub use ask::check_answer;

const META_NAME: &str = "__meta_dns_name";
const META_SRV_TARGET: &str = "__meta_dns_srv_record_target";
const META_SRV_PORT: &str = "__meta_dns_srv_record_port";
const META_MX_TARGET: &str = "__meta_dns_mx_record_target";
const META_NS_TARGET: &str = "__meta_dns_ns_record_target";

/// Names that are asked for at the same time.
const LOOKUPS_MAX: usize = 256;

/// Polls DNS servers for records.
#[derive(Debug)]
pub struct DnsDiscoverer {
    names: Vec<String>,
    lookup: Lookup,
    interval: Duration,
    lookups: Counter,
    failures: Counter,
}

/// What all names of a provider have in common.
#[derive(Debug, Clone)]
struct Lookup {
    record_type: RecordType,
    /// Port of targets whose records have none.
    port: i64,
    resolver: Arc<Resolver>,
}

/// Where to find the DNS servers.
#[derive(Debug)]
pub struct Resolver {
    /// The file that names servers and search domains, read for every lookup.
    pub resolv_conf: PathBuf,
    /// The servers' port.
    pub port: u16,
    /// How long to wait for a server.
    pub timeout: Duration,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            port: 53,
            timeout: Duration::from_secs(2),
        }
    }
}

impl DnsDiscoverer {
    /// A provider as configured, which asks the servers of `resolver`.
    pub fn new(config: &DnsSdConfig, environment: &Environment, resolver: Resolver) -> Self {
        let record_type = match config.record_type.to_ascii_uppercase().as_str() {
            "A" => RecordType::A,
            "AAAA" => RecordType::AAAA,
            "MX" => RecordType::MX,
            "NS" => RecordType::NS,
            _ => RecordType::SRV,
        };
        Self {
            names: config.names.clone(),
            lookup: Lookup {
                record_type,
                port: config.port,
                resolver: Arc::new(resolver),
            },
            interval: config.refresh_interval.as_std(),
            lookups: environment.metrics.dns_lookups.clone(),
            failures: environment.metrics.dns_failures.clone(),
        }
    }
}

impl Poll for DnsDiscoverer {
    const MECHANISM: &'static str = "dns";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn poll(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let mut groups = Vec::new();
        for names in self.names.chunks(LOOKUPS_MAX) {
            // Dropping the set ends its lookups.
            let mut running = JoinSet::new();
            for name in names {
                let (lookup, name) = (self.lookup.clone(), name.clone());
                running.spawn(async move { lookup.group(&name).await });
            }
            while let Some(ended) = running.join_next().await {
                self.lookups.inc();
                let found = ended.unwrap_or_else(|err| Err(Error::BadContent(err.to_string())));
                match found {
                    Ok(group) => groups.push(group),
                    Err(err) => {
                        self.failures.inc();
                        tracing::error!(
                            component = "discovery manager",
                            discovery = "dns",
                            err = %err,
                            "Error refreshing DNS targets"
                        );
                    }
                }
            }
        }
        Ok(groups)
    }
}

impl Lookup {
    async fn group(&self, name: &str) -> Result<TargetGroup, Error> {
        let records = ask::lookup(name, self.record_type, &self.resolver).await?;
        Ok(TargetGroup {
            targets: records
                .iter()
                .filter_map(|record| target(name, record, self.port))
                .collect(),
            labels: Labels::empty(),
            source: name.to_owned(),
        })
    }
}

/// The target that a record means; `None` for records of no use, such as aliases on the way to an
/// address.
fn target(name: &str, record: &Record, port: i64) -> Option<Labels> {
    let named = |label, host: &Name, port: String, srv_port: &str| {
        let host = presented(host);
        let address = host_port(host.trim_end_matches('.'), port);
        Some(Labels::from_pairs([
            (ADDRESS, address.as_str()),
            (META_NAME, name),
            (label, host.as_str()),
            (META_SRV_PORT, srv_port),
        ]))
    };
    let numbered = |address: IpAddr| {
        let address = host_port(&address.to_canonical().to_string(), port);
        Some(Labels::from_pairs([
            (ADDRESS, address.as_str()),
            (META_NAME, name),
        ]))
    };
    match &record.data {
        RData::SRV(srv) => {
            let srv_port = srv.port.to_string();
            named(META_SRV_TARGET, &srv.target, srv_port.clone(), &srv_port)
        }
        RData::MX(mx) => named(META_MX_TARGET, &mx.exchange, port.to_string(), ""),
        RData::NS(ns) => named(META_NS_TARGET, &ns.0, port.to_string(), ""),
        RData::A(a) => numbered(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => numbered(IpAddr::V6(aaaa.0)),
        RData::CNAME(_) => None,
        other => {
            tracing::warn!(
                component = "discovery manager",
                discovery = "dns",
                record = %other.record_type(),
                "Invalid record"
            );
            None
        }
    }
}

/// A name as zone files write it, with its final dot.
fn presented(name: &Name) -> String {
    let mut text = String::new();
    for label in name {
        for &byte in label {
            match byte {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                b'!'..=b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::{AAAA, CNAME, MX, SRV};

    fn labels(data: RData, port: i64) -> Option<Vec<(String, String)>> {
        let record = Record::from_rdata(Name::root(), 60, data);
        let labels = target("asked", &record, port)?;
        let pairs = labels.iter();
        Some(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(pairs.iter().map(owned).collect())
    }

    #[test]
    fn records_become_labels() {
        let host = Name::from_ascii("Web-1.example.org.").unwrap();
        assert_eq!(
            labels(RData::SRV(SRV::new(1, 2, 9100, host.clone())), 7),
            pairs(&[
                ("__address__", "Web-1.example.org:9100"),
                ("__meta_dns_name", "asked"),
                ("__meta_dns_srv_record_port", "9100"),
                ("__meta_dns_srv_record_target", "Web-1.example.org."),
            ])
        );
        assert_eq!(
            labels(RData::MX(MX::new(1, host.clone())), 7),
            pairs(&[
                ("__address__", "Web-1.example.org:7"),
                ("__meta_dns_mx_record_target", "Web-1.example.org."),
                ("__meta_dns_name", "asked"),
            ])
        );
        assert_eq!(
            labels(RData::AAAA(AAAA("2001:db8::1".parse().unwrap())), 7),
            pairs(&[
                ("__address__", "[2001:db8::1]:7"),
                ("__meta_dns_name", "asked"),
            ])
        );
        assert_eq!(labels(RData::CNAME(CNAME(host)), 7), None);
    }

    #[test]
    fn names_are_presented_with_escapes() {
        let name = Name::from_labels([&b"a.b"[..], b"c d", &[0x07, b'x', 0xff]]).unwrap();
        assert_eq!(presented(&name), "a\\.b.c\\ d.\\007x\\255.");
        assert_eq!(presented(&Name::root()), ".");
    }
}
