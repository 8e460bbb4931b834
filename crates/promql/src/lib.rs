//! PromQL: prepares and evaluates expressions over a store.
//!
//! Text → syntax tree ([`promql_parser`]) → plan (durations and times worked out) → evaluation, in
//! which every node gives its series one by one with their values at all steps.

mod active_queries;
mod annotations;
mod column;
mod engine;
mod error;
mod exec;
mod explain;
mod functions;
mod gate;
mod json_text;
mod kahan;
mod meter;
mod metrics;
mod plan;
mod query_log;
mod stats;
mod value;

pub use active_queries::{ActiveQueries, ActiveQueriesError, parse as parse_active_queries};
pub use engine::{Engine, EngineOptions, Query, QueryOptions, QueryResult, ResultMemory};
pub use error::{Phase, PrepareError, QueryError};
pub use explain::{Actual, Estimate, Explanation};
pub use query_log::{QueryLog, QueryOrigin};
pub use stats::QueryStats;
pub use value::{MatrixSeries, Value, VectorSample};
