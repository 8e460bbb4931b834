//! The `process_*` metrics, read from `/proc/self` when asked for.
//!
//! Names, helps and meanings are those of the reference's client library; what the kernel does not
//! tell (no `/proc`, no permission) is left out.

use std::fs;

use crate::Registry;
use crate::metrics::Kind;

/// Clock ticks a second in `/proc/self/stat`; 100 on every Linux we run on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes in a page of `/proc/self/stat`'s resident set.
const PAGE_BYTES: f64 = 4096.0;

/// Registers the process collectors.
pub fn register(registry: &Registry) {
    let register = |name, help, kind, read: fn() -> Option<f64>| {
        registry.collector(name, help, kind, move |family| {
            if let Some(value) = read() {
                let labels = Vec::new();
                family.samples.push(crate::metrics::ExposedSample {
                    suffix: "",
                    labels,
                    value,
                });
            }
        });
    };
    let counter = Kind::Counter;
    let gauge = Kind::Gauge;
    register(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        counter,
        || stat().map(|stat| stat.cpu_seconds),
    );
    register(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        gauge,
        || limit("Max open files"),
    );
    register(
        "process_network_receive_bytes_total",
        "Number of bytes received by the process over the network.",
        counter,
        || network(0),
    );
    register(
        "process_network_transmit_bytes_total",
        "Number of bytes sent by the process over the network.",
        counter,
        || network(1),
    );
    register(
        "process_open_fds",
        "Number of open file descriptors.",
        gauge,
        || {
            fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count() as f64)
        },
    );
    register(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        gauge,
        || stat().map(|stat| stat.resident_bytes),
    );
    register(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        gauge,
        start_time_seconds,
    );
    register(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        gauge,
        || stat().map(|stat| stat.virtual_bytes),
    );
    register(
        "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.",
        gauge,
        || limit("Max address space"),
    );
}

struct Stat {
    cpu_seconds: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

/// Fields after the command name, which may hold blanks and parentheses (proc_pid_stat(5)).
fn stat() -> Option<Stat> {
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first of these is field 3 of the manual page.
    let field = |number: usize| {
        fields
            .get(number - 3)
            .and_then(|text| text.parse::<f64>().ok())
    };
    Some(Stat {
        cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * PAGE_BYTES,
    })
}

fn start_time_seconds() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + stat()?.start_ticks / TICKS_PER_SECOND)
}

/// The soft limit of this name; "unlimited" is the largest 64-bit number, as in the reference.
fn limit(name: &str) -> Option<f64> {
    parse_limit(&fs::read_to_string("/proc/self/limits").ok()?, name)
}

fn parse_limit(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX as f64),
        soft => soft.parse().ok(),
    }
}

/// Octets received (0) or sent (1) in our network name space, from the `IpExt` lines.
fn network(which: usize) -> Option<f64> {
    parse_network(&fs::read_to_string("/proc/self/net/netstat").ok()?, which)
}

fn parse_network(text: &str, which: usize) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.starts_with("IpExt:"));
    let names = lines.next()?;
    let values = lines.next()?;
    let wanted = ["InOctets", "OutOctets"].get(which).copied()?;
    let position = names
        .split_ascii_whitespace()
        .position(|name| name == wanted)?;
    values.split_ascii_whitespace().nth(position)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_stat_line_behind_an_odd_command_name() {
        let text = "7 (a) b ) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 8 0 4321 1000 25 1844";
        let stat = parse_stat(text).expect("well formed");
        assert_eq!(stat.cpu_seconds, 2.0);
        assert_eq!(stat.start_ticks, 4321.0);
        assert_eq!(stat.virtual_bytes, 1000.0);
        assert_eq!(stat.resident_bytes, 25.0 * PAGE_BYTES);
        assert!(parse_stat("7 (a").is_none());
        assert!(parse_stat("7 (a) S 1").is_none());
    }

    #[test]
    fn reads_limits_and_octets() {
        let limits = "Max open files            20000                524288               files\n\
                      Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(parse_limit(limits, "Max open files"), Some(20000.0));
        assert_eq!(
            parse_limit(limits, "Max address space"),
            Some(u64::MAX as f64)
        );
        assert_eq!(parse_limit(limits, "Max nothing"), None);
        let netstat = "TcpExt: A\nTcpExt: 1\nIpExt: X InOctets OutOctets\nIpExt: 1 22 33\n";
        assert_eq!(parse_network(netstat, 0), Some(22.0));
        assert_eq!(parse_network(netstat, 1), Some(33.0));
        assert_eq!(parse_network("IpExt: InOctets\n", 0), None);
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let registry = Registry::new();
        register(&registry);
        let names: Vec<String> = registry
            .gather()
            .into_iter()
            .map(|family| family.name)
            .collect();
        for name in [
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_max_fds",
        ] {
            assert!(
                names.iter().any(|found| found == name),
                "{name} in {names:?}"
            );
        }
    }
}
