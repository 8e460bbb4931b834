//! What the machine and the container allow: files, processors, memory.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use memory::allocator;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telemetry::Registry;
use telemetry::metrics::Kind;

/// Raises the soft limit of open files to the hard one; returns both as they are then.
pub fn raise_open_files() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(err) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(err = %err, "Could not raise the limit of open files");
        }
    }
    let limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum)
}

/// Has the system give memory in small pages only. The allocator asks for huge ones, and much of
/// each stays unused between small objects of many sizes: a fifth of the memory at 250,000 series,
/// for no time saved.
pub fn avoid_huge_pages() {
    if let Err(err) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(err = %err, "Could not switch off huge pages");
    }
}

/// Says how much of the memory is allocated and what is resident on top of that.
pub fn register_heap(registry: &Registry) {
    registry.function(
        "ferula_heap_allocated_bytes",
        "Bytes that are allocated, whatever for; metrics of single parts are parts of it.",
        Kind::Gauge,
        || allocator::allocated_bytes() as f64,
    );
    registry.function(
        "ferula_heap_overhead_memory_bytes",
        "Resident bytes without a file behind them beyond what is allocated: rounded sizes, free places between allocations, stacks.",
        Kind::Gauge,
        || {
            resident_bytes().saturating_sub(allocator::allocated_bytes() as u64) as f64
        },
    );
}

/// Bytes of this process's resident memory that no file backs; 0 if the system does not tell.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    resident_anonymous(&status).unwrap_or(0)
}

/// [`resident_bytes`], or what the program has allocated while that is far from half of `limit`: it
/// needs no file of the system's.
pub fn used_bytes(limit: u64) -> u64 {
    let allocated = allocator::allocated_bytes() as u64;
    if allocated < limit / 8 {
        allocated
    } else {
        resident_bytes()
    }
}

/// Bytes of resident memory that no file backs, as the kernel's status of a process has them.
fn resident_anonymous(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes = line.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    kibibytes.checked_mul(1024)
}

/// Threads worth running at a time: processors we may run on and, with `fit_quota`, the
/// container's CPU quota, rounded up.
pub fn worker_threads(fit_quota: bool) -> usize {
    let affinity = rustix::thread::sched_getaffinity(None)
        .map_or(1, |set| set.count() as usize)
        .max(1);
    if fit_quota {
        std::thread::available_parallelism()
            .map_or(affinity, NonZero::get)
            .min(affinity)
    } else {
        affinity
    }
}

/// Threads for what waits for the network, of `worker_threads`. What takes time is done elsewhere, and
/// each thread more is woken for work that another one has found already (decision 018).
pub fn network_threads(worker_threads: usize) -> usize {
    worker_threads.div_ceil(4)
}

/// Bytes the process may use: the smallest limit of its control groups, or the machine's memory.
pub fn memory_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| meminfo_total(&text));
    let group = group_limit(Path::new("/sys/fs/cgroup"), &groups);
    match (group, machine) {
        (Some(group), Some(machine)) => Some(group.min(machine)),
        (group, machine) => group.or(machine),
    }
}

fn meminfo_total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The smallest memory limit on the way from our group up to the root; version 2 and version 1.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let mut smallest: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (base, file) = if controllers.is_empty() {
            (root.to_owned(), "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = fs::read_to_string(base.join(group).join(file)).ok();
            // Version 2 says "max" for no limit, version 1 a number near 2^63.
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            if let Some(limit) = limit.filter(|limit| *limit < 1 << 60) {
                smallest = Some(smallest.map_or(limit, |known| known.min(limit)));
            }
        }
    }
    smallest
}

/// Threads this process has now.
pub fn thread_count() -> i64 {
    fs::read_dir("/proc/self/task").map_or(0, |entries| entries.count() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_group_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().expect("temporary directory");
        let group = root.path().join("a/b");
        fs::create_dir_all(&group).expect("made");
        fs::write(group.join("memory.max"), "max\n").expect("written");
        fs::write(root.path().join("a/memory.max"), "1048576\n").expect("written");
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), Some(1 << 20));
        assert_eq!(group_limit(root.path(), "0::/\n"), None);
        assert_eq!(group_limit(root.path(), "garbage\n3:cpu:/a\n"), None);
    }

    #[test]
    fn version_one_groups_count_too() {
        let root = tempfile::tempdir().expect("temporary directory");
        let group = root.path().join("memory/x");
        fs::create_dir_all(&group).expect("made");
        fs::write(group.join("memory.limit_in_bytes"), "4096\n").expect("written");
        let unlimited = "9223372036854771712\n";
        fs::write(root.path().join("memory/memory.limit_in_bytes"), unlimited).expect("written");
        assert_eq!(
            group_limit(root.path(), "5:memory,hugetlb:/x\n"),
            Some(4096)
        );
    }

    #[test]
    fn the_kernel_tells_what_is_resident() {
        let status = "VmRSS:\t   300 kB\nRssAnon:\t     200 kB\nRssFile:\t 100 kB\n";
        assert_eq!(resident_anonymous(status), Some(200 << 10));
        assert_eq!(resident_anonymous("VmRSS: 1 kB\n"), None);
        let own = fs::read_to_string("/proc/self/status").expect("a status");
        assert!(resident_anonymous(&own).is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn the_machine_tells_its_memory() {
        assert_eq!(
            meminfo_total("MemTotal:       2 kB\nMemFree: 1 kB\n"),
            Some(2048)
        );
        assert_eq!(meminfo_total("nothing"), None);
        assert!(memory_bytes().is_some_and(|bytes| bytes > 0));
        assert!(worker_threads(true) >= 1);
    }
}
