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

/// Bytes of a float of a matrix.
pub(crate) const POINT_BYTES: usize = size_of::<(Timestamp, f64)>();

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
    /// About how many bytes it takes.
    pub fn size_bytes(&self) -> usize {
        let labels = |labels: &Labels| labels.as_bytes().len() + 64;
        match self {
            Self::Scalar { .. } => 0,
            Self::String { value, .. } => value.len(),
            Self::Vector(samples) => samples
                .iter()
                .map(|sample| {
                    let histogram = sample.histogram.as_ref().map_or(0, |h| h.size_bytes());
                    labels(&sample.labels) + size_of::<VectorSample>() + histogram
                })
                .sum(),
            Self::Matrix(all) => all
                .iter()
                .map(|series| {
                    let histograms = series.histograms.iter().map(|(_, h)| h.size_bytes() + 16);
                    labels(&series.labels)
                        + series.floats.len() * POINT_BYTES
                        + histograms.sum::<usize>()
                })
                .sum(),
        }
    }

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
