//! What users of the reference see of the language it is written in: number text, truth values, bits of the
//! mathematical functions, the dialect of regular expressions, quoting, durations, ordering, JSON, URLs.
//!
//! Nothing here knows a metric. Facts come from the language's public documentation and from
//! asking the reference; each module names its own source.

pub mod boolean;
pub mod duration;
pub mod float;
pub mod json;
pub mod math;
pub mod natural_sort;
pub mod quote;
pub mod regex;
pub mod sort;
pub mod text;
pub mod url;
