//! What an operator may choose about an agent's log.

use crate::wal::{self, Compression};

const MINUTE_MS: i64 = 60_000;

/// Choices for [`Agent::open`](super::Agent::open).
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// How log records are compressed.
    pub wal_compression: Compression,
    /// Bytes of a log segment, a multiple of 32 KiB.
    pub wal_segment_bytes: u64,
    /// Milliseconds from one truncation to the next; 0 for two hours.
    pub truncate_frequency_ms: i64,
    /// Milliseconds that a sample is kept after it was sent; 0 for five minutes.
    pub retention_min_ms: i64,
    /// Milliseconds after which a sample may be dropped though it was not sent; 0 for four hours.
    pub retention_max_ms: i64,
    /// Milliseconds that a sample may be older than its series' newest; 0 for none.
    pub out_of_order_window_ms: i64,
    /// Whether start timestamps are logged.
    pub store_start_timestamps: bool,
    /// Whether a sample with a start timestamp brings a zero at that time, where its series takes one.
    pub start_timestamps_as_zeros: bool,
    /// Opens the directory without locking it.
    pub no_lockfile: bool,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            wal_compression: Compression::Snappy,
            wal_segment_bytes: wal::SEGMENT_BYTES,
            truncate_frequency_ms: 0,
            retention_min_ms: 0,
            retention_max_ms: 0,
            out_of_order_window_ms: 0,
            store_start_timestamps: false,
            start_timestamps_as_zeros: false,
            no_lockfile: false,
        }
    }
}

impl AgentOptions {
    /// Fills in defaults, and makes the longest time no shorter than the others, as the reference.
    pub(super) fn settled(mut self) -> Self {
        let default = |value: &mut i64, otherwise: i64| {
            if *value <= 0 {
                *value = otherwise;
            }
        };
        default(&mut self.truncate_frequency_ms, 120 * MINUTE_MS);
        default(&mut self.retention_min_ms, 5 * MINUTE_MS);
        default(&mut self.retention_max_ms, 240 * MINUTE_MS);
        self.retention_max_ms = self
            .retention_max_ms
            .max(self.retention_min_ms)
            .max(self.truncate_frequency_ms);
        self.out_of_order_window_ms = self.out_of_order_window_ms.max(0);
        self
    }
}
