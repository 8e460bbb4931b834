//! What a query cost.

use model::Timestamp;

/// Samples read by a query; the part of `stats=` that the engine knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryStats {
    /// Samples read from storage, each counted once per step that looked at it.
    pub total_samples: u64,
    /// Of these, those that the step before had not looked at: what was read.
    pub samples_read: u64,
    /// Most samples held at one time.
    pub peak_samples: u64,
    /// Samples read by step, where asked for.
    pub samples_per_step: Vec<(Timestamp, u64)>,
    /// The same for `samples_read`.
    pub samples_read_per_step: Vec<(Timestamp, u64)>,
    /// Time spent waiting for a turn, seconds.
    pub queue_seconds: f64,
    /// Time spent opening the store, seconds.
    pub prepare_seconds: f64,
    /// Time spent evaluating, seconds.
    pub eval_seconds: f64,
    /// Time spent sorting the result, seconds; it belongs to the evaluation.
    pub sort_seconds: f64,
}

impl QueryStats {
    /// The timings by the names that the reference gives them, seconds.
    pub fn timings(&self) -> [(&'static str, f64); 6] {
        let eval_total = self.prepare_seconds + self.eval_seconds;
        [
            ("evalTotalTime", eval_total),
            ("resultSortTime", self.sort_seconds),
            ("queryPreparationTime", self.prepare_seconds),
            ("innerEvalTime", self.eval_seconds - self.sort_seconds),
            ("execQueueTime", self.queue_seconds),
            ("execTotalTime", self.queue_seconds + eval_total),
        ]
    }
}
