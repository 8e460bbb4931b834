//! Exemplars: single observations, with labels of their own, that stand for a sample.

use crate::{Labels, Timestamp};

/// Most characters (not bytes) that the names and values of an exemplar's labels may have in all.
pub const EXEMPLAR_LABELS_CHARS_MAX: usize = 128;

/// One exemplar of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Usually a trace id.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// When it was observed; `None` if the exposition gave no time (the scrape's time is used).
    pub timestamp: Option<Timestamp>,
}

impl Exemplar {
    /// Whether it is `newest` once more, that is to be kept once only: an exposition shows the same
    /// exemplar until there is a newer one. Each comes with the time it is kept with; where neither
    /// came with a time of its own, times do not matter.
    pub fn repeats(&self, time: Timestamp, newest: &Self, newest_time: Timestamp) -> bool {
        let timed = self.timestamp.is_some() || newest.timestamp.is_some();
        self.value.to_bits() == newest.value.to_bits()
            && self.labels == newest.labels
            && (!timed || time == newest_time)
    }
}
