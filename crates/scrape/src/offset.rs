//! When in its interval a target is scraped: spread by hash, the same after a restart.

use std::time::Duration;

use model::Labels;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, 64 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// What makes servers with equal targets scrape at different moments: their name and their
/// external labels.
pub fn seed(host_name: &str, external_labels: &Labels) -> u64 {
    fnv1a(format!("{host_name}{}", crate::target::labels_text(external_labels)).as_bytes())
}

/// Time from `now_ns` (nanoseconds since 1970) to the next scrape of the target with this hash.
pub(crate) fn until_next(now_ns: u64, interval: Duration, hash: u64, seed: u64) -> Duration {
    let interval_ns = (interval.as_nanos() as u64).max(1);
    let base = interval_ns - now_ns % interval_ns;
    let next = base + (hash ^ seed) % interval_ns;
    Duration::from_nanos(if next > interval_ns {
        next - interval_ns
    } else {
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_does_not_depend_on_when_it_is_asked() {
        let interval = Duration::from_secs(15);
        let moment = |now_ns: u64| {
            let next = until_next(now_ns, interval, 0xdead_beef, 7);
            assert!(next <= interval);
            (now_ns + next.as_nanos() as u64) % 15_000_000_000
        };
        assert_eq!(
            moment(1_700_000_000_123_456_789),
            moment(1_700_000_009_000_000_001)
        );
    }
}
