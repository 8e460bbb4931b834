//! What an exposition says about a metric family: type, unit, help.

use std::fmt;
use std::str::FromStr;

use gocompat::quote::quote;

/// Metric types of the exposition formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum MetricType {
    /// No type was given.
    #[default]
    Unknown,
    /// Only grows, except at resets.
    Counter,
    /// Any value.
    Gauge,
    /// Buckets, count and sum (classic or native).
    Histogram,
    /// A histogram whose buckets may shrink.
    GaugeHistogram,
    /// Quantiles, count and sum.
    Summary,
    /// Always 1; its labels are the message.
    Info,
    /// One series per state, 0 or 1.
    StateSet,
}

impl MetricType {
    /// The name as the API and OpenMetrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// A name that no metric type has, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid metric type {}", quote(.0))]
pub struct UnknownMetricType(pub String);

impl FromStr for MetricType {
    type Err = UnknownMetricType;

    /// Reads a type's name; `untyped` is what the older text format calls unknown.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "unknown" | "untyped" => Self::Unknown,
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            _ => return Err(UnknownMetricType(name.to_owned())),
        })
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Metadata of one metric family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// Type of the family.
    pub metric_type: MetricType,
    /// Unit, without a leading underscore; often empty.
    pub unit: String,
    /// Description; often empty.
    pub help: String,
}
