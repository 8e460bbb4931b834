//! What writing blocks counts, under the reference's names.

use telemetry::{Counter, Gauge, Histogram, Registry};

use crate::block::writer::NewChunk;

/// Instruments of everything that writes blocks; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct CompactionMetrics {
    /// Blocks written or tried to.
    pub(super) runs: Counter,
    pub(super) duration_seconds: Histogram,
    /// 1 while a block is written.
    pub(super) populating: Gauge,
    /// Compactions of blocks that share times.
    pub(crate) vertical: Counter,
    chunk_bytes: Histogram,
    chunk_samples: Histogram,
    chunk_range_ms: Histogram,
}

impl CompactionMetrics {
    /// Registers the instruments.
    pub(crate) fn new(registry: &Registry) -> Self {
        let histogram = |name: &str, help: &str, first: f64, factor: f64, count: i32| {
            let bounds: Vec<f64> = (0..count).map(|at| first * factor.powi(at)).collect();
            let name = format!("prometheus_tsdb_compaction_{name}");
            registry.histogram(&name, help, &bounds)
        };
        Self {
            runs: registry.counter(
                "prometheus_tsdb_compactions_total",
                "Total number of compactions that were executed for the partition.",
            ),
            duration_seconds: histogram(
                "duration_seconds",
                "Duration of compaction runs",
                1.0,
                2.0,
                14,
            ),
            populating: registry.gauge(
                "prometheus_tsdb_compaction_populating_block",
                "Set to 1 when a block is currently being written to the disk.",
            ),
            vertical: registry.counter(
                "prometheus_tsdb_vertical_compactions_total",
                "Total number of compactions done on overlapping blocks.",
            ),
            chunk_bytes: histogram(
                "chunk_size_bytes",
                "Final size of chunks on their first compaction",
                32.0,
                1.5,
                12,
            ),
            chunk_samples: histogram(
                "chunk_samples",
                "Final number of samples on their first compaction",
                4.0,
                1.5,
                12,
            ),
            chunk_range_ms: histogram(
                "chunk_range_seconds",
                "Final time range of chunks on their first compaction",
                100.0,
                4.0,
                10,
            ),
        }
    }

    /// Counts a chunk of the first level in.
    pub(super) fn observe(&self, chunk: &NewChunk<'_>) {
        self.chunk_bytes.observe(chunk.data.len() as f64);
        let samples = chunk::sample_count(chunk.encoding, chunk.data).unwrap_or_default();
        self.chunk_samples.observe(f64::from(samples));
        // Milliseconds, in spite of the name: dashboards are made for what the reference gives.
        self.chunk_range_ms
            .observe(chunk.maxt.saturating_sub(chunk.mint) as f64);
    }
}
