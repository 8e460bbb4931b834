//! What the receiving side counts.

use std::sync::Arc;

use telemetry::metrics::Kind;
use telemetry::{Counter, Registry};

use super::known_series::KnownSeries;

/// Instruments of the receiver.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) invalid_labels: Counter,
    pub(super) without_metadata: Counter,
}

impl Metrics {
    pub(super) fn new(registry: &Registry, known: &Arc<KnownSeries>) -> Self {
        let (len, bytes) = (known.clone(), known.clone());
        registry.function(
            "ferula_remote_write_receiver_known_series",
            "Label sets of remote write requests whose series is remembered.",
            Kind::Gauge,
            move || len.usage().0 as f64,
        );
        registry.function(
            "ferula_remote_write_receiver_known_series_bytes",
            "Memory of the label sets whose series is remembered.",
            Kind::Gauge,
            move || bytes.usage().1 as f64,
        );
        Self {
            invalid_labels: registry.counter(
                "prometheus_api_remote_write_invalid_labels_samples_total",
                "The total number of received remote write samples and histogram samples which contained invalid labels.",
            ),
            without_metadata: registry.counter(
                "prometheus_api_remote_write_without_metadata_appended_samples_total",
                "The total number of received remote write samples (and histogram samples) which were ingested without corresponding metadata.",
            ),
        }
    }
}
