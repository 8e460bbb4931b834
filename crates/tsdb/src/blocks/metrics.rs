//! What the blocks show of themselves, under the reference's names.

use telemetry::metrics::Kind;
use telemetry::{Counter, Gauge, Histogram, Registry};

use super::{Retention, Shared};
use crate::compact::CompactionMetrics;

/// Instruments of the blocks.
#[derive(Debug)]
pub(crate) struct BlocksMetrics {
    pub(super) reloads: Counter,
    pub(super) reload_failures: Counter,
    pub(super) time_retentions: Counter,
    pub(super) size_retentions: Counter,
    pub(super) tombstone_cleanup: Histogram,
    /// Rounds of compaction begun, of the head and of blocks.
    pub(crate) triggered: Counter,
    /// Rounds that failed.
    pub(crate) failed: Counter,
    /// What every written block counts.
    pub(crate) compaction: CompactionMetrics,
    retention_bytes: Gauge,
    retention_seconds: Gauge,
    retention_percentage: Gauge,
}

impl BlocksMetrics {
    pub(super) fn new(registry: &Registry, blocks: &Shared) -> Self {
        let name = |rest: &str| format!("prometheus_tsdb_{rest}");
        let counter = |rest: &str, help: &str| registry.counter(&name(rest), help);
        let gauge = |rest: &str, help: &str| registry.gauge(&name(rest), help);
        show_blocks(registry, blocks);
        // Compaction cannot be switched off; dashboards and alerts expect the name.
        counter(
            "compactions_skipped_total",
            "Total number of skipped compactions due to disabled auto compaction.",
        );
        Self {
            reloads: counter(
                "reloads_total",
                "Number of times the database reloaded block data from disk.",
            ),
            reload_failures: counter(
                "reloads_failures_total",
                "Number of times the database failed to reloadBlocks block data from disk.",
            ),
            time_retentions: counter(
                "time_retentions_total",
                "The number of times that blocks were deleted because the maximum time limit was exceeded.",
            ),
            size_retentions: counter(
                "size_retentions_total",
                "The number of times that blocks were deleted because the maximum number of bytes was exceeded.",
            ),
            tombstone_cleanup: registry.histogram(
                &name("tombstone_cleanup_seconds"),
                "The time taken to recompact blocks to remove tombstones.",
                &[],
            ),
            triggered: counter(
                "compactions_triggered_total",
                "Total number of triggered compactions for the partition.",
            ),
            failed: counter(
                "compactions_failed_total",
                "Total number of compactions that failed for the partition.",
            ),
            compaction: CompactionMetrics::new(registry),
            retention_bytes: gauge(
                "retention_limit_bytes",
                "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled",
            ),
            retention_seconds: gauge(
                "retention_limit_seconds",
                "How long to retain samples in storage.",
            ),
            retention_percentage: gauge(
                "retention_limit_percentage",
                "Max percentage of total storage space to be retained in the tsdb blocks, configured 0 means disabled",
            ),
        }
    }

    pub(super) fn show_retention(&self, retention: &Retention) {
        self.retention_bytes.set(retention.bytes as f64);
        self.retention_seconds
            .set(retention.time_ms as f64 / 1000.0);
        self.retention_percentage.set(retention.percentage);
    }
}

/// Registers what is asked of the open blocks.
fn show_blocks(registry: &Registry, blocks: &Shared) {
    let shared = blocks.clone();
    registry.function(
        "prometheus_tsdb_blocks_loaded",
        "Number of currently loaded data blocks",
        Kind::Gauge,
        move || shared.read().len() as f64,
    );
    let shared = blocks.clone();
    registry.function(
        "prometheus_tsdb_storage_blocks_bytes",
        "The number of bytes that are currently used for local storage by all blocks.",
        Kind::Gauge,
        move || {
            shared
                .read()
                .iter()
                .map(|block| block.file_bytes() as f64)
                .sum()
        },
    );
    let shared = blocks.clone();
    registry.function(
        "prometheus_tsdb_symbol_table_size_bytes",
        "Size of symbol table in memory for loaded blocks",
        Kind::Gauge,
        move || {
            let blocks = shared.read();
            let tables = blocks
                .iter()
                .map(|block| block.index().symbol_table_bytes());
            tables.sum::<u64>() as f64
        },
    );
    let shared = blocks.clone();
    registry.function(
        "ferula_tsdb_blocks_memory_bytes",
        "Bytes of memory that open blocks take beside the mapped files.",
        Kind::Gauge,
        move || {
            let blocks = shared.read();
            let bytes = blocks.iter().map(|block| block.heap_bytes());
            bytes.sum::<u64>() as f64
        },
    );
}
