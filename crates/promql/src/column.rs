//! Series-major columns: one series' values at all steps of an evaluation.

use std::sync::Arc;

use model::{FloatHistogram, Labels, Timestamp};

use crate::meter::Charge;

/// The steps of an evaluation: `start`, `start + step`, … `len` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: Timestamp,
    /// Milliseconds, at least 1.
    pub(crate) step: i64,
    pub(crate) len: usize,
}

impl Grid {
    pub(crate) fn instant(time: Timestamp) -> Self {
        Self {
            start: time,
            step: 1,
            len: 1,
        }
    }

    pub(crate) fn range(start: Timestamp, end: Timestamp, step: i64) -> Self {
        let step = step.max(1);
        let len = if end < start {
            0
        } else {
            ((end - start) / step) as usize + 1
        };
        Self { start, step, len }
    }

    pub(crate) fn time(&self, step: usize) -> Timestamp {
        self.start + step as i64 * self.step
    }

    pub(crate) fn is_instant(&self) -> bool {
        self.len == 1
    }
}

/// A value at one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Point {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl Point {
    /// How many samples it counts as where samples are limited.
    pub(crate) fn sample_count(&self) -> u64 {
        match self {
            Self::Float(_) => 1,
            Self::Histogram(histogram) => histogram.sample_count() as u64,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Kind {
    #[default]
    Absent,
    Float,
    Histogram,
}

/// Values of one series by step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    values: Vec<f64>,
    kinds: Vec<Kind>,
    /// As long as `kinds`, or empty while there is no histogram.
    histograms: Vec<Option<Arc<FloatHistogram>>>,
    charge: Charge,
}

/// Bytes of a column without histograms, its share of the labels included.
fn column_bytes(len: usize) -> usize {
    len * (size_of::<f64>() + size_of::<Kind>()) + 256
}

impl Column {
    pub(crate) fn absent(len: usize) -> Self {
        Self {
            values: vec![0.0; len],
            kinds: vec![Kind::Absent; len],
            histograms: Vec::new(),
            charge: Charge::new(column_bytes(len)),
        }
    }

    pub(crate) fn from_floats(values: Vec<f64>) -> Self {
        let kinds = vec![Kind::Float; values.len()];
        Self {
            charge: Charge::new(column_bytes(values.len())),
            values,
            kinds,
            histograms: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Numbers by step; they mean something where there is a float.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(crate) fn kind(&self, step: usize) -> Kind {
        self.kinds.get(step).copied().unwrap_or_default()
    }

    pub(crate) fn is_present(&self, step: usize) -> bool {
        self.kind(step) != Kind::Absent
    }

    pub(crate) fn float(&self, step: usize) -> Option<f64> {
        match self.kind(step) {
            Kind::Float => self.values.get(step).copied(),
            Kind::Absent | Kind::Histogram => None,
        }
    }

    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        match self.kind(step) {
            Kind::Histogram => self.histograms.get(step)?.as_ref(),
            Kind::Absent | Kind::Float => None,
        }
    }

    pub(crate) fn point(&self, step: usize) -> Option<Point> {
        match self.kind(step) {
            Kind::Absent => None,
            Kind::Float => self.float(step).map(Point::Float),
            Kind::Histogram => self.histogram(step).cloned().map(Point::Histogram),
        }
    }

    pub(crate) fn set_float(&mut self, step: usize, value: f64) {
        if let (Some(kind), Some(slot)) = (self.kinds.get_mut(step), self.values.get_mut(step)) {
            *kind = Kind::Float;
            *slot = value;
        }
    }

    pub(crate) fn set_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        let mut bytes = histogram.size_bytes();
        if self.histograms.len() != self.kinds.len() {
            self.histograms.resize(self.kinds.len(), None);
            bytes += self.kinds.len() * size_of::<Option<Arc<FloatHistogram>>>();
        }
        self.charge.grow(bytes);
        if let (Some(kind), Some(slot)) = (self.kinds.get_mut(step), self.histograms.get_mut(step))
        {
            *kind = Kind::Histogram;
            *slot = Some(histogram);
        }
    }

    pub(crate) fn set(&mut self, step: usize, point: Point) {
        match point {
            Point::Float(value) => self.set_float(step, value),
            Point::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    pub(crate) fn remove(&mut self, step: usize) {
        if let Some(kind) = self.kinds.get_mut(step) {
            *kind = Kind::Absent;
        }
    }

    /// Samples in the column.
    pub(crate) fn count(&self) -> usize {
        // A sum, not a filter: the loop runs over many at a time.
        let present = |kind: &Kind| usize::from(*kind != Kind::Absent);
        self.kinds.iter().map(present).sum()
    }

    /// Samples in the column as they count where samples are limited.
    pub(crate) fn sample_count(&self) -> u64 {
        if self.histograms.is_empty() {
            return self.count() as u64;
        }
        let histograms = (0..self.histograms.len()).filter_map(|step| self.histogram(step));
        let floats = self.kinds.iter().filter(|kind| **kind == Kind::Float);
        floats.count() as u64 + histograms.map(|h| h.sample_count() as u64).sum::<u64>()
    }

    pub(crate) fn has_floats(&self) -> bool {
        self.kinds.contains(&Kind::Float)
    }

    pub(crate) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty() && self.kinds.contains(&Kind::Histogram)
    }

    /// The value of the only step, at `len` steps.
    pub(crate) fn repeated(&self, len: usize) -> Self {
        let mut column = Self::absent(len);
        if let Some(point) = self.point(0) {
            for step in 0..len {
                column.set(step, point.clone());
            }
        }
        column
    }
}

/// A series of an instant vector at all steps.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// The metric name goes when the query ends (delayed name removal).
    pub(crate) drop_name: bool,
    pub(crate) column: Column,
}

impl Series {
    /// The series of a vector without labels.
    pub(crate) fn unlabelled(column: Column) -> Self {
        Self {
            labels: Labels::empty(),
            drop_name: false,
            column,
        }
    }
}
