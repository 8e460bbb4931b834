//! Results of queries.

use std::sync::Arc;

use model::{FloatHistogram, Labels, Timestamp};

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// When.
    pub timestamp: Timestamp,
    /// The number; 0 where `histogram` is set.
    pub value: f64,
    /// The histogram, if it is one.
    pub histogram: Option<Arc<FloatHistogram>>,
}

/// One series of a matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatrixSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its numbers, oldest first.
    pub floats: Vec<(Timestamp, f64)>,
    /// Its histograms, oldest first.
    pub histograms: Vec<(Timestamp, Arc<FloatHistogram>)>,
}

/// Value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar {
        /// When.
        timestamp: Timestamp,
        /// What.
        value: f64,
    },
    /// A text.
    String {
        /// When.
        timestamp: Timestamp,
        /// What.
        value: String,
    },
    /// An instant vector, in the order in which it was produced.
    Vector(Vec<VectorSample>),
    /// A range vector, or the result of a range query: then sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

impl Value {
    /// The name of the type, as the API has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "scalar",
            Self::String { .. } => "string",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
        }
    }
}
