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
