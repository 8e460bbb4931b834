//! What the program itself counts: loads of the configuration.

use telemetry::{Gauge, Registry};

/// Instruments of configuration loads.
#[derive(Debug, Clone)]
pub(crate) struct ConfigMetrics {
    /// 1 if the latest load went well.
    pub(crate) last_reload_successful: Gauge,
    /// When the latest good one was, seconds since the epoch.
    pub(crate) last_reload_success_timestamp: Gauge,
}

impl ConfigMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            last_reload_successful: registry.gauge(
                "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            last_reload_success_timestamp: registry.gauge(
                "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
        }
    }
}
