//! The vocabulary of the field: labels, matchers, samples, histograms, time, metadata, relabelling.
//!
//! Nothing here does I/O, reads a clock or knows a wire format. Inner types are not serialisable;
//! the edges (`web`, `config`, `remote`, `exposition`) convert.

pub mod config_value;
pub mod duration;
pub mod escaping;
pub mod exemplar;
pub mod histogram;
pub mod label_name;
pub mod labels;
mod labels_text;
pub mod matcher;
pub mod metadata;
pub mod regex_matcher;
pub mod relabel;
pub mod sample;
pub mod staleness;
pub mod timestamp;

pub use escaping::EscapingScheme;
pub use exemplar::Exemplar;
pub use histogram::{CounterResetHint, FloatHistogram, Histogram, Span};
pub use labels::{Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher};
pub use metadata::{Metadata, MetricType};
pub use relabel::{RelabelAction, RelabelConfig};
pub use timestamp::Timestamp;
