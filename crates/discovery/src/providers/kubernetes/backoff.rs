//! How long to wait before the next try.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(30);

/// Waits that double from a tenth of a second to half a minute, each off by up to a half at random, so
/// that the clients of an API server that comes back do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { tries: 0 }
    }

    /// Begins anew with short waits.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Tries since the last that went well.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.tries.min(16)).min(LAST);
        self.tries = self.tries.saturating_add(1);
        wait.mul_f64(0.5 + random())
    }
}

/// A number from 0 up to 1, other ones in each process.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let mut backoff = Backoff::new();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST * 2);
        assert!(waits.iter().all(|wait| *wait <= LAST.mul_f64(1.5)));
        assert!(waits[39] >= LAST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST * 2);
    }
}
