//! What compactions count, under the reference's names.

use telemetry::{Histogram, Registry};

use crate::block::writer::NewChunk;

/// Sizes of chunks when they first come into a block.
#[derive(Debug, Clone)]
pub(crate) struct ChunkMetrics {
    size_bytes: Histogram,
    samples: Histogram,
    range_ms: Histogram,
}

impl ChunkMetrics {
    /// Registers the instruments.
    pub(crate) fn new(registry: &Registry) -> Self {
        let histogram = |name: &str, help: &str, first: f64, factor: f64, count: i32| {
            let bounds: Vec<f64> = (0..count).map(|at| first * factor.powi(at)).collect();
            let name = format!("prometheus_tsdb_compaction_chunk_{name}");
            registry.histogram(&name, help, &bounds)
        };
        Self {
            size_bytes: histogram(
                "size_bytes",
                "Final size of chunks on their first compaction",
                32.0,
                1.5,
                12,
            ),
            samples: histogram(
                "samples",
                "Final number of samples on their first compaction",
                4.0,
                1.5,
                12,
            ),
            range_ms: histogram(
                "range_seconds",
                "Final time range of chunks on their first compaction",
                100.0,
                4.0,
                10,
            ),
        }
    }

    /// Counts a chunk in.
    pub(super) fn observe(&self, chunk: &NewChunk<'_>) {
        self.size_bytes.observe(chunk.data.len() as f64);
        let samples = chunk::sample_count(chunk.encoding, chunk.data).unwrap_or_default();
        self.samples.observe(f64::from(samples));
        // Milliseconds, in spite of the name: dashboards are made for what the reference gives.
        self.range_ms
            .observe(chunk.maxt.saturating_sub(chunk.mint) as f64);
    }
}
