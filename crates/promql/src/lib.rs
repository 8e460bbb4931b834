//! PromQL: prepares and evaluates expressions over a store.
//!
//! Text → syntax tree ([`promql_parser`]) → plan (durations and times worked out) → evaluation, in
//! which every node gives its series one by one with their values at all steps.

mod annotations;
mod column;
mod engine;
mod error;
mod exec;
mod functions;
mod kahan;
mod meter;
mod metrics;
mod plan;
mod stats;
mod value;

pub use engine::{Engine, EngineOptions, Query, QueryOptions, QueryResult};
pub use error::{Phase, PrepareError, QueryError};
pub use stats::QueryStats;
pub use value::{MatrixSeries, Value, VectorSample};
