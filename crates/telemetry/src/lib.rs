//! Our own metrics and log output.
//!
//! Metrics: a component declares a struct of instruments and registers them through a [`Registry`]
//! that it is handed; nothing is global. [`text`] writes them, [`process`] adds what the kernel
//! knows of us. Logs: everybody writes `tracing` events (constant message, values in fields under
//! the reference's names); [`logging`] prints them in the reference's shape.

pub mod logging;
pub mod metrics;
pub mod process;
pub mod text;

pub use metrics::{
    Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily, Registry, Summary,
    SummaryFamily,
};
