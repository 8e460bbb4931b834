//! `no_proxy`: targets that are reached without a proxy.
//!
//! A list separated by commas of `*` (everything), addresses, networks (`10.0.0.0/8`), domains with
//! what is below them (`a.b`), or only what is below them (`.a.b`, `*.a.b`). All but networks may
//! have a port. Loopback addresses and `localhost` are always reached directly. These are the rules
//! of the reference's language (documentation of `golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;

/// A list, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bypass {
    everything: bool,
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    Network {
        address: IpAddr,
        bits: u32,
    },
    /// `.a.b`; `itself` if `a.b` is meant too.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<String>,
    },
}

impl Bypass {
    pub(super) fn parse(list: &str) -> Self {
        let entries: Vec<_> = list
            .split(',')
            .map(|entry| entry.trim().to_ascii_lowercase())
            .collect();
        Self {
            everything: entries.iter().any(|entry| entry == "*"),
            rules: entries
                .iter()
                .filter_map(|entry| Rule::parse(entry))
                .collect(),
        }
    }

    /// Whether the host (without brackets) is reached without a proxy.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim().to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_loopback = match address {
            Some(IpAddr::V6(six)) => six.to_canonical().is_loopback(),
            Some(four) => four.is_loopback(),
            None => host == "localhost",
        };
        let port = port.to_string();
        let matches = |rule: &Rule| rule.matches(&host, address, &port);
        self.everything || is_loopback || self.rules.iter().any(matches)
    }
}

impl Rule {
    /// `None` for an entry that says nothing.
    fn parse(entry: &str) -> Option<Self> {
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse())
            && bits <= if address.is_ipv4() { 32 } else { 128 }
        {
            return Some(Self::Network { address, bits });
        }
        let (host, port) = split_port(entry);
        let port = port.map(str::to_owned);
        if let Ok(address) = host.parse() {
            return Some(Self::Address { address, port });
        }
        let host = host
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let itself = !host.starts_with('.');
        Some(Self::Domain {
            suffix: if itself {
                format!(".{host}")
            } else {
                host.to_owned()
            },
            itself,
            port,
        })
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, to: &str) -> bool {
        match self {
            Self::Address { address: own, port } => {
                address.is_some_and(|address| address.to_canonical() == own.to_canonical())
                    && port.as_ref().is_none_or(|port| port == to)
            }
            Self::Network { address: own, bits } => {
                address.is_some_and(|address| in_network(address, *own, *bits))
            }
            Self::Domain {
                suffix,
                itself,
                port,
            } => {
                (host.ends_with(suffix) || (*itself && *host == suffix[1..]))
                    && port.as_ref().is_none_or(|port| port == to)
            }
        }
    }
}

/// `host:port` or `[address]:port`; an address with colons and without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => (entry, None),
        };
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |one: u128, other: u128, width: u32| {
        let shift = width - bits.min(width);
        one.checked_shr(shift) == other.checked_shr(shift)
    };
    match (address.to_canonical(), network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_say_what_goes_directly() {
        let check = |list: &str, host: &str, port: u16, direct: bool| {
            let bypass = Bypass::parse(list);
            assert_eq!(bypass.matches(host, port), direct, "{list:?} {host} {port}");
        };
        check("", "a.b", 80, false);
        check("", "localhost", 80, true);
        check("", "127.1.2.3", 80, true);
        check("", "::1", 80, true);
        check(" x , *", "a.b", 80, true);
        check("a.b", "A.b", 80, true);
        check("a.b", "c.a.b", 80, true);
        check("a.b", "ca.b", 80, false);
        check(".a.b", "a.b", 80, false);
        check("*.a.b", "c.a.b", 80, true);
        check("*.a.b", "a.b", 80, false);
        check("a.b:81", "a.b", 80, false);
        check("a.b:80", "a.b", 80, true);
        check("10.0.0.0/8", "10.9.8.7", 80, true);
        check("10.0.0.0/8", "11.9.8.7", 80, false);
        check("0.0.0.0/0", "11.9.8.7", 80, true);
        check("1.2.3.4:9", "1.2.3.4", 80, false);
        check("1.2.3.4", "1.2.3.4", 80, true);
        check("fd00::/8", "fd12::1", 80, true);
        check("::/0", "fd12::1", 80, true);
        check("[fd12::1]:80", "fd12::1", 80, true);
        check("fd12::1", "fd12::1", 80, true);
        check(",,:80,.", "a.b", 80, false);
    }

    proptest! {
        /// No list makes the reader panic, and a host that a list names goes directly whatever
        /// else stands in it.
        #[test]
        fn a_named_host_goes_directly(rest in "[\\PC,*:\\[\\]/.]{0,60}", host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}") {
            let list = format!("{rest},{host}");
            prop_assert!(Bypass::parse(&list).matches(&host, 80));
            let _ = Bypass::parse(&rest).matches(&host, 80);
        }
    }
}
