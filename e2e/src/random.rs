//! A small random generator whose seed a failing test prints.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: good enough to vary moments and sizes.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Always the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// From `FERULA_TEST_SEED`, else from the clock; prints the seed either way.
    #[expect(clippy::print_stdout, reason = "a failing test must show its seed")]
    pub fn from_environment() -> Self {
        let seed = std::env::var("FERULA_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(1, |t| t.as_nanos() as u64)
            });
        println!("FERULA_TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// A number in `0..below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below.max(1)
    }
}
